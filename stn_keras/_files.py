"""Files and folders that are either whole or absent."""

import contextlib
import glob
import os
import shutil
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike) -> Iterator[Path]:
    """A partial file beside `path`, of the same suffix, renamed to it when the block succeeds."""
    path = Path(path)
    partial = _partial(path, "".join(path.suffixes))
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_folder(path: str | os.PathLike) -> Iterator[Path]:
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
    """A name beside `path` for this process; partials that killed processes left are removed."""
    start = f".{path.name.removesuffix(suffix)}-partial-"
    for left in path.parent.glob(f"{glob.escape(start)}*"):
        process = left.name.removeprefix(start).removesuffix(suffix)
        # Process IDs repeat, in containers soon: a partial with this one's ID is an earlier one's.
        if process == str(os.getpid()) or (process.isdecimal() and not _is_running(int(process))):
            shutil.rmtree(left, True) if left.is_dir() else left.unlink(missing_ok=True)
    return path.with_name(f"{start}{os.getpid()}{suffix}")


def _is_running(process):
    try:
        if os.name == "posix":  # elsewhere signal 0 ends the process
            os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        pass  # it runs as another user
    return True
