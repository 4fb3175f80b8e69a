"""Several transformers side by side."""

import math

import keras
import numpy as np
from keras import ops

from stn_keras.layers.spatial_transformer import SpatialTransformer


@keras.saving.register_keras_serializable(package="stn_keras")
class ParallelSpatialTransformer(SpatialTransformer):
    """Several transforms of one image, each starting at its own place, outputs side by side.

    One localization network predicts them all, for images that show several things or several parts
    of one. What they read is concatenated along the channels.

    Convention: as `SpatialTransformer`. `theta` returns (N, count, P).

    Args:
        localization: as in `SpatialTransformer`; shared.
        transform: as in `SpatialTransformer`.
        count: how many transforms.
        initial_theta: (count, P), where each starts; None: windows side by side that fill the
            image, see `stn_keras.layers.parallel.windows`.
        **arguments: as in `SpatialTransformer`.

    Input shape: as `SpatialTransformer`.

    Output shape: (N, H', W', count * C), or (N, count * C, H', W') with "channels_first".

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

    def __init__(
        self, localization=None, transform="affine", count=2, initial_theta=None, **arguments
    ):
        if not isinstance(count, int) or count < 1:
            raise ValueError(
                f"Expected `count` to be an integer of at least 1. Received: count={count!r}"
            )
        self.count = count
        super().__init__(localization, transform, initial_theta=initial_theta, **arguments)

    def _start(self, initial_theta):
        if initial_theta is None:
            return windows(self.transform, self.count)
        expected = (self.count, self.transform.num_parameters)
        if np.shape(initial_theta) != expected:
            raise ValueError(
                f"Expected `initial_theta` of shape {expected}. "
                f"Received: shape={np.shape(initial_theta)}"
            )
        return initial_theta

    def _warp_to(self, output_size, images, theta, training):
        warped = [
            super(ParallelSpatialTransformer, self)._warp_to(output_size, images, one, training)
            for one in self._each(theta)
        ]
        return ops.concatenate(warped, axis=self._channel_axis)

    def _distance_outside(self, images, theta):
        distances = [
            super(ParallelSpatialTransformer, self)._distance_outside(images, one)
            for one in self._each(theta)
        ]
        return ops.mean(ops.stack(distances))

    def _shapes_of_one_theta(self):
        return {(self.count, self.transform.num_parameters)}

    def _each(self, theta):
        return [theta[:, i] for i in range(self.count)]

    def compute_output_shape(self, images_shape, localization_inputs_shape=None):
        shape = list(super().compute_output_shape(images_shape, localization_inputs_shape))
        shape[self._channel_axis] *= self.count
        return tuple(shape)

    def get_config(self):
        return {**super().get_config(), "count": self.count}


def windows(transform, count):
    """theta (count, P) of windows that lie side by side and fill the image.

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
    centres = [
        ((2 * column + 1) * width - 1, (2 * row + 1) * height - 1)
        for row in range(rows)
        for column in range(columns)
    ]
    return np.stack([transform.window(centre, (width, height)) for centre in centres[:count]])
