"""A transformer in a user's own network: pixel ranges, wrong inputs, many models in one process."""

import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers, ops

from data_prep.sources import load_source
from experiments.networks.keras_post import cnn
from stn_keras import (
    IterativeSpatialTransformer,
    ParallelSpatialTransformer,
    PolarTransformer,
    Sampler,
    SpatialTransformer,
    with_spatial_transformer,
)
from stn_keras.callbacks import TransformerMonitor
from stn_keras.layers.localization import Thumbnail
from stn_keras.optimizers import with_localization_rate
from tests.support.gradients import value_and_gradients

pytestmark = pytest.mark.backend

ROOT = Path(__file__).parents[2]
RANGES = {"0 to 1": (1, 0), "0 to 255": (255, 0), "-1 to 1": (2, -1), "normalized": (3.2, -0.4)}


# --- The range of the pixels.


@pytest.mark.parametrize(("scale", "shift"), RANGES.values(), ids=RANGES)
@pytest.mark.parametrize("shape", [(40, 30, 3), (32, 32, 1)])
def test_a_thumbnail_does_not_depend_on_the_range(rng, shape, scale, shift):
    images = rng.random((4, *shape))
    thumbnail = Thumbnail(32)
    expected = ops.convert_to_numpy(thumbnail(images.astype("float32")))
    ranged = ops.convert_to_numpy(thumbnail((scale * images + shift).astype("float32")))
    np.testing.assert_allclose(ranged, expected, atol=1e-4)
    np.testing.assert_allclose(expected.mean((1, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(expected.std((1, 2, 3)), 1, atol=1e-4)


@pytest.mark.parametrize("value", [0, 1e-3, 0.1, 1, 255, -7])
def test_a_constant_image_has_a_finite_thumbnail(value):
    thumbnail = ops.convert_to_numpy(Thumbnail(8)(np.full((2, 20, 20, 3), value, "float32")))
    np.testing.assert_allclose(thumbnail, 0, atol=1e-3)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_a_thumbnail_of_large_values_is_finite_in_half_precision(rng, policy):
    images = 255 * rng.random((2, 64, 64, 3)).astype("float32")
    thumbnail = Thumbnail(32, dtype=policy)(images)
    assert keras.backend.standardize_dtype(thumbnail.dtype) == policy.removeprefix("mixed_")
    assert np.isfinite(ops.convert_to_numpy(ops.cast(thumbnail, "float32"))).all()


@pytest.mark.parametrize("value", [0, 0.1, 255])
def test_a_constant_image_gets_no_gradient_through_its_thumbnail(rng, value):
    weights = rng.normal(size=(2, 8, 8, 1)).astype("float32")

    def total(images):
        return ops.sum(Thumbnail(8)(images) * ops.convert_to_tensor(weights))

    _, (gradient,) = value_and_gradients(total, np.full((2, 12, 12, 1), value, "float32"))
    np.testing.assert_array_equal(gradient, 0)


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize(
    ("size", "side"),
    [((8, 16), 16), ((16, 17), 32), ((None, 8), 32), ((16, 16, 4), 16), ((8, 8, 17), 32)],
)
def test_small_maps_get_a_small_thumbnail(size, side, data_format):
    thumbnail = Thumbnail(32, 16, data_format=data_format)
    shape = (2, *size, 3) if data_format == "channels_last" else (2, 3, *size)
    expected = (2, *[side] * len(size), 3)
    assert thumbnail.compute_output_shape(shape) == expected
    assert thumbnail(keras.KerasTensor(shape)).shape == expected


def test_the_size_of_a_thumbnail_is_settled_once(rng):
    """A network built for images of any size reads small ones as it reads others."""
    layer = SpatialTransformer(output_size=8)
    model = keras.Sequential([keras.Input((None, None, 1)), layer])
    for side in (40, 12):
        assert model(rng.random((2, side, side, 1), "float32")).shape[0] == 2
    assert layer.localization.layers[0].output.shape == (None, 32, 32, 1)


def test_maps_that_are_all_zero_train_the_layers_before_finitely():
    layers_before = layers.Conv2D(2, 3, activation="relu", bias_initializer="zeros")
    model = keras.Sequential(
        [layers_before, SpatialTransformer(), layers.Flatten(), layers.Dense(1)]
    )
    model.compile("sgd", "mse")
    model.fit(np.zeros((4, 12, 12, 1)), np.ones(4), epochs=2, verbose=0)
    assert all(np.isfinite(weight).all() for weight in model.get_weights())


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_training_starts_at_the_identity_in_any_range(rng, dtype):
    images = rng.integers(0, 256, (3, 20, 24, 3)).astype(dtype)
    outputs = ops.convert_to_numpy(SpatialTransformer()(images))
    np.testing.assert_array_equal(outputs, images.astype("float32"))


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="training is the same on all")
@pytest.mark.parametrize("scale", [1, 1 / 255])
def test_digits_are_learned_in_any_range(scale):
    """Read outside the image after a few steps, 11 % of images in 0..255 were right, as by lot."""
    source = load_source("digits")
    keras.utils.set_random_seed(0)
    inputs = keras.Input((28, 28, 1))
    scores = cnn()(layers.Rescaling(1 / 255 / scale)(SpatialTransformer()(inputs)))
    model = keras.Model(inputs, scores)
    model.compile(
        keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    images, test = (scale * part for part in (source.train_images, source.test_images))
    model.fit(images, source.train_labels, batch_size=32, epochs=4, verbose=0)
    assert model.evaluate(test, source.test_labels, verbose=0)[1] > 0.85


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="training is the same on all")
@pytest.mark.parametrize(
    "name",
    ["MobileNetV3Small", pytest.param("EfficientNetB0", marks=pytest.mark.everything)],
)
def test_theta_stays_sane_before_networks_that_take_0_to_255(rng, name):
    keras.utils.set_random_seed(0)
    classifier = getattr(keras.applications, name)(
        weights=None, input_shape=(64, 64, 3), classes=10
    )
    model = with_spatial_transformer(classifier)
    model.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy")
    labels = rng.integers(0, 10, 16)
    pictures = rng.integers(0, 256, (16, 64, 64, 3)).astype("uint8")
    model.fit(pictures, labels, batch_size=16, epochs=50, verbose=0)
    transformer = model.get_layer("spatial_transformer")
    matrix = ops.convert_to_numpy(transformer.predict_theta(pictures)).reshape(-1, 2, 3)
    assert np.isfinite(matrix).all()
    scales = np.linalg.svd(matrix[:, :, :2], compute_uv=False)
    assert 0.3 < scales.min() <= scales.max() < 3
    assert np.abs(matrix[:, :, 2]).max() < 1


@pytest.mark.parametrize(("largest", "named"), [(255, True), (1, False)])
def test_the_monitor_names_the_range_as_a_cause(rng, tmp_path, largest, named):
    images = largest * rng.random((3, 8, 8, 1)).astype("float32")
    layer = SpatialTransformer(layers.Flatten(), initial_theta=[1, 0, 9, 0, 1, 0])
    model = keras.Sequential([layer])
    model.compile("sgd", "mse")
    with pytest.warns(UserWarning, match="outside the images") as warned:
        model.fit(images, images, callbacks=[TransformerMonitor(images, tmp_path)], verbose=0)
    (message,) = (str(each.message) for each in warned if "outside" in str(each.message))
    assert ("range of its pixels" in message) == named


# --- Wrong inputs are refused at once, in one line.


def built(layer=None, shape=(2, 8, 8, 1)):
    layer = layer or SpatialTransformer()
    layer(np.zeros(shape))
    return layer


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: built()(np.zeros((8, 8, 1))), r"images \(N, H, W, C\).*\(8, 8, 1\)"),
        (lambda: built()(np.zeros((2, 8, 8, 3))), r"1 channels.*\(2, 8, 8, 3\)"),
        (
            lambda: built(IterativeSpatialTransformer(steps=2))(np.zeros((2, 8, 8, 3))),
            r"1 channels.*\(2, 8, 8, 3\)",
        ),
        (
            lambda: built(ParallelSpatialTransformer(count=2))(np.zeros((8, 8, 3))),
            r"images \(N, H, W, C\)",
        ),
        (lambda: built().warp(np.zeros((8, 8, 1)), np.zeros((1, 6))), r"images \(N, H, W, C\)"),
        (lambda: built().warp(np.zeros((2, 8, 8, 1)), [[1.0, 0.0]]), r"theta of shape \(N, 6\)"),
        (
            lambda: built().warp(np.zeros((2, 8, 8, 1)), np.zeros((3, 6))),
            r"one for each theta.*\(3, 6\)",
        ),
        (lambda: built(SpatialTransformer(fill_value=(0, 1))), r"one per channel \(1\)"),
        (
            lambda: Sampler(fill_value=(0, 1))(
                np.zeros((2, 8, 8, 1)), np.zeros((2, 4, 4, 2), "float32")
            ),
            r"one per channel \(1\)",
        ),
        (
            lambda: with_spatial_transformer(keras.Sequential([layers.Flatten()])),
            "Expected `input_shape` for a classifier that is not built",
        ),
        (lambda: SpatialTransformer(initial_theta=np.full(6, np.nan)), "finite `initial_theta`"),
        (lambda: SpatialTransformer(outside_penalty=np.nan), "outside_penalty"),
        (lambda: PolarTransformer("x"), "Expected `localization`"),
        (
            lambda: with_localization_rate("adam", with_spatial_transformer(cnn()), 0.1),
            "Expected `optimizer` to be a Keras optimizer.*'adam'",
        ),
        (
            lambda: SpatialTransformer(bounds={"rotation_degrees": (-90, 90)}),
            "'rotation_degrees' needs one of .* 'decomposed_affine', 'rotation', 'similarity'",
        ),
        (
            lambda: SpatialTransformer(transform="rotation", bounds={"tx": 0}),
            "'tx' needs one of the transforms.*'translation'",
        ),
    ],
)
def test_wrong_inputs_are_refused_in_one_line(wrong, message):
    with pytest.raises(ValueError, match=message) as refused:
        wrong()
    assert "\n" not in str(refused.value)


def test_maps_of_other_channels_may_share_a_built_layer(rng):
    images, maps = rng.random((2, 8, 8, 1)), rng.random((2, 8, 8, 5))
    outputs = built()(maps, localization_inputs=images)
    np.testing.assert_array_equal(ops.convert_to_numpy(outputs), maps.astype("float32"))


def test_a_subclassed_classifier_takes_the_shape_of_the_images():
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.scores = layers.Dense(2)

        def call(self, images):
            return self.scores(layers.Flatten()(images))

    classifier = Own()
    classifier(np.zeros((1, 8, 8, 1)))
    model = with_spatial_transformer(classifier, input_shape=(8, 8, 1))
    assert model.output_shape == (None, 2)
    with pytest.raises(ValueError, match="input_shape"):
        with_spatial_transformer(classifier)


def test_a_classifier_that_is_not_built_takes_the_shape_of_the_images():
    classifier = keras.Sequential([layers.Flatten(), layers.Dense(2)])
    model = with_spatial_transformer(classifier, input_shape=(9, 8, 1))
    assert model.output_shape == (None, 2)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="tf.function is TensorFlow's")
def test_unknown_channels_in_a_graph_are_refused_in_one_line():
    import tensorflow as tf

    from stn_keras.ops import sample

    images = tf.TensorSpec((None, 8, 8, None))
    for function, specs in (
        (lambda images: SpatialTransformer()(images), [images]),
        (lambda images, xy: sample(images, xy), [images, tf.TensorSpec((None, 4, 4, 2))]),
    ):
        with pytest.raises(ValueError, match="known number of channels"):
            tf.function(function, input_signature=specs, autograph=False).get_concrete_function()


# --- Many models in one process.


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="kernels are TensorFlow's")
def test_a_model_like_another_compiles_no_kernel_of_its_own():
    from stn_keras.backend import tensorflow_xla

    def train():
        keras.utils.set_random_seed(0)
        model = keras.Sequential(
            [SpatialTransformer(), SpatialTransformer(transform="tps"), layers.Flatten()]
        )
        model.compile("sgd", "mse")
        model.fit(np.ones((4, 12, 12, 1)), np.zeros((4, 144)), verbose=0)

    train()
    kernels = tensorflow_xla._compiled.cache_info().currsize
    train()
    assert kernels > 0
    assert tensorflow_xla._compiled.cache_info().currsize == kernels


# Megabytes that stay for each of many like models: 36 when each had kernels of its own, 24 now. Of
# these a Keras model of the localization network's layers alone leaves 17.
MOST_PER_MODEL = 30
LOOP = """
import gc
import keras, numpy as np
from stn_keras import SpatialTransformer

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096 / 1e6

images, labels = np.random.rand(64, 28, 28, 1).astype("float32"), np.zeros(64)
before = None
for trial in range(23):
    layers = [SpatialTransformer(), keras.layers.Flatten(), keras.layers.Dense(10, "softmax")]
    model = keras.Sequential(layers)
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(images, labels, batch_size=32, verbose=0)
    del model, layers
    keras.backend.clear_session()
    gc.collect()
    before = resident() if trial == 2 else before
print((resident() - before) / 20)
"""


@pytest.mark.everything
@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="kernels are TensorFlow's")
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc")
def test_memory_of_models_in_a_loop():
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    run = subprocess.run(
        [sys.executable, "-c", LOOP], env=environment, capture_output=True, text=True, timeout=600
    )
    assert run.returncode == 0, run.stderr
    assert float(run.stdout.split()[-1]) < MOST_PER_MODEL
