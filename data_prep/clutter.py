"""The paper's cluttered MNIST: a digit at a random place among scraps of other digits."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from cli.errors import UserError
from cli.files import atomic_path
from data_prep.distortions import progress_bar
from data_prep.sources import load_source

CLUTTERED = "cluttered-mnist"
CHUNK = 1000


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


@dataclass(frozen=True)
class ClutteredSet:
    """Images (N, canvas, canvas, 1) uint8 with labels (N,) int64, and what they were made from."""

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    parameters: dict


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


def make_cluttered_set(clutter, count, seed, data_dir=None, workers=1, progress=True):
    """Make a cluttered set of MNIST: training images, and a test image of each test digit.

    Args:
        clutter: `Clutter`.
        count: training images; they show the training digits in turn.
        seed: integer; the same seed gives the same bytes, whatever the number of workers.
        data_dir: see `data_prep.sources.load_source`.
        workers: threads that draw.
        progress: show a progress bar.

    Returns:
        A `ClutteredSet`.

    Raises:
        UserError: MNIST cannot be found or read, or digit or patch do not fit.
    """
    digits = load_source("mnist", data_dir)
    _check_fit(clutter, digits.train_images.shape[1])
    train, test = np.arange(count) % len(digits.train_labels), np.arange(len(digits.test_labels))
    train_seed, test_seed = np.random.SeedSequence(seed).spawn(2)
    bar = progress_bar(count + len(test), "drawing" if progress else None)
    # NumPy's indexing lets other threads work, and they share the digits.
    with ThreadPoolExecutor(workers) as pool, bar:
        images = [
            _draw_chunks(pool, bar, *part, clutter)
            for part in (
                (digits.train_images, train, train_seed),
                (digits.test_images, test, test_seed),
            )
        ]
    parameters = {
        "set": CLUTTERED,
        "source": "mnist",
        "seed": seed,
        "count": count,
        **vars(clutter),
        "source_sha256": digits.fingerprint(),
    }
    return ClutteredSet(
        images[0], digits.train_labels[train], images[1], digits.test_labels, parameters
    )


def save(dataset, path):
    """Write the set as one .npz, whole or not at all."""
    arrays = {**vars(dataset), "parameters": np.array(json.dumps(dataset.parameters))}
    with atomic_path(path) as temporary:
        np.savez(temporary, **arrays)


def _windows(area, side, count, rng):
    """Indices (count, side, 1) and (count, 1, side) of random squares inside a larger one."""
    top, left = rng.integers(0, area - side + 1, (2, count, 1))
    return (top + np.arange(side))[:, :, None], (left + np.arange(side))[:, None]


def _draw_chunks(pool, bar, digits, shown, seed, clutter):
    """The images of one part: a seed a chunk, so that the order of the threads does not matter."""
    images = np.empty((len(shown), clutter.canvas, clutter.canvas, 1), "uint8")
    starts = range(0, len(shown), CHUNK)

    def draw(start, chunk_seed):
        chunk = slice(start, start + CHUNK)
        rng = np.random.default_rng(chunk_seed)
        images[chunk] = draw_cluttered(digits, shown[chunk], clutter, rng)
        return len(images[chunk])

    for drawn in pool.map(draw, starts, seed.spawn(len(starts))):
        bar.update(drawn)
    return images


def _check_fit(clutter, digit_size):
    if clutter.canvas < digit_size:
        raise UserError(
            f"expected --canvas of at least {digit_size}, the digits' size, got {clutter.canvas}"
        )
    if clutter.patch_size > digit_size:
        raise UserError(
            f"expected --patch-size of at most {digit_size}, the digits' size, "
            f"got {clutter.patch_size}"
        )
