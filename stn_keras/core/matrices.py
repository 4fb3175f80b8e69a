"""Computing with theta: compose, invert, decompose, to and from matrices in pixels."""

from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from stn_keras._arguments import Size, Tensor, array_to_tensor, check_size, to_tensor, widest_float
from stn_keras.backend import matmul
from stn_keras.core.coordinates import pixels_per_unit

# Shapes of one theta -> how many entries they have.
_ENTRIES = {(6,): 6, (2, 3): 6, (8,): 8, (12,): 12, (3, 4): 12}


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
        first: (N, 6), (N, 2, 3), for a homography (N, 8), for volumes (N, 12) or (N, 3, 4); N may
            be 1.
        then: the same.

    Returns:
        (N, 2, 3), (N, 8) where either is a homography, (N, 3, 4) for volumes; float32, or float64
        if either is.

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
    if first.shape[-1] != then.shape[-1]:
        raise ValueError("Expected thetas of images, or of volumes. Received: one of each")
    dtype = widest_float(first.dtype, then.dtype)
    product = matmul(ops.cast(first, dtype), ops.cast(then, dtype))
    return _theta(product, first_is_affine and then_is_affine)


def invert(theta: Any) -> Tensor:
    """The theta that undoes another: `compose(theta, invert(theta))` is the identity.

    Convention: as `compose`.

    Args:
        theta: (N, 6), (N, 2, 3), (N, 8), (N, 12) or (N, 3, 4), invertible.

    Returns:
        (N, 2, 3), (N, 8) or (N, 3, 4), float32 or float64.

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
    if square.shape[-1] == 3:
        return _theta(_adjugate(square), is_affine)
    linear = _inverse(square[:, :3, :3])
    return ops.concatenate([linear, -matmul(linear, square[:, :3, 3:])], axis=-1)


def inverse_matrix(theta: Any) -> Tensor:
    """The inverse of an image's theta as a matrix (N, 3, 3), whose last entry need not be 1."""
    return _inverse(_square(theta)[0])


def _inverse(square):
    """(N, 3, 3)."""
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
    if not is_affine or square.shape[-1] != 3:
        raise ValueError(
            "Expected an affine theta (N, 6) or (N, 2, 3). "
            f"Received: theta.shape={tuple(np.shape(theta))}"
        )
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
    `warpPerspective` take it with `WARP_INVERSE_MAP`; of volumes voxel (x, y, z, 1) to voxel.

    Args:
        theta: (N, 6), (N, 2, 3), (N, 8), (N, 12) or (N, 3, 4), for normalized coordinates.
        input_size: (height, width) of the images that are read.
        output_size: (height, width) of the result; None: the same.
        align_corners: where -1 and 1 lie; see `stn_keras.transforms.Transform`.

    Returns:
        (N, 2, 3), (N, 3, 3) for a homography, with 1 in the last place, or (N, 3, 4).

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
    rank = square.shape[-1] - 1
    into = _to_pixels(input_size, align_corners, rank)
    out_of = _to_pixels(output_size or input_size, align_corners, rank)
    matrix = _between(into, square, np.linalg.inv(out_of))
    return matrix[:, :rank] if is_affine else matrix / matrix[:, 2:, 2:]


def from_pixel_matrix(
    matrix: Any, *, input_size: Size, output_size: Size | None = None, align_corners: bool = False
) -> Tensor:
    """The theta that does the same as a matrix in pixels; the inverse of `to_pixel_matrix`.

    Convention: as `to_pixel_matrix`.

    Args:
        matrix: (N, 2, 3), (N, 3, 3) for a homography, or (N, 3, 4) for volumes.
        input_size: (height, width) of the images that are read.
        output_size: (height, width) of the result; None: the same.
        align_corners: where -1 and 1 lie.

    Returns:
        theta (N, 2, 3), (N, 8) for a homography, or (N, 3, 4), float32 or float64.

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
    rank = square.shape[-1] - 1
    into = _to_pixels(input_size, align_corners, rank)
    out_of = _to_pixels(output_size or input_size, align_corners, rank)
    return _theta(_between(np.linalg.inv(into), square, out_of), is_affine)


def to_pixel_units(matrix, input_size, align_corners):
    """A matrix on normalized offsets from the center -> on pixels; shifts stay."""
    return matrix * (1 / _units_of_columns(matrix, input_size, align_corners))


def to_normalized_units(matrix, input_size, align_corners, spacing=None):
    """A matrix on offsets from the center in pixels -> on normalized ones.

    Args:
        matrix: (N, rank, rank + 1).
        input_size: of the images that are read.
        align_corners: where -1 and 1 lie.
        spacing: distances of pixels, in the order of the size; None: the same along each axis.
    """
    return matrix * _units_of_columns(matrix, input_size, align_corners, spacing)


def _units_of_columns(matrix, input_size, align_corners, spacing=None):
    """For each entry, its column's half extent in halves of its row's, (rank, rank + 1)."""
    dtype = keras.backend.standardize_dtype(matrix.dtype)
    units = pixels_per_unit(input_size, align_corners, dtype)
    if isinstance(units, np.ndarray) and not units.all():
        raise ValueError(
            "With `align_corners` an axis of one pixel has no extent. "
            f"Received: input_size={tuple(input_size)}"
        )
    if spacing is not None:
        units = units * np.array(spacing[::-1], dtype)
    units = to_tensor(units)
    return ops.concatenate([units[None] / units[:, None], ops.ones_like(units[:, None])], axis=1)


def _square(theta):
    """theta -> ((N, 3, 3), of volumes (N, 4, 4); whether it is affine)."""
    theta = array_to_tensor(theta)
    shape = tuple(theta.shape[1:])
    if shape not in _ENTRIES:
        raise ValueError(
            "Expected theta (N, 6), (N, 2, 3), (N, 8), (N, 12) or (N, 3, 4). "
            f"Received: theta.shape={tuple(theta.shape)}"
        )
    theta = ops.cast(theta, widest_float(theta.dtype))
    flat = ops.reshape(theta, (-1, _ENTRIES[shape]))
    one = ops.ones_like(flat[:, :1])
    side = 4 if _ENTRIES[shape] == 12 else 3
    last = [one] if shape == (8,) else [*[0 * one] * (side - 1), one]
    return ops.reshape(ops.concatenate([flat, *last], axis=-1), (-1, side, side)), shape != (8,)


def _theta(square, is_affine):
    """(N, 3, 3), up to a factor, -> (N, 2, 3) or (N, 8); (N, 4, 4) -> (N, 3, 4)."""
    rank = square.shape[-1] - 1
    square = square / square[:, rank:, rank:]
    return square[:, :rank] if is_affine else ops.reshape(square, (-1, 9))[:, :8]


def _adjugate(square):
    """The inverse up to a factor: cross products of the rows, as columns."""
    rows = [square[:, i] for i in range(3)]
    columns = [_cross(rows[(i + 1) % 3], rows[(i + 2) % 3]) for i in range(3)]
    return ops.stack(columns, axis=-1)


def _cross(a, b):
    pairs = ((1, 2), (2, 0), (0, 1))
    return ops.stack([a[:, i] * b[:, j] - a[:, j] * b[:, i] for i, j in pairs], axis=-1)


def _to_pixels(size, align_corners, rank):
    """Normalized coordinates -> pixels of an image, (rank + 1, rank + 1), float64."""
    size = check_size("size", size, rank)
    units = pixels_per_unit(size, align_corners, "float64")
    if not units.all():
        raise ValueError(
            f"With `align_corners` an axis of one pixel has no extent. Received: size={size}"
        )
    matrix = np.diag([*units, 1.0])
    matrix[:rank, rank] = [(length - 1) / 2 for length in reversed(size)]
    return matrix


def _between(left, square, right):
    left, right = (to_tensor(side.astype(widest_float(square.dtype))) for side in (left, right))
    return matmul(matmul(left, square), right)
