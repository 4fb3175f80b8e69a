"""The affine family by its parts: scale, rotation, shear and shift."""

import keras
from keras import ops

from stn_keras._arguments import Tensor
from stn_keras.transforms.affine import AffineFamily
from stn_keras.transforms.parameters import Parameter, scales, shifts, turns


@keras.saving.register_keras_serializable(package="stn_keras")
class DecomposedAffine(AffineFamily):
    """Affine transform by its parts, theta = [sx sy angle shear tx ty], angle in radians.

    Holds what `Affine` holds, but each parameter has a meaning, so each can be bounded;
    `stn_keras.ops.decompose` finds the parts of an `Affine` theta.

    Convention: inverse mapping, output to input, after the identity's resize: offsets from the
    center, in pixels of the input, are multiplied by
    [cos -sin; sin cos] [1 shear; 0 1] [sx 0; 0 sy]; tx = 1 is half the width. A positive angle
    turns the window read clockwise, so the picture counter-clockwise.

    Args:
        align_corners: False: -1 and 1 are the outer edges of the corner pixels. True: their
            centers.

    Reference:
        Jaderberg et al. 2015 (arXiv:1506.02025), equation 1; Golub and Van Loan, Matrix
        Computations, section 5.2.

    Example:
        >>> DecomposedAffine().parameter_names
        ('sx', 'sy', 'angle', 'shear', 'tx', 'ty')
    """

    parameters = (*scales(2), *turns(2), Parameter("shear", role="shear"), *shifts(2))
    ranks: tuple[int, ...] = (2,)
    turns_pixels = True

    def matrix(self, theta: Tensor) -> Tensor:
        sx, sy, angle, shear, tx, ty = (theta[:, i] for i in range(6))
        cosine, sine = ops.cos(angle), ops.sin(angle)
        rows = (
            (sx * cosine, sy * (shear * cosine - sine), tx),
            (sx * sine, sy * (shear * sine + cosine), ty),
        )
        return ops.stack([ops.stack(row, axis=-1) for row in rows], axis=1)
