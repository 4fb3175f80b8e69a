"""Rotation alone."""

import keras
from keras import ops

from stn_keras.transforms.affine import AffineFamily, matrix_of


@keras.saving.register_keras_serializable(package="stn_keras")
class Rotation(AffineFamily):
    """Rotation about the centre, theta = [angle] in radians.

    Convention: inverse mapping in normalized coordinates, output to input: the matrix is
    [cos -sin; sin cos]. A positive angle turns the window read clockwise, so the picture
    counter-clockwise. On images that are not square it turns normalized coordinates, not pixels.

    Args:
        align_corners: False: -1 and 1 are the outer edges of the corner pixels. True: their
            centres.

    Reference:
        Jaderberg et al. 2015 (arXiv:1506.02025), section 3.2.

    Example:
        >>> Rotation().parameter_names
        ('angle',)
    """

    parameters = {"angle": 0}

    def matrix(self, theta):
        cosine, sine = ops.cos(theta[:, 0]), ops.sin(theta[:, 0])
        return matrix_of(cosine, -sine, 0.0, sine, cosine, 0.0)
