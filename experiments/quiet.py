"""Start Keras without the notices that TensorFlow's libraries print past every log level."""

import contextlib
import os


def import_keras():
    """Import Keras and the layers; what its libraries write to stderr meanwhile is dropped."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with _stderr_closed():
        import stn_keras  # noqa: F401  registers the layers that saved models name


@contextlib.contextmanager
def _stderr_closed():
    kept = os.dup(2)
    try:
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
