"""Gradients against finite differences in float64, and where they must not vanish."""

import numpy as np
import pytest
from keras import ops

from stn_keras._arguments import to_tensor
from stn_keras.core.fill_modes import FILL_MODES
from stn_keras.core.kernels import INTERPOLATIONS
from stn_keras.ops import sample
from stn_keras.transforms import Affine
from tests.support.arrays import COMPILES_EACH_SHAPE, EXACT, TOLERANCE, compiled_on_jax
from tests.support.gradients import value_and_gradients

pytestmark = pytest.mark.backend

STEP = 1e-6
CASES = [((5, 8), (7, 3), 3), ((6, 6), (6, 6), 1), ((4, 3), (9, 10), 2)]
SMOOTH = [name for name in INTERPOLATIONS if name != "nearest"]


def warp(images, theta, output_size, align_corners=False, **arguments):
    """Images sampled at theta's coordinates."""
    transform = Affine(align_corners=align_corners)
    coordinates = transform.source_coordinates(
        theta, output_size=output_size, input_size=images.shape[1:3]
    )
    return sample(images, coordinates, **arguments)


def finite_differences(function, point):
    """Central differences of a scalar function, entry by entry."""
    gradient = np.zeros_like(point)
    for index in np.ndindex(point.shape):
        step = np.zeros_like(point)
        step[index] = STEP
        gradient[index] = (function(point + step) - function(point - step)) / (2 * STEP)
    return gradient


@pytest.mark.skipif(EXACT == "float32", reason="finite differences need float64")
@pytest.mark.parametrize(
    ("size", "output_size", "channels"), CASES[: 1 if COMPILES_EACH_SHAPE else None]
)
@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("fill_mode", FILL_MODES)
@pytest.mark.parametrize("interpolation", SMOOTH)
def test_gradients_equal_finite_differences(
    rng, size, output_size, channels, align_corners, fill_mode, interpolation
):
    images = rng.normal(size=(1, *size, channels))
    upstream = rng.normal(size=(1, *output_size, channels))
    theta = Affine().identity.astype("float64") + rng.uniform(-0.3, 0.3, (1, 6))

    def loss(images, theta):
        arguments = {"fill_mode": fill_mode, "interpolation": interpolation}
        warped = warp(images, theta, output_size, align_corners, **arguments)
        return ops.sum(warped * to_tensor(upstream))

    _, (image_gradient, theta_gradient) = value_and_gradients(loss, images, theta)
    loss = compiled_on_jax(loss)
    by_theta = finite_differences(lambda point: float(loss(images, point)), theta)
    np.testing.assert_allclose(theta_gradient, by_theta, rtol=1e-5, atol=1e-5)
    # The loss is linear in the images: one direction tells all of them apart.
    direction = rng.normal(size=images.shape)
    along = (loss(images + direction, theta) - loss(images - direction, theta)) / 2
    np.testing.assert_allclose((image_gradient * direction).sum(), float(along), rtol=1e-9)


# Between two mirrored pixels bicubic is flat by symmetry.
@pytest.mark.parametrize(
    ("interpolation", "size"),
    [("bilinear", (2, 2)), ("bilinear", (7, 12)), ("bicubic", (7, 12))],
)
@pytest.mark.parametrize("fill_mode", FILL_MODES)
@pytest.mark.parametrize("align_corners", [False, True])
def test_theta_gradient_does_not_vanish_at_the_identity(
    rng, size, fill_mode, align_corners, interpolation
):
    images = rng.normal(size=(1, *size, 1))
    arguments = {"fill_mode": fill_mode, "interpolation": interpolation}
    _, (gradient,) = value_and_gradients(
        lambda theta: ops.sum(warp(images, theta, size, align_corners, **arguments) ** 2),
        Affine().identity[None].astype("float64"),
    )
    assert np.abs(gradient).max() > 1e-3
    if interpolation == "bilinear" and fill_mode != "mirror":
        assert np.abs(gradient).min() > 1e-3


def test_coordinate_gradient_on_the_lattice_is_the_one_from_the_right(rng):
    images = rng.normal(size=(1, 5, 6, 1))
    point = np.array([[[[2.0, 3.0]]]])
    _, (gradient,) = value_and_gradients(lambda point: ops.sum(sample(images, point)), point)
    expected = [
        images[0, 3, 3, 0] - images[0, 3, 2, 0],
        images[0, 4, 2, 0] - images[0, 3, 2, 0],
    ]
    np.testing.assert_allclose(gradient[0, 0, 0], expected, atol=TOLERANCE[EXACT])


def test_nearest_interpolation_gives_coordinates_no_gradient(rng):
    images, coordinates = rng.normal(size=(1, 4, 4, 1)), rng.uniform(0, 3, (1, 2, 2, 2))
    _, (gradient,) = value_and_gradients(
        lambda point: ops.sum(sample(images, point, "nearest")), coordinates
    )
    np.testing.assert_array_equal(gradient, 0)


@pytest.mark.parametrize("fill_mode", FILL_MODES)
@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize("one_image", [False, True])
def test_image_gradient_is_the_adjoint(rng, fill_mode, interpolation, one_image):
    images = rng.normal(size=(1 if one_image else 2, 6, 5, 3))
    coordinates, other = rng.uniform(-9, 14, (2, 7, 4, 2)), rng.normal(size=(2, 7, 4, 3))
    forward, (gradient,) = value_and_gradients(
        lambda images: ops.sum(
            sample(images, coordinates, interpolation, fill_mode) * to_tensor(other)
        ),
        images,
    )
    backward = (images * gradient).sum()
    np.testing.assert_allclose(forward, backward, rtol=1e-11 if EXACT == "float64" else 1e-4)


@pytest.mark.parametrize("fill_mode", ["constant", "nearest"])
def test_gradients_outside_are_zero_and_finite(rng, fill_mode):
    images = rng.normal(size=(1, 4, 4, 1)).astype("float32")
    coordinates = np.array([[[[np.inf, 1.0], [-1e30, 2.0], [50.0, -50.0]]]], "float32")
    _, (gradient,) = value_and_gradients(
        lambda point: ops.sum(sample(images, point, fill_mode=fill_mode)), coordinates
    )
    np.testing.assert_array_equal(gradient[0, 0, :, 0], 0)
    assert np.isfinite(gradient).all()
