"""Training images drawn afresh for every batch, in the training graph."""

import dataclasses

import keras
from keras import ops

from data_prep.distortions import paper


@keras.saving.register_keras_serializable(package="experiments")
class RandomWarp(keras.layers.Layer):
    """Distorts images, but for those that are on the canvas already while nothing is trained.

    Its variable `strength` is how much of the warp's ranges is drawn from: 1 at first, and 0 for
    images that all lie alike.

    Args:
        warp: `data_prep.distortions.paper.Warp`.
        seed: integer, of the noise.
        start: (C, warp.uniforms), the uniform noise of each channel at a strength of 0; None: the
            middle, 0.5.
        **kwargs: as of `keras.layers.Layer`.

    Input shape: (N, H, H, C).

    Output shape: (N, canvas, canvas, C).

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

    def call(self, images, training=None):
        # On JAX and torch Keras builds the metrics with a training batch, as if not training.
        on_canvas = images.shape[1] in (None, self.warp.canvas)
        if on_canvas and not training:
            return ops.reshape(images, (-1, *self.compute_output_shape(images.shape)[1:]))
        return self.warp(images, *self.noise(ops.shape(images)[0], images.shape[-1]))

    def noise(self, count, channels=1):
        """Uniform and normal noise (count * channels, ...), as far as the strength goes."""
        uniform = (count * channels, self.warp.uniforms)
        normal = (count * channels, self.warp.normals)
        uniform = keras.random.uniform(uniform, seed=self.seed_generator)
        normal = keras.random.normal(normal, seed=self.seed_generator)
        strength, start = ops.convert_to_tensor(self.strength), 0.5
        if self.start is not None:
            start = ops.tile(ops.convert_to_tensor(self.start, "float32"), (count, 1))
        return strength * uniform + (1 - strength) * start, strength * normal

    def compute_output_shape(self, images_shape):
        return (images_shape[0], self.warp.canvas, self.warp.canvas, images_shape[-1])

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
        return cls(**config | {"warp": getattr(paper, warp.pop("class"))(**warp)})
