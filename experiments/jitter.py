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
        self.model = keras.Model([images, theta], _Move()(images, theta))

    def __call__(self, images, rng):
        """Move images (N, H, W, C) float32, each its own way."""
        return self.model.predict_on_batch([images, draw_theta(self.ranges, rng, len(images))])


class _Move(keras.layers.Layer):
    """Images and theta -> images, bilinear, in one kernel."""

    def call(self, images, theta):
        return fused(_move, images, theta)

    def compute_output_shape(self, images_shape, theta_shape):
        return images_shape


def _move(images, theta):
    size = images.shape[1:3]
    x, y = Affine().source_xy(theta, size, size)
    return sample_xy(images, x, y)


def draw_theta(ranges, rng, count):
    """Random theta (count, 6), float32."""
    angle = np.deg2rad(rng.uniform(-ranges.rotation, ranges.rotation, count))
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    scale = 1 + rng.uniform(-ranges.scale, ranges.scale, (count, 2, 1))
    shift = rng.uniform(-ranges.shift, ranges.shift, (count, 2, 1))
    theta = np.concatenate([scale * rotation.transpose(2, 0, 1), shift], -1)
    return theta.reshape(count, 6).astype("float32")
