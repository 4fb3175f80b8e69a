"""MNIST in Keras's .npz, which is downloaded where no other folder is named."""

import numpy as np

from cli.errors import UserError, one_line
from cli.startup import import_keras
from data_prep.sources.archives import read_data_file
from data_prep.sources.source import Source, data_folder, keras_cache


def load_mnist(data_dir):
    """MNIST."""
    path = data_folder(data_dir) / "mnist.npz"
    if path.parent == keras_cache() and not path.exists():
        _download_mnist()
    return _read(path)


def _download_mnist():
    try:
        import_keras("keras").datasets.mnist.load_data()
    except Exception as error:
        raise UserError(
            f"MNIST is neither at hand nor can it be downloaded ({one_line(error)}); put mnist.npz "
            "into a folder and pass it by --data-dir or STN_DATA_DIR, or use the embedded set: "
            "distorted-digits"
        ) from None


def _read(path):
    """An .npz of Keras's layout."""
    x_train, y_train, x_test, y_test = read_data_file(
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
