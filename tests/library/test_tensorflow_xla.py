"""What XLA compiles of a TensorFlow graph on a CPU computes what plain operations compute."""

import os
import re
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from stn_keras import GridGenerator, Sampler, SpatialTransformer, backend
from stn_keras.backend import tensorflow_xla
from stn_keras.ops import warp
from tests.support.graphs import marked_operations

if keras.backend.backend() != "tensorflow":
    pytest.skip("fusion is for TensorFlow graphs", allow_module_level=True)

tf = pytest.importorskip("tensorflow")

SMALL, LARGE, CHANNELS_FIRST = (3, 9, 11, 2), (3, 96, 90, 2), (3, 2, 9, 11)


def tilted_transformer(shape, **arguments):
    """A layer whose theta differs from image to image and from the identity."""
    layer = SpatialTransformer(keras.layers.Flatten(), **arguments)
    layer.build(shape)
    rng = np.random.default_rng(0)
    layer.regressor.kernel.assign(
        rng.normal(0, 0.1 / np.prod(shape[1:]), layer.regressor.kernel.shape)
    )
    layer.regressor.bias.assign([0.9, 0.2, 0.1, -0.3, 1.1, -0.2])
    return layer


def output_and_gradients(layer, images, upstream):
    """Compiled in a graph, operation by operation where it is eager."""

    def run(images):
        with tf.GradientTape() as tape:
            tape.watch(images)
            outputs = layer(images, training=True)
        inputs = [images, layer.regressor.kernel.value, layer.regressor.bias.value]
        return outputs, *tape.gradient(outputs, inputs, upstream)

    return tf.function(run)(images), run(images)


def compiled_calls(layer, images, recorded):
    """Kernels in a graph, whose gradients are recorded or not."""

    @tf.function
    def run(images):
        if not recorded:
            return layer(images, training=True)
        with tf.GradientTape() as tape:
            tape.watch(images)
            return layer(images, training=False)

    graph = run.get_concrete_function(images)
    return [
        operation.name
        for operation in graph.graph.get_operations()
        if operation.type in ("PartitionedCall", "StatefulPartitionedCall")
        and operation.get_attr("_XlaMustCompile")
    ]


@pytest.mark.parametrize(
    ("shape", "arguments"),
    [
        (SMALL, {}),
        (SMALL, {"fill_mode": "reflect", "interpolation": "bicubic", "output_size": (5, 20)}),
        (SMALL, {"interpolation": "bicubic"}),
        (SMALL, {"supersample": 2, "output_size": 4}),
        (LARGE, {"fill_value": 0.5}),
        (CHANNELS_FIRST, {"data_format": "channels_first"}),
    ],
)
def test_kernels_equal_plain_operations(shape, arguments):
    rng = np.random.default_rng(1)
    layer = tilted_transformer(shape, **arguments)
    images = tf.constant(rng.random(shape, "float32"))
    upstream = tf.constant(rng.random(layer.compute_output_shape(shape), "float32"))
    fused, plain = output_and_gradients(layer, images, upstream)
    for ours, expected in zip(fused, plain, strict=True):
        scale = max(1, np.abs(expected).max())
        # XLA rounds coordinates near 90 another way, by 1e-5 of a pixel of noise.
        np.testing.assert_allclose(ours / scale, expected / scale, atol=5e-5)


def test_second_gradient_equals_that_of_plain_operations():
    """A penalty on the gradient to the images, as WGAN-GP trains with."""
    rng = np.random.default_rng(3)
    layer = tilted_transformer(SMALL, interpolation="bicubic")
    images, upstream = (tf.constant(rng.random(SMALL, "float32")) for _ in range(2))

    @tf.function
    def penalty_gradient(compiled):
        with tf.GradientTape() as outer:
            with tf.GradientTape() as inner:
                inner.watch(images)
                theta = layer.regressor(tf.zeros((3, 198)))
                outputs = warp(images, theta, interpolation="bicubic", compiled=compiled)
            penalty = tf.reduce_sum(inner.gradient(outputs, images, upstream) ** 2)
        return outer.gradient(penalty, layer.regressor.bias.value)

    np.testing.assert_allclose(penalty_gradient(True), penalty_gradient(False), rtol=1e-4)


def test_only_where_gradients_are_recorded_kernels_are_compiled():
    layer, images = tilted_transformer(SMALL), tf.zeros(SMALL)
    assert len(compiled_calls(layer, images, recorded=True)) == 1
    assert not compiled_calls(layer, images, recorded=False)


# Runs a warp in a graph, of which TensorFlow writes what it lets XLA compile.
DUMPED = """
import numpy as np, tensorflow as tf
from stn_keras.ops import warp
run = tf.function(lambda images, theta: warp(images, theta, fill_mode='FILL_MODE'))
run(np.ones((2, 9, 8, 3), "float32"), np.ones((2, 6), "float32"))
"""


@pytest.mark.parametrize("fill_mode", ["constant", "nearest", "mirror"])
def test_an_inferred_warp_is_one_cluster(tmp_path, fill_mode):
    """TensorFlow's optimizer leaves nothing between grid and sampler that XLA does not get."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "TF_DUMP_GRAPH_PREFIX": str(tmp_path),
        "TF_XLA_FLAGS": "--tf_xla_clustering_debug",
    }
    script = DUMPED.replace("FILL_MODE", fill_mode)
    subprocess.run([sys.executable, "-c", script], env=environment, check=True, timeout=300)
    graph = (tmp_path / "mark_for_compilation_annotated.pbtxt").read_text()
    assert set(re.findall(r'"(cluster_\d+)"', graph)) == {"cluster_0"}


def inference_graph(layer):
    function = tf.function(lambda images: layer(images, training=False))
    return function.get_concrete_function(tf.TensorSpec((None, *SMALL[1:]))).graph


def test_plain_graphs_are_not_marked():
    layer = tilted_transformer(SMALL)
    with backend.plain_graphs():
        assert not marked_operations(inference_graph(layer))
    assert marked_operations(inference_graph(layer))


def test_marked_batches_of_changing_size_equal_plain_ones():
    layer = tilted_transformer(SMALL)
    signature = [tf.TensorSpec((None, *SMALL[1:]))]
    marked = tf.function(lambda images: layer(images), input_signature=signature)
    with backend.plain_graphs():
        plain = tf.function(lambda images: layer(images), input_signature=signature)
        plain.get_concrete_function()
    images = np.random.default_rng(6).random((30, *SMALL[1:]), "float32")
    for count in (*range(1, 31), *range(1, 31)):
        ours, expected = marked(images[:count]), plain(images[:count])
        np.testing.assert_allclose(ours, expected, atol=1e-5)


def test_the_parts_are_compiled_where_the_layer_is():
    grid, sampler = GridGenerator(output_size=SMALL[1:3]), Sampler()
    theta = tf.zeros((3, 6))
    assert (
        len(compiled_calls(lambda x, training: sampler(x, grid(theta)), tf.zeros(SMALL), True)) == 2
    )


@pytest.mark.parametrize(
    ("family", "kernels"), [("affine", 1), ("tps", 1), ("homography", 2), ("rotation", 1)]
)
def test_a_grid_that_ends_in_a_product_shares_the_sampler_s_kernel(family, kernels):
    layer = SpatialTransformer(transform=family)
    layer.build(SMALL)
    assert len(compiled_calls(layer, tf.zeros(SMALL), recorded=True)) == kernels


def test_without_xla_nothing_compiles(monkeypatch):
    monkeypatch.setattr(tensorflow_xla, "is_available", lambda: False)
    assert not compiled_calls(tilted_transformer(SMALL), tf.zeros(SMALL), recorded=True)


@pytest.mark.parametrize("shape", [SMALL, LARGE])
def test_fit_with_a_short_last_batch(shape):
    images = np.random.default_rng(2).random((5, *shape[1:]), "float32")
    model = keras.Sequential([SpatialTransformer(), keras.layers.Flatten(), keras.layers.Dense(1)])
    model.compile("adam", "mse")
    history = model.fit(images, np.ones(5), batch_size=2, epochs=2, verbose=0)
    assert np.isfinite(history.history["loss"]).all()


def test_images_of_changing_size():
    pooled = keras.Sequential([keras.layers.Conv2D(4, 3), keras.layers.GlobalAveragePooling2D()])
    inputs = keras.Input((None, None, 1))
    outputs = SpatialTransformer(pooled, output_size=(6, 6))(inputs)
    model = keras.Model(inputs, keras.layers.Flatten()(outputs))
    model.compile("adam", "mse")
    for size in (8, 12):
        loss = model.train_on_batch(np.ones((2, size, size, 1), "float32"), np.zeros((2, 36)))
        assert np.isfinite(loss)


@pytest.mark.parametrize("transform", ["homography", "tps"])
def test_grids_of_every_end_equal_plain_operations(transform):
    """One that ends in a matmul shares the sampler's kernel; another has its own."""
    rng = np.random.default_rng(4)
    layer = SpatialTransformer(transform=transform)
    parameters = layer.transform.num_parameters
    theta = layer.transform.identity + rng.normal(0, 0.05, (3, parameters))
    theta, images = tf.constant(theta, "float32"), tf.constant(rng.random(SMALL, "float32"))
    upstream = tf.constant(rng.random(SMALL, "float32"))

    @tf.function
    def run(compiled):
        with tf.GradientTape() as tape:
            tape.watch((images, theta))
            outputs = warp(images, theta, layer.transform, compiled=compiled)
        return outputs, *tape.gradient(outputs, (images, theta), upstream)

    for ours, expected in zip(run(True), run(False), strict=True):
        np.testing.assert_allclose(ours, expected, atol=5e-5 * np.abs(expected).max())


@pytest.mark.parametrize("shape", [SMALL, (3, 128, 128, 1)])
@pytest.mark.parametrize(
    ("dtype", "interpolation"), [("float32", "nearest"), ("uint8", "bilinear")]
)
def test_what_has_no_gradient_trains_at_any_size(shape, dtype, interpolation):
    inputs = keras.Input(shape[1:], dtype=dtype)
    straightened = SpatialTransformer(interpolation=interpolation)(inputs)
    maps = keras.layers.Conv2D(1, 3)(straightened)
    model = keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(maps))
    model.compile("sgd", "mse")
    images = np.random.default_rng(0).integers(0, 9, shape).astype(dtype)
    assert np.isfinite(model.train_on_batch(images, np.zeros((len(images), 1))))


@pytest.mark.parametrize("fill_mode", ["constant", "nearest"])
@pytest.mark.parametrize("eager", [True, False])
def test_no_images_have_a_gradient_of_none(fill_mode, eager):
    layer = tilted_transformer(SMALL, fill_mode=fill_mode)

    def gradient(images):
        with tf.GradientTape() as tape:
            tape.watch(images)
            total = tf.reduce_sum(layer(images, training=True))
        return tape.gradient(total, images)

    run = gradient if eager else tf.function(gradient)
    assert run(tf.zeros((0, *SMALL[1:]))).shape == (0, *SMALL[1:])


@pytest.mark.parametrize("transform", ["affine", "homography"])
def test_a_model_compiled_by_xla_learns_the_same(transform):
    """The layer's own kernels lie within that of the whole step."""
    rng = np.random.default_rng(5)
    images, targets = rng.random((8, 9, 11, 2), "float32"), rng.random((8, 3), "float32")
    learned = []
    for jit_compile in (True, False):
        keras.utils.set_random_seed(0)
        flat = keras.layers.Flatten
        layers = [SpatialTransformer(flat(), transform), flat(), keras.layers.Dense(3)]
        model = keras.Sequential(layers)
        model.compile(keras.optimizers.SGD(0.01), "mse", jit_compile=jit_compile)
        model.fit(images, targets, batch_size=4, epochs=2, shuffle=False, verbose=0)
        learned.append([*model.get_weights(), model.predict(images, verbose=0)])
    for ours, expected in zip(*learned, strict=True):
        np.testing.assert_allclose(ours, expected, atol=1e-4)
