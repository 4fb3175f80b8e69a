"""Distort images with imgaug, in parallel, the same for any number of workers."""

import contextlib
import multiprocessing
import signal
import sys

import numpy as np

from data_prep.parallel import progress_bar

CHUNK = 1000


def distort(images, recipe, seed, workers=1, progress=None, first=0):
    """Give every image one of the recipe's distortions, drawn at random.

    Images are cut into chunks with a seed each, so the result depends on `images`, `recipe` and
    `seed` alone, not on the number of workers.

    Args:
        images: (N, H, W, C) uint8.
        recipe: name of a family -> arguments of `imgaug.augmenters.Affine`; see
            `data_prep.distortions.imgaug_recipes`.
        seed: integer or sequence of integers.
        workers: processes; 1 works in this one.
        progress: what the progress bar says; None shows none.
        first: index of the first image that is wanted; chunks before its own are not distorted.

    Returns:
        (distorted, family): images (N - first, H, W, C) uint8, and the position in `recipe` of what
        each got, (N - first,) uint8.

    Example:
        >>> from data_prep.distortions.imgaug_recipes import POST
        >>> images = np.zeros((3, 28, 28, 1), "uint8")
        >>> distorted, family = distort(images, POST, seed=42)
        >>> distorted.shape, family.shape
        ((3, 28, 28, 1), (3,))
    """
    skipped = first // CHUNK
    images = images[skipped * CHUNK :]
    starts = range(0, len(images), CHUNK)
    chunks = (images[start : start + CHUNK] for start in starts)
    distorted, family = np.empty_like(images), np.empty(len(images), "uint8")
    made = distorted_chunks(chunks, recipe, seed, min(workers, len(starts)), skipped)
    with progress_bar(len(images), progress) as bar:
        for start, (chunk, chosen) in zip(starts, made, strict=True):
            distorted[start : start + CHUNK] = chunk
            family[start : start + CHUNK] = chosen
            bar.update(len(chunk))
    wanted = slice(first % CHUNK, None)
    return distorted[wanted], family[wanted]


def distorted_chunks(chunks, recipe, seed, workers=1, skipped=0):
    """The same for images that come chunk by chunk: (distorted, family) of one after the other.

    Args:
        chunks: iterable of `CHUNK` images (n, H, W, C) uint8 each; the last one may have fewer.
        recipe, seed, workers: as above.
        skipped: number of chunks before these.
    """
    # Imported here, so that forked workers share it and a missing package is reported first.
    import data_prep.distortions.imgaug_compat  # noqa: F401

    seeds = np.random.SeedSequence(seed, n_children_spawned=skipped)
    jobs = ((chunk, recipe, seeds.spawn(1)[0]) for chunk in chunks)
    return _mapped(jobs, workers)


def apply_family(images, arguments, seed):
    """Distort all images (N, H, W, C) uint8 with these arguments of `imgaug.augmenters.Affine`."""
    from data_prep.distortions.imgaug_compat import iaa

    return iaa.Affine(**arguments, seed=int(seed))(images=images)


def _mapped(jobs, workers):
    with _mapper(workers) as map_chunks:
        yield from map_chunks(_distort_chunk, jobs)


def _distort_chunk(job):
    images, recipe, seed = job
    rng = np.random.default_rng(seed)
    family = rng.integers(len(recipe), size=len(images)).astype("uint8")
    distorted = np.empty_like(images)
    for index, arguments in enumerate(recipe.values()):
        family_seed, mine = rng.integers(2**31), family == index
        if mine.any():
            distorted[mine] = apply_family(images[mine], arguments, family_seed)
    return distorted, family


@contextlib.contextmanager
def _mapper(workers):
    """An in-order lazy map, over processes where there is more than one worker."""
    if workers <= 1:
        yield map
        return
    # Forking is quickest, but not safe once TensorFlow or JAX has started its threads.
    fork = sys.platform == "linux" and not {"tensorflow", "jax"} & sys.modules.keys()
    context = multiprocessing.get_context("fork" if fork else "spawn")
    # The pool ends workers by SIGTERM, which a forked handler would miss in one that waits.
    with context.Pool(workers, signal.signal, (signal.SIGTERM, signal.SIG_DFL)) as pool:
        yield pool.imap
