"""Images at several sizes, from small to whole."""

import math
from collections.abc import Sequence

import numpy as np

# The coarsest level's shortest side, at least.
SMALLEST = 24


def level_count(*sizes: tuple) -> int:
    """How often images can be halved, and once more."""
    return max(1, 1 + int(math.log2(min(map(min, sizes)) / SMALLEST)))


def pyramid(images: np.ndarray, levels: int) -> list[np.ndarray]:
    """Images at half the size of each other, without aliasing.

    Convention: edges meet edges, so that theta means the same at each level.

    Args:
        images: (N, *size, C), float32.
        levels: how many.

    Returns:
        From the smallest to the images themselves.
    """
    result = [images]
    for _ in range(levels - 1):
        result.append(resized(result[-1], [(n + 1) // 2 for n in result[-1].shape[1:-1]]))
    return result[::-1]


def resized(images: np.ndarray, size: Sequence[int]) -> np.ndarray:
    """Images (N, *size, C) of any rank at another size, edges on edges, without aliasing."""
    for axis, length in enumerate(size, start=1):
        weights = _weights(images.shape[axis], length)
        images = np.moveaxis(np.tensordot(weights, images, (1, axis)), 0, axis)
    return images


def _weights(before, after):
    """What each of `after` pixels takes of each of `before`: triangles as wide as both allow."""
    scale = before / after
    places = (np.arange(after) + 0.5) * scale - 0.5
    distances = np.abs(places[:, None] - np.arange(before)) / max(scale, 1)
    weights = np.maximum(1 - distances, 0)
    return (weights / weights.sum(axis=1, keepdims=True)).astype("float32")
