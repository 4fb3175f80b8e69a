"""Rotation alone."""

import keras
from keras import ops

from stn_keras._arguments import Tensor
from stn_keras.transforms.affine import AffineFamily, matrix_of
from stn_keras.transforms.parameters import ANGLE


@keras.saving.register_keras_serializable(package="stn_keras")
class Rotation(AffineFamily):
    """Rotation about the center, theta = [angle] in radians.

    Convention: inverse mapping, output to input, after the identity's resize: offsets from the
    center, in pixels of the input, are multiplied by [cos -sin; sin cos]. A positive
    angle turns the window read clockwise, so the picture counter-clockwise. Shapes are kept on
    images that are not square.

    Args:
        align_corners: False: -1 and 1 are the outer edges of the corner pixels. True: their
            centers.

    Reference:
        Jaderberg et al. 2015 (arXiv:1506.02025), section 3.2.

    Example:
        >>> Rotation().parameter_names
        ('angle',)
    """

    parameters = (ANGLE,)
    turns_pixels = True

    def matrix(self, theta: Tensor) -> Tensor:
        cosine, sine = ops.cos(theta[:, 0]), ops.sin(theta[:, 0])
        return matrix_of(cosine, -sine, 0.0, sine, cosine, 0.0)
