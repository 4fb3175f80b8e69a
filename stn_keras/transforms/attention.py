"""The paper's attention: an upright window of the input."""

import keras
from keras import ops

from stn_keras._arguments import Tensor
from stn_keras.transforms.affine import AffineFamily, affine_matrix, scaled_identity
from stn_keras.transforms.parameters import Parameter, shifts


@keras.saving.register_keras_serializable(package="stn_keras")
class Attention(AffineFamily):
    """Isotropic scale and shift, theta = [s tx ty], or [s tx ty tz] of volumes.

    Convention: inverse mapping in normalized coordinates, output to input: x_source = s x + tx and
    y_source = s y + ty. s = 0.5 reads the middle half: it enlarges.

    Args:
        align_corners: False: -1 and 1 are the outer edges of the corner pixels. True: their
            centers.
        rank: 2, or 3 for volumes.

    Reference:
        Jaderberg et al. 2015 (arXiv:1506.02025), equation 3.

    Example:
        >>> Attention().parameter_names
        ('s', 'tx', 'ty')
    """

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """The scale, and a shift along each axis."""
        return (Parameter("s", 1, role="scale"), *shifts(self.rank))

    def matrix(self, theta: Tensor) -> Tensor:
        shift = theta[:, 1:]
        return affine_matrix(scaled_identity(theta[:, :1] * ops.ones_like(shift)), shift)
