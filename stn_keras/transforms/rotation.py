"""Rotation alone."""

import keras
from keras import ops

from stn_keras._arguments import Tensor
from stn_keras.transforms.affine import (
    TurningFamily,
    affine_matrix,
    rotation_matrix,
)
from stn_keras.transforms.parameters import Parameter, turns


@keras.saving.register_keras_serializable(package="stn_keras")
class Rotation(TurningFamily):
    """Rotation about the center, theta = [angle] in radians.

    Of volumes theta is [rx ry rz], the axis of the turn, as long as its angle.

    Convention: inverse mapping, output to input, after the identity's resize: offsets from the
    center, in pixels of the input, are multiplied by [cos -sin; sin cos]. A positive
    angle turns the window read clockwise, so the picture counter-clockwise. Shapes are kept on
    images that are not square.

    Args:
        align_corners: False: -1 and 1 are the outer edges of the corner pixels. True: their
            centers.
        rank: 2, or 3 for volumes.
        spacing: distances of pixels or voxels, (height, width) or (depth, height, width), where
            they are not the same along each axis. Shapes are kept in that unit.

    Reference:
        Jaderberg et al. 2015 (arXiv:1506.02025), section 3.2.

    Example:
        >>> Rotation().parameter_names
        ('angle',)
    """

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """The angle, or the axis."""
        return turns(self.rank)

    def matrix(self, theta: Tensor) -> Tensor:
        linear = rotation_matrix(theta)
        return affine_matrix(linear, ops.zeros_like(linear[:, 0]))
