"""Gradients against finite differences in float64, and where they must not vanish."""

import keras
import numpy as np
import pytest

from stn_keras.ops import sample
from stn_keras.transforms import Affine

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="written with tf.GradientTape"
)
tf = pytest.importorskip("tensorflow", reason="tensorflow is not installed")

STEP = 1e-6
CASES = [
    ((6, 6), (6, 6), 1),
    ((5, 8), (7, 3), 3),
    ((4, 3), (9, 10), 2),
]


def warp(images, theta, output_size, align_corners, fill_mode):
    """Sample at theta's coordinates, as a TensorFlow tensor."""
    transform = Affine(align_corners)
    coordinates = transform.source_coordinates(theta, output_size, images.shape[1:3])
    return sample(images, coordinates, fill_mode=fill_mode)


def finite_differences(function, point):
    """Central differences of a scalar function, entry by entry."""
    gradient = np.zeros_like(point)
    for index in np.ndindex(point.shape):
        step = np.zeros_like(point)
        step[index] = STEP
        gradient[index] = (function(point + step) - function(point - step)) / (2 * STEP)
    return gradient


@pytest.mark.parametrize(("size", "output_size", "channels"), CASES)
@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("fill_mode", ["constant", "nearest"])
def test_gradients_equal_finite_differences(
    rng, size, output_size, channels, align_corners, fill_mode
):
    images = rng.normal(size=(2, *size, channels))
    upstream = rng.normal(size=(2, *output_size, channels))
    theta = Affine().identity.astype("float64") + rng.uniform(-0.3, 0.3, (2, 6))

    def loss(images, theta):
        warped = warp(images, theta, output_size, align_corners, fill_mode)
        return tf.reduce_sum(warped * upstream)

    inputs = tf.constant(images), tf.constant(theta)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        value = loss(*inputs)
    image_gradient, theta_gradient = tape.gradient(value, inputs)
    by_image = finite_differences(lambda point: loss(point, theta).numpy(), images)
    by_theta = finite_differences(lambda point: loss(images, point).numpy(), theta)
    np.testing.assert_allclose(image_gradient, by_image, atol=1e-7)
    np.testing.assert_allclose(theta_gradient, by_theta, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("size", [(2, 2), (5, 5), (28, 28), (7, 12)])
@pytest.mark.parametrize("fill_mode", ["constant", "nearest"])
@pytest.mark.parametrize("align_corners", [False, True])
def test_theta_gradient_does_not_vanish_at_the_identity(rng, size, fill_mode, align_corners):
    images = tf.constant(rng.normal(size=(1, *size, 1)))
    theta = tf.constant(Affine().identity[None].astype("float64"))
    with tf.GradientTape() as tape:
        tape.watch(theta)
        loss = tf.reduce_sum(warp(images, theta, size, align_corners, fill_mode) ** 2)
    assert np.abs(tape.gradient(loss, theta)).min() > 1e-3


def test_coordinate_gradient_on_the_lattice_is_the_one_from_the_right(rng):
    images = rng.normal(size=(1, 5, 6, 1))
    point = tf.constant([[[[2.0, 3.0]]]], "float64")
    with tf.GradientTape() as tape:
        tape.watch(point)
        value = sample(images, point)
    expected = [
        images[0, 3, 3, 0] - images[0, 3, 2, 0],
        images[0, 4, 2, 0] - images[0, 3, 2, 0],
    ]
    np.testing.assert_allclose(tape.gradient(value, point)[0, 0, 0], expected, rtol=1e-12)


@pytest.mark.parametrize("fill_mode", ["constant", "nearest"])
def test_image_gradient_is_the_adjoint(rng, fill_mode):
    images = tf.constant(rng.normal(size=(2, 6, 5, 3)))
    coordinates = tf.constant(rng.uniform(-4, 9, (2, 7, 4, 2)))
    other = rng.normal(size=(2, 7, 4, 3))
    with tf.GradientTape() as tape:
        tape.watch(images)
        forward = tf.reduce_sum(sample(images, coordinates, fill_mode=fill_mode) * other)
    backward = tf.reduce_sum(images * tape.gradient(forward, images))
    np.testing.assert_allclose(forward, backward, rtol=1e-12)


def test_gradients_outside_are_zero_and_finite(rng):
    images = tf.constant(rng.normal(size=(1, 4, 4, 1)).astype("float32"))
    coordinates = tf.constant([[[[np.inf, 1.0], [-1e30, 2.0], [50.0, -50.0]]]], "float32")
    for fill_mode in ("constant", "nearest"):
        with tf.GradientTape() as tape:
            tape.watch(coordinates)
            value = tf.reduce_sum(sample(images, coordinates, fill_mode=fill_mode))
        gradient = tape.gradient(value, coordinates).numpy()
        np.testing.assert_array_equal(gradient[0, 0, :, 0], 0)
        assert np.isfinite(gradient).all()
