"""Fill modes: which pixel stands for one outside the image."""

import numpy as np
from keras import ops

# Beyond this many pixels float32 holds no fractions worth reading; int32 sums are still safe.
FAR = 2.0**22
# A position this far outside reads nothing but fill, whatever the kernel.
MARGIN = 3


def _constant(index, size):
    # One ring of fill around the image stands for everything outside it: no masks.
    return ops.clip(index, -1, size) + 1


def _nearest(index, size):
    return ops.clip(index, 0, size - 1)


def _reflect(index, size):
    index = ops.mod(index, 2 * size)
    return ops.minimum(index, 2 * size - 1 - index)


def _mirror(index, size):
    period = ops.maximum(2 * size - 2, 1)
    index = ops.mod(index, period)
    return ops.minimum(index, period - index)


def _wrap(index, size):
    return ops.mod(index, size)


_INDEX = {
    "constant": _constant,
    "nearest": _nearest,
    "reflect": _reflect,
    "mirror": _mirror,
    "wrap": _wrap,
}
FILL_MODES = tuple(_INDEX)
_CONSTANT_OUTSIDE = ("constant", "nearest")


def source_index(index, size, fill_mode):
    """Index into the extended image of the pixel that stands for `index`, any integer."""
    return _INDEX[fill_mode](index, size)


def clip_far(position, size, fill_mode):
    """Bring far and infinite positions to where the same is read; NaN stays NaN."""
    low, high = (-1 - MARGIN, size + MARGIN) if fill_mode in _CONSTANT_OUTSIDE else (-FAR, FAR)
    low, high = ops.cast(low, position.dtype), ops.cast(high, position.dtype)
    # Compared rather than clipped: XLA's fast minimum and maximum lose a NaN.
    position = ops.where(position < low, low, position)
    return ops.where(position > high, high, position)


def extend(images, fill_mode, fill_value):
    """The images with a ring of fill around them where the fill mode needs one.

    Raises:
        ValueError: `fill_value` is neither a number nor one number per channel.
    """
    if fill_mode != "constant":
        return images
    fill = np.asarray(fill_value, "float64")
    channels = images.shape[-1]
    if fill.shape not in ((), (1,), (channels,)):
        raise ValueError(
            "Invalid value for argument `fill_value`. Expected a number or one per channel "
            f"({channels}). Received: fill_value={fill_value!r}"
        )
    border = ((0, 0), (1, 1), (1, 1), (0, 0))
    if fill.size == 1:
        return ops.pad(images, border, constant_values=fill.item())
    inside = ops.pad(ops.ones_like(images[:1, :, :, :1], dtype="bool"), border)
    return ops.where(inside, ops.pad(images, border), ops.cast(fill, images.dtype))
