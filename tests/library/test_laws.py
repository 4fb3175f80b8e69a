"""Laws that hold exactly, at every size."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import ops

from stn_keras.core.fill_modes import FILL_MODES
from stn_keras.core.kernels import INTERPOLATIONS
from stn_keras.transforms import Affine
from tests.support.arrays import (
    COMPILES_EACH_SHAPE,
    EQUAL_NEIGHBORS,
    compiled_on_jax,
    sample,
)

pytestmark = pytest.mark.backend

SIZES = [*((n, n) for n in (*range(1, 34), 47, 60, 101, 224)), (1, 7), (28, 32), (33, 5), (101, 60)]
MODES = [("constant", "bilinear"), ("nearest", "bicubic"), ("mirror", "nearest")]
fills, interpolations = st.sampled_from(FILL_MODES), st.sampled_from(INTERPOLATIONS)
sizes = st.tuples(st.integers(1, 12), st.integers(1, 12))
coordinates_of = compiled_on_jax(
    lambda theta, output_size, size, align_corners: Affine(
        align_corners=align_corners
    ).source_coordinates(theta, output_size=output_size, input_size=size),
    "output_size",
    "size",
    "align_corners",
)


def warp(images, theta, output_size=None, align_corners=False, **fill):
    """Images warped by theta, as NumPy."""
    size = images.shape[1:3]
    coordinates = coordinates_of(np.asarray(theta), output_size or size, size, align_corners)
    return ops.convert_to_numpy(sample(images, coordinates, **fill))


@pytest.mark.parametrize("size", SIZES[:: 8 if COMPILES_EACH_SHAPE else 1], ids=str)
@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize(("fill_mode", "interpolation"), MODES)
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_identity_is_bit_exact(rng, size, align_corners, fill_mode, interpolation, dtype):
    images = rng.normal(size=(2, *size, 3)).astype(dtype)
    theta = np.tile(Affine().identity, (2, 1))
    warped = warp(
        images,
        theta,
        align_corners=align_corners,
        fill_mode=fill_mode,
        interpolation=interpolation,
    )
    assert warped.dtype == dtype
    np.testing.assert_array_equal(warped, images)


@pytest.mark.parametrize("size", [2, 8, 16, 28, 32, 64])
def test_theta_shifts_by_whole_pixels_like_roll_with_fill(rng, size):
    images = rng.normal(size=(1, size, size, 1)).astype("float32")
    for pixels in range(-size, size + 1):
        shifted = warp(images, [[1, 0, 2 * pixels / size, 0, 1, 0]])
        expected = np.zeros_like(images)
        kept = slice(max(0, -pixels), min(size, size - pixels))
        expected[:, :, kept] = images[:, :, kept.start + pixels : kept.stop + pixels]
        np.testing.assert_array_equal(shifted, expected)


@given(
    size=sizes,
    output_size=sizes,
    seed=st.integers(0, 2**16),
    align_corners=st.booleans(),
    fill_mode=fills,
    interpolation=interpolations,
)
def test_constant_image_stays_constant(
    size, output_size, seed, align_corners, fill_mode, interpolation
):
    theta = np.random.default_rng(seed).uniform(-3, 3, 6).astype("float32")
    images = np.full((1, *size, 2), 0.1, "float32")
    arguments = {"fill_mode": fill_mode, "fill_value": 0.1, "interpolation": interpolation}
    warped = warp(images, [theta], output_size, align_corners, **arguments)
    np.testing.assert_allclose(warped, np.float32(0.1), rtol=EQUAL_NEIGHBORS)


def test_enlarging_and_shrinking_read_the_same_corners_when_aligned(rng):
    images = rng.normal(size=(1, 5, 9, 1)).astype("float32")
    for output_size in [(3, 17), (10, 2), (1, 4)]:
        warped = warp(images, [Affine().identity], output_size, align_corners=True)
        assert warped.shape == (1, *output_size, 1)
        if min(output_size) > 1:
            corners = np.ix_([0], [0, -1], [0, -1])
            np.testing.assert_allclose(warped[corners], images[corners], atol=1e-6)
