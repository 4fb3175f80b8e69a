"""Polar coordinates about a center, in which turns and zooms become shifts."""

import math
from typing import Any

import numpy as np
from keras import ops

from stn_keras._arguments import Size, Tensor, array_to_tensor, check_size, to_tensor, widest_float
from stn_keras.core.coordinates import pixels_per_unit


def polar_coordinates(
    center: Any,
    *,
    output_size: int | Size,
    input_size: int | Size,
    radius: float | None = None,
    log: bool = True,
) -> Tensor:
    """Where a polar image is read: its rows are angles, its columns distances from a center.

    A turn of the picture about the center shifts the polar image down; with `log`, a zoom shifts it
    along the columns.

    Convention: row i is the angle 360 degrees * i / H', clockwise on a picture from the positive
    x axis. Column j is `radius` * j / W' pixels from the center; with `log`, `radius` ** (j / W'),
    from 1 pixel on. As scikit-image's `warp_polar`.

    Args:
        center: (N, 2), (x, y) in normalized coordinates: (0, 0) is the middle of the image, 1 is
            half its width or height (`align_corners=False`).
        output_size: (height, width) of the polar image: how many angles and how many distances.
        input_size: (height, width) of the images that are read.
        radius: largest distance, in pixels, with `log` more than 1; None: half the diagonal.
        log: distances grow exponentially along the columns.

    Returns:
        (N, H', W', 2), (x, y) in pixels of the input for `stn_keras.ops.sample`; float32, or
        float64 for a float64 center.

    Raises:
        ValueError: a center of another shape, or a radius that is too small.

    Reference:
        Esteves et al. 2018, Polar Transformer Networks (arXiv:1709.01889), section 4.

    Example:
        >>> sizes = {"output_size": (4, 2), "input_size": (9, 9)}
        >>> places = polar_coordinates([[0.0, 0.0]], radius=4, log=False, **sizes)
        >>> ops.convert_to_numpy(places)[0, 0].tolist()  # to the right of the middle, (4, 4)
        [[4.0, 4.0], [6.0, 4.0]]
    """
    center = array_to_tensor(center)
    if len(center.shape) != 2 or center.shape[-1] != 2:
        raise ValueError(f"Expected a center (N, 2). Received: center.shape={tuple(center.shape)}")
    height, width = size = check_size("input_size", input_size)
    radius = check_radius(radius, size, log)
    dtype = widest_float(center.dtype)
    offsets = _offsets(check_size("output_size", output_size), radius, log).astype(dtype)
    units = pixels_per_unit(size, dtype=dtype)
    middle = np.array([(width - 1) / 2, (height - 1) / 2], dtype)
    in_pixels = ops.cast(center, dtype) * to_tensor(units) + to_tensor(middle)
    return in_pixels[:, None, None] + to_tensor(offsets)


def check_radius(radius, input_size, log=False):
    """The radius in pixels, of the whole image for None."""
    radius = math.hypot(*input_size) / 2 if radius is None else radius
    least = 1 if log else 0
    if not radius > least:
        raise ValueError(
            f"Expected `radius` to be more than {least} pixels. Received: radius={radius!r}"
        )
    return radius


def _offsets(output_size, radius, log):
    """(H', W', 2), float64."""
    angles, distances = (np.arange(length) / length for length in output_size)
    distances = radius**distances if log else radius * distances
    angles = 2 * np.pi * angles[:, None]
    return np.stack([distances * np.cos(angles), distances * np.sin(angles)], axis=-1)
