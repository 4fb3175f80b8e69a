"""Reading .keras and .weights.h5 files that may be damaged, or made to do damage."""

import hashlib
import zipfile

import h5py
import numpy as np

from data_prep.archives import MOST_BYTES, check_sizes
from data_prep.errors import UserError, one_line

_WEIGHTS = "model.weights.h5"
_MEMBERS = ("config.json", "metadata.json", _WEIGHTS)
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
            return int(file.attrs["epochs"]), list(file.attrs.get("random_states", ()))
    except Exception as error:  # h5py has many
        raise _damaged("the state of this run", path, error) from None


def load_state(model, path):
    """Load weights and optimizer of a run's state into a model.

    Raises:
        UserError: the file is damaged, or of another model.
    """
    try:
        _check_seal(path)
        with h5py.File(path) as file:
            _check_datasets(file, path.stat().st_size)
        model.load_weights(path)
    except Exception as error:  # h5py and Keras each have their own
        raise _damaged("the state of this run", path, error) from None


def load_model(path):
    """A whole model, of Keras's and this project's layers alone.

    Raises:
        UserError: the file is missing or damaged.
    """
    import keras

    try:
        with zipfile.ZipFile(path) as archive:
            if sorted(archive.namelist()) != sorted(_MEMBERS):
                raise ValueError(f"it holds {', '.join(archive.namelist())}"[:200])
            check_sizes(archive, _MEMBERS, MOST_BYTES)
            if damaged := archive.testzip():
                raise ValueError(f"{damaged} is damaged")
            with archive.open(_WEIGHTS) as member, h5py.File(member) as file:
                _check_datasets(file, archive.getinfo(_WEIGHTS).file_size)
        model = keras.models.load_model(path, safe_mode=True)
        if not isinstance(model.input_shape, tuple):
            raise ValueError("a model of several inputs")
    except Exception as error:  # zipfile, h5py and Keras each have their own
        raise _damaged("a saved model", path, error) from None
    return model


def not_finite(model):
    """Whether a weight is NaN or infinite."""
    return not all(np.isfinite(array).all() for array in model.get_weights())


def _check_seal(path):
    """Refuse a file whose content is not what was written; earlier versions sealed none."""
    sealed = max(0, path.stat().st_size - _SEAL_BYTES)
    with path.open("rb") as file:
        file.seek(sealed)
        end = file.read()
    if end.startswith(_SEAL) and end != _SEAL + _digest(path, sealed):
        raise ValueError("its content is not what was written")


def _digest(path, size):
    """SHA-256 of the first `size` bytes of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(min(2**20, size)):
            digest.update(chunk)
            size -= len(chunk)
    return digest.digest()


def _check_datasets(file, size):
    """Refuse weights in other files, and more of them than the file can hold: Keras packs none."""
    arrays = []
    file.visititems(lambda _, item: arrays.append(item) if hasattr(item, "nbytes") else None)
    if any(array.external or array.is_virtual for array in arrays):
        raise ValueError("its weights are in other files")
    if sum(array.nbytes for array in arrays) > size:
        raise ValueError("its weights are larger than the file")


def _damaged(what, path, error):
    return UserError(f"expected {what} at {path} ({one_line(error)[:200]})")
