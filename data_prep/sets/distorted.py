"""A distorted data set: made from a source and a recipe, kept in one .npz."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cli.errors import UserError, one_line
from cli.files import atomic_path
from data_prep.distortions.imgaug_recipes import RECIPES
from data_prep.distortions.imgaug_runner import distort
from data_prep.sources import load_source
from data_prep.sources.archives import MOST_BYTES, read_arrays

# name of the set -> (source, recipe)
SETS = {
    "distorted-mnist": ("mnist", "post"),
    "distorted-mnist-strong": ("mnist", "strong"),
    "distorted-digits": ("digits", "post"),
}
SHAPE = (28, 28, 1)
_ARRAYS = ("originals", "labels", "distorted", "distortion")
_PARTS = ("train", "test")
_MOST_PARAMETERS = 2**20


@dataclass(frozen=True)
class Split:
    """Original images and their distorted copies.

    Attributes:
        originals: (N, H, W, C) uint8.
        labels: (N,) int64, of the originals.
        distorted: (copies * N, H, W, C) uint8; image i was made from original i modulo N.
        distortion: (copies * N,) uint8, position in `DistortedSet.distortions` of what each got.
    """

    originals: np.ndarray
    labels: np.ndarray
    distorted: np.ndarray
    distortion: np.ndarray

    @property
    def distorted_labels(self):
        """Labels of the distorted images, (copies * N,)."""
        return np.tile(self.labels, len(self.distorted) // len(self.originals))


@dataclass(frozen=True)
class DistortedSet:
    """Training and test split with the parameters they were made from."""

    train: Split
    test: Split
    parameters: dict

    @property
    def distortions(self):
        """Names of the distortion families, in the order `Split.distortion` counts them."""
        return list(self.parameters["recipe"])


def expected_parameters(name, seed, copies):
    """What a set is made from, as plain data, but for the fingerprint of its source."""
    source, recipe = SETS[name]
    parameters = {
        "set": name,
        "source": source,
        "seed": seed,
        "copies": copies,
        "recipe": RECIPES[recipe],
    }
    return json.loads(json.dumps(parameters))


def make_distorted_set(name, seed, data_dir=None, workers=1, copies=1, progress=True):
    """Make the set of that name; see `SETS`.

    Args:
        name: a key of `SETS`.
        seed: integer; the same seed gives the same bytes, whatever the number of workers.
        data_dir: see `data_prep.sources.load_source`.
        workers: processes that distort.
        copies: how often each training image is distorted; test images are distorted once.
        progress: show a progress bar.

    Returns:
        A `DistortedSet`.

    Raises:
        UserError: the source cannot be found or read.
    """
    source = load_source(SETS[name][0], data_dir)
    distorted, distortion = _distort(source, name, seed, workers, copies, progress)
    train = slice(copies * len(source.train_images))
    test = slice(train.stop, None)
    return DistortedSet(
        Split(source.train_images, source.train_labels, distorted[train], distortion[train]),
        Split(source.test_images, source.test_labels, distorted[test], distortion[test]),
        {**expected_parameters(name, seed, copies), "source_sha256": source.fingerprint()},
    )


def make_test_split(name, seed, data_dir=None, workers=1, copies=1, progress=True):
    """The test split that `make_distorted_set` makes of the same arguments, and nothing else.

    Raises:
        UserError: the source cannot be found or read.
    """
    source = load_source(SETS[name][0], data_dir)
    first = copies * len(source.train_images)
    distorted = _distort(source, name, seed, workers, copies, progress, first)
    return Split(source.test_images, source.test_labels, *distorted)


def _distort(source, name, seed, workers, copies, progress, first=0):
    """All copies of the training images, then the test images; from the first one wanted on."""
    source_name, recipe = SETS[name]
    images = np.concatenate([*copies * [source.train_images], source.test_images])
    shown = f"distorting {source_name}" if progress else None
    return distort(images, RECIPES[recipe], seed, workers, shown, first)


def save(dataset, path):
    """Write the set as one .npz, whole or not at all."""
    arrays = {
        f"{part}_{key}": getattr(split, key)
        for part, split in zip(_PARTS, (dataset.train, dataset.test), strict=True)
        for key in _ARRAYS
    }
    with atomic_path(path) as temporary:
        np.savez(temporary, parameters=np.array(json.dumps(dataset.parameters)), **arrays)


def load(path):
    """Read a set that `save` wrote.

    Raises:
        UserError: no file there, a truncated one, or one of another content.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"expected a data set at {path}, found none")
    what = "a whole data set of python -m data_prep"
    (described,) = read_arrays(path, ["parameters"], what, _MOST_PARAMETERS)
    # `save` packs nothing: what is larger than its file was not written by it.
    most = max(MOST_BYTES, path.stat().st_size)
    keys = [f"{part}_{key}" for part in _PARTS for key in _ARRAYS]
    arrays = read_arrays(path, keys, what, most)
    try:
        parameters = json.loads(str(described))
        families, _ = len(parameters["recipe"]), parameters["source_sha256"]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise UserError(f"expected {what} at {path} ({one_line(error)})") from None
    splits = [Split(*arrays[:4]), Split(*arrays[4:])]
    for split in splits:
        _check_split(split, families, path)
    return DistortedSet(*splits, parameters)


def _check_split(split, families, path):
    shapes = {key: getattr(split, key).shape for key in _ARRAYS}
    images, copies = (shapes[key][0] if shapes[key] else 0 for key in ("originals", "distorted"))
    sound = (
        split.originals.dtype == split.distorted.dtype == split.distortion.dtype == np.uint8
        and shapes["originals"] == (images, *SHAPE)
        and shapes["distorted"] == (copies, *SHAPE)
        and shapes["distortion"] == (copies,)
        and shapes["labels"] == (images,)
        and copies >= images > 0
        and copies % images == 0
        and np.issubdtype(split.labels.dtype, np.integer)
        and split.labels.min() >= 0
        and split.labels.max() <= 9
        and split.distortion.max() < families
    )
    if not sound:
        raise UserError(
            f"expected uint8 images with their labels and distortions in {path}, got {shapes}"
        )
