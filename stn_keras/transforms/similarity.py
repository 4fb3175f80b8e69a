"""Rotation, isotropic scale and shift."""

import keras
from keras import ops

from stn_keras._arguments import Tensor
from stn_keras.transforms.affine import AffineFamily, matrix_of
from stn_keras.transforms.parameters import ANGLE, SHIFT, Parameter


@keras.saving.register_keras_serializable(package="stn_keras")
class Similarity(AffineFamily):
    """Rotation, isotropic scale and shift, theta = [s angle tx ty], angle in radians.

    Convention: inverse mapping, output to input, after the identity's resize: offsets from the
    center, in pixels of the input, are multiplied by s [cos -sin; sin cos]; tx = 1 is half
    the width. A positive
    angle turns the window read clockwise, so the picture counter-clockwise. Shapes are kept on
    images that are not square.

    Args:
        align_corners: False: -1 and 1 are the outer edges of the corner pixels. True: their
            centers.

    Reference:
        Jaderberg et al. 2015 (arXiv:1506.02025), section 3.2.

    Example:
        >>> Similarity().parameter_names
        ('s', 'angle', 'tx', 'ty')
    """

    parameters = (Parameter("s", 1, role="scale"), ANGLE, *SHIFT)
    turns_pixels = True

    def matrix(self, theta: Tensor) -> Tensor:
        s, angle, tx, ty = (theta[:, i] for i in range(4))
        cosine, sine = s * ops.cos(angle), s * ops.sin(angle)
        return matrix_of(cosine, -sine, tx, sine, cosine, ty)
