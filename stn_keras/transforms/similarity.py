"""Rotation, isotropic scale and shift."""

import keras
from keras import ops

from stn_keras._arguments import Tensor
from stn_keras.transforms.affine import (
    TurningFamily,
    affine_matrix,
    rotation_matrix,
)
from stn_keras.transforms.parameters import Parameter, shifts, turns


@keras.saving.register_keras_serializable(package="stn_keras")
class Similarity(TurningFamily):
    """Rotation, isotropic scale and shift, theta = [s angle tx ty], angle in radians.

    Of volumes theta is [s rx ry rz tx ty tz], with the axis of the turn, as long as its angle.

    Convention: inverse mapping, output to input, after the identity's resize: offsets from the
    center, in pixels of the input, are multiplied by s [cos -sin; sin cos]; tx = 1 is half the
    width. A positive angle turns the window read clockwise, so the picture counter-clockwise.
    Shapes are kept on images that are not square.

    Args:
        align_corners: False: -1 and 1 are the outer edges of the corner pixels. True: their
            centers.
        rank: 2, or 3 for volumes.
        spacing: as in `Rotation`.

    Reference:
        Jaderberg et al. 2015 (arXiv:1506.02025), section 3.2.

    Example:
        >>> Similarity().parameter_names
        ('s', 'angle', 'tx', 'ty')
    """

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """The scale, the turn, and a shift along each axis."""
        return (Parameter("s", 1, role="scale"), *turns(self.rank), *shifts(self.rank))

    def matrix(self, theta: Tensor) -> Tensor:
        turn, shift = theta[:, 1 : -self.rank], theta[:, -self.rank :]
        # Not theta[:, :1, None]: TensorFlow drops the new axis where theta was stacked in a graph.
        scale = ops.expand_dims(theta[:, :1], -1)
        return affine_matrix(scale * rotation_matrix(turn), shift)
