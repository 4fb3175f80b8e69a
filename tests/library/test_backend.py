"""A model saved on one Keras backend loads on the others and predicts the same."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

SAVE = """
import sys
import keras, numpy as np
import stn_keras
folder = sys.argv[1]
keras.utils.set_random_seed(0)
inputs = keras.Input((20, 16, 2))
layer = stn_keras.SpatialTransformer(output_size=(12, 14), fill_mode="reflect", name="stn")
model = keras.Model(inputs, layer(inputs))
rng = np.random.default_rng(0)
model.set_weights([rng.normal(0, 0.05, w.shape) for w in model.get_weights()])
model.save(f"{folder}/{keras.backend.backend()}.keras")
np.save(f"{folder}/{keras.backend.backend()}.npy", model.predict(np.load(f"{folder}/images.npy")))
"""
LOAD = """
import sys
import keras, numpy as np
import stn_keras
folder, *saved_on = sys.argv[1:]
images = np.load(f"{folder}/images.npy")
for backend in saved_on:
    predicted = keras.models.load_model(f"{folder}/{backend}.keras").predict(images)
    np.save(f"{folder}/{backend}-on-{keras.backend.backend()}.npy", predicted)
"""


def run_on(backend, script, *arguments):
    """Run a script by a Python of its own on a backend."""
    environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    root = str(Path(__file__).parents[2])
    subprocess.run(
        [sys.executable, "-c", script, *arguments],
        env={**environment, "PYTHONPATH": root},
        check=True,
        timeout=300,
    )


@pytest.mark.slow
def test_a_file_saved_on_one_backend_loads_on_the_others(rng, tmp_path):
    installed = [name for name in ("tensorflow", "jax", "torch") if importlib.util.find_spec(name)]
    if len(installed) < 2:
        pytest.skip("one backend alone is installed: make test-backends installs the others")
    np.save(tmp_path / "images.npy", rng.normal(size=(3, 20, 16, 2)).astype("float32"))
    for backend in installed:
        run_on(backend, SAVE, str(tmp_path))
    for backend in installed:
        run_on(backend, LOAD, str(tmp_path), *installed)
    for saved_on in installed:
        expected = np.load(tmp_path / f"{saved_on}.npy")
        for loaded_on in installed:
            predicted = np.load(tmp_path / f"{saved_on}-on-{loaded_on}.npy")
            np.testing.assert_allclose(predicted, expected, atol=1e-5)
