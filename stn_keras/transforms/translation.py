"""Shift alone."""

import keras
from keras import ops

from stn_keras._arguments import Tensor
from stn_keras.transforms.affine import AffineFamily, affine_matrix, scaled_identity
from stn_keras.transforms.parameters import Parameter, shifts


@keras.saving.register_keras_serializable(package="stn_keras")
class Translation(AffineFamily):
    """Shift, theta = [tx ty], or [tx ty tz] of volumes.

    Convention: inverse mapping in normalized coordinates, output to input: x_source = x + tx and
    y_source = y + ty. tx = 1 is half the width.

    Args:
        align_corners: False: -1 and 1 are the outer edges of the corner pixels. True: their
            centers.
        rank: 2, or 3 for volumes.

    Reference:
        Jaderberg et al. 2015 (arXiv:1506.02025), section 3.2.

    Example:
        >>> Translation().parameter_names
        ('tx', 'ty')
    """

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """A shift along each axis."""
        return shifts(self.rank)

    def matrix(self, theta: Tensor) -> Tensor:
        return affine_matrix(scaled_identity(ops.ones_like(theta)), theta)
