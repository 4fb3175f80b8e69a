"""Sets in files."""

import json

import numpy as np

from cli.files import atomic_path


def save_npz(dataset, path):
    """Write a set of arrays, a dataclass with `parameters`, as one .npz, whole or not at all."""
    arrays = {**vars(dataset), "parameters": np.array(json.dumps(dataset.parameters))}
    with atomic_path(path) as temporary:
        np.savez(temporary, **arrays)
