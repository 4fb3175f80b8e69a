"""What a result was made with and on."""

import os
import platform
import re
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path


def describe(*packages):
    """Device, versions (of more `packages` too), commit and time, as plain data."""
    more = {name: version(name) for name in packages}
    return {
        "device": device(),
        "versions": {"python": platform.python_version(), **_versions(), **more},
        "commit": commit(),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def device():
    """The accelerator Keras computes on, else the processor and its cores."""
    return _accelerator() or f"CPU, {os.cpu_count()} cores"


def device_slug():
    """The device as a part of a file's name, such as "cpu2"."""
    accelerator = _accelerator()
    return re.sub(r"\W+", "-", accelerator).lower() if accelerator else f"cpu{os.cpu_count()}"


def commit():
    """Commit of the source, "-dirty" if changed; without git STN_COMMIT, else "unknown"."""
    git = ("git", "-C", str(Path(__file__).parent))
    try:
        head = subprocess.run(
            [*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True
        )
        status = subprocess.run(
            [*git, "status", "--porcelain", "--untracked-files=no", "--", ":/*.py"],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return os.environ.get("STN_COMMIT", "unknown")
    return head.stdout.strip() + ("-dirty" if status.stdout.strip() else "")


def _versions():
    import keras

    from stn_keras import __version__

    backend = keras.backend.backend()
    packages = {name: _version(name) for name in ("keras", backend, "numpy")}
    return {**packages, "stn-keras": __version__}  # also run from a checkout, not installed


def _version(package):
    if package == "tensorflow":  # also installed as tensorflow-cpu
        import tensorflow as tf

        return tf.__version__
    return version(package)


def _accelerator():
    import keras

    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        gpus = tf.config.list_physical_devices("GPU")
        return gpus and tf.config.experimental.get_device_details(gpus[0]).get("device_name", "GPU")
    if backend == "jax":
        import jax

        first = jax.devices()[0]
        return first.device_kind if first.platform != "cpu" else None
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else None
