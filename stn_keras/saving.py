"""Reading .keras files and weights that may be damaged, or made to do damage."""

import json
import re
import textwrap
import zipfile

import h5py
import keras
from packaging.version import InvalidVersion, Version

WEIGHTS = "model.weights.h5"
MEMBERS = ("config.json", "metadata.json", WEIGHTS)


# How Keras says that it has not got a class or a function.
_UNKNOWN = re.compile(r"Could not locate (?:class|function) '([^']+)'")
_LONGEST_REASON = 200


class UnknownClassError(ValueError):
    """A saved model needs a class that no imported module has registered."""


def load_model(path):
    """A whole model of a .keras file, checked before anything of it is made.

    Nothing but Keras's own, this package's and registered classes
    (`keras.saving.register_keras_serializable`) is made, and no code in the file is run: import
    the module that registers a class of your own first. The model is not compiled. The size of the
    layers that it asks for is not limited.

    Args:
        path: the file.

    Returns:
        A Keras model.

    Raises:
        UnknownClassError: Keras does not know a class of the model.
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
        newer = _newer(path)
        if not newer and (unknown := _UNKNOWN.search(str(error))):
            raise UnknownClassError(
                f"expected every class of {path} to be registered, got the unknown {unknown[1]}: "
                "import the module that registers it first"
            ) from None
        reason = newer or _shortened(str(error)) or type(error).__name__
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


def _shortened(text):
    """The text on one line, cut between words where it is long."""
    return textwrap.shorten(text, _LONGEST_REASON, placeholder=" ...")


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
