"""Shift alone."""

import keras

from stn_keras._arguments import Tensor
from stn_keras.transforms.affine import AffineFamily, matrix_of
from stn_keras.transforms.parameters import SHIFT


@keras.saving.register_keras_serializable(package="stn_keras")
class Translation(AffineFamily):
    """Shift, theta = [tx ty].

    Convention: inverse mapping in normalized coordinates, output to input: x_source = x + tx and
    y_source = y + ty. tx = 1 is half the width.

    Args:
        align_corners: False: -1 and 1 are the outer edges of the corner pixels. True: their
            centers.

    Reference:
        Jaderberg et al. 2015 (arXiv:1506.02025), section 3.2.

    Example:
        >>> Translation().parameter_names
        ('tx', 'ty')
    """

    parameters = SHIFT

    def matrix(self, theta: Tensor) -> Tensor:
        return matrix_of(1.0, 0.0, theta[:, 0], 0.0, 1.0, theta[:, 1])
