"""The affine family: rotation, scale, shear and shift."""

import abc
from typing import Any

import keras
import numpy as np
from keras import ops

from stn_keras._arguments import Size, Tensor, to_tensor
from stn_keras.backend import matmul
from stn_keras.core.coordinates import Points
from stn_keras.core.matrices import invert, to_normalized_units
from stn_keras.transforms.base import Transform
from stn_keras.transforms.parameters import Parameter

_IDENTITY = np.array([[1, 0, 0], [0, 1, 0]], "float32")


class AffineFamily(Transform):
    """A transform whose theta stands for a matrix 2x3; a family implements `matrix`.

    Convention: the matrix acts on normalized coordinates, output to input. With `turns_pixels` it
    acts on offsets from the image's center in pixels of the input, after the identity's resize, so
    that a rotation keeps shapes on images that are not square; shifts stay in half extents.
    """

    turns_pixels = False

    @abc.abstractmethod
    def matrix(self, theta: Tensor) -> Tensor:
        """theta (N, *theta_shape), standardized -> (N, 2, 3); exact at the identity."""

    def to_affine(self, theta: Any, *, input_size: Size | None = None) -> Tensor:
        """The same transform as a theta of `Affine`.

        Args:
            theta: (N, num_parameters).
            input_size: (height, width) of the images that are read; None: square ones.

        Returns:
            (N, 2, 3).

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
        if not self.turns_pixels or input_size is None:
            return matrix
        return to_normalized_units(matrix, input_size, self.align_corners)

    def target_points(
        self, theta: Any, points: Any, *, input_size: Size, output_size: Size | None = None
    ) -> Tensor:
        """As `Transform.target_points`, by the inverse matrix."""
        inverse = invert(self.to_affine(theta, input_size=input_size))
        sizes = {"input_size": output_size or input_size, "output_size": input_size}
        return Affine(align_corners=self.align_corners).source_points(inverse, points, **sizes)

    def map_points(self, theta: Tensor, points: Points) -> tuple:
        # Only the deviation from the identity is multiplied, already in pixels; the pixel of the
        # identity is a fourth row of the meshgrid, taken once. At the identity all that is left of
        # the product is 1 times that pixel, which is exact.
        deviation = self.matrix(theta) - ops.cast(_IDENTITY, theta.dtype)
        units = points.pixels_per_unit
        if self.turns_pixels:
            units = [ops.stack([units[0], units[1], units[axis]]) for axis in (0, 1)]
        coefficients = [deviation[:, axis] * units[axis] for axis in (0, 1)]
        return add_to_identity(coefficients, points.homogeneous, points.pixels)


def matrix_of(a, b, tx, c, d, ty):
    """Six entries, each (N,) or a number, at least one a tensor -> (N, 2, 3)."""
    entries = (a, b, tx, c, d, ty)
    like = next(entry for entry in entries if not isinstance(entry, float))
    full = [entry * ops.ones_like(like) if isinstance(entry, float) else entry for entry in entries]
    return ops.reshape(ops.stack(full, axis=-1), (-1, 2, 3))


def add_to_identity(coefficients, basis, pixels):
    """x and y, each pixels + coefficients @ basis, exact where the coefficients are zero.

    Args:
        coefficients: for x and for y (N, K), in pixels.
        basis: (K, M), or (N, K, M) for points of each sample.
        pixels: for x and for y (M,) or (N, M), read at the identity.

    Returns:
        x and y, each (N, M).
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
    y_source = c x + d y + ty, as `torch.nn.functional.affine_grid`. tx = 1 is half the width.

    Args:
        align_corners: False: -1 and 1 are the outer edges of the corner pixels. True: their
            centers.

    Reference:
        Jaderberg et al. 2015 (arXiv:1506.02025), equation 1.

    Example:
        >>> affine = Affine()
        >>> size = (28, 28)
        >>> theta = affine.identity[None]
        >>> tuple(affine.source_coordinates(theta, output_size=size, input_size=size).shape)
        (1, 28, 28, 2)
    """

    parameters = (
        Parameter("a", 1, role="matrix_xx"),
        Parameter("b", role="matrix_xy"),
        Parameter("tx", role="shift_x"),
        Parameter("c", role="matrix_yx"),
        Parameter("d", 1, role="matrix_yy"),
        Parameter("ty", role="shift_y"),
    )

    @property
    def theta_shape(self) -> tuple[int, ...]:
        """(2, 3)."""
        return (2, 3)

    def matrix(self, theta: Tensor) -> Tensor:
        return theta
