"""Flows that follow a velocity: smooth ones do not fold, and backwards undoes forwards."""

import numpy as np
import pytest
from keras import ops
from scipy import ndimage

from stn_keras.ops import integrate, warp
from stn_keras.transforms import DenseFlow
from tests.support.arrays import EXACT
from tests.support.gradients import value_and_gradients

pytestmark = pytest.mark.backend

SIZE = (40, 48)


def velocity(rng, amplitude, sigma=6.0):
    noise = ndimage.gaussian_filter(rng.normal(size=(1, *SIZE, 2)), (0, sigma, sigma, 0))
    return (amplitude * noise / np.abs(noise).max()).astype("float32")


def jacobian_determinant(flow):
    """Of the places that are read, between four pixels each."""
    across, down = np.diff(flow, axis=2)[:, :-1], np.diff(flow, axis=1)[:, :, :-1]
    return (1 + across[..., 0]) * (1 + down[..., 1]) - down[..., 0] * across[..., 1]


def numpy(tensor):
    return ops.convert_to_numpy(tensor)


@pytest.mark.parametrize("amplitude", [1, 6, 12])
def test_a_smooth_velocity_does_not_fold(amplitude, rng):
    field = velocity(rng, amplitude)
    assert jacobian_determinant(numpy(integrate(field))).min() > 0


def test_the_same_field_folds_as_a_flow_of_its_own(rng):
    """So that the test above tests something."""
    assert jacobian_determinant(velocity(rng, 12, sigma=3.0)).min() < 0


def test_backwards_undoes_forwards(rng):
    field = velocity(rng, 5)
    transform = DenseFlow(SIZE)
    there, back = integrate(field), integrate(-field)
    both = numpy(there + warp(back, there, transform, fill_mode="nearest"))
    assert np.abs(both)[:, 8:-8, 8:-8].max() < 0.05
    assert np.abs(numpy(there)).max() > 2


def test_no_steps_are_the_velocity_itself(rng):
    field = velocity(rng, 3)
    np.testing.assert_array_equal(numpy(integrate(field, steps=0)), field)


def test_a_shift_is_followed_exactly():
    field = np.full((1, *SIZE, 2), (1.5, -2), "float32")
    np.testing.assert_allclose(numpy(integrate(field)), field, atol=1e-5)


def test_the_gradient_agrees_with_finite_differences(rng):
    if EXACT == "float32":
        pytest.skip("finite differences need float64, which Keras has not on torch")
    field = rng.normal(0, 0.3, (1, 5, 6, 2))
    weights = rng.normal(size=field.shape)

    def loss(field):
        return ops.sum(integrate(field, steps=3) * weights)

    _, (gradient,) = value_and_gradients(loss, field)
    for index in rng.integers(field.size, size=4):
        step = np.zeros_like(field)
        step.flat[index] = 1e-6
        above, below = (value_and_gradients(loss, field + sign * step)[0] for sign in (1, -1))
        np.testing.assert_allclose(
            gradient.flat[index], (above - below) / 2e-6, rtol=1e-4, atol=1e-6
        )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(((1, 4, 4, 3), 7), "velocity"), (((4, 4, 2), 7), "velocity"), (((1, 4, 4, 2), -1), "steps")],
)
def test_bad_arguments_are_refused(arguments, message):
    shape, steps = arguments
    with pytest.raises(ValueError, match=message):
        integrate(np.zeros(shape, "float32"), steps)
