"""Reading .keras files and weights that may be damaged, or made to do damage."""

import json
import zipfile

import h5py
import keras
from packaging.version import InvalidVersion, Version

WEIGHTS = "model.weights.h5"
MEMBERS = ("config.json", "metadata.json", WEIGHTS)


def load_model(path):
    """A whole model of a .keras file, checked before anything of it is made.

    Nothing but Keras's own and this package's layers is made, and no code in the file is run. The
    model is not compiled. The size of the layers that it asks for is not limited.

    Args:
        path: the file.

    Returns:
        A Keras model.

    Raises:
        ValueError: the file is missing, damaged, foreign or of a newer Keras; one line says which.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from stn_keras import models
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "model.keras")
        ...     models.dense_net().save(path)
        ...     load_model(path).input_shape
        (None, 28, 28, 1)
    """
    try:
        with zipfile.ZipFile(path) as archive:
            _check_members(archive)
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
        if not isinstance(model, keras.Model):
            raise ValueError(f"it is a {type(model).__name__}")
    except Exception as error:  # zipfile, h5py and Keras each have their own
        reason = _newer(path) or " ".join(str(error).split())[:200] or type(error).__name__
        raise ValueError(f"expected a whole Keras model in {path} ({reason})") from None
    return model


def check_weights(file, size):
    """Refuse weights that lie in other files, or are larger than the file.

    Args:
        file: an open `h5py.File`.
        size: its bytes.

    Raises:
        ValueError: they do, or are.
    """
    arrays = []
    file.visititems(lambda _, item: arrays.append(item) if hasattr(item, "nbytes") else None)
    if any(array.external or array.is_virtual for array in arrays):
        raise ValueError("its weights are in other files")
    if sum(array.nbytes for array in arrays) > size:
        raise ValueError("its weights are larger than the file")


def _check_members(archive):
    names = archive.namelist()
    if sorted(names) != sorted(MEMBERS):
        raise ValueError(f"it holds {', '.join(names) or 'nothing'}")
    for member in archive.infolist():
        if member.file_size != member.compress_size:  # Keras packs none
            raise ValueError(f"{member.filename} unpacks to {member.file_size:,} bytes")
    if damaged := archive.testzip():
        raise ValueError(f"{damaged} is damaged")
    with archive.open(WEIGHTS) as member, h5py.File(member) as file:
        check_weights(file, archive.getinfo(WEIGHTS).file_size)


def _newer(path):
    """Why a file of a newer Keras does not load; None if it is not newer."""
    try:
        with zipfile.ZipFile(path) as archive, archive.open("metadata.json") as file:
            saved = json.loads(file.read(10_000))["keras_version"]
        if Version(saved) > Version(keras.__version__):
            return f"saved by Keras {saved}, this is {keras.__version__}"
    except (OSError, zipfile.BadZipFile, ValueError, KeyError, TypeError, InvalidVersion):
        pass
    return None
