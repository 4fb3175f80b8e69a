"""Fill modes: what is read outside the image."""

import numpy as np
import pytest
from keras import ops

from stn_keras.core.fill_modes import FAR, clip_far, inside_index
from stn_keras.core.kernels import INTERPOLATIONS
from tests.support.arrays import NUMPY_PAD, sample

pytestmark = pytest.mark.backend

REPEATING = ["reflect", "mirror", "wrap"]


@pytest.mark.parametrize("size", [1, 2, 5])
@pytest.mark.parametrize("fill_mode", ["nearest", *REPEATING])
def test_the_pixel_inside_is_that_of_numpy_pad(size, fill_mode):
    margin = 13
    index = np.arange(-margin, size + margin, dtype="int32")
    expected = np.pad(np.arange(size), margin, **NUMPY_PAD[fill_mode])
    inside = inside_index(ops.convert_to_tensor(index), size, fill_mode)
    np.testing.assert_array_equal(ops.convert_to_numpy(inside), expected)


@pytest.mark.parametrize("fill_mode", ["constant", "nearest", *REPEATING])
def test_far_places_are_clipped_and_near_ones_are_not(fill_mode):
    margin, size = 2, 5
    near = np.array([-3, -0.25, 4.5, 7], "float32")
    far = np.array([-np.inf, -1e30, 1e30, np.inf, np.nan], "float32")
    low, high = (-3, 7) if fill_mode in ("constant", "nearest") else (-FAR, FAR)
    places = ops.convert_to_tensor(np.append(near, far))
    clipped = ops.convert_to_numpy(clip_far(places, size, fill_mode, margin))
    np.testing.assert_array_equal(clipped, [*near, low, low, high, high, np.nan])


@pytest.mark.parametrize("fill_mode", REPEATING)
@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_repeating_fills_read_pixels_of_the_image_however_far_outside(
    rng, fill_mode, interpolation
):
    images = rng.uniform(1, 2, size=(1, 4, 5, 1)).astype("float32")
    far = np.array([np.inf, -np.inf, 1e30, -1e30, 4e6, -4e6], "float32")
    x, y = np.meshgrid(far, far)
    read = sample(images, np.stack([x, y], -1)[None], interpolation, fill_mode)
    assert np.isin(ops.convert_to_numpy(read), images).all()


def test_one_fill_value_per_channel(rng):
    images = rng.normal(size=(2, 3, 4, 3)).astype("float32")
    outside = np.full((2, 1, 1, 2), 50.0, "float32")
    read = ops.convert_to_numpy(sample(images, outside, fill_value=(1.0, -2.0, 0.5)))
    np.testing.assert_array_equal(read[1, 0, 0], np.float32([1.0, -2.0, 0.5]))
    between = np.array([[[[-0.5, 1.0]]]] * 2, "float32")
    read = ops.convert_to_numpy(sample(images, between, fill_value=(1.0, -2.0, 0.5)))
    expected = (images[:, 1, 0] + np.float32([1.0, -2.0, 0.5])) / 2
    np.testing.assert_allclose(read[:, 0, 0], expected, rtol=1e-6)


def test_constant_fill_reaches_every_pixel_far_outside(rng):
    images = rng.normal(size=(1, 5, 4, 1)).astype("float32")
    far = np.array([-1e30, -7.0, 4.0, 99.0, 1e30], "float32")
    x, y = np.meshgrid(far, far)
    read = sample(images, np.stack([x, y], -1)[None], fill_value=-2.5)
    np.testing.assert_array_equal(ops.convert_to_numpy(read), np.float32(-2.5))
