"""Training images drawn afresh for every batch, in the training graph."""

import dataclasses

import keras
import numpy as np
from keras import ops

from data_prep.distortions.paper import Cluttered, Elastic, Perspective, Placement
from data_prep.distortions.signs import MovedSign

WARPS = {kind.__name__: kind for kind in (Placement, Perspective, Elastic, Cluttered, MovedSign)}


@keras.saving.register_keras_serializable(package="experiments")
class RandomWarp(keras.layers.Layer):
    """Distorts images, but for those that are on the canvas already while nothing is trained.

    Its variable `strength` is how much of the warp's ranges is drawn from: 1 at first, and 0 for
    images that all lie alike.

    Args:
        warp: `data_prep.distortions.paper.Warp`.
        seed: integer, of the noise.
        start: (K, warp.uniforms), the uniform noise of each of an image's K objects at a strength
            of 0, and None where it is drawn from its whole range at any strength; None: the middle,
            0.5.
        **kwargs: as of `keras.layers.Layer`.

    Input shape: (N, H, H, C).

    Output shape: (N, canvas, canvas, C), with the warp's channels where it has its own.

    Example:
        >>> from data_prep.distortions.paper import Placement
        >>> layer = RandomWarp(Placement(42, rotation=45), seed=0)
        >>> tuple(layer(ops.ones((2, 28, 28, 1)), training=True).shape)
        (2, 42, 42, 1)
    """

    def __init__(self, warp, seed, start=None, **kwargs):
        super().__init__(**{"dtype": "float32", "name": "random_warp"} | kwargs)
        self.warp = warp
        self.seed = seed
        self.start = start
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.strength = self.add_weight(
            shape=(), initializer="ones", trainable=False, name="strength"
        )

    @property
    def adds_channels(self):
        """Whether training images have other channels than test images."""
        return self.warp.channels is not None

    def call(self, images, training=None):
        # On JAX and torch Keras builds the metrics with a training batch, as if not training.
        on_canvas = images.shape[1] in (None, self.warp.canvas)
        if on_canvas and not training:
            return ops.reshape(images, (-1, *self.compute_output_shape(images.shape)[1:]))
        return self.warp(images, *self.noise(ops.shape(images)[0], images.shape[-1]))

    def noise(self, count, channels=1):
        """Uniform and normal noise of each object of images, as far as the strength goes."""
        objects, strength = self.warp.objects(channels), ops.convert_to_tensor(self.strength)
        uniform, normal = (
            draw((count * objects, numbers), seed=self.seed_generator)
            for draw, numbers in (
                (keras.random.uniform, self.warp.uniforms),
                (keras.random.normal, self.warp.normals),
            )
        )
        start = np.full((objects, self.warp.uniforms), 0.5, "float32")
        if self.start is not None:
            start = np.array(self.start, "float32")  # NaN for None
        free = np.isnan(start).astype("float32")
        share = ops.tile(ops.maximum(strength, free), (count, 1))
        start = ops.tile(ops.convert_to_tensor(np.nan_to_num(start)), (count, 1))
        return share * uniform + (1 - share) * start, strength * normal

    def compute_output_shape(self, images_shape):
        channels = self.warp.channels or images_shape[-1]
        return (images_shape[0], self.warp.canvas, self.warp.canvas, channels)

    def get_config(self):
        warp = {"class": type(self.warp).__name__, **dataclasses.asdict(self.warp)}
        return super().get_config() | {"warp": warp, "seed": self.seed, "start": self.start}

    @classmethod
    def from_config(cls, config):
        # JSON knows no tuples.
        warp = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in config["warp"].items()
        }
        return cls(**config | {"warp": WARPS[warp.pop("class")](**warp)})
