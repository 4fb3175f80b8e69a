"""Images at several sizes, from small to whole."""

import math
from collections.abc import Sequence

import numpy as np
from keras import ops

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
    """Images (N, *size, C) of any rank at another size, edges on edges, axis by axis."""
    for axis, length in enumerate(size, start=1):
        before, after = images.shape[:axis], images.shape[axis + 1 :]
        lines = images.reshape(math.prod(before), images.shape[axis], math.prod(after), 1)
        lines = ops.image.resize(
            lines, (length, lines.shape[2]), antialias=True, data_format="channels_last"
        )
        images = ops.convert_to_numpy(lines).reshape(*before, length, *after)
    return images
