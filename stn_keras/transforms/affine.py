"""The affine family: rotation, scale, shear and shift."""

import keras
import numpy as np
from keras import ops

from stn_keras._arguments import to_tensor
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

    def source_coordinates(self, theta, output_size, input_size):
        """Where each output pixel is read in the input.

        Convention: (x, y) in pixels of the input. At the identity theta and equal sizes the result
        is each pixel's own index, bit for bit.

        Args:
            theta: (N, 6) or (N, 2, 3); computed in float32 or better.
            output_size: (height, width) of the output, integers.
            input_size: (height, width) of the images that will be sampled, integers or scalar
                tensors.

        Returns:
            (N, H', W', 2), float32, or float64 for a float64 theta.

        Raises:
            ValueError: theta of another shape.

        Reference:
            Jaderberg et al. 2015 (arXiv:1506.02025), equation 1.
        """
        theta = self._standardize_theta(theta)
        dtype = keras.backend.standardize_dtype(theta.dtype)
        # Only the deviation from the identity goes through the matmul, already in pixels: where it
        # is zero the exact identity coordinates are left as they are.
        extents = half_extents(input_size, self.align_corners, dtype)
        deviation = (theta - ops.cast(_IDENTITY, dtype)) * ops.reshape(extents, (2, 1))
        grid = homogeneous_meshgrid(output_size, self.align_corners, dtype)
        shift = ops.matmul(to_tensor(grid), ops.transpose(deviation, (0, 2, 1)))
        identity = identity_coordinates(output_size, input_size, self.align_corners, dtype)
        return ops.reshape(shift, (-1, *output_size, 2)) + to_tensor(identity)
