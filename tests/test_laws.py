"""Laws that hold exactly, at every size."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from stn_keras.ops import sample
from stn_keras.transforms import Affine

SIZES = [*((n, n) for n in (*range(1, 34), 47, 60, 101, 224)), (1, 7), (28, 32), (33, 5), (101, 60)]
FILLS = ["constant", "nearest"]
sizes = st.tuples(st.integers(1, 12), st.integers(1, 12))


def warp(images, theta, output_size=None, align_corners=False, **fill):
    """Images warped by theta, as NumPy."""
    size = images.shape[1:3]
    affine = Affine(align_corners=align_corners)
    coordinates = affine.source_coordinates(np.asarray(theta), output_size or size, size)
    return ops.convert_to_numpy(sample(images, coordinates, **fill))


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("fill_mode", FILLS)
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_identity_is_bit_exact(rng, size, align_corners, fill_mode, dtype):
    images = rng.normal(size=(2, *size, 3)).astype(dtype)
    theta = np.tile(Affine().identity, (2, 1))
    warped = warp(images, theta, align_corners=align_corners, fill_mode=fill_mode)
    assert warped.dtype == dtype
    np.testing.assert_array_equal(warped, images)


@settings(max_examples=60, deadline=None)
@given(size=sizes, shift=st.tuples(st.integers(-14, 14), st.integers(-14, 14)))
def test_whole_pixel_shift_is_bit_exact(size, shift):
    height, width = size
    down, right = shift
    images = np.random.default_rng(0).normal(size=(1, height, width, 2)).astype("float32")
    y, x = np.mgrid[:height, :width].astype("float32")
    coordinates = np.stack([x + right, y + down], axis=-1)[None]
    padded = np.pad(images, ((0, 0), (14, 14), (14, 14), (0, 0)), constant_values=0.25)
    expected = padded[:, 14 + down :, 14 + right :][:, :height, :width]
    shifted = sample(images, coordinates, fill_value=0.25)
    np.testing.assert_array_equal(ops.convert_to_numpy(shifted), expected)


@pytest.mark.parametrize("size", [2, 8, 16, 28, 32, 64])
def test_theta_shifts_by_whole_pixels_like_roll_with_fill(rng, size):
    images = rng.normal(size=(1, size, size, 1)).astype("float32")
    for pixels in range(-size, size + 1):
        shifted = warp(images, [[1, 0, 2 * pixels / size, 0, 1, 0]])
        expected = np.zeros_like(images)
        kept = slice(max(0, -pixels), min(size, size - pixels))
        expected[:, :, kept] = images[:, :, kept.start + pixels : kept.stop + pixels]
        np.testing.assert_array_equal(shifted, expected)


@settings(max_examples=60, deadline=None)
@given(
    size=sizes,
    output_size=sizes,
    theta=st.lists(st.floats(-3, 3, width=32), min_size=6, max_size=6),
    align_corners=st.booleans(),
)
def test_constant_image_stays_constant(size, output_size, theta, align_corners):
    images = np.full((1, *size, 2), 0.1, "float32")
    for fill in ({"fill_mode": "nearest"}, {"fill_mode": "constant", "fill_value": 0.1}):
        warped = warp(images, [theta], output_size, align_corners, **fill)
        np.testing.assert_array_equal(warped, np.float32(0.1))


@pytest.mark.parametrize("fill_mode", FILLS)
def test_sampling_is_linear_in_the_images(rng, fill_mode):
    first, second = rng.normal(size=(2, 3, 6, 5, 2))
    coordinates = rng.uniform(-3, 8, (3, 4, 7, 2))
    both = sample(2 * first - 3 * second, coordinates, fill_mode=fill_mode)
    apart = 2 * sample(first, coordinates, fill_mode=fill_mode) - 3 * sample(
        second, coordinates, fill_mode=fill_mode
    )
    np.testing.assert_allclose(both, apart, atol=1e-12)


def test_constant_fill_reaches_every_pixel_far_outside(rng):
    images = rng.normal(size=(1, 5, 4, 1)).astype("float32")
    far = np.array([-1e30, -7.0, 4.0, 99.0, 1e30], "float32")
    x, y = np.meshgrid(far, far)
    read = sample(images, np.stack([x, y], -1)[None], fill_value=-2.5)
    np.testing.assert_array_equal(ops.convert_to_numpy(read), np.float32(-2.5))


def test_enlarging_and_shrinking_read_the_same_corners_when_aligned(rng):
    images = rng.normal(size=(1, 5, 9, 1)).astype("float32")
    for output_size in [(3, 17), (10, 2), (1, 4)]:
        warped = warp(images, [Affine().identity], output_size, align_corners=True)
        assert warped.shape == (1, *output_size, 1)
        if min(output_size) > 1:
            corners = np.ix_([0], [0, -1], [0, -1])
            np.testing.assert_allclose(warped[corners], images[corners], atol=1e-6)
