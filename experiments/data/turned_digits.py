"""Digits as bodies in space, turned at random: the data of `digits-3d`."""

import math

import keras
import numpy as np
from keras import ops

from stn_keras.ops import warp
from stn_keras.transforms import Affine, Rotation

CANVAS = 32
# Voxels that a digit's 28 pixels, and its thickness, take on the canvas.
WIDTH, THICKNESS = 24, 10
LARGEST_TURN, LARGEST_SHIFT = math.radians(60), 3.0
UNIFORMS, NORMALS = 4, 3


def turned(digits, uniform, normal):
    """Digits as bodies, each turned about an axis of its own and shifted.

    Args:
        digits: (N, 1, 28, 28, C).
        uniform: (N, 4) in [0, 1): the angle and the shift.
        normal: (N, 3), the axis, of any length.

    Returns:
        (N, 32, 32, 32, C).
    """
    axis = normal / ops.sqrt(ops.sum(normal**2, axis=-1, keepdims=True) + 1e-12)
    turn = Rotation(rank=3).to_affine(axis * uniform[:, :1] * LARGEST_TURN)[:, :, :3]
    shift = (2 * uniform[:, 1:] - 1) * (2 * LARGEST_SHIFT / CANVAS)
    # The canvas is shifted, turned, and read by a digit that is WIDTH voxels wide.
    sizes = np.array([[WIDTH], [WIDTH], [THICKNESS]], "float32")
    linear = turn * ops.convert_to_tensor(CANVAS / sizes)
    moved = -ops.sum(linear * shift[:, None], axis=-1, keepdims=True)
    theta = ops.reshape(ops.concatenate([linear, moved], axis=-1), (-1, 12))
    return warp(digits, theta, Affine(rank=3), CANVAS, data_format="channels_last")


def fixed_set(digits, seed):
    """Digits (N, 28, 28, C), uint8, turned once by noise of a seed: (N, 32, 32, 32, C), uint8."""
    rng = np.random.default_rng(seed)
    uniform = rng.random((len(digits), UNIFORMS), "float32")
    normal = rng.standard_normal((len(digits), NORMALS), "float32")
    parts = []
    for start in range(0, len(digits), 100):
        part = slice(start, start + 100)
        arrays = digits[part, None].astype("float32"), uniform[part], normal[part]
        bodies = turned(*map(ops.convert_to_tensor, arrays))
        parts.append(ops.convert_to_numpy(bodies).round().astype("uint8"))
    return np.concatenate(parts)


@keras.saving.register_keras_serializable(package="experiments")
class RandomTurns(keras.layers.Layer):
    """Turns digits, but for bodies that are on the canvas already while nothing is trained.

    Args:
        seed: integer, of the noise.
        **kwargs: as of `keras.layers.Layer`.

    Input shape: digits (N, 1, 28, 28, C), or bodies (N, 32, 32, 32, C).

    Output shape: (N, 32, 32, 32, C).
    """

    adds_channels = False

    def __init__(self, seed, **kwargs):
        super().__init__(**{"dtype": "float32", "name": "random_turns"} | kwargs)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, digits, training=None):
        if digits.shape[1] in (None, CANVAS) and not training:
            return ops.reshape(digits, (-1, *self.compute_output_shape(digits.shape)[1:]))
        count = ops.shape(digits)[0]
        uniform = keras.random.uniform((count, UNIFORMS), seed=self.seed_generator)
        normal = keras.random.normal((count, NORMALS), seed=self.seed_generator)
        return turned(digits, uniform, normal)

    def compute_output_shape(self, digits_shape):
        return (digits_shape[0], CANVAS, CANVAS, CANVAS, digits_shape[-1])

    def get_config(self):
        return super().get_config() | {"seed": self.seed}
