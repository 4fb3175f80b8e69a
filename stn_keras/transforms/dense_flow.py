"""A displacement for every output pixel."""

import math

import keras
from keras import ops

from stn_keras._arguments import Size, Tensor, check_size
from stn_keras.core.coordinates import Points, pixels_per_unit
from stn_keras.core.sampling import sample_places
from stn_keras.transforms.base import Transform
from stn_keras.transforms.parameters import Parameter


@keras.saving.register_keras_serializable(package="stn_keras")
class DenseFlow(Transform):
    """Optical flow: theta (N, H', W', 2) is how far from itself each output pixel is read.

    Convention: inverse mapping; (dx, dy) in pixels of the input, added to the identity's pixel. Of
    volumes theta is (N, D', H', W', 3), (dx, dy, dz) in voxels.

    Args:
        size: (height, width) of the output, and so of the flow; (depth, height, width) of volumes.
        align_corners: where the corners of input and output meet, if their sizes differ.
        rank: that of `size`, which may be left out.

    Raises:
        ValueError: `size` is not two or three positive integers, or another output size is asked
            for.

    Reference:
        Jaderberg et al. 2015 (arXiv:1506.02025), section 3.2, the general case.

    Example:
        >>> DenseFlow((28, 28)).num_parameters
        1568
    """

    ranks = (2, 3)

    def __init__(self, size: Size, *, align_corners: bool = False, rank: int | None = None):
        self.size = check_size("size", size, rank)
        super().__init__(align_corners=align_corners, rank=len(self.size))

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """(dx, dy) or (dx, dy, dz) of each pixel, as one block."""
        return (Parameter("d", role="offset", unit="pixels", shape=self.theta_shape),)

    @property
    def theta_shape(self) -> tuple[int, ...]:
        """(H', W', 2) or (D', H', W', 3)."""
        return (*self.size, self.rank)

    def map_points(self, theta: Tensor, points: Points) -> tuple:
        flow = self._flow_at(theta, points)
        return tuple(flow[..., axis] + points.pixels[axis] for axis in range(self.rank))

    def _flow_at(self, theta, points):
        """The flow at each point, (N, M, rank): bilinear between pixels, NaN outside its grid."""
        if points.output_size:
            if points.output_size != self.size:
                raise ValueError(
                    f"Expected an output of the flow's size {self.size}. "
                    f"Received: output_size={points.output_size}"
                )
            return ops.reshape(theta, (-1, math.prod(self.size), self.rank))
        dtype = keras.backend.standardize_dtype(theta.dtype)
        units = pixels_per_unit(self.size, self.align_corners, dtype)
        batch = ops.shape(theta)[0]
        places, outside = [], False
        for axis, last in enumerate(length - 1 for length in reversed(self.size)):
            place = points.normalized[axis] * units[axis] + last / 2
            outside = ops.logical_or(outside, ops.logical_or(place < 0, place > last))
            places.append(ops.broadcast_to(place, (batch, place.shape[-1])))
        flow = sample_places(theta, places, "bilinear", "nearest", 0.0)
        return ops.where(ops.expand_dims(outside, -1), ops.full_like(flow, float("nan")), flow)

    def get_config(self) -> dict:
        return {"size": self.size, **super().get_config()}
