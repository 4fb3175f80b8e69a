"""Read images at fractional pixel coordinates."""

import keras
from keras import ops

from stn_keras._checks import check_choice
from stn_keras.ops.gather import gather_rows

INTERPOLATIONS = ("bilinear",)
FILL_MODES = ("constant", "nearest")


def sample(images, coordinates, interpolation="bilinear", fill_mode="constant", fill_value=0.0):
    """Sample images at pixel coordinates; differentiable to both.

    Convention: pull resampling. `coordinates[n, i, j]` is the place (x, y), in pixels of the input,
    that output pixel (i, j) is read from; (0, 0) is the centre of the top left pixel. At whole
    pixels the output equals the input bit for bit, and the derivative to the coordinates is the one
    from the right (towards the next pixel), so it does not vanish there.

    Args:
        images: (N, H, W, C), any number of channels, fewer than 2^31 pixels a batch. Integer images
            are read as float32.
        coordinates: (N, H', W', 2), floating. Half precision is refused rather than read off by
            up to a pixel.
        interpolation: "bilinear".
        fill_mode: what is read outside the image. "constant": `fill_value`, each neighbour by
            itself, so the border blends over one pixel (scipy's "grid-constant"). "nearest": the
            nearest pixel of the image.
        fill_value: the number read outside the image when `fill_mode="constant"`.

    Returns:
        (N, H', W', C) in the dtype of `images`, or float32 for integer images. A NaN coordinate
        gives a NaN pixel; an infinite one reads what lies infinitely far outside.

    Raises:
        ValueError: unknown `interpolation` or `fill_mode`, wrong rank, or half-precision
        coordinates.

    Reference:
        Jaderberg et al. 2015 (arXiv:1506.02025), equation 5.

    Example:
        >>> import numpy as np
        >>> image = np.array([[0.0, 10.0], [20.0, 30.0]], "float32").reshape(1, 2, 2, 1)
        >>> middle = np.full((1, 1, 1, 2), 0.5, "float32")
        >>> float(sample(image, middle)[0, 0, 0, 0])
        15.0
    """
    check_choice("interpolation", interpolation, INTERPOLATIONS)
    check_choice("fill_mode", fill_mode, FILL_MODES)
    images = ops.convert_to_tensor(images)
    coordinates = ops.convert_to_tensor(coordinates)
    _check_inputs(images, coordinates)
    if not keras.backend.is_float_dtype(images.dtype):
        images = ops.cast(images, "float32")

    # One ring of fill around the image stands for everything outside it: no masks.
    ring = 1 if fill_mode == "constant" else 0
    height, width = ops.shape(images)[1:3]
    x0, x1, weight_x = _neighbours(coordinates[..., 0], width, ring)
    y0, y1, weight_y = _neighbours(coordinates[..., 1], height, ring)
    if ring:
        border = ((0, 0), (ring, ring), (ring, ring), (0, 0))
        images = ops.pad(images, border, constant_values=fill_value)
    return _bilinear(images, (x0, x1, weight_x), (y0, y1, weight_y))


def _check_inputs(images, coordinates):
    shapes = f"images.shape={tuple(images.shape)}, coordinates.shape={tuple(coordinates.shape)}"
    if len(images.shape) != 4 or len(coordinates.shape) != 4 or coordinates.shape[-1] != 2:
        raise ValueError(
            f"Expected images (N, H, W, C) and coordinates (N, H', W', 2). Received: {shapes}"
        )
    batches = {images.shape[0], coordinates.shape[0]} - {None}
    if len(batches) > 1:
        raise ValueError(f"Expected as many images as coordinate grids. Received: {shapes}")
    if keras.backend.standardize_dtype(coordinates.dtype) not in ("float32", "float64"):
        raise ValueError(
            "Expected coordinates in float32 or float64: half precision is off by up to a pixel. "
            f"Received: coordinates.dtype={keras.backend.standardize_dtype(coordinates.dtype)}"
        )


def _neighbours(position, size, ring):
    """Along one axis: index of the pixel at or before `position`, of the next, its weight."""
    # Two pixels outside, everything already reads the same; clipping there keeps infinity finite.
    position = ops.clip(position, -1.0 - ring, ops.cast(size + ring, position.dtype))
    before = ops.floor(position)
    weight = position - before
    # Floor and floor + 1, unclipped until here: equal neighbours would give theta no gradient.
    index = ops.cast(before, "int32") + ring
    last = size - 1 + 2 * ring
    return ops.clip(index, 0, last), ops.clip(index + 1, 0, last), weight


def _bilinear(images, along_x, along_y):
    x0, x1, weight_x = along_x
    y0, y1, weight_y = along_y
    batch, height, width = ops.shape(images)[:3]
    rows = ops.reshape(images, (-1, images.shape[-1]))
    first = ops.reshape(ops.arange(batch, dtype="int32") * (height * width), (-1, 1, 1))
    row0, row1 = first + y0 * width, first + y1 * width

    dtype = keras.backend.result_type(images.dtype, weight_x.dtype)
    weight_x, weight_y = (ops.expand_dims(ops.cast(w, dtype), -1) for w in (weight_x, weight_y))
    read = lambda index: ops.cast(gather_rows(rows, index), dtype)  # noqa: E731
    # a + w * (b - a), not (1 - w) * a + w * b: equal neighbours then give exactly their value.
    top_left, bottom_left = read(row0 + x0), read(row1 + x0)
    top = top_left + weight_x * (read(row0 + x1) - top_left)
    bottom = bottom_left + weight_x * (read(row1 + x1) - bottom_left)
    return ops.cast(top + weight_y * (bottom - top), images.dtype)
