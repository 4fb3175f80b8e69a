"""The paper's clutter: a digit at a random place among scraps of other digits."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Clutter:
    """How images are made.

    Attributes:
        canvas: height and width of an image, black at first.
        patches: how many square scraps of other digits it gets.
        patch_size: their height and width.
    """

    canvas: int = 60
    patches: int = 6
    patch_size: int = 6


def draw_cluttered(digits, shown, clutter, rng):
    """Images of the digits shown, each at a random place among scraps of other ones.

    Digit and scraps lie wholly on the canvas, anywhere with equal probability.

    Args:
        digits: (N, H, H, 1) uint8.
        shown: (M,) integers, the digit that each image shows.
        clutter: `Clutter`.
        rng: `numpy.random.Generator`.

    Returns:
        (M, canvas, canvas, 1) uint8.

    Reference:
        Jaderberg et al. 2015 (arXiv:1506.02025), translated and cluttered MNIST.

    Example:
        >>> digits = np.full((2, 28, 28, 1), 255, "uint8")
        >>> images = draw_cluttered(digits, np.array([0]), Clutter(), np.random.default_rng(0))
        >>> images.shape, bool((images == 255).sum() >= 28 * 28)
        ((1, 60, 60, 1), True)
    """
    count, digit_size = len(shown), digits.shape[1]
    images = np.zeros((count, clutter.canvas, clutter.canvas, 1), "uint8")
    place = _windows(clutter.canvas, digit_size, count, rng)
    images[np.arange(count)[:, None, None], *place] = digits[shown]
    return add_scraps(images, digits, shown, clutter.patches, clutter.patch_size, rng)


def add_scraps(images, cut_from, own, patches, patch_size, rng):
    """Put square scraps of other pictures at random places of images.

    A scrap is cut at any place, so some are black; where it meets something, the brighter pixel is
    seen.

    Args:
        images: (N, H, H, C).
        cut_from: (M, S, S, C) of the same type.
        own: (N,) integers, the one of `cut_from` that each image gets no scraps of.
        patches: scraps an image.
        patch_size: their height and width.
        rng: `numpy.random.Generator`.

    Returns:
        A changed copy of the images.

    Example:
        >>> white = np.full((2, 10, 10, 1), 1.0)
        >>> black = np.zeros((2, 20, 20, 1))
        >>> add_scraps(black, white, np.arange(2), 1, 3, np.random.default_rng(0)).sum()
        np.float64(18.0)
    """
    images, count = images.copy(), len(images)
    image = np.arange(count)[:, None, None]
    for _ in range(patches):
        # Only a lone picture is its own other one.
        other = (own + rng.integers(1, max(2, len(cut_from)), count)) % len(cut_from)
        cut = other[:, None, None], *_windows(cut_from.shape[1], patch_size, count, rng)
        place = image, *_windows(images.shape[1], patch_size, count, rng)
        images[place] = np.maximum(images[place], cut_from[cut])
    return images


def _windows(area, side, count, rng):
    """Indices (count, side, 1) and (count, 1, side) of random squares inside a larger one."""
    top, left = (rng.integers(0, area - side + 1, (count, 1)) for _ in range(2))
    return (top + np.arange(side))[:, :, None], (left + np.arange(side))[:, None]
