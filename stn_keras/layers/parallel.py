"""Several transformers side by side."""

import math
from typing import Any

import keras
import numpy as np
from keras import ops

from stn_keras import transforms
from stn_keras._arguments import Shape, array_to_tensor, check_count
from stn_keras.layers.spatial_transformer import SpatialTransformer
from stn_keras.transforms import Transform


@keras.saving.register_keras_serializable(package="stn_keras")
class ParallelSpatialTransformer(SpatialTransformer):
    """Several transforms of one image, each starting at its own place.

    One localization network predicts them all, for images that show several things or several parts
    of one. The outputs are concatenated along the channels, or stacked.

    Convention: as `SpatialTransformer`. The theta returned is (N, count, P).

    Args:
        localization: as in `SpatialTransformer`; shared.
        transform: as in `SpatialTransformer`.
        count: how many transforms.
        stack: whether to keep the outputs apart, (N, count, H', W', C).
        initial_theta: (count, P), where each starts; None: windows side by side that fill the
            image, see `stn_keras.layers.parallel.windows`.
        **arguments: as in `SpatialTransformer`.

    Input shape: as `SpatialTransformer`.

    Output shape: (N, H', W', count * C), or (N, count * C, H', W') with "channels_first"; with
        `stack` (N, count, H', W', C) or (N, count, C, H', W').

    Raises:
        ValueError: `count` below 1, `initial_theta` of another shape, or none for a transform that
            cannot shift.

    Reference:
        Jaderberg et al. 2015 (arXiv:1506.02025), section 3.4 and the experiments with two and four
        transformers.

    Example:
        >>> inputs = keras.Input((28, 28, 1))
        >>> outputs = ParallelSpatialTransformer(count=2, output_size=(14, 14))(inputs)
        >>> keras.Model(inputs, outputs).output_shape
        (None, 14, 14, 2)
    """

    _start_rank = 2

    def __init__(
        self,
        localization: keras.layers.Layer | None = None,
        transform: str | Transform = "affine",
        *,
        count: int = 2,
        stack: bool = False,
        initial_theta: Any = None,
        **arguments: Any,
    ):
        check_count("count", count)
        transform = transforms.get(transform, arguments.get("align_corners"), arguments.get("rank"))
        if initial_theta is None:
            initial_theta = windows(transform, count)
        expected = (count, transform.num_parameters)
        if np.shape(initial_theta) != expected:
            raise ValueError(
                f"Expected `initial_theta` of shape {expected}. "
                f"Received: shape={np.shape(initial_theta)}"
            )
        super().__init__(localization, transform, initial_theta=initial_theta, **arguments)
        self.count, self.stack = count, bool(stack)

    def _warp(self, images, theta):
        # (count, P) would read as one theta for each of `count` images.
        theta = array_to_tensor(theta)
        return super()._warp(images, theta[None] if len(theta.shape) == 2 else theta)

    def _arrange(self, warped):
        """(N, count, H', W', C) -> (N, H', W', count * C), unless they are stacked."""
        if self.stack:
            return warped
        if self.reader.channels_first:
            _, count, channels, *size = warped.shape
            return ops.reshape(warped, (-1, count * channels, *size))
        warped = ops.moveaxis(warped, 1, -2)
        *size, count, channels = warped.shape[1:]
        return ops.reshape(warped, (-1, *size, count * channels))

    def compute_output_shape(
        self, images_shape: Shape, localization_inputs_shape: Shape | None = None
    ) -> Shape:
        batch, *image = super().compute_output_shape(images_shape, localization_inputs_shape)
        if self.stack:
            return (batch, self.count, *image)
        image[0 if self.reader.channels_first else -1] *= self.count
        return (batch, *image)

    def _theta_shape(self):
        return (self.count, self.transform.num_parameters)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "count": self.count, "stack": self.stack}


def windows(transform: Transform, count: int) -> np.ndarray:
    """theta (count, P) of windows that lie side by side and fill the image, of volumes each slice.

    Convention: as many columns as rows, or one more, left to right and top to bottom. A transform
    with one scale for both axes keeps the larger; one without a scale shifts only.

    Args:
        transform: `stn_keras.transforms.Transform` that can shift.
        count: how many.

    Raises:
        ValueError: the transform has no shift.

    Example:
        >>> from stn_keras.transforms import Attention
        >>> windows(Attention(), 2)
        array([[ 1. , -0.5,  0. ],
               [ 1. ,  0.5,  0. ]], dtype=float32)
    """
    columns = math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    width, height = 1 / columns, 1 / rows
    centers = [
        ((2 * column + 1) * width - 1, (2 * row + 1) * height - 1)
        for row in range(rows)
        for column in range(columns)
    ]
    deeper = transform.rank - 2
    extent = (width, height) + (1,) * deeper
    return np.stack(
        [transform.window(center + (0,) * deeper, extent) for center in centers[:count]]
    )
