"""The affine family: rotation, scale, shear and shift."""

import keras
import numpy as np
from keras import ops

from stn_keras._arguments import to_tensor
from stn_keras.ops.backend import matmul
from stn_keras.ops.coordinates import half_extents, homogeneous_meshgrid, identity_coordinates
from stn_keras.transforms.base import Transform

_IDENTITY = np.array([[1, 0, 0], [0, 1, 0]], "float32")


@keras.saving.register_keras_serializable(package="stn_keras")
class Affine(Transform):
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

    theta_shape = (2, 3)

    @property
    def identity(self) -> np.ndarray:
        """The theta, (6,) float32, that leaves an image as it is."""
        return _IDENTITY.ravel()

    def source_xy(self, theta, output_size, input_size):
        theta = self._standardize_theta(theta)
        dtype = keras.backend.standardize_dtype(theta.dtype)
        # Only the deviation from the identity is multiplied, already in pixels; the pixel of the
        # identity is a fourth row of the meshgrid, taken once. At the identity all that is left of
        # the product is 1 times that pixel, which is exact.
        deviation = theta - ops.cast(_IDENTITY, dtype)
        extents = half_extents(input_size, self.align_corners, dtype)
        meshgrid = homogeneous_meshgrid(output_size, self.align_corners, dtype)
        identity = identity_coordinates(output_size, input_size, self.align_corners, dtype)
        once = ops.ones_like(theta[:, 0, :1])
        return [
            ops.reshape(
                matmul(
                    ops.concatenate([deviation[:, axis] * extents[axis], once], axis=-1),
                    _with_row(meshgrid.T, identity[..., axis]),
                ),
                (-1, *output_size),
            )
            for axis in (0, 1)
        ]


def _with_row(meshgrid, pixels):
    """The meshgrid (3, P) with the pixels of the identity as a fourth row."""
    return ops.concatenate([to_tensor(meshgrid), ops.reshape(to_tensor(pixels), (1, -1))])
