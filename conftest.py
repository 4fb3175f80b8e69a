"""Doctests of the library run on every backend, those of a backend where it is installed."""

from importlib.util import find_spec
from pathlib import Path

import pytest

LIBRARY = Path(__file__).with_name("stn_keras")

MODULES = {
    "jax": ["experiments/training/jax_devices.py", "stn_keras/backend/jax.py"],
    "tensorflow": [
        "experiments/training/tensorflow_devices.py",
        "stn_keras/backend/tensorflow.py",
        "stn_keras/backend/tensorflow_xla.py",
    ],
    "torch": ["stn_keras/backend/torch.py"],
}
collect_ignore = [
    path for package, paths in MODULES.items() if find_spec(package) is None for path in paths
]


def pytest_collection_modifyitems(items):
    """Doctests cannot carry a marker."""
    for item in items:
        if LIBRARY in item.path.parents:
            item.add_marker(pytest.mark.backend)
