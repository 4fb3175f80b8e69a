"""Pixel and normalized coordinates, and what `align_corners` means."""

import numpy as np
import pytest
from keras import ops

from stn_keras.core.coordinates import Points
from stn_keras.ops import (
    homogeneous_meshgrid,
    identity_coordinates,
    out_of_bounds_distance,
    pixels_per_unit,
)
from tests.support.arrays import EXACT, TOLERANCE

pytestmark = pytest.mark.backend

BOTH = pytest.mark.parametrize("align_corners", [False, True])
SIZES = [((5, 8), (5, 8)), ((7, 3), (5, 8)), ((9, 16), (2, 4))]


def numpy(tensor):
    return ops.convert_to_numpy(tensor)


def places_of(size):
    """Every pixel (x, y) of an image, row by row."""
    y, x = np.mgrid[: size[0], : size[1]]
    return np.stack([x.ravel(), y.ravel()], -1).astype(EXACT)


@BOTH
@pytest.mark.parametrize(("output_size", "input_size"), SIZES)
def test_normalized_coordinates_mean_the_same_place_in_both_images(
    output_size, input_size, align_corners
):
    """The identity joins what has the same normalized coordinates: -1 and 1 are its corners."""
    normalized = homogeneous_meshgrid(output_size, align_corners, EXACT)[:, :2]
    units = numpy(pixels_per_unit(input_size, align_corners, EXACT))
    center = (np.array(input_size[::-1]) - 1) / 2
    read = numpy(identity_coordinates(output_size, input_size, align_corners, EXACT))
    expected = center + normalized * units
    np.testing.assert_allclose(read.reshape(-1, 2), expected, atol=TOLERANCE[EXACT])


def test_one_is_the_edge_or_the_center_of_the_last_pixel():
    assert homogeneous_meshgrid((1, 4))[-1].tolist() == [0.75, 0, 1]
    assert homogeneous_meshgrid((1, 4), align_corners=True)[-1].tolist() == [1, 0, 1]


@BOTH
@pytest.mark.parametrize("size", [(1, 1), (3, 7), (28, 28), (101, 60)])
def test_between_equal_sizes_a_pixel_reads_its_own_index(size, align_corners):
    read = numpy(identity_coordinates(size, size, align_corners))
    np.testing.assert_array_equal(read.reshape(-1, 2), places_of(size))


@BOTH
@pytest.mark.parametrize(("output_size", "input_size"), SIZES)
def test_points_at_the_pixels_are_those_of_the_grid(output_size, input_size, align_corners):
    sizes = output_size, input_size, align_corners, EXACT
    grid, points = Points.of_grid(*sizes), Points.of_pixels(places_of(output_size), *sizes)
    for ours, expected in ((points.normalized, grid.normalized), (points.pixels, grid.pixels)):
        for axis, on_grid in zip(ours, expected, strict=True):
            np.testing.assert_allclose(numpy(axis), numpy(on_grid), atol=TOLERANCE[EXACT])


def test_out_of_bounds_distance_is_in_halves_of_the_image():
    x = np.float32([[-0.5, 19.5, 29.5, 9.5, np.inf]])
    y = np.float32([[4.5, -5.5, 4.5, 14.5, 4.5]])
    distance = numpy(out_of_bounds_distance(np.stack([x, y], -1), input_size=(10, 20)))
    np.testing.assert_allclose(distance, [[0, 1, 1, 1, 1]], atol=1e-6)
    with pytest.raises(ValueError, match="input_size"):
        out_of_bounds_distance(np.zeros((4, 2), "float32"), input_size=(5, 10, 20))


def test_one_integer_is_the_size_of_a_square():
    np.testing.assert_array_equal(homogeneous_meshgrid(4), homogeneous_meshgrid((4, 4)))
    np.testing.assert_array_equal(pixels_per_unit(4), pixels_per_unit((4, 4)))
    np.testing.assert_array_equal(identity_coordinates(4, 8), identity_coordinates((4, 4), (8, 8)))
