"""Rotation, isotropic scale and shift."""

import keras
from keras import ops

from stn_keras.transforms.affine import AffineFamily, matrix_of


@keras.saving.register_keras_serializable(package="stn_keras")
class Similarity(AffineFamily):
    """Rotation, isotropic scale and shift, theta = [s angle tx ty], angle in radians.

    Convention: inverse mapping in normalized coordinates, output to input: the matrix is
    s [cos -sin; sin cos]. A positive angle turns the window read clockwise, so the picture
    counter-clockwise. On images that are not square it turns normalized coordinates, not pixels.

    Args:
        align_corners: False: -1 and 1 are the outer edges of the corner pixels. True: their
            centres.

    Reference:
        Jaderberg et al. 2015 (arXiv:1506.02025), section 3.2.

    Example:
        >>> Similarity().parameter_names
        ('s', 'angle', 'tx', 'ty')
    """

    parameters = {"s": 1, "angle": 0, "tx": 0, "ty": 0}

    def matrix(self, theta):
        s, angle, tx, ty = (theta[:, i] for i in range(4))
        cosine, sine = s * ops.cos(angle), s * ops.sin(angle)
        return matrix_of(cosine, -sine, tx, sine, cosine, ty)
