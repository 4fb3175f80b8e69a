"""`ImageConv2D` is `keras.layers.Conv2D`, gradients included."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import ops

from stn_keras import SpatialTransformer, with_spatial_transformer
from stn_keras.layers import ImageConv2D, image_conv
from tests.support.arrays import EXACT, TOLERANCE
from tests.support.gradients import value_and_gradients

if keras.backend.backend() != "tensorflow":
    pytest.skip("elsewhere it is Keras's layer", allow_module_level=True)


@pytest.fixture(autouse=True, scope="module")
def onednn():
    """Blocks of pixels are right without oneDNN too, if slow."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(image_conv, "uses_onednn", lambda: True)
        yield


def features_and_gradients(layer, images, kernel, upstream):
    """The layer's features by a kernel, and the gradients to images and kernel."""

    def total(images, kernel):
        features = layer.convolution_op(images, kernel)
        return ops.sum(features * ops.convert_to_tensor(upstream))

    features = layer.convolution_op(*map(ops.convert_to_tensor, (images, kernel)))
    return ops.convert_to_numpy(features), *value_and_gradients(total, images, kernel)[1]


def assert_is_keras(images_shape, kernel_size, seed=0, **arguments):
    rng = np.random.default_rng(seed)
    ours, keras_own = (
        kind(5, kernel_size, dtype=EXACT, **arguments)
        for kind in (ImageConv2D, keras.layers.Conv2D)
    )
    images = rng.normal(size=images_shape).astype(EXACT)
    features = keras_own(images)
    kernel = rng.normal(size=keras_own.kernel.shape).astype(EXACT)
    upstream = rng.normal(size=features.shape).astype(EXACT)
    ours.build(images_shape)
    results = [
        features_and_gradients(layer, images, kernel, upstream) for layer in (ours, keras_own)
    ]
    for here, there in zip(*results, strict=True):
        np.testing.assert_allclose(here, there, atol=10 * TOLERANCE[EXACT])


@given(
    size=st.tuples(st.integers(4, 11), st.integers(4, 11)),
    kernel_size=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    channels=st.integers(1, 5),
    padding=st.sampled_from(["valid", "same"]),
    seed=st.integers(0, 99),
)
def test_features_and_gradients_are_those_of_keras(size, kernel_size, channels, padding, seed):
    assert_is_keras((2, *size, channels), kernel_size, seed, padding=padding)


@pytest.mark.parametrize(
    "arguments", [{"strides": 2}, {"strides": (1, 2)}, {"dilation_rate": 2}, {"padding": "same"}]
)
def test_so_they_are_with_strides_dilation_and_padding(arguments):
    assert_is_keras((2, 9, 10, 1), 3, **arguments)


@pytest.mark.parametrize(
    ("images_shape", "arguments", "block"),
    [
        ((2, 9, 9, 1), {}, 4),
        ((2, 9, 9, 3), {"padding": "same"}, 2),
        ((2, 9, 9, 5), {}, 1),
        ((2, None, 9, 1), {}, 1),
        ((2, 9, 9, 1), {"strides": 2}, 1),
        ((2, 9, 9, 1), {"dilation_rate": 2}, 1),
        ((2, 9, 9, 2), {"groups": 2}, 1),
        ((2, 1, 9, 9), {"data_format": "channels_first"}, 1),
    ],
)
def test_blocks_are_for_plain_convolutions_of_few_channels(images_shape, arguments, block):
    assert ImageConv2D(4, 3, **arguments)._block(images_shape) == block


def test_without_onednn_it_is_keras_own_layer(monkeypatch):
    monkeypatch.setattr(image_conv, "uses_onednn", lambda: False)
    assert ImageConv2D(4, 3)._block((2, 9, 9, 1)) == 1


@pytest.mark.parametrize(("setting", "on"), [("1", True), ("0", False)])
def test_whether_tensorflow_computes_by_onednn_is_known(setting, on):
    command = "from stn_keras.backend import uses_onednn; print(uses_onednn())"
    environment = {**os.environ, "TF_ENABLE_ONEDNN_OPTS": setting}
    done = subprocess.run(
        [sys.executable, "-c", command], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == str(on)


def test_a_transformer_before_it_learns_as_before_keras_own_layer(rng):
    images, labels = rng.random((64, 12, 12, 1), "float32"), rng.integers(0, 10, 64)
    trained = []
    for kind in (ImageConv2D, keras.layers.Conv2D):
        keras.utils.set_random_seed(0)
        layers = [kind(8, 5, activation="relu"), keras.layers.Flatten(), keras.layers.Dense(10)]
        classifier = keras.Sequential([keras.Input((12, 12, 1)), *layers])
        model = with_spatial_transformer(classifier, input_shape=(12, 12, 1))
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.SGD(0.1), loss)
        model.fit(images, labels, batch_size=16, shuffle=False, verbose=0)
        trained.append(model.get_weights())
    for ours, keras_own in zip(*trained, strict=True):
        np.testing.assert_allclose(ours, keras_own, atol=1e-5)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_it_trains_whatever_keras_settings(rng, policy, data_format):
    images, labels = rng.random((16, 12, 12, 1), "float32"), rng.integers(0, 4, 16)
    before = keras.config.image_data_format()
    keras.config.set_dtype_policy(policy)
    keras.config.set_image_data_format(data_format)
    try:
        last = {"data_format": "channels_last"}
        classifier = keras.Sequential(
            [
                keras.Input((12, 12, 1)),
                ImageConv2D(8, 5, **last),
                keras.layers.Flatten(**last),
                keras.layers.Dense(4, activation="softmax", dtype="float32"),
            ]
        )
        model = with_spatial_transformer(
            classifier,
            SpatialTransformer(**last, name="spatial_transformer"),
            input_shape=(12, 12, 1),
        )
        model.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy")
        kernel = model.get_layer("spatial_transformer").regressor.kernel
        assert not np.any(kernel.numpy())
        model.train_on_batch(images, labels)
        assert np.any(kernel.numpy())
    finally:
        keras.config.set_image_data_format(before)


def test_it_saves_and_loads(rng, tmp_path):
    images = rng.random((2, 12, 12, 3), "float32")
    model = keras.Sequential([keras.Input((12, 12, 3)), ImageConv2D(4, 3, padding="same")])
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert isinstance(loaded.layers[0], ImageConv2D)
    np.testing.assert_array_equal(
        model.predict(images, verbose=0), loaded.predict(images, verbose=0)
    )
