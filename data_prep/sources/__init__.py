"""Where undistorted images come from."""

from data_prep.sources.cifar10 import load_cifar10
from data_prep.sources.cluttered_mnist import load_cluttered_mnist
from data_prep.sources.digits import load_embedded_digits
from data_prep.sources.mnist import load_mnist
from data_prep.sources.source import Source, SourceWithValidation, data_folder, named_folder

SOURCES = {
    "mnist": load_mnist,
    "cifar10": load_cifar10,
    "digits": load_embedded_digits,
    "cluttered-mnist-40x40": load_cluttered_mnist,
}


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


__all__ = [
    "SOURCES",
    "Source",
    "SourceWithValidation",
    "data_folder",
    "load_source",
    "named_folder",
]
