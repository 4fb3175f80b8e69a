"""Scale of each axis, and shift: an upright box of the input."""

import keras

from stn_keras._arguments import Tensor
from stn_keras.transforms.affine import AffineFamily, affine_matrix, scaled_identity
from stn_keras.transforms.parameters import Parameter, scales, shifts


@keras.saving.register_keras_serializable(package="stn_keras")
class AxisAligned(AffineFamily):
    """Scale of each axis and shift, theta = [sx sy tx ty], or [sx sy sz tx ty tz] of volumes.

    Convention: inverse mapping in normalized coordinates, output to input: x_source = sx x + tx and
    y_source = sy y + ty.

    Args:
        align_corners: False: -1 and 1 are the outer edges of the corner pixels. True: their
            centers.
        rank: 2, or 3 for volumes.

    Reference:
        Jaderberg et al. 2015 (arXiv:1506.02025), section 3.2.

    Example:
        >>> AxisAligned().parameter_names
        ('sx', 'sy', 'tx', 'ty')
    """

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """A scale of each axis, and a shift along each."""
        return (*scales(self.rank), *shifts(self.rank))

    def matrix(self, theta: Tensor) -> Tensor:
        return affine_matrix(scaled_identity(theta[:, : self.rank]), theta[:, self.rank :])
