"""A model saved on one Keras backend loads on the others and predicts the same."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

SCRIPT = """
import sys
import keras, numpy as np
import stn_keras
path, images, out = sys.argv[1:]
if path.endswith("new.keras"):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((20, 16, 2))
    layer = stn_keras.SpatialTransformer(output_size=(12, 14), fill_mode="reflect", name="stn")
    model = keras.Model(inputs, layer(inputs))
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(0, 0.05, w.shape) for w in model.get_weights()])
    model.save(path)
np.save(out, keras.models.load_model(path).predict(np.load(images), verbose=0))
"""


def predict(backend, path, images, out):
    """Load (or make) the model on a backend and write what it predicts."""
    environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    root = str(Path(__file__).parent.parent)
    subprocess.run(
        [sys.executable, "-c", SCRIPT, path, images, out],
        env={**environment, "PYTHONPATH": root},
        check=True,
        timeout=300,
    )
    return np.load(out)


@pytest.mark.slow
def test_a_file_saved_on_one_backend_loads_on_the_others(rng, tmp_path):
    installed = [name for name in ("tensorflow", "jax", "torch") if importlib.util.find_spec(name)]
    if len(installed) < 2:
        pytest.skip("one backend alone is installed: make test-backends installs the others")
    images, out = str(tmp_path / "images.npy"), str(tmp_path / "out.npy")
    np.save(images, rng.normal(size=(3, 20, 16, 2)).astype("float32"))
    for saved_on in installed:
        path = str(tmp_path / f"{saved_on}-new.keras")
        expected = predict(saved_on, path, images, out)
        os.rename(path, tmp_path / "model.keras")
        for loaded_on in installed:
            predicted = predict(loaded_on, str(tmp_path / "model.keras"), images, out)
            np.testing.assert_allclose(predicted, expected, atol=1e-5)
