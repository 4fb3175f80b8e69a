"""Computing with theta: compose, invert, decompose, to and from matrices in pixels."""

from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from stn_keras._arguments import Size, Tensor, array_to_tensor, check_size, to_tensor, widest_float
from stn_keras.backend import matmul
from stn_keras.core.coordinates import pixels_per_unit


class Decomposition(NamedTuple):
    """What an affine theta does, each entry (N,); the matrix is rotation @ shear @ scale.

    Attributes:
        scale_x: factor along x.
        scale_y: factor along y, negative for a reflection.
        rotation_degrees: counter-clockwise for y upwards, so clockwise on a picture.
        shear: x changes by `shear` times y.
        shift_x: in halves of the width.
        shift_y: in halves of the height.
    """

    scale_x: Tensor
    scale_y: Tensor
    rotation_degrees: Tensor
    shear: Tensor
    shift_x: Tensor
    shift_y: Tensor


def compose(first: Any, then: Any) -> Tensor:
    """One theta for two warps: an image is warped by `first`, the result by `then`.

    Convention: inverse mapping in normalized coordinates, so the matrix is `first` @ `then`.

    Args:
        first: (N, 6), (N, 2, 3) or, for a homography, (N, 8); N may be 1.
        then: the same.

    Returns:
        (N, 2, 3), or (N, 8) where either is a homography; float32, or float64 if either is.

    Raises:
        ValueError: theta of another shape.

    Reference:
        Hartley and Zisserman, Multiple View Geometry, section 2.4.

    Example:
        >>> twice = compose([[1, 0, 0.5, 0, 1, 0]], [[1, 0, 0.25, 0, 1, 0]])
        >>> ops.convert_to_numpy(twice)[0, 0]
        array([1.  , 0.  , 0.75], dtype=float32)
    """
    first, first_is_affine = _square(first)
    then, then_is_affine = _square(then)
    dtype = widest_float(first.dtype, then.dtype)
    product = matmul(ops.cast(first, dtype), ops.cast(then, dtype))
    return _theta(product, first_is_affine and then_is_affine)


def invert(theta: Any) -> Tensor:
    """The theta that undoes another: `compose(theta, invert(theta))` is the identity.

    Convention: as `compose`.

    Args:
        theta: (N, 6), (N, 2, 3) or (N, 8), invertible.

    Returns:
        (N, 2, 3) or (N, 8), float32 or float64.

    Raises:
        ValueError: theta of another shape.

    Reference:
        Hartley and Zisserman, Multiple View Geometry, section 2.4.

    Example:
        >>> ops.convert_to_numpy(invert([[2, 0, 1, 0, 4, 0]]))[0]
        array([[ 0.5 ,  0.  , -0.5 ],
               [ 0.  ,  0.25,  0.  ]], dtype=float32)
    """
    square, is_affine = _square(theta)
    return _theta(_adjugate(square), is_affine)


def inverse_matrix(theta: Any) -> Tensor:
    """The inverse of theta as a matrix (N, 3, 3), whose last entry need not be 1."""
    square, _ = _square(theta)
    adjugate = _adjugate(square)
    determinant = ops.sum(square[:, 0] * adjugate[:, :, 0], axis=-1)
    return adjugate / determinant[:, None, None]


def decompose(
    theta: Any, *, input_size: Size | None = None, align_corners: bool = False
) -> Decomposition:
    """Scale, rotation, shear and shift of an affine theta.

    Convention: matrix = [cos -sin; sin cos] @ [1 shear; 0 1] @ [scale_x 0; 0 scale_y], in pixels of
    the input, output to input: a scale of 0.5 enlarges the picture by 2. Shifts are in half
    extents.

    Args:
        theta: (N, 6) or (N, 2, 3), scale_x and scale_y not 0.
        input_size: (height, width) of the images that are read; None: square ones.
        align_corners: where -1 and 1 lie; see `stn_keras.transforms.Transform`.

    Returns:
        `Decomposition`, each entry (N,), float32 or float64.

    Raises:
        ValueError: theta of another shape, or one pixel along an axis with `align_corners`.

    Reference:
        Golub and Van Loan, Matrix Computations, section 5.2: the QR factorization.

    Example:
        >>> float(decompose([[0, -2, 0, 2, 0, 0]]).rotation_degrees[0])
        90.0
    """
    square, is_affine = _square(theta)
    if not is_affine:
        raise ValueError("Expected an affine theta (N, 6) or (N, 2, 3). Received a homography")
    matrix = square[:, :2]
    if input_size is not None:
        matrix = to_pixel_units(matrix, input_size, align_corners)
    (a, b, shift_x), (c, d, shift_y) = ([matrix[:, r, k] for k in range(3)] for r in range(2))
    scale_x = ops.sqrt(a * a + c * c)
    scale_y = (a * d - b * c) / scale_x
    shear = (a * b + c * d) / (scale_x * scale_y)
    rotation = ops.arctan2(c, a) * (180 / np.pi)
    return Decomposition(scale_x, scale_y, rotation, shear, shift_x, shift_y)


def to_pixel_matrix(
    theta: Any, *, input_size: Size, output_size: Size | None = None, align_corners: bool = False
) -> Tensor:
    """The matrix in pixels that does the same as theta.

    Convention: output pixel (x, y, 1) to input pixel, as OpenCV's `warpAffine` and
    `warpPerspective` take it with `WARP_INVERSE_MAP`.

    Args:
        theta: (N, 6), (N, 2, 3) or (N, 8), for normalized coordinates.
        input_size: (height, width) of the images that are read.
        output_size: (height, width) of the result; None: the same.
        align_corners: where -1 and 1 lie; see `stn_keras.transforms.Transform`.

    Returns:
        (N, 2, 3), or (N, 3, 3) for a homography, with 1 in the last place.

    Raises:
        ValueError: theta of another shape, a size that is not two positive integers, or one pixel
            along an axis with `align_corners`, where nothing lies between -1 and 1.

    Reference:
        Hartley and Zisserman, Multiple View Geometry, section 2.4.

    Example:
        >>> half = [[1, 0, 1, 0, 1, 0]]  # one half of the width
        >>> ops.convert_to_numpy(to_pixel_matrix(half, input_size=(28, 28)))[0, 0]
        array([ 1.,  0., 14.], dtype=float32)
    """
    square, is_affine = _square(theta)
    into = _to_pixels(input_size, align_corners)
    out_of = _to_pixels(output_size or input_size, align_corners)
    matrix = _between(into, square, np.linalg.inv(out_of))
    return matrix[:, :2] if is_affine else matrix / matrix[:, 2:, 2:]


def from_pixel_matrix(
    matrix: Any, *, input_size: Size, output_size: Size | None = None, align_corners: bool = False
) -> Tensor:
    """The theta that does the same as a matrix in pixels; the inverse of `to_pixel_matrix`.

    Convention: as `to_pixel_matrix`.

    Args:
        matrix: (N, 2, 3), or (N, 3, 3) for a homography.
        input_size: (height, width) of the images that are read.
        output_size: (height, width) of the result; None: the same.
        align_corners: where -1 and 1 lie.

    Returns:
        theta (N, 2, 3), or (N, 8) for a homography, float32 or float64.

    Raises:
        ValueError: a matrix of another shape, or as `to_pixel_matrix`.

    Reference:
        Hartley and Zisserman, Multiple View Geometry, section 2.4.

    Example:
        >>> matrix = [[[1.0, 0.0, 14.0], [0.0, 1.0, 0.0]]]
        >>> ops.convert_to_numpy(from_pixel_matrix(matrix, input_size=(28, 28)))[0, 0]
        array([1., 0., 1.], dtype=float32)
    """
    matrix = array_to_tensor(matrix)
    if tuple(matrix.shape[1:]) == (3, 3):
        homography = ops.reshape(matrix, (-1, 9))
        square, is_affine = _square(homography[:, :8] / homography[:, 8:])
    else:
        square, is_affine = _square(matrix)
    into = _to_pixels(input_size, align_corners)
    out_of = _to_pixels(output_size or input_size, align_corners)
    return _theta(_between(np.linalg.inv(into), square, out_of), is_affine)


def to_pixel_units(matrix, input_size, align_corners):
    """A matrix (N, 2, 3) on normalized offsets from the center -> on pixels; shifts stay."""
    return _exchange_units(matrix, _half_width_in_half_heights(matrix, input_size, align_corners))


def to_normalized_units(matrix, input_size, align_corners):
    """A matrix (N, 2, 3) on offsets from the center in pixels -> on normalized ones."""
    ratio = _half_width_in_half_heights(matrix, input_size, align_corners)
    return _exchange_units(matrix, 1 / ratio)


def _exchange_units(matrix, ratio):
    """x takes `ratio` times as much from y, and y from x as much less."""
    (a, b, tx), (c, d, ty) = ([matrix[:, r, k] for k in range(3)] for r in range(2))
    rows = ops.stack([a, b * ratio, tx], axis=-1), ops.stack([c / ratio, d, ty], axis=-1)
    return ops.stack(rows, axis=1)


def _half_width_in_half_heights(matrix, input_size, align_corners):
    dtype = keras.backend.standardize_dtype(matrix.dtype)
    units = pixels_per_unit(input_size, align_corners, dtype)
    if isinstance(units, np.ndarray) and not units.all():
        raise ValueError(
            "With `align_corners` an axis of one pixel has no extent. "
            f"Received: input_size={tuple(input_size)}"
        )
    return units[0] / units[1]


def _square(theta):
    """theta -> ((N, 3, 3), whether it is affine)."""
    theta = array_to_tensor(theta)
    shape = tuple(theta.shape[1:])
    if shape not in ((6,), (2, 3), (8,)):
        raise ValueError(
            "Expected theta (N, 6), (N, 2, 3) or (N, 8). "
            f"Received: theta.shape={tuple(theta.shape)}"
        )
    theta = ops.cast(theta, widest_float(theta.dtype))
    flat = ops.reshape(theta, (-1, 8 if shape == (8,) else 6))
    one = ops.ones_like(flat[:, :1])
    last = [one] if shape == (8,) else [0 * one, 0 * one, one]
    return ops.reshape(ops.concatenate([flat, *last], axis=-1), (-1, 3, 3)), shape != (8,)


def _theta(square, is_affine):
    """(N, 3, 3), up to a factor -> (N, 2, 3) or (N, 8)."""
    square = square / square[:, 2:, 2:]
    return square[:, :2] if is_affine else ops.reshape(square, (-1, 9))[:, :8]


def _adjugate(square):
    """The inverse up to a factor: cross products of the rows, as columns."""
    rows = [square[:, i] for i in range(3)]
    columns = [_cross(rows[(i + 1) % 3], rows[(i + 2) % 3]) for i in range(3)]
    return ops.stack(columns, axis=-1)


def _cross(a, b):
    pairs = ((1, 2), (2, 0), (0, 1))
    return ops.stack([a[:, i] * b[:, j] - a[:, j] * b[:, i] for i, j in pairs], axis=-1)


def _to_pixels(size, align_corners):
    """Normalized coordinates -> pixels of an image, (3, 3), float64."""
    height, width = check_size("size", size)
    x, y = pixels_per_unit((height, width), align_corners, "float64")
    if not (x and y):
        raise ValueError(
            "With `align_corners` an axis of one pixel has no extent. "
            f"Received: size={(height, width)}"
        )
    return np.array([[x, 0, (width - 1) / 2], [0, y, (height - 1) / 2], [0, 0, 1]])


def _between(left, square, right):
    left, right = (to_tensor(side.astype(widest_float(square.dtype))) for side in (left, right))
    return matmul(matmul(left, square), right)
