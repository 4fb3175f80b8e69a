"""Small random affine transforms of training images, drawn afresh for every batch."""

import keras
import numpy as np

from stn_keras.ops import sample_xy
from stn_keras.ops.backend import fused
from stn_keras.transforms import Affine


class Jitter:
    """Moves batches of images with the library's own grid and sampler, compiled once.

    Args:
        ranges: `experiments.base.JitterRanges`.
        image_shape: (H, W, C).
    """

    def __init__(self, ranges, image_shape):
        self.ranges = ranges
        images = keras.Input(image_shape)
        theta = keras.Input((Affine().num_parameters,))
        self.model = keras.Model([images, theta], _Move(ranges.fill_mode)(images, theta))

    def __call__(self, images, rng):
        """Move images (N, H, W, C) float32, each its own way."""
        return self.model.predict_on_batch([images, draw_theta(self.ranges, rng, len(images))])


class _Move(keras.layers.Layer):
    """Images and theta -> images, bilinear, in one kernel."""

    def __init__(self, fill_mode):
        super().__init__()
        self.fill_mode = fill_mode

    def call(self, images, theta):
        return fused(self._read, images, theta)

    def _read(self, images, theta):
        size = images.shape[1:3]
        x, y = Affine().source_xy(theta, size, size)
        return sample_xy(images, x, y, fill_mode=self.fill_mode)

    def compute_output_shape(self, images_shape, theta_shape):
        return images_shape


def draw_theta(ranges, rng, count):
    """Random theta (count, 6), float32."""
    angle = np.deg2rad(rng.uniform(-ranges.rotation, ranges.rotation, count))
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    scale = 1 + rng.uniform(-ranges.scale, ranges.scale, (count, 2, 1))
    if ranges.flip:
        scale[:, 0, 0] *= rng.choice([-1, 1], count)
    shift = rng.uniform(-ranges.shift, ranges.shift, (count, 2, 1))
    theta = np.concatenate([scale * rotation.transpose(2, 0, 1), shift], -1)
    return theta.reshape(count, 6).astype("float32")
