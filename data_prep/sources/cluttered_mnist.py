"""A published file of cluttered MNIST, with a validation part."""

import numpy as np

from cli.errors import UserError
from data_prep.sources.archives import read_data_file
from data_prep.sources.source import SourceWithValidation, data_folder

ORIGIN = (
    "data/mnist_sequence1_sample_5distortions5x5.npz of "
    "github.com/daviddao/spatial-transformer-tensorflow"
)


def load_cluttered_mnist(data_dir):
    """MNIST digits among scraps of others: 40x40 float32, multiples of 1/256 up to 1."""
    path = data_folder(data_dir) / "cluttered_mnist_40x40.npz"
    parts = ("train", "test", "valid")
    arrays = read_data_file(
        path,
        [f"{kind}_{part}" for part in parts for kind in "Xy"],
        f"it cannot be downloaded: put {ORIGIN} there under this name, or pass its "
        "folder with --data-dir or STN_DATA_DIR",
    )
    source = SourceWithValidation(*arrays)
    for images, labels in source.parts:
        _check(images, labels, path)
    as_images = (
        array
        for images, labels in source.parts
        for array in (images.reshape(-1, 40, 40, 1), labels[:, 0].astype("int64"))
    )
    return SourceWithValidation(*as_images)


def _check(images, labels, path):
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
