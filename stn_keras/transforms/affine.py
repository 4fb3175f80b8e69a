"""The affine family: rotation, scale, shear and shift."""

import abc
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from stn_keras._arguments import SIZE_NAMES, Size, Tensor, to_tensor
from stn_keras.backend import matmul
from stn_keras.core.coordinates import Points
from stn_keras.core.matrices import invert, to_normalized_units
from stn_keras.transforms.base import Transform
from stn_keras.transforms.parameters import Parameter, shifts

# Below this turn, in radians, float32 does not tell a sine from its first terms.
_SMALL_TURN = 1e-2


class AffineFamily(Transform):
    """A transform whose theta stands for a matrix 2x3, or 3x4 of volumes; implement `matrix`.

    Convention: the matrix acts on normalized coordinates, output to input. With `turns_pixels` it
    acts on offsets from the image's center in pixels of the input, after the identity's resize, so
    that a rotation keeps shapes on images that are not square; shifts stay in half extents.
    """

    ranks: tuple[int, ...] = (2, 3)
    turns_pixels = False
    spacing: tuple[float, ...] | None = None

    @abc.abstractmethod
    def matrix(self, theta: Tensor) -> Tensor:
        """theta (N, *theta_shape), standardized -> (N, rank, rank + 1); exact at the identity."""

    def to_affine(self, theta: Any, *, input_size: Size | None = None) -> Tensor:
        """The same transform as a theta of `Affine`.

        Args:
            theta: (N, num_parameters).
            input_size: (height, width) of the images that are read; None: square ones.

        Returns:
            (N, 2, 3), or (N, 3, 4) of rank 3.

        Raises:
            ValueError: theta of another shape, or a turn on an axis without an extent: one pixel
                with `align_corners`.

        Example:
            >>> from stn_keras.transforms import Rotation
            >>> quarter = Rotation().to_affine([[np.pi / 2]], input_size=(10, 20))
            >>> float(quarter[0, 1, 0])  # one half width is two half heights
            2.0
        """
        matrix = self.matrix(self.standardize_theta(theta))
        if not self.turns_pixels or (input_size is None and self.spacing is None):
            return matrix
        input_size = input_size or (2,) * self.rank
        return to_normalized_units(matrix, input_size, self.align_corners, self.spacing)

    def target_points(
        self, theta: Any, points: Any, *, input_size: Size, output_size: Size | None = None
    ) -> Tensor:
        """As `Transform.target_points`, by the inverse matrix."""
        inverse = invert(self.to_affine(theta, input_size=input_size))
        sizes = {"input_size": output_size or input_size, "output_size": input_size}
        affine = Affine(align_corners=self.align_corners, rank=self.rank)
        return affine.source_points(inverse, points, **sizes)

    def map_points(self, theta: Tensor, points: Points) -> tuple:
        # Only the deviation from the identity is multiplied, already in pixels; the pixel of the
        # identity is another row of the meshgrid, taken once. At the identity all that is left of
        # the product is 1 times that pixel, which is exact.
        identity = np.eye(self.rank, self.rank + 1, dtype="float32")
        deviation = self.matrix(theta) - ops.cast(identity, theta.dtype)
        coefficients = [
            deviation[:, axis] * self._units(axis, points.pixels_per_unit)
            for axis in range(self.rank)
        ]
        return add_to_identity(coefficients, points.homogeneous, points.pixels)

    def _units(self, axis, units):
        """Pixels along an axis for each column of the matrix: a number, or one of each."""
        if not self.turns_pixels:
            return units[axis]
        spacing = reversed(self.spacing or (1,) * self.rank)
        columns = [units[column] * length for column, length in enumerate(spacing)]
        own = (self.spacing or (1,) * self.rank)[-1 - axis]
        return ops.stack([*(column / own for column in columns), units[axis]])


class TurningFamily(AffineFamily):
    """An affine family that keeps shapes; with `spacing`, also where pixels are not square.

    Args:
        align_corners: as in `Transform`.
        rank: 2, or 3 for volumes.
        spacing: distances of pixels or voxels, in the order of a size; None: all the same.
    """

    turns_pixels = True

    def __init__(
        self,
        *,
        align_corners: bool = False,
        rank: int = 2,
        spacing: Sequence[float] | None = None,
    ):
        super().__init__(align_corners=align_corners, rank=rank)
        self.spacing = check_spacing(spacing, rank)

    def get_config(self) -> dict:
        return {**super().get_config(), "spacing": self.spacing}


def affine_matrix(linear, shift):
    """(N, rank, rank) and (N, rank) -> (N, rank, rank + 1)."""
    return ops.concatenate([linear, ops.expand_dims(shift, -1)], axis=-1)


def scaled_identity(scales):
    """Scales (N, rank) -> matrices (N, rank, rank)."""
    return ops.expand_dims(scales, -1) * ops.eye(scales.shape[-1], dtype=scales.dtype)


def rotation_matrix(turn):
    """Angles (N, 1), or axes as long as the angle (N, 3), in radians -> (N, rank, rank)."""
    if turn.shape[-1] == 1:
        cosine, sine = ops.cos(turn), ops.sin(turn)
        rows = [ops.concatenate(row, axis=-1) for row in ((cosine, -sine), (sine, cosine))]
        return ops.stack(rows, axis=1)
    return _rodrigues(turn)


def _rodrigues(axis):
    """The rotations about axes (N, 3); exact, and with a gradient, where there is no turn."""
    squared = ops.sum(axis * axis, axis=-1)[:, None, None]
    is_small = squared < _SMALL_TURN**2
    safe = ops.where(is_small, ops.ones_like(squared), squared)
    angle = ops.sqrt(safe)
    sine = ops.where(is_small, 1 - squared / 6, ops.sin(angle) / angle)
    cosine = ops.where(is_small, 0.5 - squared / 24, (1 - ops.cos(angle)) / safe)
    x, y, z = (axis[:, i] for i in range(3))
    zero = ops.zeros_like(x)
    rows = (zero, -z, y), (z, zero, -x), (-y, x, zero)
    cross = ops.stack([ops.stack(row, axis=-1) for row in rows], axis=1)
    return ops.eye(3, dtype=axis.dtype) + sine * cross + cosine * matmul(cross, cross)


def check_spacing(spacing, rank):
    """The distances of pixels along each axis, as a tuple of numbers; None: all the same."""
    if spacing is None:
        return None
    if np.shape(spacing) != (rank,) or not all(length > 0 for length in spacing):
        raise ValueError(
            f"Expected `spacing` as {SIZE_NAMES[rank]}, positive numbers. "
            f"Received: spacing={spacing!r}"
        )
    return tuple(float(length) for length in spacing)


def add_to_identity(coefficients, basis, pixels):
    """x, y (and z), each pixels + coefficients @ basis, exact where coefficients are zero.

    Args:
        coefficients: for x, for y (and for z) (N, K), in pixels.
        basis: (K, M), or (N, K, M) for points of each sample.
        pixels: for x, for y (and for z) (M,) or (N, M), read at the identity.

    Returns:
        x, y (and z), each (N, M).
    """
    return tuple(
        _add_product(move, to_tensor(basis), pixel)
        for move, pixel in zip(coefficients, pixels, strict=True)
    )


def _add_product(coefficients, basis, pixels):
    if len(basis.shape) == 3:
        return ops.sum(ops.expand_dims(coefficients, -1) * basis, axis=1) + pixels
    once = ops.ones_like(coefficients[:, :1])
    return matmul(
        ops.concatenate([coefficients, once], axis=-1),
        ops.concatenate([basis, pixels[None]]),
    )


@keras.saving.register_keras_serializable(package="stn_keras")
class Affine(AffineFamily):
    """Affine transform, theta = [a b tx; c d ty] row by row.

    Convention: inverse mapping in normalized coordinates, x_source = a x + b y + tx and
    y_source = c x + d y + ty, as `torch.nn.functional.affine_grid`. tx = 1 is half the width. Of
    volumes theta is [xx xy xz tx; yx yy yz ty; zx zy zz tz].

    Args:
        align_corners: False: -1 and 1 are the outer edges of the corner pixels. True: their
            centers.
        rank: 2, or 3 for volumes.

    Reference:
        Jaderberg et al. 2015 (arXiv:1506.02025), equation 1.

    Example:
        >>> affine = Affine()
        >>> size = (28, 28)
        >>> theta = affine.identity[None]
        >>> tuple(affine.source_coordinates(theta, output_size=size, input_size=size).shape)
        (1, 28, 28, 2)
    """

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """The matrix, row by row, each with its shift."""
        axes, found = "xyz"[: self.rank], []
        names = iter(
            "abcd" if self.rank == 2 else [row + column for row in axes for column in axes]
        )
        for row, shift in zip(axes, shifts(self.rank), strict=True):
            for column in axes:
                role = f"matrix_{row}{column}"
                found.append(Parameter(next(names), float(row == column), role=role))
            found.append(shift)
        return tuple(found)

    @property
    def theta_shape(self) -> tuple[int, ...]:
        """(2, 3), or (3, 4) of rank 3."""
        return (self.rank, self.rank + 1)

    def matrix(self, theta: Tensor) -> Tensor:
        return theta
