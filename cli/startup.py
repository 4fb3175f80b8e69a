"""Start Keras with oneDNN, and without the notices that TensorFlow's libraries print past every
log level.
"""

import contextlib
import faulthandler
import importlib
import logging
import os
import tempfile
from collections.abc import Iterator
from types import ModuleType
from typing import TextIO


def import_keras(name: str) -> ModuleType:
    """Import a module that starts Keras, dropping what its libraries write to stderr."""
    set_environment()
    # Each of several models that are evaluated in turn is compiled; TensorFlow warns of too many.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    with stderr_silenced() as stderr, _crashes_told(stderr):
        return importlib.import_module(name)


def set_environment() -> None:
    """What TensorFlow reads when it is imported, as far as nobody has set it."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # Without AVX-512 VNNI TensorFlow leaves it off, though its convolutions are often faster.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")


@contextlib.contextmanager
def _crashes_told(file):
    """Here a crash of native code writes to `file` where it happened."""
    if faulthandler.is_enabled():
        yield
        return
    faulthandler.enable(file)
    try:
        yield
    finally:
        faulthandler.disable()


@contextlib.contextmanager
def stderr_silenced() -> Iterator[TextIO]:
    """Here nothing that is written to stderr is seen, not even what C code writes.

    An error that no missing package explains shows what was written before it.

    Yields:
        A file that writes to stderr all the same.
    """
    with os.fdopen(os.dup(2), "w", buffering=1) as kept, _scratch_file() as written:
        os.dup2(written.fileno(), 2)
        try:
            yield kept
        except ModuleNotFoundError:
            raise  # its message says all
        except Exception:
            written.seek(0)
            kept.write(written.read())
            raise
        finally:
            os.dup2(kept.fileno(), 2)


def _scratch_file():
    try:
        return tempfile.TemporaryFile("w+", errors="replace")
    except OSError:  # no folder can be written to
        return open(os.devnull, "w+")


@contextlib.contextmanager
def python_stderr_only() -> Iterator[None]:
    """Here what Python writes to stderr is seen, but not what C code writes."""
    with stderr_silenced() as kept, contextlib.redirect_stderr(kept):
        yield
