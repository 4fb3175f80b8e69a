"""Small random affine transforms of training images, drawn afresh for every batch."""

import keras
import numpy as np

from stn_keras import BilinearSampler, GridGenerator
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
        moved = BilinearSampler()(images, GridGenerator(image_shape[:2])(theta))
        self.model = keras.Model([images, theta], moved)

    def __call__(self, images, rng):
        """Move images (N, H, W, C) float32, each its own way."""
        return self.model.predict_on_batch([images, draw_theta(self.ranges, rng, len(images))])


def draw_theta(ranges, rng, count):
    """Random theta (count, 6), float32."""
    angle = np.deg2rad(rng.uniform(-ranges.rotation, ranges.rotation, count))
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    scale = 1 + rng.uniform(-ranges.scale, ranges.scale, (count, 2, 1))
    shift = rng.uniform(-ranges.shift, ranges.shift, (count, 2, 1))
    theta = np.concatenate([scale * rotation.transpose(2, 0, 1), shift], -1)
    return theta.reshape(count, 6).astype("float32")
