"""Files of the command lines: whole or absent, and what goes wrong with them in one line."""

import contextlib
import errno
import functools
import importlib.util
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from cli.errors import UserError

# What the system says where a disk, a quota or a limit is full.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
MOST_TEXT = 2**24


@contextlib.contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """A partial file beside `path`, of the same suffix, renamed to it when the block succeeds.

    Raises:
        UserError: there is no space for it; what was at `path` is there still.
    """
    try:
        with _library_files().atomic_path(path) as partial:
            yield partial
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise UserError(f"no space to write {path}; files written before it are whole") from None


def atomic_folder(path: str | Path) -> contextlib.AbstractContextManager[Path]:
    """A partial folder beside `path`, renamed to it when the block succeeds."""
    return _library_files().atomic_folder(path)


@functools.cache
def _library_files() -> ModuleType:
    """`stn_keras._files` without the package around it.

    Importing the package starts Keras, which takes seconds, and processes that data preparation
    forks later could hang on the threads of TensorFlow.
    """
    (folder,) = importlib.util.find_spec("stn_keras").submodule_search_locations
    spec = importlib.util.spec_from_file_location("stn_keras_files", Path(folder, "_files.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def remove_partials(folder: str | Path) -> None:
    """Remove what a killed process has left of `atomic_path` in a folder."""
    for partial in Path(folder).glob(".*-partial*"):
        partial.unlink()


def read_text(path: Path) -> str:
    """The text of a file that people could have written.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not text, or too much of it.
    """
    if path.stat().st_size > MOST_TEXT:
        raise ValueError(f"{path} has more than {MOST_TEXT:,} bytes")
    return path.read_text()


def write_json(path: str | Path, content: Any) -> None:
    """Write plain data as indented JSON, whole or not at all."""
    with atomic_path(path) as partial:
        partial.write_text(json.dumps(content, indent=2) + "\n")


def writable_folder(path: str | Path) -> Path:
    """Make the folder if need be and prove, before long work, that files can be written there."""
    path = Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            return path
    except OSError as error:
        raise UserError(
            f"expected a folder that can be written to, got {path} ({error.strerror})"
        ) from None
