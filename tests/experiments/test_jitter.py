"""Small random transforms of training images: how far, and which way."""

import numpy as np
import pytest
from keras import ops

from experiments.data.jitter import GRID, bend, draw_theta
from experiments.experiment import JitterRanges
from stn_keras.ops import sample
from stn_keras.transforms import Affine, ThinPlateSpline
from stn_keras.transforms.thin_plate_spline import control_points

SIZE = (9, 7)


def places(transform, theta):
    """Where theta reads, (N, H, W, 2), normalized."""
    return ops.convert_to_numpy(
        transform.source_coordinates(theta, output_size=SIZE, input_size=SIZE)
    )


def test_affine_parts_stay_within_their_ranges(rng):
    theta = draw_theta(JitterRanges(20, 0.1, 0.3, flip=True), rng, 2000).reshape(-1, 2, 3)
    scale = np.linalg.norm(theta[..., :2], axis=-1)
    assert 0.9 <= scale.min() < 0.91 < 1.09 < scale.max() <= 1.1
    angle = np.rad2deg(np.arctan2(theta[:, 1, 0], theta[:, 1, 1]))
    assert 19 < abs(angle).max() <= 20
    assert 0.29 < abs(theta[..., 2]).max() <= 0.3
    mirrored = np.linalg.det(theta[..., :2]) < 0
    assert 0.4 < mirrored.mean() < 0.6


def test_not_bent_is_affine(rng):
    theta = draw_theta(JitterRanges(20, 0.1, 0.3, flip=True), rng, 5)
    spline = bend(theta, 0.0, rng)
    expected = places(Affine(), theta)
    np.testing.assert_allclose(places(ThinPlateSpline(GRID), spline), expected, atol=1e-4)


def test_control_points_are_bent_as_far_as_asked_before_the_image_is_moved(rng):
    theta = np.tile(np.float32([0, -2, 0.5, 2, 0, 0]), (4000, 1))
    source = bend(theta, 0.1, rng).reshape(4000, -1, 2) + control_points(GRID)
    turned_back = np.stack([source[..., 1], 0.5 - source[..., 0]], -1) / 2
    moves = turned_back - control_points(GRID)
    np.testing.assert_allclose(moves.mean(0), 0, atol=0.01)
    np.testing.assert_allclose(moves.std(0), 0.1, rtol=0.05)


def test_the_generator_alone_decides_how_images_are_moved(rng):
    images = rng.random((6, 8, 8, 2), "float32")
    still = JitterRanges()((8, 8, 2))
    np.testing.assert_array_equal(still(images, np.random.default_rng(0)), images)
    for ranges in (JitterRanges(bend=0.05), JitterRanges(9, 0.1, 0.1, bend=0.05)):
        jitter = ranges((8, 8, 2))
        once, again, other = (jitter(images, np.random.default_rng(seed)) for seed in (1, 1, 2))
        np.testing.assert_array_equal(once, again)
        assert (once != other).any()


@pytest.mark.parametrize("bent", [0.0, 0.05])
@pytest.mark.parametrize("fill_mode", ["constant", "reflect"])
def test_every_image_is_read_by_its_own_theta(rng, bent, fill_mode):
    images = rng.random((6, 8, 8, 2), "float32")
    ranges = JitterRanges(9, 0.1, 0.3, bend=bent, fill_mode=fill_mode)
    drawn = np.random.default_rng(1)
    theta, transform = draw_theta(ranges, drawn, 6), Affine()
    if bent:
        theta, transform = bend(theta, bent, drawn), ThinPlateSpline(GRID)
    coordinates = transform.source_coordinates(theta, output_size=(8, 8), input_size=(8, 8))
    expected = ops.convert_to_numpy(sample(images, coordinates, fill_mode=fill_mode))
    moved = ranges((8, 8, 2))(images, np.random.default_rng(1))
    np.testing.assert_allclose(moved, expected, atol=1e-5)
