"""`ops.warp`: the whole equals its parts, whatever is given."""

import keras
import numpy as np
import pytest
from keras import ops

from stn_keras import GridGenerator, ParallelSpatialTransformer, Sampler, SpatialTransformer
from stn_keras.ops import warp
from stn_keras.transforms import FAMILIES, Affine, Similarity, get
from tests.support.arrays import TOLERANCE
from tests.support.gradients import value_and_gradients

pytestmark = pytest.mark.backend

SIZE, OUTPUT_SIZE = (9, 12), (7, 5)


def numpy(tensor):
    return ops.convert_to_numpy(tensor)


def theta_near(transform, rng, *batch):
    theta = transform.identity + rng.normal(0, 0.1, (*batch, transform.num_parameters))
    return theta.astype("float32")


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_the_parts_equal_the_whole(family, data_format, rng):
    """Values and gradients of `GridGenerator` then `Sampler`, of the layer and of `ops.warp`."""
    transform = get(family)
    theta = theta_near(transform, rng, 2)
    shape = (*SIZE, 3) if data_format == "channels_last" else (3, *SIZE)
    images = rng.random((2, *shape), "float32")
    settings = {"interpolation": "bicubic", "fill_value": 0.5, "data_format": data_format}
    grid = GridGenerator(transform, output_size=OUTPUT_SIZE, input_size=SIZE)
    sampler = Sampler(**settings)
    layer = SpatialTransformer(transform=transform, output_size=OUTPUT_SIZE, **settings)
    whole, parts, by_layer = (
        value_and_gradients(lambda x, t, run=run: ops.sum(ops.sin(run(x, t))), images, theta)
        for run in (
            lambda x, t: warp(x, t, transform, OUTPUT_SIZE, **settings),
            lambda x, t: sampler(x, grid(t)),
            layer.warp,
        )
    )
    for other in (parts, by_layer):
        np.testing.assert_allclose(other[0], whole[0], rtol=1e-5)
        for ours, expected in zip(other[1], whole[1], strict=True):
            np.testing.assert_allclose(ours, expected, atol=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_parts_and_whole_are_exact_at_the_identity(family, rng):
    transform = get(family)
    images = rng.normal(size=(2, *SIZE, 3)).astype("float32")
    theta = np.tile(transform.identity, (2, 1))
    grid, sampler = GridGenerator(transform, output_size=SIZE), Sampler()
    np.testing.assert_array_equal(numpy(warp(images, theta, transform)), images)
    np.testing.assert_array_equal(numpy(sampler(images, grid(theta))), images)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="TensorFlow's own graphs")
@pytest.mark.parametrize("family", [*FAMILIES, Similarity(rank=3), Affine(rank=3)], ids=str)
def test_theta_may_be_stacked_in_a_graph(family, rng):
    """Grappler rewrites slices of what was stacked, and some of them wrongly."""
    import tensorflow as tf

    transform = get(family)
    theta = theta_near(transform, rng, 2)
    images = rng.random((2, *(*SIZE, 6)[: transform.rank], 3), "float32")

    def from_parts(images, theta):
        return warp(images, tf.stack(tf.unstack(theta, axis=-1), axis=-1), transform)

    in_graph = tf.function(from_parts)(tf.constant(images), tf.constant(theta))
    np.testing.assert_allclose(in_graph, from_parts(images, theta), atol=1e-6)


@pytest.mark.parametrize("supersample", [1, 2])
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_several_thetas_per_image_are_several_warps(data_format, supersample, rng):
    shape = (*SIZE, 3) if data_format == "channels_last" else (3, *SIZE)
    images, theta = rng.random((2, *shape), "float32"), theta_near(Affine(), rng, 2, 4)
    settings = {"data_format": data_format, "supersample": supersample}
    together = numpy(warp(images, theta, "affine", OUTPUT_SIZE, **settings))
    for i in range(4):
        alone = numpy(warp(images, theta[:, i], "affine", OUTPUT_SIZE, **settings))
        np.testing.assert_allclose(together[:, i], alone, atol=TOLERANCE["float32"])
    one = numpy(warp(images[:1], theta, "affine", OUTPUT_SIZE, **settings))
    np.testing.assert_allclose(one[0], together[0], atol=TOLERANCE["float32"])


def test_one_theta_warps_many_images_and_many_thetas_one_image(rng):
    images, theta = rng.random((3, *SIZE, 1), "float32"), theta_near(Affine(), rng, 3)
    expected = numpy(warp(images, np.stack([theta[0]] * 3)))
    for single in (theta[0], theta[:1], theta[0].reshape(2, 3), theta[:1].reshape(1, 2, 3)):
        np.testing.assert_array_equal(numpy(warp(images, single)), expected)
    copies = numpy(warp(np.stack([images[0]] * 3), theta))
    np.testing.assert_array_equal(numpy(warp(images[:1], theta)), copies)


def test_symbolic_images_and_thetas_make_a_model(rng, tmp_path):
    images, theta = rng.random((3, *SIZE, 2), "float32"), theta_near(Similarity(), rng, 3, 2)
    inputs = [keras.Input((*SIZE, 2)), keras.Input((2, 4))]
    arguments = {"transform": "similarity", "output_size": OUTPUT_SIZE, "fill_value": (0.5, 1.0)}
    warped = warp(*inputs, **arguments)
    assert warped.shape == (None, 2, *OUTPUT_SIZE, 2)
    model = keras.Model(inputs, warped)
    model.save(tmp_path / "model.keras")
    expected = numpy(warp(images, theta, **arguments))
    for each in (model, keras.saving.load_model(tmp_path / "model.keras")):
        np.testing.assert_allclose(numpy(each([images, theta])), expected, rtol=1e-6)


@pytest.mark.parametrize("theta", [[[1, 0, 1, 0, 1, 0]], np.float32([1, 0, 1, 0, 1, 0])])
@pytest.mark.parametrize("batch", [1, None])
def test_a_given_theta_warps_symbolic_images(theta, batch, rng):
    inputs = keras.Input((4, 4, 1), batch_size=batch)
    warped = warp(inputs, theta)
    assert warped.shape == (batch, 4, 4, 1)
    images = rng.random((1, 4, 4, 1), "float32")
    again = keras.Model(inputs, warped)(images)
    np.testing.assert_array_equal(numpy(again), numpy(warp(images, theta)))


@pytest.mark.parametrize("fill_value", [float("nan"), -float("inf"), (0.0, float("inf"))])
def test_a_fill_that_is_not_finite_is_refused(fill_value):
    with pytest.raises(ValueError, match="finite"):
        warp(np.zeros((1, 4, 4, 2)), Affine().identity, fill_value=fill_value)


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_a_parallel_transformer_stacks_what_it_else_concatenates(data_format, rng):
    shape = (*SIZE, 2) if data_format == "channels_last" else (2, *SIZE)
    images = rng.random((3, *shape), "float32")
    settings = {"count": 2, "output_size": OUTPUT_SIZE, "data_format": data_format}
    stacked, flat = (ParallelSpatialTransformer(stack=stack, **settings) for stack in (True, False))
    apart, theta = stacked(images, return_theta=True)
    assert theta.shape == (3, 2, 6)
    axis = -1 if data_format == "channels_last" else 1
    together = np.concatenate([numpy(apart)[:, i] for i in range(2)], axis)
    np.testing.assert_array_equal(numpy(flat(images)), together)
    spec = stacked.compute_output_spec(keras.KerasTensor((None, *shape)))
    assert spec.shape[1:] == apart.shape[1:]


@pytest.mark.parametrize("steps", [1, 2])
def test_theta_and_output_of_one_pass(steps, rng):
    from stn_keras import IterativeSpatialTransformer

    images = rng.random((2, *SIZE, 1), "float32")
    layer = IterativeSpatialTransformer(keras.layers.Flatten(), "similarity", steps=steps)
    warped, theta = layer(images, return_theta=True)
    np.testing.assert_array_equal(numpy(warped), images)
    np.testing.assert_array_equal(numpy(theta), numpy(layer.predict_theta(images)))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (((2, 3, 4, 5, 1), (2, 6)), "transform of rank 2"),
        (((2, 8, 8, 1), (2, 5)), r"theta.shape=\(2, 5\)"),
        (((2, 8, 8, 1), (3, 6)), r"one for each theta.*\(3, 6\)"),
        (((2, 8, 8, None), (2, 6)), "known number of channels"),
    ],
)
def test_other_shapes_are_refused_in_one_line(arguments, message):
    images, theta = arguments
    if None in images:
        images, theta = keras.KerasTensor(images), keras.KerasTensor(theta)
    else:
        images, theta = np.zeros(images, "float32"), np.zeros(theta, "float32")
    with pytest.raises(ValueError, match=message) as refused:
        warp(images, theta)
    assert "\n" not in str(refused.value)


def test_a_supersample_needs_corners_that_are_not_aligned():
    with pytest.raises(ValueError, match="align_corners"):
        warp(np.zeros((1, 4, 4, 1)), Affine().identity, align_corners=True, supersample=2)
