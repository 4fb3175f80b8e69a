"""Files that are either whole or absent."""

import contextlib
import errno
import glob
import json
import os
import shutil
import tempfile
from pathlib import Path

from data_prep.errors import UserError

# What the system says where a disk, a quota or a limit is full.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
MOST_TEXT = 2**24


@contextlib.contextmanager
def atomic_path(path):
    """A partial file beside `path`, of the same suffix, renamed to it when the block succeeds.

    Raises:
        UserError: there is no space for it; what was at `path` is there still.
    """
    path = Path(path)
    partial = _partial(path, "".join(path.suffixes))
    try:
        yield partial
        os.replace(partial, path)
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise UserError(f"no space to write {path}; files written before it are whole") from None
    finally:
        partial.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_folder(path):
    """A partial folder beside `path`, renamed to it when the block succeeds."""
    path = Path(path)
    partial = _partial(path)
    try:
        partial.mkdir(parents=True)
        yield partial
        os.replace(partial, path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _partial(path, suffix=""):
    """A name beside `path` that is this process's own; what killed ones have left is removed."""
    start = f".{path.name.removesuffix(suffix)}-partial-"
    for left in path.parent.glob(f"{glob.escape(start)}*"):
        number = left.name.removeprefix(start).removesuffix(suffix)
        # One of our own number is an earlier process's: a container has few of them.
        if number == str(os.getpid()) or (number.isdecimal() and not _is_running(int(number))):
            shutil.rmtree(left, True) if left.is_dir() else left.unlink(missing_ok=True)
    return path.with_name(f"{start}{os.getpid()}{suffix}")


def _is_running(process):
    try:
        if os.name == "posix":  # elsewhere the signal 0 ends the process
            os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        pass  # another user's
    return True


def remove_partials(folder):
    """Remove what a killed process has left of `atomic_path` in a folder."""
    for partial in Path(folder).glob(".*-partial*"):
        partial.unlink()


def read_text(path):
    """The text of a file that people could have written.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not text, or too much of it.
    """
    if path.stat().st_size > MOST_TEXT:
        raise ValueError(f"{path} has more than {MOST_TEXT:,} bytes")
    return path.read_text()


def write_json(path, content):
    """Write plain data as indented JSON, whole or not at all."""
    with atomic_path(path) as partial:
        partial.write_text(json.dumps(content, indent=2) + "\n")


def writable_folder(path):
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
