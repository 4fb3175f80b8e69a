"""Load .keras files that may be corrupted or malicious."""

import importlib
import importlib.util
import json
import os
import re
import sys
import textwrap
import zipfile
from pathlib import Path

import h5py
import keras

from stn_keras.export.errors import ExportError, UnregisteredError

MODEL_FILE = "model.keras"
_WEIGHTS = "model.weights.h5"
_MEMBERS = ("config.json", "metadata.json", _WEIGHTS)
# Keras's message about a class or a function that is not registered.
_UNKNOWN = re.compile(r"Could not locate (?:class|function) '([^']+)'")
_LONGEST_REASON = 200


def load_model(path: str | os.PathLike) -> keras.Model:
    """The whole model of a .keras file, checked before any layer of it is made.

    Only Keras's classes, this package's and registered ones
    (`keras.saving.register_keras_serializable`) are made, and no code in the file is run: import
    the module that registers a class of your own first. The model is not compiled. The size of the
    layers that it asks for is not limited.

    Args:
        path: the file, or a folder with a model.keras, such as a run of train.py.

    Returns:
        A Keras model.

    Raises:
        UnregisteredError: Keras does not know a class of the model.
        ExportError: the file is missing, damaged, foreign or of a newer Keras; one line says which.

    Example:
        >>> import tempfile
        >>> model = keras.Sequential([keras.Input((28, 28, 1)), keras.layers.Flatten()])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     model.save(Path(folder, "model.keras"))
        ...     load_model(folder).input_shape
        (None, 28, 28, 1)
    """
    file = _model_file(Path(path))
    try:
        with zipfile.ZipFile(file) as archive:
            _check_members(archive)
        model = keras.saving.load_model(file, compile=False, safe_mode=True)
        if not isinstance(model, keras.Model):
            raise ValueError(f"it is a {type(model).__name__}")
    except Exception as error:  # zipfile, h5py and Keras each raise their own
        newer = _newer(file)
        if not newer and (unknown := _UNKNOWN.search(str(error))):
            raise UnregisteredError(
                f"expected every class of {file} to be registered, got the unknown {unknown[1]}: "
                "import the module that registers it first"
            ) from None
        reason = newer or _shortened(str(error)) or type(error).__name__
        raise ExportError(f"expected a whole Keras model in {file} ({reason})") from None
    return model


def import_module(name: str) -> None:
    """Import a module that registers classes of saved models.

    Args:
        name: dotted, such as "project.layers", or the path of a .py file, which is imported under
            its own name and may import its neighbors.

    Raises:
        ExportError: there is no such module, or it cannot be imported.
    """
    try:
        if not name.endswith(".py"):
            importlib.import_module(name)
            return
        path = Path(name).resolve(strict=True)
        sys.path.append(str(path.parent))
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None  # neither is missing for a .py file
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules.setdefault(path.stem, module)
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # the module may raise anything
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise ExportError(f"expected a module to import, got {name} ({reason})") from None


def check_weights(file: h5py.File, size: int) -> None:
    """Refuse weights that refer to other files or claim more bytes than the file has.

    Args:
        file: an open `h5py.File`.
        size: its size in bytes.

    Raises:
        ValueError: they do.
    """
    arrays = []
    file.visititems(lambda _, item: arrays.append(item) if hasattr(item, "nbytes") else None)
    if any(array.external or array.is_virtual for array in arrays):
        raise ValueError("its weights are in other files")
    if sum(array.nbytes for array in arrays) > size:
        raise ValueError("its weights are larger than the file")


def _model_file(path):
    file = path / MODEL_FILE if path.is_dir() else path
    if file.suffix != ".keras" or not file.is_file():
        raise ExportError(f"expected a .keras file or a folder with {MODEL_FILE}, got {path}")
    return file


def _check_members(archive):
    names = archive.namelist()
    if sorted(names) != sorted(_MEMBERS):
        raise ValueError(f"it holds {', '.join(names) or 'nothing'}")
    for member in archive.infolist():
        # Keras does not compress the members, so a compressed one is foreign and may be a bomb.
        if member.file_size != member.compress_size:
            raise ValueError(f"{member.filename} unpacks to {member.file_size:,} bytes")
    if damaged := archive.testzip():
        raise ValueError(f"{damaged} is damaged")
    with archive.open(_WEIGHTS) as member, h5py.File(member) as file:
        check_weights(file, archive.getinfo(_WEIGHTS).file_size)


def _shortened(text):
    """The text on one line, cut between words if it is long."""
    return textwrap.shorten(text, _LONGEST_REASON, placeholder=" ...")


def _newer(path):
    """Why a file of a newer Keras does not load; None if it is not newer."""
    try:
        with zipfile.ZipFile(path) as archive, archive.open("metadata.json") as file:
            saved = json.loads(file.read(10_000))["keras_version"]
        if _release(saved) > _release(keras.__version__):
            return f"saved by Keras {saved}, this is {keras.__version__}"
    except (OSError, zipfile.BadZipFile, ValueError, KeyError, TypeError):
        pass
    return None


def _release(version):
    """The first three integers of a version."""
    return [int(digits) for digits in re.findall(r"\d+", version)[:3]]
