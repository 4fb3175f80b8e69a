"""Where undistorted images come from."""

import dataclasses
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data_prep.errors import UserError, one_line
from data_prep.quiet import quiet_import


@dataclass(frozen=True)
class Source:
    """Undistorted images (N, H, W, C) uint8 with labels (N,) int64, for training and testing."""

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray

    def fingerprint(self):
        """SHA-256 of all images and labels."""
        digest = hashlib.sha256()
        for array in dataclasses.astuple(self):
            digest.update(np.ascontiguousarray(array))
        return digest.hexdigest()


def load_source(name, data_dir=None):
    """The source of that name: "mnist" or "digits".

    Args:
        name: a key of `SOURCES`.
        data_dir: folder with the source's data file; None: the environment variable STN_DATA_DIR,
            else Keras's cache, else Keras's download. "digits" is embedded in scikit-learn and
            needs none.

    Returns:
        A `Source`.

    Raises:
        UserError: the data cannot be found, fetched or read.
    """
    return SOURCES[name](data_dir)


def _mnist(data_dir):
    folder = data_dir or os.environ.get("STN_DATA_DIR")
    if folder:
        return _read_keras_npz(Path(folder) / "mnist.npz")
    cached = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras") / "datasets" / "mnist.npz"
    if not cached.exists():
        _download_mnist()
    return _read_keras_npz(cached)


def _download_mnist():
    try:
        quiet_import("keras").datasets.mnist.load_data()
    except Exception as error:
        raise UserError(
            f"MNIST is neither at hand nor can it be downloaded ({one_line(error)}); put mnist.npz "
            "into a folder and pass it by --data-dir or STN_DATA_DIR, or use the embedded set: "
            "distorted-digits"
        ) from None


def _read_keras_npz(path):
    """An .npz of Keras's layout: x_train, y_train, x_test, y_test."""
    if not path.is_file():
        raise UserError(
            f"expected a data file at {path}, found none; pass its folder with --data-dir or "
            "STN_DATA_DIR, or use the embedded set: distorted-digits"
        )
    try:
        with np.load(path, allow_pickle=False) as file:
            x_train, y_train, x_test, y_test = (
                file[key] for key in ("x_train", "y_train", "x_test", "y_test")
            )
    except Exception as error:  # zipfile, zlib and numpy each have their own
        raise UserError(
            "expected a whole .npz with x_train, y_train, x_test, y_test "
            f"at {path} ({one_line(error)})"
        ) from None
    for images, labels in ((x_train, y_train), (x_test, y_test)):
        _check_digits(images, labels, path)
    return Source(
        x_train[..., None], y_train.astype("int64"), x_test[..., None], y_test.astype("int64")
    )


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


SOURCES = {"mnist": _mnist, "digits": _digits}
