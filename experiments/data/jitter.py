"""Small random transforms of training images, drawn afresh for every batch."""

import keras
import numpy as np

from stn_keras.ops import warp
from stn_keras.transforms import Affine, ThinPlateSpline, control_points

GRID = (4, 4)


class Jitter:
    """Moves batches of images with the library's own grid and sampler, compiled once.

    Args:
        ranges: `experiments.experiment.JitterRanges`.
        image_shape: (H, W, C).
    """

    def __init__(self, ranges, image_shape):
        self.ranges = ranges
        transform = ThinPlateSpline(GRID) if ranges.bend else Affine()
        images, theta = keras.Input(image_shape), keras.Input((transform.num_parameters,))
        moved = _Move(transform, ranges.fill_mode)(images, theta)
        self.model = keras.Model([images, theta], moved)

    def __call__(self, images, rng):
        """Move images (N, H, W, C) float32, each its own way."""
        theta = draw_theta(self.ranges, rng, len(images))
        if self.ranges.bend:
            theta = bend(theta, self.ranges.bend, rng)
        return self.model.predict_on_batch([images, theta])


class _Move(keras.layers.Layer):
    """Images and theta -> images, bilinear, in one kernel."""

    def __init__(self, transform, fill_mode):
        super().__init__()
        self.transform, self.fill_mode = transform, fill_mode

    def call(self, images, theta):
        settings = {"fill_mode": self.fill_mode, "data_format": "channels_last"}
        return warp(images, theta, self.transform, compiled=True, **settings)

    def compute_output_shape(self, images_shape, theta_shape):
        return images_shape


def draw_theta(ranges, rng, count):
    """Random theta of `Affine` (count, 6), float32."""
    angle = np.deg2rad(rng.uniform(-ranges.rotation, ranges.rotation, count))
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    scale = 1 + rng.uniform(-ranges.scale, ranges.scale, (count, 2, 1))
    if ranges.flip:
        scale[:, 0, 0] *= rng.choice([-1, 1], count)
    shift = rng.uniform(-ranges.shift, ranges.shift, (count, 2, 1))
    theta = np.concatenate([scale * rotation.transpose(2, 0, 1), shift], -1)
    return theta.reshape(count, 6).astype("float32")


def bend(theta, deviation, rng):
    """Theta of `ThinPlateSpline` that reads where theta (N, 6) of `Affine` does, randomly bent."""
    count = len(theta)
    points = control_points(GRID)
    moved = points + deviation * rng.normal(0, 1, (count, *points.shape))
    affine = theta.reshape(count, 2, 3)
    # A spline reproduces every affine map, so one of its points can be a part of the moves.
    source = moved @ affine[:, :, :2].transpose(0, 2, 1) + affine[:, None, :, 2]
    return (source - points).reshape(count, -1).astype("float32")
