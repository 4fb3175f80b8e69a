"""Start Keras with oneDNN, and without the notices that TensorFlow's libraries print past every
log level.
"""

import contextlib
import importlib
import logging
import os


def quiet_import(name):
    """Import a module that starts Keras, dropping what its libraries write to stderr."""
    set_environment()
    # Models that are evaluated one after another are compiled each; it warns of too many.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    with without_stderr():
        return importlib.import_module(name)


def set_environment():
    """What TensorFlow reads when it is imported, as far as nobody has set it."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # Without AVX-512 VNNI TensorFlow leaves it off, though its convolutions are often faster.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")


@contextlib.contextmanager
def without_stderr():
    """Here nothing that is written to stderr is seen, not even what C code writes.

    Gives a file that writes to stderr all the same.
    """
    with os.fdopen(os.dup(2), "w", buffering=1) as kept:
        try:
            with open(os.devnull, "w") as nowhere:
                os.dup2(nowhere.fileno(), 2)
            yield kept
        finally:
            os.dup2(kept.fileno(), 2)


@contextlib.contextmanager
def python_stderr_only():
    """Here what Python writes to stderr is seen, but not what C code writes."""
    with without_stderr() as kept, contextlib.redirect_stderr(kept):
        yield
