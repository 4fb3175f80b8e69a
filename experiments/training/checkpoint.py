"""Reading what a run has saved, which may be damaged, or made to do damage."""

import hashlib

import h5py
import numpy as np

from cli.errors import UserError, one_line

_SEAL = b"sha256:"
_SEAL_BYTES = len(_SEAL) + hashlib.sha256().digest_size


def seal(path):
    """Append a file's SHA-256 to it; HDF5 does not read past its own end."""
    digest = _digest(path, path.stat().st_size)
    with path.open("ab") as file:
        file.write(_SEAL + digest)


def read_progress(path):
    """Epochs that a run's state has seen, and the states of its random numbers.

    Raises:
        UserError: the file is damaged.
    """
    try:
        _check_seal(path)
        with h5py.File(path) as file:
            return int(file.attrs["epochs"]), list(file.attrs["random_states"])
    except Exception as error:  # h5py has many
        raise _damaged(path, error) from None


def load_state(model, path):
    """Load weights and optimizer of a run's state into a model.

    Raises:
        UserError: the file is damaged, or of another model.
    """
    from stn_keras.export import loading

    try:
        _check_seal(path)
        with h5py.File(path) as file:
            loading.check_weights(file, path.stat().st_size)
        model.load_weights(path)
    except Exception as error:  # h5py and Keras each have their own
        raise _damaged(path, error) from None


def load_model(path, image_shape=None):
    """A whole model, of Keras's and this project's layers alone.

    Args:
        path: the file.
        image_shape: (H, W, C) of the images that it must read; None: any.

    Raises:
        UserError: the file is missing or damaged, or the model reads other images.
    """
    from experiments.networks import backbones, finder  # noqa: F401  they register layers
    from stn_keras.export import loading

    try:
        model = loading.load_model(path)
    except ValueError as error:
        raise UserError(str(error)) from None
    if not isinstance(model.input_shape, tuple):
        raise UserError(f"expected a model of one input in {path}")
    read_shape = model.input_shape[1:]
    if image_shape is not None and read_shape != image_shape:
        raise UserError(
            f"expected a model of images {image_shape} at {path}, got one of {read_shape}"
        )
    return model


def not_finite(model):
    """Whether a weight is NaN or infinite."""
    return not all(np.isfinite(array).all() for array in model.get_weights())


def _check_seal(path):
    """Refuse a file whose content is not what was written."""
    sealed = max(0, path.stat().st_size - _SEAL_BYTES)
    with path.open("rb") as file:
        file.seek(sealed)
        end = file.read()
    if end != _SEAL + _digest(path, sealed):
        raise ValueError("its content is not what was written")


def _digest(path, size):
    """SHA-256 of the first `size` bytes of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(min(2**20, size)):
            digest.update(chunk)
            size -= len(chunk)
    return digest.digest()


def _damaged(path, error):
    return UserError(f"expected the state of this run at {path} ({one_line(error)[:200]})")
