"""Perspective."""

from typing import Any

import keras
from keras import ops

from stn_keras._arguments import Size, Tensor, array_to_tensor
from stn_keras.backend import matmul
from stn_keras.core.coordinates import Points
from stn_keras.core.matrices import inverse_matrix
from stn_keras.transforms.base import Transform
from stn_keras.transforms.parameters import Parameter

# Points with less depth than this lie at the horizon or behind the camera.
NEAREST_DEPTH = 1e-4


@keras.saving.register_keras_serializable(package="stn_keras")
class Homography(Transform):
    """Perspective transform, theta = [h11 h12 h13 h21 h22 h23 h31 h32], with h33 = 1.

    Convention: inverse mapping in normalized coordinates, output to input:
    x_source = (h11 x + h12 y + h13) / depth, y_source = (h21 x + h22 y + h23) / depth, with
    depth = h31 x + h32 y + 1. Where the depth is below 1e-4, at the horizon and behind the camera,
    the source is infinitely far: "constant" reads its fill there.

    Args:
        align_corners: False: -1 and 1 are the outer edges of the corner pixels. True: their
            centers.

    Reference:
        Jaderberg et al. 2015 (arXiv:1506.02025), section 3.2; Hartley and Zisserman, Multiple View
        Geometry, section 2.3.

    Example:
        >>> Homography().num_parameters
        8
    """

    parameters = (
        Parameter("h11", 1, role="matrix_xx"),
        Parameter("h12", role="matrix_xy"),
        Parameter("h13", role="shift_x"),
        Parameter("h21", role="matrix_yx"),
        Parameter("h22", 1, role="matrix_yy"),
        Parameter("h23", role="shift_y"),
        Parameter("h31", role="perspective"),
        Parameter("h32", role="perspective"),
    )

    def map_points(self, theta: Tensor, points: Points) -> tuple:
        tilt = _product(theta[:, 6:], points.homogeneous[..., :2, :])
        behind = 1 + tilt < NEAREST_DEPTH
        deviation = theta[:, :6] - ops.cast(self.identity[:6], theta.dtype)
        sources = _project(ops.reshape(deviation, (-1, 2, 3)), tilt, behind, points)
        return tuple(
            ops.where(behind, ops.full_like(source, float("inf")), source) for source in sources
        )

    def target_points(
        self, theta: Any, points: Any, *, input_size: Size, output_size: Size | None = None
    ) -> Tensor:
        """As `Transform.target_points`, by the inverse matrix."""
        theta = self.standardize_theta(theta)
        dtype = keras.backend.standardize_dtype(theta.dtype)
        sizes = input_size, output_size or input_size
        points = Points.of_pixels(array_to_tensor(points), *sizes, self.align_corners, dtype)
        deviation = inverse_matrix(theta) - ops.cast(ops.eye(3), dtype)
        # The inverse has one over the depth in the place of the depth.
        tilt = _product(deviation[:, 2], points.homogeneous)
        unseen = ops.logical_or(1 + tilt <= 0, (1 + tilt) * NEAREST_DEPTH > 1)
        targets = ops.stack(_project(deviation[:, :2], tilt, unseen, points), axis=-1)
        nan = ops.full_like(targets, float("nan"))
        return ops.where(ops.expand_dims(unseen, -1), nan, targets)


def _project(deviation, tilt, invalid, points):
    """x and y, each (N, M), for a matrix of which two rows deviate from the identity's.

    Args:
        deviation: (N, 2, 3).
        tilt: (N, M), depth - 1.
        invalid: (N, M), where nothing is divided by the depth, so that no gradient is infinite.
        points: `Points`.
    """
    depth = ops.where(invalid, ops.ones_like(tilt), 1 + tilt)
    results = []
    for axis in (0, 1):
        # The move from the identity, (row - x depth) / depth: exactly 0 at the identity.
        row = _product(deviation[:, axis], points.homogeneous)
        move = (row - tilt * points.normalized[axis]) / depth
        # The move comes first: a tensor of JAX cannot add a symbolic one.
        results.append(move * points.pixels_per_unit[axis] + points.pixels[axis])
    return results


def _product(rows, basis):
    """rows (N, K) @ basis (K, M) or (N, K, M) -> (N, M)."""
    if len(basis.shape) == 3:
        return ops.sum(ops.expand_dims(rows, -1) * basis, axis=1)
    return matmul(rows, basis)
