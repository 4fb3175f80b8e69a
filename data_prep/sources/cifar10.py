"""CIFAR-10 in the forms it is found in."""

import io
import pickle
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from cli.errors import UserError, one_line, reading
from cli.startup import import_keras
from data_prep.parallel import default_workers, progress_bar
from data_prep.sources.archives import MOST_BYTES, check_sizes, read_arrays
from data_prep.sources.source import Source, data_folder, keras_cache

CLASSES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)
WHOLE = "a whole copy of CIFAR-10"
SHAPE = (32, 32, 3)
KEYS = ("x_train", "y_train", "x_test", "y_test")
# A batch of the original distribution has 31 MB.
MOST_PICKLED = 2**26
JPEG_NOTE = "JPEG copy"
# What a pickled NumPy array consists of.
PICKLED_NAMES = {
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
}


def load_cifar10(data_dir: str | Path | None) -> Source:
    """CIFAR-10 from its folder, or from Keras's cache."""
    folder = data_folder(data_dir)
    return download_cifar10() if folder == keras_cache() else read_cifar10(folder)


def read_cifar10(folder: Path) -> Source:
    """CIFAR-10 from a folder with one of its forms; see `FORMS`.

    Args:
        folder: where to look.

    Returns:
        A `Source` of uint8 images (N, 32, 32, 3).

    Raises:
        UserError: none of them is there, or it is damaged.
    """
    for name, read in FORMS.items():
        if (folder / name).exists():
            source = read(folder / name)
            _check(source, folder / name)
            return source.contiguous()
    raise UserError(f"expected CIFAR-10 in {folder} as one of {', '.join(FORMS)}, found none")


def download_cifar10() -> Source:
    """CIFAR-10 from Keras's cache, downloaded where it is not there."""
    try:
        (x, y), (x_test, y_test) = import_keras("keras").datasets.cifar10.load_data()
    except Exception as error:  # urllib, tarfile and pickle each have their own
        raise UserError(
            f"CIFAR-10 is neither at hand nor can it be downloaded ({one_line(error)}); pass a "
            f"folder with one of {', '.join(FORMS)} by --data-dir or STN_DATA_DIR"
        ) from None
    return Source(x, y.reshape(-1), x_test, y_test.reshape(-1)).contiguous()


def _read_npz(path):
    x, y, x_test, y_test = read_arrays(path, KEYS, WHOLE)
    return Source(x, y.reshape(-1), x_test, y_test.reshape(-1))


def _read_batches(folder):
    """The six pickled files of the original distribution, as Keras keeps them."""
    with reading(WHOLE, folder):
        training = [_read_batch(folder / f"data_batch_{index}") for index in range(1, 6)]
        images, labels = (np.concatenate(parts) for parts in zip(*training, strict=True))
        return Source(images, labels, *_read_batch(folder / "test_batch"))


def _read_batch(path):
    if path.stat().st_size > MOST_PICKLED:
        raise ValueError(f"{path.name} has more than {MOST_PICKLED:,} bytes")
    content = _ArraysOnly(io.BytesIO(path.read_bytes()), encoding="bytes").load()
    images, labels = content[b"data"], content[b"labels"]
    # A few bytes of pickle can hold a list in lists in lists, or an array without end.
    if images.nbytes > MOST_PICKLED or not all(type(label) is int for label in labels):
        raise ValueError(f"{path.name} has other data or labels than integers")
    images = images.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return images, np.array(labels, "int64")


class _ArraysOnly(pickle.Unpickler):
    """Reads NumPy arrays in plain containers and refuses to call anything else."""

    def find_class(self, module, name):
        if (module, name) == ("_codecs", "encode"):
            return _latin1  # how Python 3 pickles bytes for Python 2; other codecs multiply them
        if (module, name) not in PICKLED_NAMES:
            raise pickle.UnpicklingError(f"{module}.{name} is not allowed")
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)


def _latin1(text, _):
    return text.encode("latin1")


def _read_jpeg_zip(path):
    with reading(WHOLE, path), zipfile.ZipFile(path) as archive:
        names = sorted({name for name in archive.namelist() if name.endswith(".jpg")})
        check_sizes(archive, names, MOST_BYTES)
        files = [archive.read(name) for name in names]
    classes = {name: label for label, name in enumerate(CLASSES)}
    with reading(WHOLE, path):
        part = np.array([name.split("/")[-3] for name in names])
        labels = np.array([classes[name.split("/")[-2]] for name in names])
        images = _decode(files)
    train, test = part == "train", part == "test"
    return Source(images[train], labels[train], images[test], labels[test], note=JPEG_NOTE)


def _decode(files):
    from PIL import Image

    from data_prep.sources.picture_files import FORMATS

    images = np.empty((len(files), *SHAPE), "uint8")

    def decode(index):
        with Image.open(io.BytesIO(files[index]), formats=FORMATS) as file:
            if file.size != SHAPE[:2]:
                raise ValueError(f"expected pictures of 32x32 pixels, got {file.size}")
            images[index] = file.convert("RGB")

    with ThreadPoolExecutor(default_workers()) as pool, progress_bar(len(files), "decoding") as bar:
        for _ in pool.map(decode, range(len(files))):
            bar.update()
    return images


def _read_folder(path):
    from data_prep.sources.image_folder import ImageFiles, find_images

    found = find_images(path)
    if found.test is None or found.classes != CLASSES:
        raise UserError(f"expected {path}/train and {path}/test with CIFAR-10's ten classes")
    train, test = (ImageFiles(part.paths, SHAPE)[:] for part in (found.training, found.test))
    lossy = any(path.suffix.lower() in (".jpg", ".jpeg") for path in found.training.paths)
    note = JPEG_NOTE if lossy else ""
    return Source(train, found.training.labels, test, found.test.labels, note=note)


# name in the data folder -> function that reads it
FORMS = {
    "cifar10.npz": _read_npz,
    "cifar-10-batches-py": _read_batches,
    "cifar10": _read_folder,
    "cifar10_jpeg.zip": _read_jpeg_zip,
}


def _check(source, path):
    sound = all(
        images.dtype == np.uint8
        and images.ndim == 4
        and images.shape[1:] == SHAPE
        and len(images) > 0
        and labels.shape == (len(images),)
        and np.issubdtype(labels.dtype, np.integer)
        and labels.min() >= 0
        and labels.max() <= 9
        for images, labels in source.parts
    )
    if not sound:
        shapes = ", ".join(
            f"{array.dtype} {array.shape}" for part in source.parts for array in part
        )
        raise UserError(
            f"expected uint8 images (N, 32, 32, 3) with labels from 0 to 9 at {path}, got {shapes}"
        )
