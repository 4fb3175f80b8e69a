"""A distorted set in shards, for more images than fit into memory: made and read bit by bit."""

import functools
import hashlib
import io
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cli.errors import UserError, one_line
from cli.files import atomic_folder, write_json
from data_prep.distortions.imgaug_recipes import RECIPES
from data_prep.distortions.imgaug_runner import CHUNK, distorted_chunks
from data_prep.parallel import default_workers, progress_bar
from data_prep.sets.distorted import SETS, Split, expected_parameters
from data_prep.sources import load_source

MANIFEST, LABELS, TEST = "manifest.json", "labels.npy", "test.npz"
_OPEN_SHARDS = 256


class ShardedImages:
    """Images in .npy files that look like one uint8 array (N, H, W, C); the files are mapped, not
    read, so what is in memory are pages that the system may drop.

    Args:
        paths: of the shards.
        counts: images of each.
        image_shape: (H, W, C).
    """

    dtype = np.dtype("uint8")

    def __init__(self, paths, counts, image_shape):
        self.paths = list(paths)
        self.starts = np.cumsum([0, *counts])
        self.shape = (int(self.starts[-1]), *image_shape)
        self._shard = functools.lru_cache(_OPEN_SHARDS)(self._open)

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, indices):
        """The images at those indices, a slice or an array of them."""
        indices = as_indices(indices, len(self))
        shard = np.searchsorted(self.starts, indices, side="right") - 1
        images = np.empty((len(indices), *self.shape[1:]), "uint8")
        for index in np.unique(shard):
            mine = shard == index
            images[mine] = self._shard(index)[indices[mine] - self.starts[index]]
        return images

    def _open(self, index):
        return np.load(self.paths[index], mmap_mode="r")


@dataclass(frozen=True)
class WithCopies:
    """Some originals and all their copies, out of images that are originals, then copy after copy.

    Attributes:
        images: ((1 + copies) * originals, H, W, C), or what can be indexed like it.
        originals: how many originals there are.
        first: index of the first one that is taken.
        count: how many are taken.

    Example:
        >>> WithCopies(np.arange(8), originals=4, first=2, count=2)[:].tolist()
        [2, 3, 6, 7]
    """

    images: np.ndarray
    originals: int
    first: int
    count: int

    @property
    def dtype(self):
        """The images'."""
        return self.images.dtype

    @property
    def shape(self):
        """((1 + copies) * count, H, W, C)."""
        copies = len(self.images) // self.originals
        return (copies * self.count, *self.images.shape[1:])

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, indices):
        """The images at those indices, a slice or an array of them."""
        copy, original = np.divmod(as_indices(indices, len(self)), self.count)
        return self.images[copy * self.originals + self.first + original]


def as_indices(indices, count):
    """A slice of `count` things, or an array of their indices -> array of their indices."""
    if isinstance(indices, slice):
        return np.arange(*indices.indices(count))
    return np.asarray(indices)


@dataclass(frozen=True)
class ShardedSet:
    """What a folder of shards holds.

    Attributes:
        images: `ShardedImages`, the training originals, then copy after copy of all of them.
        labels: (N,) int64 of the originals, mapped.
        test: `data_prep.sets.distorted.Split`.
        parameters: what the set was made from.
    """

    images: ShardedImages
    labels: np.ndarray
    test: Split
    parameters: dict

    @property
    def distortions(self):
        """Names of the distortion families, in the order `Split.distortion` counts them."""
        return list(self.parameters["recipe"])


class _ShardWriter:
    """Writes images, in order, into a given number of shards of equal length."""

    def __init__(self, folder, count, image_shape, shards):
        self.folder, self.image_shape = folder, image_shape
        borders = np.linspace(0, count, shards + 1).astype(int)
        self.lengths = np.diff(borders).tolist()
        self.entries, self.file = [], None

    def append(self, images):
        while len(images):
            if self.file is None:
                self._begin()
            taken, images = images[: self.missing], images[self.missing :]
            self._write(np.ascontiguousarray(taken).tobytes())
            self.missing -= len(taken)
            if not self.missing:
                self.file.close()
                self.file, self.entries[-1]["sha256"] = None, self.digest.hexdigest()

    def _begin(self):
        index = len(self.entries)
        self.missing, self.digest = self.lengths[index], hashlib.sha256()
        self.entries.append({"file": f"train-{index:05}.npy", "images": self.missing})
        self.file = (self.folder / self.entries[-1]["file"]).open("wb")
        header = io.BytesIO()
        shape = (self.missing, *self.image_shape)
        header_fields = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(header, header_fields)
        self._write(header.getvalue())

    def _write(self, content):
        self.file.write(content)
        self.digest.update(content)


def make_shards(name, seed, folder, shards, data_dir=None, workers=1, copies=1, progress=True):
    """Make the set of that name in a new folder: shards, labels, test images, manifest.

    The images are those of `make_distorted_set`, in the same order whatever the number of shards;
    only some thousands of them are in memory at once.

    Args:
        name: a key of `SETS`.
        seed: integer.
        folder: path; there is nothing yet.
        shards: number of files with training images.
        data_dir: see `data_prep.sources.load_source`.
        workers: processes that distort.
        copies: how often each training image is distorted.
        progress: show a progress bar.

    Returns:
        (distorted training images, test images): how many.

    Raises:
        UserError: the source cannot be found or read, or has fewer images than shards.
    """
    source_name, recipe = SETS[name]
    source = load_source(source_name, data_dir)
    training = (1 + copies) * len(source.train_images)
    if shards > training:
        raise UserError(f"expected --shards of at most {training}, got {shards}")
    to_distort = _to_distort(source.train_images, copies, source.test_images)
    chunks = distorted_chunks(to_distort, RECIPES[recipe], seed, workers)
    with atomic_folder(folder) as partial:
        writer = _ShardWriter(partial, training, source.train_images.shape[1:], shards)
        writer.append(source.train_images)
        count = training - len(source.train_images)
        description = f"distorting {source_name}" if progress else None
        with progress_bar(count + len(source.test_images), description) as bar:
            test = _write_distorted(writer, chunks, count, source, bar)
        np.save(partial / LABELS, source.train_labels)
        np.savez(partial / TEST, **vars(test))
        others = [{"file": file, "sha256": _sha256(partial / file)} for file in (LABELS, TEST)]
        made_from = {
            **expected_parameters(name, seed, copies),
            "source_sha256": source.fingerprint(),
        }
        content = {"parameters": made_from, "image_shape": writer.image_shape}
        write_json(partial / MANIFEST, {**content, "shards": writer.entries, "others": others})
    return count, len(source.test_images)


def _to_distort(originals, copies, test):
    """Chunks of all copies of the originals, then of the test images."""
    count = copies * len(originals)
    for start in range(0, count + len(test), CHUNK):
        indices = np.arange(start, min(start + CHUNK, count + len(test)))
        training = indices[indices < count] % len(originals)
        yield np.concatenate([originals[training], test[indices[indices >= count] - count]])


def _write_distorted(writer, chunks, missing, source, bar):
    """Write as many as are missing; what comes after them is the test `Split`."""
    distorted, distortion = [], []
    for images, family in chunks:
        writer.append(images[:missing])
        if missing < len(images):
            distorted.append(images[missing:].copy())  # a view would keep the chunk
            distortion.append(family[missing:])
        missing -= min(missing, len(images))
        bar.update(len(images))
    parts = np.concatenate(distorted), np.concatenate(distortion)
    return Split(source.test_images, source.test_labels, *parts)


def has_shards(folder):
    """Whether a folder is one that `make_shards` made."""
    return folder is not None and Path(folder, MANIFEST).is_file()


def load_shards(folder):
    """Open a folder that `make_shards` made; every file is read once, to check it.

    Returns:
        A `ShardedSet`.

    Raises:
        UserError: a file is missing or not what was written.
    """
    folder, manifest = Path(folder), read_manifest(folder)
    shards = manifest["shards"]
    with ThreadPoolExecutor(default_workers()) as pool:
        for _ in pool.map(functools.partial(_check, folder), [*shards, *manifest["others"]]):
            pass
    paths = [folder / shard["file"] for shard in shards]
    counts = [shard["images"] for shard in shards]
    with np.load(folder / TEST) as arrays:
        test = Split(**arrays)
    images = ShardedImages(paths, counts, manifest["image_shape"])
    labels = np.load(folder / LABELS, mmap_mode="r")
    return ShardedSet(images, labels, test, manifest["parameters"])


def read_manifest(folder):
    """What manifest.json says.

    Raises:
        UserError: it is damaged.
    """
    path = Path(folder, MANIFEST)
    try:
        manifest = json.loads(path.read_text())
        for entry in (*manifest["shards"], *manifest["others"]):
            Path(entry["file"]), entry["sha256"]
        manifest["parameters"]["set"], manifest["image_shape"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(f"expected the manifest of shards at {path} ({one_line(error)})") from None
    return manifest


def _check(folder, entry):
    path = folder / entry["file"]
    if not path.is_file():
        raise UserError(f"expected a shard at {path}, found none")
    if _sha256(path) != entry["sha256"]:
        raise UserError(
            f"expected the shard that {MANIFEST} describes at {path}, got a damaged one"
        )


def _sha256(path):
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
