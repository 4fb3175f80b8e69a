"""Pixel and normalized coordinates: the one place that knows what `align_corners` means.

Convention: points are (x, y). With `align_corners=False`, -1 and 1 are the outer edges of the
corner pixels, so an axis of n pixels has half extent n / 2; with True they are the centres of the
corner pixels and the half extent is (n - 1) / 2.
"""

import keras
import numpy as np
from keras import ops


def homogeneous_meshgrid(output_size, align_corners=False, dtype="float32"):
    """The normalized homogeneous meshgrid of an output image.

    Convention: rows are (x, y, 1), one per output pixel, row by row; -1 and 1 as `align_corners`
    says.

    Args:
        output_size: (height, width) of the output, integers.
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
    height, width = output_size
    x, y = np.meshgrid(
        _normalized_axis(width, align_corners), _normalized_axis(height, align_corners)
    )
    return np.stack([x.ravel(), y.ravel(), np.ones(height * width)], axis=-1).astype(dtype)


def identity_coordinates(output_size, input_size, align_corners=False, dtype="float32"):
    """Input pixel read by each output pixel under the identity transform.

    Convention: (x, y) in pixels of the input, pixel centres at whole numbers. When both sizes are
    equal the result is exactly the pixel's own index, in both conventions and at every size.

    Args:
        output_size: (height, width) of the output, integers.
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
    y, x = (
        _identity_axis(n_out, n_in, align_corners, dtype)
        for n_out, n_in in zip(output_size, input_size, strict=True)
    )
    if isinstance(x, np.ndarray) and isinstance(y, np.ndarray):
        return np.stack(np.meshgrid(x, y), axis=-1)
    return ops.stack(ops.meshgrid(x, y), axis=-1)


def half_extents(input_size, align_corners=False, dtype="float32"):
    """Pixels per unit of normalized coordinate, for x and for y.

    Convention: (x, y), the reverse of the (height, width) it is made from.

    Args:
        input_size: (height, width), integers or scalar tensors.
        align_corners: see the module's convention.
        dtype: floating dtype of the result.

    Returns:
        Array or tensor (2,).

    Example:
        >>> half_extents((28, 32))
        array([16., 14.], dtype=float32)
    """
    height, width = input_size
    extents = [_extent(n, align_corners, dtype) / 2 for n in (width, height)]
    if all(isinstance(extent, float) for extent in extents):
        return np.array(extents, dtype)
    return ops.stack([ops.cast(extent, dtype) for extent in extents])


def distance_outside(x, y, input_size):
    """How far outside the image a place lies, 0 inside it.

    Convention: x and y in pixels of the input; distances in halves of the image's width and height,
    those of x and y added. The image ends at the outer edges of its pixels.

    Args:
        x: tensor of any shape, floating.
        y: tensor of the same shape.
        input_size: (height, width) of the image, integers or scalar tensors.

    Returns:
        Tensor of the same shape. An infinite x or y counts 1, without a gradient.

    Example:
        >>> x, y = ops.array([-0.5, 41.5]), ops.array([0.0, 0.0])
        >>> ops.convert_to_numpy(distance_outside(x, y, (28, 28))).tolist()
        [0.0, 1.0]
    """
    dtype = keras.backend.standardize_dtype(x.dtype)
    halves = half_extents(input_size, dtype=dtype)
    distance = 0
    for position, half in ((x, halves[0]), (y, halves[1])):
        finite = ops.isfinite(position)
        near = ops.where(finite, position, ops.zeros_like(position))
        beyond = ops.relu(ops.abs(near + 0.5 - half) / half - 1)
        distance = distance + ops.where(finite, beyond, ops.ones_like(beyond))
    return distance


def _extent(size, align_corners, dtype):
    """Pixels between -1 and 1: a float, or a tensor where the size is known only at run time."""
    size = float(size) if _is_static(size) else ops.cast(size, dtype)
    return size - 1.0 if align_corners else size


def _normalized_axis(size, align_corners):
    index = np.arange(size, dtype="float64")
    if align_corners:
        return 2 * index / (size - 1) - 1 if size > 1 else np.zeros(1)
    return (2 * index + 1) / size - 1


def _identity_axis(output_size, input_size, align_corners, dtype):
    if _is_static(input_size):
        index = np.arange(output_size, dtype="float64")
    else:
        index = ops.arange(output_size, dtype=dtype)
    extent = _extent(input_size, align_corners, dtype)
    if align_corners and output_size == 1:
        axis = index + extent / 2
    elif align_corners:
        axis = index * (extent / (output_size - 1))
    else:
        # The ratio comes first: at equal sizes it is exactly 1 and the index is returned untouched.
        ratio = extent / output_size
        axis = index * ratio + (ratio - 1) / 2
    return axis.astype(dtype) if _is_static(input_size) else axis


def _is_static(size):
    return isinstance(size, (int, np.integer))
