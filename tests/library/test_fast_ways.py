"""However a backend computes a warp, it computes what plain operations compute."""

import keras
import numpy as np
import pytest
from keras import ops

from stn_keras._arguments import to_tensor
from stn_keras.core import sampling
from stn_keras.core.fill_modes import FILL_MODES
from stn_keras.core.kernels import INTERPOLATIONS
from stn_keras.ops import sample, warp
from stn_keras.transforms import FAMILIES, get
from tests.support.gradients import value_and_gradients

pytestmark = pytest.mark.backend

# Images smaller and larger than those whose gradients are computed one by one; a size that torch's
# sampler takes without a copy.
SHAPES = {"small": (3, 9, 11, 2), "large": (2, 96, 90, 2), "powers of two": (2, 16, 8, 3)}


def inputs(shape, transform="affine", thetas=None, seed=0):
    """Images, thetas between the identity and a place where much is read outside."""
    rng = np.random.default_rng(seed)
    transform = get(transform)
    count = thetas or shape[0]
    theta = transform.identity + rng.normal(0, 0.1, (count, transform.num_parameters))
    theta[: count // 2] *= 1.5
    return rng.random(shape, "float32"), theta.astype("float32")


def assert_same(images, theta, transform="affine", **arguments):
    """Outputs and gradients of `warp` by default, and by plain operations."""
    shape = np.shape(warp(images, theta, transform, **arguments))
    upstream = np.random.default_rng(1).random(shape, "float32")

    def loss(compiled):
        return lambda images, theta: ops.sum(
            warp(images, theta, transform, compiled=compiled, **arguments) * to_tensor(upstream)
        )

    fast, plain = (
        (warp(images, theta, transform, compiled=compiled, **arguments), *gradients)
        for compiled in (None, False)
        for _, gradients in [value_and_gradients(loss(compiled), images, theta)]
    )
    for ours, expected in zip(fast, plain, strict=True):
        ours, expected = ops.convert_to_numpy(ours), ops.convert_to_numpy(expected)
        scale = max(1, np.abs(expected).max())
        # XLA rounds coordinates near 90 another way, by 1e-5 of a pixel of noise.
        np.testing.assert_allclose(ours / scale, expected / scale, atol=5e-5)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("fill_value", [0.0, (0.5, -1.0, 0.25)])
def test_sizes_and_fills(shape, fill_value):
    shape = SHAPES[shape]
    fill_value = fill_value if fill_value == 0 else fill_value[: shape[-1]]
    assert_same(*inputs(shape), fill_value=fill_value)


@pytest.mark.parametrize("fill_value", [0.0, (0.5, -1.0)])
@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_a_small_window_of_large_images(interpolation, fill_value):
    arguments = {"interpolation": interpolation, "fill_value": fill_value}
    assert_same(*inputs(SHAPES["large"]), output_size=(7, 9), **arguments)


@pytest.mark.parametrize("fill_mode", FILL_MODES)
@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_kernels_and_fill_modes(fill_mode, interpolation):
    images, theta = inputs(SHAPES["small"])
    assert_same(
        images, theta, interpolation=interpolation, fill_mode=fill_mode, output_size=(5, 12)
    )


@pytest.mark.parametrize("transform", FAMILIES)
def test_families(transform):
    assert_same(*inputs(SHAPES["small"], transform), transform)


@pytest.mark.parametrize("shape", ["small", "large"])
@pytest.mark.parametrize("thetas", [1, 5])
def test_one_image_for_many_thetas_and_one_theta_for_many_images(shape, thetas):
    shape = SHAPES[shape] if thetas == 1 else (1, *SHAPES[shape][1:])
    assert_same(*inputs(shape, thetas=thetas))


@pytest.mark.parametrize("shape", ["small", "large"])
def test_several_thetas_of_each_image(shape):
    images, theta = inputs(SHAPES[shape], thetas=2 * SHAPES[shape][0])
    assert_same(images, theta.reshape(-1, 2, 6))


@pytest.mark.parametrize("arguments", [{"supersample": 2}, {"data_format": "channels_first"}])
def test_other_arguments(arguments):
    assert_same(*inputs((3, 10, 12, 2)), **arguments)


def test_many_channels():
    assert_same(*inputs((2, 6, 5, 40)))


@pytest.mark.parametrize("dtype", ["uint8", "float16"])
def test_dtypes(dtype):
    images, theta = inputs(SHAPES["large"])
    images = (200 * images).astype(dtype)
    fast, plain = (warp(images, theta, compiled=compiled) for compiled in (None, False))
    fast, plain = (ops.convert_to_numpy(ops.cast(array, "float32")) for array in (fast, plain))
    np.testing.assert_allclose(fast, plain, atol=0.02 if dtype == "uint8" else 0.25)


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("fill_value", [0.0, 0.5])
def test_second_gradients(interpolation, fill_value):
    """A penalty on the gradient to the images, as WGAN-GP trains with."""
    images, theta = inputs(SHAPES["small"], seed=2)
    upstream = np.random.default_rng(3).random(images.shape, "float32")
    results = []
    for compiled in (None, False):
        arguments = {"interpolation": interpolation, "fill_value": fill_value, "compiled": compiled}
        results.append(_penalty_gradient(arguments, images, theta, upstream))
    scale = np.abs(results[1]).max()
    assert scale > 0
    np.testing.assert_allclose(results[0] / scale, results[1] / scale, atol=1e-4)


def _penalty_gradient(arguments, *arrays):
    """d/dtheta of the squared gradient to the images."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        images, theta, upstream = map(tf.constant, arrays)
        with tf.GradientTape() as outer:
            outer.watch(theta)
            with tf.GradientTape() as inner:
                inner.watch(images)
                outputs = warp(images, theta, **arguments)
            penalty = tf.reduce_sum(inner.gradient(outputs, images, upstream) ** 2)
        return outer.gradient(penalty, theta).numpy()
    if backend == "jax":
        import jax

        def penalty(images, theta, upstream):
            _, back = jax.vjp(lambda images: warp(images, theta, **arguments), images)
            return jax.numpy.sum(back(upstream)[0] ** 2)

        return np.asarray(jax.grad(penalty, argnums=1)(*arrays))
    import torch

    images, theta, upstream = map(torch.tensor, arrays)
    images.requires_grad_(), theta.requires_grad_()
    outputs = warp(images, theta, **arguments)
    (gradient,) = torch.autograd.grad(outputs, images, upstream, create_graph=True)
    return torch.autograd.grad((gradient**2).sum(), theta)[0].numpy()


@pytest.mark.parametrize("shape", ["small", "large"])
def test_places_that_are_not_numbers_give_none(shape):
    images, _ = inputs(SHAPES[shape])
    coordinates = np.full((len(images), 3, 3, 2), np.nan, "float32")
    assert np.isnan(ops.convert_to_numpy(sample(images, coordinates))).all()


@pytest.mark.parametrize("shape", ["small", "large"])
@pytest.mark.parametrize("fill_mode", ["constant", "nearest"])
def test_no_images_have_an_empty_gradient(shape, fill_mode):
    images, theta = (array[:0] for array in inputs(SHAPES[shape]))
    value, gradients = value_and_gradients(
        lambda images, theta: ops.sum(warp(images, theta, fill_mode=fill_mode)), images, theta
    )
    assert value == 0
    assert [gradient.shape for gradient in gradients] == [images.shape, theta.shape]


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="JAX alone drops what is out of range")
@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize("fill_value", [0.0, 0.5])
def test_what_a_gpu_drops_is_outside(monkeypatch, interpolation, fill_value):
    """As on a GPU: large images at once, and nothing is added for places outside."""
    from stn_keras.backend import jax as backend

    images, theta = inputs(SHAPES["small"])
    theta *= 3
    expected = _gradients_on_jax(images, theta, interpolation, fill_value)
    for module in (backend, sampling.backend):
        monkeypatch.setattr(module, "drops_out_of_range", lambda: True)
    assert "fill" in str(_program(images, theta, interpolation, fill_value)).lower()
    for ours, theirs in zip(
        _gradients_on_jax(images, theta, interpolation, fill_value), expected, strict=True
    ):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def _loss_on_jax(interpolation, fill_value):
    arguments = {"interpolation": interpolation, "fill_value": fill_value, "compiled": False}
    return lambda images, theta: ops.sum(warp(images, theta, **arguments) ** 2)


def _gradients_on_jax(images, theta, *arguments):
    import jax

    value, gradients = jax.value_and_grad(_loss_on_jax(*arguments), argnums=(0, 1))(images, theta)
    return value, *gradients


def _program(images, theta, *arguments):
    import jax

    return jax.make_jaxpr(jax.grad(_loss_on_jax(*arguments)))(images, theta)
