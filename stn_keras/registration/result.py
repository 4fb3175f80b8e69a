"""What registration found."""

from dataclasses import dataclass

import numpy as np
from keras import ops

from stn_keras.core.matrices import to_pixel_matrix
from stn_keras.transforms import AffineFamily, Homography, Transform


@dataclass(frozen=True)
class Registration:
    """The transform that aligns moving images with fixed ones.

    Convention: theta maps the fixed image's coordinates to the moving one's, as `ops.warp` takes
    it: `ops.warp(moving, theta, transform, fixed_size)` is aligned.

    Attributes:
        theta: (N, P), or as the transform's formula has it for a flow, (N, H, W, 2); float32.
        transform: the family.
        aligned: the moving images read where the fixed ones are, in the fixed ones' shape.
        losses: of each level, from coarse to fine, an array (steps, N).
        converged: (N,), whether the last level ended before its steps did; of descent, whether it
            ended better than it began.
        fixed_size: (height, width) of the fixed images.
        moving_size: (height, width) of the moving ones.
    """

    theta: np.ndarray
    transform: Transform
    aligned: np.ndarray
    losses: list[np.ndarray]
    converged: np.ndarray
    fixed_size: tuple
    moving_size: tuple

    @property
    def pixel_matrix(self) -> np.ndarray | None:
        """The matrix from pixels of the fixed image to pixels of the moving one.

        (N, 2, 3) for affine families, (N, 3, 3) for a homography, None for splines and flows.
        """
        transform, theta = self.transform, self.theta
        if isinstance(transform, AffineFamily):
            theta = transform.to_affine(theta, input_size=self.moving_size)
        elif not isinstance(transform, Homography):
            return None
        sizes = {"input_size": self.moving_size, "output_size": self.fixed_size}
        matrix = to_pixel_matrix(theta, **sizes, align_corners=transform.align_corners)
        return ops.convert_to_numpy(matrix)
