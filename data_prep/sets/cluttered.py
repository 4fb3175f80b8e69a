"""The paper's cluttered MNIST, made from MNIST's digits."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from cli.errors import UserError
from data_prep.distortions.clutter import draw_cluttered
from data_prep.parallel import progress_bar
from data_prep.sources import load_source

CLUTTERED = "cluttered-mnist"
CHUNK = 1000


@dataclass(frozen=True)
class ClutteredSet:
    """Images (N, canvas, canvas, 1) uint8 with labels (N,) int64, and what they were made from."""

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    parameters: dict


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
