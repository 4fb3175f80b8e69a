"""The affine family: rotation, scale, shear and shift."""

import abc

import keras
import numpy as np
from keras import ops

from stn_keras._arguments import to_tensor
from stn_keras.ops.backend import matmul
from stn_keras.ops.coordinates import half_extents, homogeneous_meshgrid, identity_coordinates
from stn_keras.transforms.base import Transform

_IDENTITY = np.array([[1, 0, 0], [0, 1, 0]], "float32")


class AffineFamily(Transform):
    """A transform whose theta stands for a matrix 2x3; what is missing is `matrix`."""

    ends_in_matmul = True

    @abc.abstractmethod
    def matrix(self, theta):
        """theta (N, *theta_shape), standardized -> (N, 2, 3); exact at the identity."""

    def to_affine(self, theta):
        """The same transform as a theta of `Affine`: (N, num_parameters) -> (N, 2, 3)."""
        return self.matrix(self._standardize_theta(theta))

    def source_xy(self, theta, output_size, input_size):
        theta = self._standardize_theta(theta)
        dtype = keras.backend.standardize_dtype(theta.dtype)
        # Only the deviation from the identity is multiplied, already in pixels; the pixel of the
        # identity is a fourth row of the meshgrid, taken once. At the identity all that is left of
        # the product is 1 times that pixel, which is exact.
        deviation = self.matrix(theta) - ops.cast(_IDENTITY, dtype)
        extents = half_extents(input_size, self.align_corners, dtype)
        meshgrid = homogeneous_meshgrid(output_size, self.align_corners, dtype)
        return add_to_identity(
            [deviation[:, axis] * extents[axis] for axis in (0, 1)],
            meshgrid.T,
            identity_coordinates(output_size, input_size, self.align_corners, dtype),
        )


def matrix_of(a, b, tx, c, d, ty):
    """Six entries, each (N,) or a number, at least one a tensor -> (N, 2, 3)."""
    entries = (a, b, tx, c, d, ty)
    like = next(entry for entry in entries if not isinstance(entry, float))
    full = [entry * ops.ones_like(like) if isinstance(entry, float) else entry for entry in entries]
    return ops.reshape(ops.stack(full, axis=-1), (-1, 2, 3))


def add_to_identity(coefficients, basis, identity):
    """x and y, each identity + coefficients @ basis, exact where the coefficients are zero.

    Args:
        coefficients: for x and for y (N, K), in pixels.
        basis: (K, H' * W').
        identity: (H', W', 2), pixels read at the identity.

    Returns:
        x and y, each (N, H', W').
    """
    basis, identity = to_tensor(basis), to_tensor(identity)
    height, width = identity.shape[:2]
    results = []
    for axis in (0, 1):
        once = ops.ones_like(coefficients[axis][:, :1])
        pixels = ops.reshape(identity[..., axis], (1, -1))
        product = matmul(
            ops.concatenate([coefficients[axis], once], axis=-1), ops.concatenate([basis, pixels])
        )
        results.append(ops.reshape(product, (-1, height, width)))
    return results


@keras.saving.register_keras_serializable(package="stn_keras")
class Affine(AffineFamily):
    """Affine transform, theta = [a b tx; c d ty] row by row.

    Convention: inverse mapping in normalized coordinates, x_source = a x + b y + tx and
    y_source = c x + d y + ty, as `torch.nn.functional.affine_grid`. tx = 1 is half the width.

    Args:
        align_corners: False: -1 and 1 are the outer edges of the corner pixels. True: their
            centres.

    Reference:
        Jaderberg et al. 2015 (arXiv:1506.02025), equation 1.

    Example:
        >>> affine = Affine()
        >>> tuple(affine.source_coordinates(affine.identity[None], (28, 28), (28, 28)).shape)
        (1, 28, 28, 2)
    """

    parameters = {"a": 1, "b": 0, "tx": 0, "c": 0, "d": 1, "ty": 0}

    @property
    def theta_shape(self):
        """(2, 3)."""
        return (2, 3)

    def matrix(self, theta):
        return theta
