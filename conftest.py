"""Doctests of a module for one backend are collected where that backend is installed."""

from importlib.util import find_spec

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
