"""The paper's test sets: MNIST digits distorted once, as training images are for every batch."""

import json
from dataclasses import dataclass

import numpy as np

from cli.errors import UserError
from cli.startup import import_keras
from data_prep.distortions.paper import Cluttered, Elastic, Perspective, Placement, Warp
from data_prep.parallel import progress_bar

VALIDATION = 5000
CHUNK = 1000


@dataclass(frozen=True)
class Recipe:
    """How the images of a set are made.

    Attributes:
        title: one line.
        warp: distorts each digit separately.
        digits: how many an image shows, a channel each; their sum is its label.
    """

    title: str
    warp: Warp
    digits: int = 1


RTS = Placement(42, rotation=45, scale=(0.7, 1.2))
RECIPES = {
    "paper-r": Recipe("rotated", Placement(28, rotation=90)),
    "paper-rts": Recipe("rotated, scaled and placed on 42x42", RTS),
    "paper-p": Recipe("in random perspective", Perspective()),
    "paper-e": Recipe("bent elastically", Elastic()),
    "paper-tc": Recipe("placed on 60x60 among scraps of others", Cluttered()),
    "paper-addition": Recipe("two on 42x42, to be added", RTS, digits=2),
}


@dataclass(frozen=True)
class PaperSet:
    """Images (N, canvas, canvas, digits) uint8 with labels (N,) int64, and what they were made
    from.
    """

    validation_images: np.ndarray
    validation_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    parameters: dict


def make_paper_set(name, seed, source, progress=True):
    """Distort each held-out training digit and each test digit once.

    Args:
        name: a key of `RECIPES`.
        seed: integer; the same seed gives the same images.
        source: `data_prep.sources.Source` of MNIST.
        progress: show a progress bar.

    Returns:
        A `PaperSet`.

    Raises:
        UserError: there are too few training images.
    """
    kept = training_count(source)
    import_keras("stn_keras")
    parts = (
        (source.train_images[kept:], source.train_labels[kept:]),
        (source.test_images, source.test_labels),
    )
    seeds = np.random.SeedSequence(seed).spawn(len(parts))
    total = sum(len(labels) for _, labels in parts)
    with progress_bar(total, name if progress else None) as bar:
        validation, test = (
            _draw_part(RECIPES[name], *part, part_seed, bar)
            for part, part_seed in zip(parts, seeds, strict=True)
        )
    parameters = {
        "set": name,
        "source": "mnist",
        "seed": seed,
        "validation": VALIDATION,
        "distortion": json.loads(json.dumps(vars(RECIPES[name].warp))),
        "source_sha256": source.fingerprint(),
    }
    return PaperSet(*validation, *test, parameters)


def training_count(source):
    """How many of the training digits are trained on: all but the last, which are held out.

    Raises:
        UserError: there are too few.
    """
    count = len(source.train_labels)
    if count <= VALIDATION:
        raise UserError(f"expected more than {VALIDATION} training images, got {count}")
    return count - VALIDATION


def show_together(images, labels, indices):
    """Images of several digits, a channel each, and their sums.

    Args:
        images: (M, H, W, 1).
        labels: (M,).
        indices: (N, K), the digits that each image shows.

    Returns:
        (images, labels): (N, H, W, K) and (N,).

    Example:
        >>> images = np.arange(3).reshape(3, 1, 1, 1)
        >>> both, total = show_together(images, np.array([4, 5, 9]), np.array([[0, 2]]))
        >>> both.tolist(), total.tolist()
        ([[[[0, 2]]]], [13])
    """
    return np.moveaxis(images[indices][..., 0], 1, -1), labels[indices].sum(1)


def _draw_part(recipe, images, labels, seed, bar):
    """Images and labels of one part, a seed a chunk."""
    starts = range(0, len(labels), CHUNK)
    drawn = []
    for start, chunk_seed in zip(starts, seed.spawn(len(starts)), strict=True):
        rng = np.random.default_rng(chunk_seed)
        first = np.arange(start, min(start + CHUNK, len(labels)))
        others = rng.integers(len(labels), size=(len(first), recipe.digits - 1))
        shown = np.column_stack([first, others])
        together, sums = show_together(images, labels, shown)
        drawn.append((distort(together, recipe.warp, rng), sums))
        bar.update(len(first))
    return tuple(np.concatenate(parts) for parts in zip(*drawn, strict=True))


def distort(images, warp, rng):
    """Distort images (N, H, H, C) uint8 by noise of a `numpy.random.Generator`."""
    from keras import ops

    count = len(images) * images.shape[-1]
    uniform = rng.random((count, warp.uniforms), "float32")
    normal = rng.standard_normal((count, warp.normals), "float32")
    drawn = warp(*map(ops.convert_to_tensor, (images.astype("float32"), uniform, normal)))
    return np.rint(ops.convert_to_numpy(drawn)).astype("uint8")
