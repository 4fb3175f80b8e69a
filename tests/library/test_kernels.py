"""Interpolation kernels along one axis: neighbors and their weights."""

import numpy as np
import pytest
from keras import ops

from stn_keras.core.kernels import INTERPOLATIONS, OFFSETS, floor, interpolate, taps
from tests.support.arrays import EXACT, TOLERANCE
from tests.support.kernels import keys

pytestmark = pytest.mark.backend

PLACES = np.array([-3.75, -1.0, -0.5, -0.125, 0.0, 0.25, 0.5, 2.875, 7.0], EXACT)
KERNELS = {
    "nearest": lambda distance: ((distance > -0.5) & (distance <= 0.5)).astype(EXACT),
    "bilinear": lambda distance: np.maximum(1 - np.abs(distance), 0),
    "bicubic": keys,
}


def base_and_weights(interpolation, places):
    """The base pixel and the weights of all neighbors (offsets, places), as NumPy."""
    base, weights = taps(interpolation, ops.convert_to_tensor(places))
    units = np.eye(len(OFFSETS[interpolation]), dtype=places.dtype)
    # Each neighbor in turn is 1 and the others are 0.
    rows = [interpolate([ops.convert_to_tensor(v) for v in unit], weights) for unit in units]
    rows = [np.broadcast_to(ops.convert_to_numpy(row), places.shape) for row in rows]
    return ops.convert_to_numpy(base), np.array(rows)


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_weights_are_those_of_the_kernel_at_each_neighbor(interpolation):
    base, weights = base_and_weights(interpolation, PLACES)
    neighbors = base + np.array(OFFSETS[interpolation])[:, None]
    expected = KERNELS[interpolation](neighbors - PLACES)
    np.testing.assert_allclose(weights, expected, atol=TOLERANCE[EXACT])
    np.testing.assert_allclose(weights.sum(0), 1, atol=TOLERANCE[EXACT])


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_a_whole_pixel_is_read_alone_and_exactly(interpolation):
    whole = np.arange(-5, 6, dtype="float32")
    base, weights = base_and_weights(interpolation, whole)
    np.testing.assert_array_equal(base, whole)
    np.testing.assert_array_equal(weights[0], 1)
    np.testing.assert_array_equal(weights[1:], 0)


def test_the_nearest_pixel_just_below_one_half_is_the_lower_one():
    below = np.nextafter(np.float32(0.5), np.float32(0))
    places = np.array([below, 0.5, -0.5625, -0.5], "float32")
    base, _ = base_and_weights("nearest", places)
    np.testing.assert_array_equal(base, [0, 1, -1, 0])


@pytest.mark.parametrize("dtype", ["float32", EXACT])
def test_floor_goes_down_on_both_sides_of_zero(dtype):
    places = np.array([-2.0, -1.5, -0.25, 0.0, 0.75, 1.0, 4194303.5], dtype)
    if dtype == "float64":
        places = np.append(places, 1 - 1e-12)  # would be 1 in float32
    found = ops.convert_to_numpy(floor(ops.convert_to_tensor(places)))
    assert found.dtype == "int32"
    np.testing.assert_array_equal(found, np.floor(places))
