"""Pixel and normalized coordinates: the one place that knows what `align_corners` means.

Convention: points are (x, y). With `align_corners=False`, -1 and 1 are the outer edges of the
corner pixels, so an axis of n pixels has n / 2 pixels per unit; with True they are the centers of
the corner pixels, and it has (n - 1) / 2.
"""

import functools
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from stn_keras._arguments import Size, Tensor, same_along_axes, to_tensor

# Grids that are kept for the next call, the last used ones.
_GRIDS = 8


@dataclass(frozen=True)
class Points:
    """Points of an output image, and the input pixels they read at the identity.

    Convention: one entry per axis, x first. All are tensors, so that a family may multiply them
    with theta on every backend.

    Attributes:
        normalized: per axis the normalized coordinate, (M,), or (N, M) for points of each sample.
        pixels: per axis the input pixel read at the identity, of the same shape.
        homogeneous: the normalized coordinates and a row of ones, (rank + 1, M) or
            (N, rank + 1, M).
        pixels_per_unit: (rank,) pixels of the input per unit of normalized coordinate.
        output_size: size of the output whose pixels these are, row by row; None: any points.
        align_corners: see the module's convention.
    """

    normalized: tuple
    pixels: tuple
    homogeneous: Any
    pixels_per_unit: Any
    output_size: tuple | None
    align_corners: bool

    @classmethod
    def of_grid(
        cls, output_size: Size, input_size: Size, align_corners: bool, dtype: str
    ) -> "Points":
        """The pixels of an output image, row by row."""
        homogeneous = _homogeneous_rows(tuple(output_size), align_corners, dtype)
        if all(map(_is_static, input_size)):
            pixels = _pixel_rows(tuple(output_size), tuple(input_size), align_corners, dtype)
        else:
            pixels = identity_coordinates(output_size, input_size, align_corners, dtype)
            pixels = ops.reshape(to_tensor(pixels), (-1, len(output_size)))
            pixels = [pixels[:, axis] for axis in range(len(output_size))]
        return cls(
            tuple(map(to_tensor, homogeneous[:-1])),
            tuple(map(to_tensor, pixels)),
            to_tensor(homogeneous),
            to_tensor(pixels_per_unit(input_size, align_corners, dtype)),
            tuple(output_size),
            align_corners,
        )

    @classmethod
    def of_pixels(
        cls, places: Any, output_size: Size, input_size: Size, align_corners: bool, dtype: str
    ) -> "Points":
        """Places (M, rank) or (N, M, rank) in pixels of the output, at its pixels or between."""
        places = ops.cast(to_tensor(places), dtype)
        sizes = zip(reversed(output_size), reversed(input_size), strict=True)
        normalized, pixels = [], []
        for axis, (n_out, n_in) in enumerate(sizes):
            normalized.append(_to_normalized(places[..., axis], n_out, align_corners))
            pixels.append(_identity_pixel(places[..., axis], n_out, n_in, align_corners, dtype))
        homogeneous = ops.stack([*normalized, ops.ones_like(normalized[0])], axis=-2)
        units = to_tensor(pixels_per_unit(input_size, align_corners, dtype))
        return cls(tuple(normalized), tuple(pixels), homogeneous, units, None, align_corners)


def homogeneous_meshgrid(
    output_size: int | Size, align_corners: bool = False, dtype: str = "float32"
) -> np.ndarray:
    """The normalized homogeneous meshgrid of an output image.

    Convention: rows are (x, y, 1), one per output pixel, row by row; -1 and 1 as `align_corners`
    says.

    Args:
        output_size: (height, width) of the output, one integer for a square.
        align_corners: where -1 and 1 lie; see the module's convention.
        dtype: floating dtype of the result.

    Returns:
        Array (height * width, 3).

    Reference:
        Jaderberg et al. 2015 (arXiv:1506.02025), equation 1: the target coordinates.

    Example:
        >>> homogeneous_meshgrid((1, 2))
        array([[-0.5,  0. ,  1. ],
               [ 0.5,  0. ,  1. ]], dtype=float32)
    """
    size = same_along_axes(output_size)
    axes = [_normalized_axis(length, align_corners) for length in reversed(size)]
    axes = _meshgrid(axes, np)
    return np.stack([*(axis.ravel() for axis in axes), np.ones(axes[0].size)], -1).astype(dtype)


def identity_coordinates(
    output_size: int | Size,
    input_size: int | Size,
    align_corners: bool = False,
    dtype: str = "float32",
) -> Tensor:
    """Input pixel read by each output pixel under the identity transform.

    Convention: (x, y) in pixels of the input, pixel centers at whole numbers. When both sizes are
    equal the result is exactly the pixel's own index, in both conventions and at every size.

    Args:
        output_size: (height, width) of the output, one integer for a square.
        input_size: (height, width) of the input, integers or scalar tensors.
        align_corners: where the corners of the two images meet; see the module's convention.
        dtype: floating dtype of the result.

    Returns:
        Array or tensor (height, width, 2).

    Example:
        >>> identity_coordinates((1, 2), (1, 2))
        array([[[0., 0.],
                [1., 0.]]], dtype=float32)
    """
    sizes = same_along_axes(output_size), same_along_axes(input_size)
    axes = [
        _identity_axis(n_out, n_in, align_corners, dtype)
        for n_out, n_in in zip(*map(reversed, sizes), strict=True)
    ]
    library = np if all(map(_is_array, axes)) else ops
    return library.stack(_meshgrid(axes, library), axis=-1)


def pixels_per_unit(
    input_size: int | Size, align_corners: bool = False, dtype: str = "float32"
) -> Tensor:
    """Pixels per unit of normalized coordinate, for x and for y.

    Convention: (x, y), the reverse of the (height, width) it is made from.

    Args:
        input_size: (height, width), integers or scalar tensors.
        align_corners: see the module's convention.
        dtype: floating dtype of the result.

    Returns:
        Array or tensor (2,).

    Example:
        >>> pixels_per_unit((28, 32))
        array([16., 14.], dtype=float32)
    """
    size = same_along_axes(input_size)
    extents = [_extent(n, align_corners, dtype) / 2 for n in reversed(size)]
    if all(isinstance(extent, float) for extent in extents):
        return np.array(extents, dtype)
    return ops.stack([ops.cast(extent, dtype) for extent in extents])


def out_of_bounds_distance(coordinates: Any, *, input_size: int | Size) -> Tensor:
    """How far outside the image coordinates lie, 0 inside it.

    Convention: (x, y) in pixels of the input; distances in halves of the image's width and height,
    those of x and y added. The image ends at the outer edges of its pixels.

    Args:
        coordinates: (..., 2), or (..., 3) in a volume, floating.
        input_size: (height, width) of the image, integers or scalar tensors.

    Returns:
        Tensor (...). An infinite x or y counts 1, without a gradient.

    Raises:
        ValueError: coordinates of another length than the size.

    Example:
        >>> places = ops.array([[-0.5, 0.0], [41.5, 0.0]])
        >>> ops.convert_to_numpy(out_of_bounds_distance(places, input_size=(28, 28))).tolist()
        [0.0, 1.0]
    """
    coordinates = to_tensor(coordinates)
    rank = coordinates.shape[-1]
    size = same_along_axes(input_size, rank)
    if len(size) != rank:
        raise ValueError(
            f"Expected coordinates (..., {len(size)}) for a size of {len(size)}. "
            f"Received: coordinates.shape={tuple(coordinates.shape)}, input_size={input_size!r}"
        )
    return distance_outside([coordinates[..., axis] for axis in range(rank)], size)


def distance_outside(places, input_size):
    """`out_of_bounds_distance` of x, y, ... as separate tensors."""
    dtype = keras.backend.standardize_dtype(places[0].dtype)
    halves = pixels_per_unit(input_size, dtype=dtype)
    distance = 0
    for axis, position in enumerate(places):
        half = halves[axis]
        finite = ops.isfinite(position)
        near = ops.where(finite, position, ops.zeros_like(position))
        beyond = ops.relu(ops.abs(near + 0.5 - half) / half - 1)
        distance = distance + ops.where(finite, beyond, ops.ones_like(beyond))
    return distance


@functools.lru_cache(maxsize=_GRIDS)
def _homogeneous_rows(output_size, align_corners, dtype):
    """`homogeneous_meshgrid` with a row for each axis, (rank + 1, M)."""
    return np.ascontiguousarray(homogeneous_meshgrid(output_size, align_corners, dtype).T)


@functools.lru_cache(maxsize=_GRIDS)
def _pixel_rows(output_size, input_size, align_corners, dtype):
    """`identity_coordinates` of sizes that are known, with a row for each axis, (rank, M)."""
    pixels = identity_coordinates(output_size, input_size, align_corners, dtype)
    return np.ascontiguousarray(pixels.reshape(-1, len(output_size)).T)


def _extent(size, align_corners, dtype):
    """Pixels between -1 and 1: a float, or a tensor where the size is known only at run time."""
    size = float(size) if _is_static(size) else ops.cast(size, dtype)
    return size - 1.0 if align_corners else size


def _normalized_axis(size, align_corners):
    index = np.arange(size, dtype="float64")
    if align_corners:
        return 2 * index / (size - 1) - 1 if size > 1 else np.zeros(1)
    return (2 * index + 1) / size - 1


def _meshgrid(axes, library):
    """The axes, x first, spread over the image; x varies fastest."""
    return library.meshgrid(*reversed(axes), indexing="ij")[::-1]


def _to_normalized(pixel, size, align_corners):
    if align_corners:
        return 2 * pixel / (size - 1) - 1 if size > 1 else ops.zeros_like(pixel)
    return (2 * pixel + 1) / size - 1


def _identity_axis(output_size, input_size, align_corners, dtype):
    """Input pixel of each output pixel along an axis."""
    if not _is_static(input_size):
        index = ops.arange(output_size, dtype=dtype)
        return _identity_pixel(index, output_size, input_size, align_corners, dtype)
    index = np.arange(output_size, dtype="float64")
    return _identity_pixel(index, output_size, input_size, align_corners, dtype).astype(dtype)


def _identity_pixel(pixel, output_size, input_size, align_corners, dtype):
    """Input pixel that an output pixel, or a place between, reads at the identity."""
    extent = _extent(input_size, align_corners, dtype)
    if align_corners and output_size == 1:
        return pixel + extent / 2
    if align_corners:
        return pixel * (extent / (output_size - 1))
    # The ratio comes first: at equal sizes it is exactly 1 and the pixel is returned untouched.
    ratio = extent / output_size
    return pixel * ratio + (ratio - 1) / 2


def _is_array(value):
    return isinstance(value, np.ndarray)


def _is_static(size):
    return isinstance(size, (int, np.integer))
