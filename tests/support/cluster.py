"""What processes and devices train on."""

import os
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]


def environment(backend):
    """The variables of a process on that backend."""
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": str(ROOT), "KERAS_BACKEND": backend}
    return {**os.environ, **quiet, "JAX_ENABLE_X64": "0"}


def write_mnist(folder, of_each=100):
    """A file like MNIST's, bright where the digit is."""
    rng = np.random.default_rng(0)
    labels = np.tile(np.arange(10, dtype="uint8"), of_each)
    images = rng.integers(0, 100, (len(labels), 28, 28), "uint8")
    images[np.arange(len(labels)), labels] = 255
    np.savez(
        folder / "mnist.npz", x_train=images, y_train=labels, x_test=images[:9], y_test=labels[:9]
    )
