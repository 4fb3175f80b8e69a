"""Training photographs in other light, blurred and partly hidden."""

import numpy as np
import pytest

from experiments.data.photographed import Photographed
from experiments.experiment import JitterRanges

STILL = JitterRanges()
SHAPE = (16, 20, 3)


def photographed(images, seed=0, **ranges):
    return Photographed(STILL, **ranges)(SHAPE)(images, np.random.default_rng(seed))


@pytest.fixture
def images(rng):
    return rng.random((6, *SHAPE), "float32")


def test_without_ranges_images_stay_as_they_are(images):
    np.testing.assert_allclose(photographed(images), images, atol=1e-6)
    assert photographed(images).dtype == "float32"


def test_one_seed_gives_the_same_images(images):
    ranges = {"color": 0.2, "gamma": 2.0, "gray": 1.0, "light": 0.5, "blur": 1.0, "hidden": 0.6}
    first, same, other = (photographed(images, seed, **ranges) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, same)
    assert (first != other).any()
    assert np.isfinite(first).all()


def test_color_changes_each_channel_by_one_factor(images):
    ratio = photographed(images, color=0.3) / images
    assert np.ptp(ratio, axis=(1, 2)).max() < 1e-4
    assert 0.7 <= ratio.min() < 0.9
    assert 1.1 < ratio.max() <= 1.3


def test_light_grows_evenly_in_some_direction(images):
    ratio = photographed(images, light=0.4)[..., 0] / images[..., 0]
    for axis in (1, 2):
        assert np.abs(np.diff(ratio, 2, axis=axis)).max() < 1e-3
    assert np.ptp(ratio) > 0.2


def test_gamma_keeps_black_white_and_the_order(images):
    images[:, 0, 0], images[:, 0, 1] = 0, 1
    toned = photographed(images, gamma=2.0)
    np.testing.assert_allclose(toned[:, 0, :2], images[:, 0, :2])
    for before, after in zip(images, toned, strict=True):
        order = before.ravel().argsort()
        assert (np.diff(after.ravel()[order]) >= 0).all()
    exponents = np.log(toned[:, 5, 5, 0]) / np.log(images[:, 5, 5, 0])
    assert 0.5 <= exponents.min() < 1 < exponents.max() <= 2


def test_gray_takes_color_and_leaves_brightness(images):
    grayer = photographed(images, gray=1.0)
    np.testing.assert_allclose(grayer.mean(-1), images.mean(-1), atol=1e-5)
    assert (grayer.std(-1) <= images.std(-1) + 1e-6).all()


def test_blur_smooths_and_keeps_what_is_even(images):
    even = np.full_like(images, 0.3)
    np.testing.assert_allclose(photographed(even, blur=1.0), 0.3, atol=1e-6)
    roughness = [
        np.abs(np.diff(x, axis=1)).mean() for x in (photographed(images, blur=1.0), images)
    ]
    assert roughness[0] < 0.8 * roughness[1]


def test_what_is_hidden_is_a_rectangle_of_one_gray(images):
    changed = (photographed(images, hidden=1.0) != images).any(-1)
    for image, mask in zip(photographed(images, hidden=1.0), changed, strict=True):
        if mask.any():
            assert np.ptp(image[mask]) == 0
            rows, columns = mask.any(1), mask.any(0)
            assert mask.sum() == rows.sum() * columns.sum()
    assert changed.any()
