"""Inference does not train: what lies behind a transformer is in inference mode, however called."""

import keras
import numpy as np
import pytest
from keras import layers

from experiments.networks.keras_post import cnn, localization_net
from stn_keras import (
    IterativeSpatialTransformer,
    ParallelSpatialTransformer,
    SpatialTransformer,
    with_spatial_transformer,
)

pytestmark = pytest.mark.backend

SHAPE = (28, 28, 1)
TRANSFORMERS = {
    "plain": SpatialTransformer,
    "iterative": lambda **arguments: IterativeSpatialTransformer(steps=2, **arguments),
    "parallel": lambda **arguments: ParallelSpatialTransformer(count=2, **arguments),
    "spline": lambda **arguments: SpatialTransformer(transform="tps", **arguments),
}
LOCALIZATIONS = {
    "default": lambda: None,
    "dense": layers.Flatten,
    "of the post": localization_net,
    # Its own default of `training` is True.
    "with Resizing": lambda: keras.Sequential([layers.Resizing(8, 8), layers.Flatten()]),
    "with BatchNormalization": lambda: keras.Sequential(
        [layers.Conv2D(4, 5, strides=4), layers.BatchNormalization(), layers.Flatten()]
    ),
    "with Dropout": lambda: keras.Sequential([layers.Flatten(), layers.Dropout(0.5)]),
}
# Every kind with the default localization, every localization with the plain kind.
PAIRS = [(kind, "default") for kind in TRANSFORMERS]
PAIRS += [("plain", localization) for localization in LOCALIZATIONS if localization != "default"]


@pytest.fixture
def images(rng):
    return rng.random((8, *SHAPE), "float32")


def normalizing_model(kind, localization):
    """BatchNormalization and Dropout behind a transformer that does something."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input(SHAPE)
    transformer = TRANSFORMERS[kind](localization=LOCALIZATIONS[localization]())
    features = layers.Flatten()(layers.BatchNormalization()(transformer(inputs)))
    model = keras.Model(inputs, layers.Dense(3)(layers.Dropout(0.5)(features)))
    kernel = transformer.regressor.kernel
    kernel.assign(np.random.default_rng(0).normal(0, 0.005, kernel.shape))
    return model


def statistics(model):
    """Every weight that training would move, with the moving statistics."""
    return [weight.copy() for weight in model.get_weights()]


@pytest.mark.parametrize(("kind", "localization"), PAIRS)
def test_every_call_infers(images, kind, localization):
    model = normalizing_model(kind, localization)
    before = statistics(model)
    expected = model.predict(images, verbose=0)
    for outputs in (model(images), model(images, training=False), model(images)):
        outputs = keras.ops.convert_to_numpy(outputs)
        np.testing.assert_allclose(outputs, expected, atol=1e-5)
    for now, then in zip(statistics(model), before, strict=True):
        np.testing.assert_array_equal(now, then)


def test_training_still_trains(images):
    """The check above could fail: a training call gives other values and moves the statistics."""
    model = normalizing_model("plain", "default")
    before = statistics(model)
    outputs = keras.ops.convert_to_numpy(model(images, training=True))
    assert np.abs(outputs - model.predict(images, verbose=0)).max() > 1e-2
    moved = [np.any(now != then) for now, then in zip(statistics(model), before, strict=True)]
    assert sum(moved) >= 2


@pytest.mark.parametrize("localization", ["default", "with Resizing", "with Dropout"])
def test_theta_is_that_of_inference(images, localization):
    model = normalizing_model("plain", localization)
    (transformer,) = (each for each in model.layers if isinstance(each, SpatialTransformer))
    called, told = (
        transformer.predict_theta(images),
        transformer.predict_theta(images, training=False),
    )
    np.testing.assert_array_equal(*map(keras.ops.convert_to_numpy, (called, told)))


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="torch writes no SavedModel")
@pytest.mark.parametrize(("kind", "localization"), PAIRS)
def test_an_exported_model_infers(images, tmp_path, kind, localization):
    tf = pytest.importorskip("tensorflow", reason="a SavedModel needs TensorFlow")
    model = normalizing_model(kind, localization)
    model.export(tmp_path / "exported", verbose=False)
    loaded = tf.saved_model.load(str(tmp_path / "exported"))
    np.testing.assert_allclose(loaded.serve(images), model.predict(images, verbose=0), atol=1e-5)


def test_a_classifier_in_a_model_infers(images):
    classifier = keras.Sequential([keras.Input(SHAPE), layers.BatchNormalization(), cnn()])
    model = with_spatial_transformer(classifier)
    before = statistics(model)
    outputs = keras.ops.convert_to_numpy(model(images))
    np.testing.assert_allclose(outputs, model.predict(images, verbose=0), atol=1e-5)
    for now, then in zip(statistics(model), before, strict=True):
        np.testing.assert_array_equal(now, then)
