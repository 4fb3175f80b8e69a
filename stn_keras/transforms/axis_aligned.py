"""Scale of each axis, and shift: an upright box of the input."""

import keras

from stn_keras._arguments import Tensor
from stn_keras.transforms.affine import AffineFamily, matrix_of
from stn_keras.transforms.parameters import SCALES, SHIFT


@keras.saving.register_keras_serializable(package="stn_keras")
class AxisAligned(AffineFamily):
    """Scale of each axis and shift, theta = [sx sy tx ty].

    Convention: inverse mapping in normalized coordinates, output to input: x_source = sx x + tx and
    y_source = sy y + ty.

    Args:
        align_corners: False: -1 and 1 are the outer edges of the corner pixels. True: their
            centers.

    Reference:
        Jaderberg et al. 2015 (arXiv:1506.02025), section 3.2.

    Example:
        >>> AxisAligned().parameter_names
        ('sx', 'sy', 'tx', 'ty')
    """

    parameters = (*SCALES, *SHIFT)

    def matrix(self, theta: Tensor) -> Tensor:
        sx, sy, tx, ty = (theta[:, i] for i in range(4))
        return matrix_of(sx, 0.0, tx, 0.0, sy, ty)
