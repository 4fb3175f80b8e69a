"""Perspective."""

import keras
from keras import ops

from stn_keras._arguments import to_tensor
from stn_keras.ops.backend import matmul
from stn_keras.ops.coordinates import half_extents, homogeneous_meshgrid, identity_coordinates
from stn_keras.transforms.base import Transform

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
            centres.

    Reference:
        Jaderberg et al. 2015 (arXiv:1506.02025), section 3.2; Hartley and Zisserman, Multiple View
        Geometry, section 2.3.

    Example:
        >>> Homography().num_parameters
        8
    """

    parameters = {"h11": 1, "h12": 0, "h13": 0, "h21": 0, "h22": 1, "h23": 0, "h31": 0, "h32": 0}

    def source_xy(self, theta, output_size, input_size):
        theta = self._standardize_theta(theta)
        dtype = keras.backend.standardize_dtype(theta.dtype)
        meshgrid = homogeneous_meshgrid(output_size, self.align_corners, dtype).T
        tilt = matmul(theta[:, 6:], to_tensor(meshgrid[:2]))
        behind = 1 + tilt < NEAREST_DEPTH
        # Divided where it is safe alone, so that no gradient is infinite.
        depth = ops.where(behind, ops.ones_like(tilt), 1 + tilt)
        extents = half_extents(input_size, self.align_corners, dtype)
        pixels = identity_coordinates(output_size, input_size, self.align_corners, dtype)
        deviation = theta[:, :6] - ops.cast(self.identity[:6], dtype)
        results = []
        for axis in (0, 1):
            # The move from the identity, (row - x depth) / depth: exactly 0 at the identity.
            row = matmul(deviation[:, 3 * axis : 3 * axis + 3], to_tensor(meshgrid))
            move = (row - tilt * to_tensor(meshgrid[axis])) / depth
            # A symbolic move comes first: NumPy's and JAX's arrays do not know it.
            source = move * extents[axis] + ops.reshape(to_tensor(pixels)[..., axis], (-1,))
            source = ops.where(behind, ops.full_like(source, float("inf")), source)
            results.append(ops.reshape(source, (-1, *output_size)))
        return results
