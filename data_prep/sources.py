"""Where undistorted images come from."""

import hashlib
import os
from dataclasses import dataclass, field, fields
from pathlib import Path

import numpy as np

from cli.errors import UserError, one_line
from cli.startup import import_keras
from data_prep.archives import read_arrays
from data_prep.cifar10 import download_cifar10, read_cifar10

CLUTTERED_ORIGIN = (
    "data/mnist_sequence1_sample_5distortions5x5.npz of "
    "github.com/daviddao/spatial-transformer-tensorflow"
)


@dataclass(frozen=True)
class Source:
    """Images (N, H, W, C) with labels (N,) int64, for training and testing.

    Images are uint8, or float32 in [0, 1] where the source's file keeps them so. The note says what
    is special about this copy of the data, or is empty.
    """

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    note: str = field(default="", kw_only=True)

    def fingerprint(self):
        """SHA-256 of all images and labels."""
        digest = hashlib.sha256()
        for member in fields(self):
            if member.name != "note":
                digest.update(np.ascontiguousarray(getattr(self, member.name)))
        return digest.hexdigest()


@dataclass(frozen=True)
class SourceWithValidation(Source):
    """A source that brings a validation part of its own."""

    validation_images: np.ndarray
    validation_labels: np.ndarray


def load_source(name, data_dir=None):
    """The source of that name: "mnist", "cifar10", "digits" or "cluttered-mnist-40x40".

    Args:
        name: a key of `SOURCES`.
        data_dir: folder with the source's data file; None: the environment variable STN_DATA_DIR,
            else Keras's cache, where MNIST and CIFAR-10 are downloaded to. "digits" is
            embedded in scikit-learn and needs none.

    Returns:
        A `Source`.

    Raises:
        UserError: the data cannot be found, fetched or read.
    """
    return SOURCES[name](data_dir)


def _mnist(data_dir):
    path = data_folder(data_dir) / "mnist.npz"
    if path.parent == _cache() and not path.exists():
        _download_mnist()
    return _read_keras_npz(path)


def named_folder(data_dir):
    """The folder of data files that an argument or STN_DATA_DIR names, or None."""
    return data_dir or os.environ.get("STN_DATA_DIR") or None


def data_folder(data_dir):
    """Where data files lie: `named_folder`, else Keras's cache."""
    return Path(named_folder(data_dir) or _cache())


def _cache():
    """Where Keras keeps what it has downloaded."""
    return Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras") / "datasets"


def _download_mnist():
    try:
        import_keras("keras").datasets.mnist.load_data()
    except Exception as error:
        raise UserError(
            f"MNIST is neither at hand nor can it be downloaded ({one_line(error)}); put mnist.npz "
            "into a folder and pass it by --data-dir or STN_DATA_DIR, or use the embedded set: "
            "distorted-digits"
        ) from None


def _read_keras_npz(path):
    """An .npz of Keras's layout."""
    x_train, y_train, x_test, y_test = _read_npz(
        path,
        ("x_train", "y_train", "x_test", "y_test"),
        "pass its folder with --data-dir or STN_DATA_DIR, or use the embedded set: "
        "distorted-digits",
    )
    for images, labels in ((x_train, y_train), (x_test, y_test)):
        _check_digits(images, labels, path)
    return Source(
        x_train[..., None], y_train.astype("int64"), x_test[..., None], y_test.astype("int64")
    )


def _read_npz(path, keys, remedy):
    """The arrays of these keys of an .npz, in their order."""
    if not path.is_file():
        raise UserError(f"expected a data file at {path}, found none; {remedy}")
    return read_arrays(path, keys, f"a whole .npz with {', '.join(keys)}")


def _check_digits(images, labels, path):
    sound = (
        images.dtype == np.uint8
        and images.ndim == 3
        and images.shape[1:] == (28, 28)
        and len(images) > 0
        and labels.shape == images.shape[:1]
        and np.issubdtype(labels.dtype, np.integer)
        and labels.min() >= 0
        and labels.max() <= 9
    )
    if not sound:
        raise UserError(
            f"expected uint8 images (N, 28, 28) with labels (N,) from 0 to 9 in {path}, "
            f"got {images.dtype} {images.shape} with {labels.dtype} {labels.shape}"
        )


def _cifar10(data_dir):
    folder = data_folder(data_dir)
    images = download_cifar10() if folder == _cache() else read_cifar10(folder)
    return Source(*images[:-1], note=images[-1])


def _digits(data_dir):
    """scikit-learn's 1,797 handwritten 8x8 digits, enlarged to 20x20 in a 28x28 frame as MNIST."""
    from PIL import Image
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    images = np.zeros((len(digits.images), 28, 28, 1), "uint8")
    for image, digit in zip(
        images, np.round(digits.images * (255 / 16)).astype("uint8"), strict=True
    ):
        image[4:24, 4:24, 0] = Image.fromarray(digit).resize((20, 20), Image.Resampling.BICUBIC)
    train, test = train_test_split(
        np.arange(len(images)), test_size=360, stratify=digits.target, random_state=0
    )
    labels = digits.target.astype("int64")
    return Source(images[train], labels[train], images[test], labels[test])


def _cluttered_mnist(data_dir):
    """MNIST digits among scraps of others: 40x40 float32, multiples of 1/256 up to 1."""
    path = data_folder(data_dir) / "cluttered_mnist_40x40.npz"
    parts = ("train", "test", "valid")
    arrays = _read_npz(
        path,
        [f"{kind}_{part}" for part in parts for kind in "Xy"],
        f"it cannot be downloaded: put {CLUTTERED_ORIGIN} there under this name, or pass its "
        "folder with --data-dir or STN_DATA_DIR",
    )
    for images, labels in zip(arrays[::2], arrays[1::2], strict=True):
        _check_cluttered(images, labels, path)
    arrays[::2] = [images.reshape(-1, 40, 40, 1) for images in arrays[::2]]
    arrays[1::2] = [labels[:, 0].astype("int64") for labels in arrays[1::2]]
    return SourceWithValidation(*arrays)


def _check_cluttered(images, labels, path):
    sound = (
        images.dtype == np.float32
        and images.ndim == 2
        and images.shape[1] == 40 * 40
        and len(images) > 0
        and images.min() >= 0  # false for NaN
        and images.max() <= 1
        and labels.shape == (len(images), 1)
        and np.issubdtype(labels.dtype, np.integer)
        and labels.min() >= 0
        and labels.max() <= 9
    )
    if not sound:
        raise UserError(
            "expected float32 images (N, 1600) in [0, 1] with labels (N, 1) from 0 to 9 "
            f"in {path}, got {images.dtype} {images.shape} with {labels.dtype} {labels.shape}"
        )


SOURCES = {
    "mnist": _mnist,
    "cifar10": _cifar10,
    "digits": _digits,
    "cluttered-mnist-40x40": _cluttered_mnist,
}
