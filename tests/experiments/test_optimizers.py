"""`ConvMuon` steps as Muon does, on the kernels of convolutions too."""

import keras
import numpy as np
import pytest
from keras import ops

from experiments.networks.keras_post import cnn
from experiments.training.optimizers import ConvMuon
from stn_keras.models import with_spatial_transformer
from stn_keras.optimizers import with_localization_rate


def stepped(optimizer, values, gradient, path="kernel"):
    """A variable of those values after a step."""
    variable = keras.Variable(values, name=path)
    optimizer.apply([ops.convert_to_tensor(gradient)], [variable])
    return ops.convert_to_numpy(variable)


@pytest.mark.parametrize("shape", [(3, 3, 4, 8), (5, 5, 1, 40), (1, 1, 6, 5)])
def test_a_kernel_steps_as_the_matrix_it_is_taken_for(rng, shape):
    values, gradient = rng.normal(size=(2, *shape)).astype("float32")
    as_matrix = [array.reshape(-1, shape[-1]) for array in (values, gradient)]
    expected = stepped(keras.optimizers.Muon(0.1), *as_matrix).reshape(shape)
    np.testing.assert_allclose(stepped(ConvMuon(0.1), values, gradient), expected, atol=1e-6)


def test_a_step_is_nearly_orthogonal(rng):
    columns, _, rows = np.linalg.svd(rng.normal(size=(18, 8)), full_matrices=False)
    # Singular values from 1 to 1/20 all come near 1.
    gradient = (columns * np.geomspace(1, 0.05, 8)) @ rows
    gradient = gradient.reshape(3, 3, 2, 8).astype("float32")
    optimizer = ConvMuon(1.0, weight_decay=None, rms_rate=None)
    step = -stepped(optimizer, np.zeros_like(gradient), gradient).reshape(-1, 8)
    assert np.all(np.abs(np.linalg.svd(step)[1] - 1) < 0.35)  # as near as five iterations come
    assert np.trace(step.T @ gradient.reshape(-1, 8)) > 0


@pytest.mark.parametrize("shape", [(7,), (3, 3, 2, 4)])
def test_vectors_and_excluded_kernels_are_left_to_adam(rng, shape):
    values, gradient = rng.normal(size=(2, *shape)).astype("float32")
    arguments = {"exclude_layers": ["kernel"], "weight_decay": 0.1, "adam_weight_decay": 0.1}
    expected = stepped(keras.optimizers.Muon(0.1, **arguments), values, gradient)
    given = stepped(ConvMuon(0.1, **arguments), values, gradient)
    np.testing.assert_array_equal(given, expected)


def test_a_model_trained_with_it_saves_loads_and_goes_on(rng, tmp_path):
    model = with_spatial_transformer(cnn())
    images, labels = rng.random((16, 28, 28, 1), "float32"), rng.integers(0, 10, 16)
    optimizer = ConvMuon(keras.optimizers.schedules.CosineDecay(0.01, 10))
    optimizer = with_localization_rate(optimizer, model, 0.1)
    model.compile(optimizer, "sparse_categorical_crossentropy")
    model.train_on_batch(images, labels)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    for network in (model, loaded):
        network.train_on_batch(images, labels)
    for here, there in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_allclose(here, there, atol=1e-5)
