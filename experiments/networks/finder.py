"""A localization network that finds an object, and a transformer that learns to follow it."""

import keras
import numpy as np
from keras import layers, ops

from stn_keras import SpatialTransformer
from stn_keras.ops import compose, invert, warp
from stn_keras.transforms import Similarity

# Large enough for maps that are bright somewhere and not everywhere before training.
SHARP = keras.initializers.VarianceScaling(25.0, "fan_avg", "uniform")
# A window nearer than this to where it should be, in half windows, is hardly pulled any more.
NEAR = 0.1


def finder(input_shape, side=None):
    """Features that tell where in a picture an object is, how large and how turned.

    Maps are normalized within a picture, so that the network may look several times, each time at
    pictures of another kind.

    Args:
        input_shape: (H, W, C) of the pictures.
        side: height and width of the thumbnail that it looks at; None: it looks at the picture.
    """
    images = keras.Input(input_shape)
    x = layers.Resizing(side, side, antialias=True)(images) if side else images
    x = layers.LayerNormalization(axis=(1, 2, 3), epsilon=1e-4, center=False, scale=False)(x)
    x = _block(x, 24, 5, strides=2)
    x = _block(x, 32, 3)
    x = _block(x, 48, 3, strides=2)
    x = _block(_block(x, 48, 3), 48, 3)
    # Nothing is between the places and theta: what follows a small shift follows a large one, and
    # on photographs that were never seen as well.
    maps = layers.Conv2D(24, 1, kernel_initializer=SHARP)(x)
    places = BrightPlaces(name="bright_places")(maps)
    return keras.Model(images, places, name="localization")


def _block(x, filters, size, strides=1):
    x = layers.Conv2D(filters, size, strides, padding="same")(x)
    return layers.ReLU()(layers.GroupNormalization(4)(x))


@keras.saving.register_keras_serializable(package="experiments")
class BrightPlaces(layers.Layer):
    """Where each map is bright: mean, deviation and correlation of places weighted by its softmax.

    A shift of the maps shifts the means, wherever it happens: unlike a dense layer on all pixels
    this one need not see an object everywhere to follow it.

    Input shape: (N, H, W, C).

    Output shape: (N, 5 * C).

    Reference:
        Finn et al. 2016 (arXiv:1509.06113), section V, for the means.

    Example:
        >>> maps = np.full((1, 3, 3, 1), -99.0, "float32")
        >>> maps[0, 0, 2] = 0
        >>> [round(float(place), 2) for place in BrightPlaces()(maps)[0, :2]]
        [0.67, -0.67]
    """

    def call(self, maps):
        height, width, channels = maps.shape[1:]
        weights = ops.softmax(ops.reshape(maps, (-1, height * width, channels)), axis=1)
        x, y = np.meshgrid(*((2 * np.arange(n) + 1) / n - 1 for n in (width, height)))
        powers = np.stack([x, y, x * x, y * y, x * y]).reshape(5, -1).astype("float32")
        mean_x, mean_y, xx, yy, xy = ops.unstack(
            ops.einsum("npc,kp->knc", weights, ops.convert_to_tensor(powers)), 5
        )
        wide, high = (
            ops.sqrt(ops.maximum(square - ops.square(mean), 0) + 1e-4)
            for square, mean in ((xx, mean_x), (yy, mean_y))
        )
        return ops.concatenate([mean_x, mean_y, wide, high, xy - mean_x * mean_y], axis=-1)

    def compute_output_shape(self, maps_shape):
        return (maps_shape[0], 5 * maps_shape[-1])


@keras.saving.register_keras_serializable(package="experiments")
class FollowingTransformer(SpatialTransformer):
    """A transformer whose window moves with the picture, which it learns without any labels.

    In training some of the pictures are moved, and the window in the moved picture is compared
    with the window of the picture itself, moved alike. Two distances are added to the loss, both in
    half windows: between their middles, and between their sides.

    Args:
        *args: as of `SpatialTransformer`, whose transform has a matrix.
        following: weight of that loss; 0: none.
        every: one picture in so many is moved.
        rotation: largest turn, in degrees, to either side.
        zoom: largest factor; pictures are only enlarged, so that nothing outside them is read.
        **kwargs: as of `SpatialTransformer`.

    Reference:
        Thewlis et al. 2017 (arXiv:1705.02193), equivariance as a loss, there of landmarks.

    Example:
        >>> layer = FollowingTransformer(transform="similarity", following=0.5)
        >>> _ = layer(ops.ones((2, 16, 16, 1)), training=True)
        >>> len(layer.losses)
        1
    """

    def __init__(self, *args, following=0.0, every=4, rotation=20.0, zoom=1.5, **kwargs):
        super().__init__(*args, **kwargs)
        self.following, self.every, self.rotation, self.zoom = following, every, rotation, zoom
        self.seed_generator = keras.random.SeedGenerator(0)

    def _estimate_theta(self, seen, input_size, training):
        theta = super()._estimate_theta(seen, input_size, training)
        if training and self.following:
            lost = self._lost(seen[:: self.every], theta[:: self.every], input_size)
            self.add_loss(self.following * ops.mean(lost))
        return theta

    def _lost(self, seen, theta, input_size):
        """How far windows in moved pictures are from the windows moved alike, in half windows."""
        motion = self._motion(ops.shape(seen)[0])
        reading = {"data_format": self.reader.data_format, "compiled": True}
        moved = warp(seen, motion, "similarity", fill_mode="nearest", **reading)
        found = super()._estimate_theta(moved, input_size, True)
        found, window = (self.transform.to_affine(each) for each in (found, theta))
        expected = compose(invert(Similarity().to_affine(motion)), window)
        # Of a size that is no part of the loss: neither small nor large windows lose less.
        size = ops.sqrt(ops.sum(ops.square(ops.stop_gradient(expected[:, :, :2])), axis=(1, 2)) / 2)
        shifted = (found - expected)[:, :, 2] / size[:, None]
        resized = compose(invert(expected), found)[:, :, :2] - ops.eye(2)
        return _length(shifted, 1) + _length(resized, (1, 2))

    def _motion(self, count):
        """Random thetas of `Similarity` that read nothing outside the picture."""
        uniform = keras.random.uniform((count, 4), -1.0, 1.0, seed=self.seed_generator)
        angle = np.deg2rad(self.rotation) * uniform[:, :1]
        turned = ops.cos(angle) + ops.abs(ops.sin(angle))
        scale = ops.minimum(self.zoom ** ((uniform[:, 1:2] - 1) / 2), 1 / turned)
        return ops.concatenate([scale, angle, (1 - scale * turned) * uniform[:, 2:]], axis=1)

    def get_config(self):
        own = {name: getattr(self, name) for name in ("following", "every", "rotation", "zoom")}
        return {**super().get_config(), **own}


def _length(vectors, axis):
    return ops.sqrt(ops.sum(ops.square(vectors), axis) + NEAR**2)
