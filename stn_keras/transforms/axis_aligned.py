"""Scale of each axis, and shift: an upright box of the input."""

import keras
import numpy as np

from stn_keras.transforms.affine import AffineFamily, matrix_of


@keras.saving.register_keras_serializable(package="stn_keras")
class AxisAligned(AffineFamily):
    """Scale of each axis and shift, theta = [sx sy tx ty].

    Convention: inverse mapping in normalized coordinates, output to input: x_source = sx x + tx and
    y_source = sy y + ty.

    Args:
        align_corners: False: -1 and 1 are the outer edges of the corner pixels. True: their
            centres.

    Reference:
        Jaderberg et al. 2015 (arXiv:1506.02025), section 3.2.

    Example:
        >>> AxisAligned().parameter_names
        ('sx', 'sy', 'tx', 'ty')
    """

    theta_shape = (4,)
    parameter_names = ("sx", "sy", "tx", "ty")

    @property
    def identity(self) -> np.ndarray:
        """The theta, (4,) float32, that leaves an image as it is."""
        return np.array([1, 1, 0, 0], "float32")

    def matrix(self, theta):
        sx, sy, tx, ty = (theta[:, i] for i in range(4))
        return matrix_of(sx, 0.0, tx, 0.0, sy, ty)
