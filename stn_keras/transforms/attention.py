"""The paper's attention: an upright window of the input."""

import keras

from stn_keras._arguments import Tensor
from stn_keras.transforms.affine import AffineFamily, matrix_of
from stn_keras.transforms.parameters import SHIFT, Parameter


@keras.saving.register_keras_serializable(package="stn_keras")
class Attention(AffineFamily):
    """Isotropic scale and shift, theta = [s tx ty].

    Convention: inverse mapping in normalized coordinates, output to input: x_source = s x + tx and
    y_source = s y + ty. s = 0.5 reads the middle half: it enlarges.

    Args:
        align_corners: False: -1 and 1 are the outer edges of the corner pixels. True: their
            centers.

    Reference:
        Jaderberg et al. 2015 (arXiv:1506.02025), equation 3.

    Example:
        >>> Attention().parameter_names
        ('s', 'tx', 'ty')
    """

    parameters = (Parameter("s", 1, role="scale"), *SHIFT)

    def matrix(self, theta: Tensor) -> Tensor:
        s, tx, ty = (theta[:, i] for i in range(3))
        return matrix_of(s, 0.0, tx, 0.0, s, ty)
