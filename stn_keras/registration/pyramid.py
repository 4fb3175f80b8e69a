"""Images at several sizes, from small to whole."""

import numpy as np
from keras import ops

from stn_keras.ops.warping import warp
from stn_keras.transforms import Affine

# The coarsest level's shortest side, at least.
SMALLEST = 24
_PLACES_PER_PIXEL = 4


def level_count(*sizes: tuple) -> int:
    """How often images can be halved, and once more."""
    return max(1, 1 + int(np.log2(min(map(min, sizes)) / SMALLEST)))


def pyramid(images: np.ndarray, levels: int) -> list[np.ndarray]:
    """Images at half the size of each other, each pixel a mean over four times its area.

    Convention: edges meet edges, so that theta means the same at each level.

    Args:
        images: (N, *size, C), float32.
        levels: how many.

    Returns:
        From the smallest to the images themselves.
    """
    result = [images]
    for _ in range(levels - 1):
        result.append(_half(result[-1]))
    return result[::-1]


def _half(images):
    size = tuple((length + 1) // 2 for length in images.shape[1:-1])
    same = Affine(rank=len(size))
    small = warp(
        images,
        same.identity,
        same,
        size,
        fill_mode="nearest",
        supersample=_PLACES_PER_PIXEL,
        data_format="channels_last",
        compiled=False,
    )
    return ops.convert_to_numpy(small)
