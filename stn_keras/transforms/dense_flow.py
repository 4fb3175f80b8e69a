"""A displacement for every output pixel."""

import keras
from keras import ops

from stn_keras._arguments import check_size, to_tensor
from stn_keras.ops.coordinates import identity_coordinates
from stn_keras.transforms.base import Transform, lattice_offsets


@keras.saving.register_keras_serializable(package="stn_keras")
class DenseFlow(Transform):
    """Optical flow: theta (N, H', W', 2) is where each output pixel is read, next to its own place.

    Convention: inverse mapping; (dx, dy) in pixels of the input, added to the identity's pixel.

    Args:
        size: (height, width) of the output, and so of the flow.
        align_corners: where the corners of input and output meet, if their sizes differ.

    Raises:
        ValueError: `size` is not two positive integers, or another output size is asked for.

    Reference:
        Jaderberg et al. 2015 (arXiv:1506.02025), section 3.2, the general case.

    Example:
        >>> DenseFlow((28, 28)).num_parameters
        1568
    """

    def __init__(self, size, align_corners: bool = False):
        super().__init__(align_corners)
        self.size = check_size("size", size)

    @property
    def parameters(self):
        """dx and dy of each pixel, numbered by row and column."""
        return lattice_offsets(self.size)

    @property
    def theta_shape(self):
        """(H', W', 2)."""
        return (*self.size, 2)

    def source_xy(self, theta, output_size, input_size):
        if tuple(output_size) != self.size:
            raise ValueError(
                f"Expected an output of the flow's size {self.size}. "
                f"Received: output_size={tuple(output_size)}"
            )
        theta = self._standardize_theta(theta)
        dtype = keras.backend.standardize_dtype(theta.dtype)
        pixels = identity_coordinates(output_size, input_size, self.align_corners, dtype)
        source = theta + ops.cast(to_tensor(pixels), dtype)
        return source[..., 0], source[..., 1]

    def get_config(self) -> dict:
        return {"size": self.size, **super().get_config()}
