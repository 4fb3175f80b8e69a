"""Fill modes: what is read outside the image."""

import numpy as np
from keras import ops

# Beyond this many pixels float32 holds no fractions worth reading; int32 sums are still safe.
FAR = 2.0**22


def _nearest(index, size):
    return ops.clip(index, 0, size - 1)


def _modulo(index, period):
    # Where tf2onnx exports it, the remainder of a negative index is negative.
    remainder = ops.mod(index, period)
    return ops.where(remainder < 0, remainder + period, remainder)


def _reflect(index, size):
    index = _modulo(index, 2 * size)
    return ops.minimum(index, 2 * size - 1 - index)


def _mirror(index, size):
    period = ops.maximum(2 * size - 2, 1)
    index = _modulo(index, period)
    return ops.minimum(index, period - index)


def _wrap(index, size):
    return _modulo(index, size)


_INSIDE = {"nearest": _nearest, "reflect": _reflect, "mirror": _mirror, "wrap": _wrap}
FILL_MODES = ("constant", *_INSIDE)
_CONSTANT_OUTSIDE = ("constant", "nearest")


def inside_index(index, size, fill_mode):
    """The pixel that stands for `index`, any integer, in every fill mode but "constant"."""
    return _INSIDE[fill_mode](index, size)


def clip_far(position, size, fill_mode, margin):
    """Bring far and infinite positions to where the same is read; NaN stays NaN.

    Beyond the margin, the width of the kernel's frame, "constant" and "nearest" read one value.
    """
    low, high = (-1 - margin, size + margin) if fill_mode in _CONSTANT_OUTSIDE else (-FAR, FAR)
    low, high = ops.cast(low, position.dtype), ops.cast(high, position.dtype)
    # Compared rather than clipped: XLA's fast minimum and maximum lose a NaN.
    position = ops.where(position < low, low, position)
    return ops.where(position > high, high, position)


def fill_limits(size, offsets):
    """The first whole pixels before and behind an axis whose neighbors all lie outside."""
    return -1 - max(offsets), size - min(offsets)


def fold(position, size, fill_mode):
    """Bring a position to one near the image where the same is read; NaN stays NaN.

    Neighbors of the result lie in a frame of `frame_width` around the image.
    """
    if fill_mode in _CONSTANT_OUTSIDE:
        return position
    position = ops.clip(position, -FAR, FAR)
    if fill_mode == "wrap":
        return ops.mod(position, size)
    # Reflections are about the outer edges, or about the centers, of the first and last pixels.
    first, last = (-0.5, size - 0.5) if fill_mode == "reflect" else (0, size - 1)
    length = max(last - first, 0.5)
    position = ops.mod(position - first, 2 * length)
    return ops.where(position <= length, position, 2 * length - position) + first


def framed_index(base, offsets, size, frame):
    """First neighbor of `base` along an axis of an image in a frame of fill.

    Where all neighbors lie outside, they are moved together to where all lie in the frame.
    """
    shift = min(offsets) + frame
    # Moved before it is clipped: TensorFlow's optimizer makes one sum of two, outside XLA's kernel.
    return ops.clip(base + shift, shift - 1 - max(offsets), size - min(offsets) + shift)


def is_outside(base, offsets, size):
    """Whether all neighbors of `base` along an axis lie outside."""
    return ops.logical_or(base < -max(offsets), base > size - 1 - min(offsets))


def frame_width(offsets):
    """How wide a frame of fill the neighbors of any position need."""
    return max(offsets) - min(offsets) + 1


def check_fill_channels(fill_value, channels):
    """Refuse a fill that is neither a number nor one number per channel."""
    if np.shape(fill_value) not in ((), (1,), (channels,)):
        raise ValueError(
            "Invalid value for argument `fill_value`. Expected a number or one per channel "
            f"({channels}). Received: fill_value={fill_value!r}"
        )


def add_frame_of_pixels(images, width, fill_mode):
    """The images with a frame of what a fill mode other than "constant" reads outside."""
    for axis, size in enumerate(images.shape[1:-1], start=1):
        index = inside_index(ops.arange(-width, size + width), size, fill_mode)
        images = ops.take(images, index, axis=axis)
    return images


def add_frame(images, width, fill_value):
    """The images with a frame of fill around them.

    Raises:
        ValueError: `fill_value` is neither a number nor one number per channel.
    """
    check_fill_channels(fill_value, images.shape[-1])
    fill = np.asarray(fill_value, "float64")
    border = ((0, 0), *((width, width),) * (len(images.shape) - 2), (0, 0))
    if fill.size == 1:
        return ops.pad(images, border, constant_values=fill.item())
    inside = ops.pad(ops.ones_like(images[:1, ..., :1], dtype="bool"), border)
    return ops.where(inside, ops.pad(images, border), ops.cast(fill, images.dtype))
