"""A localization network that finds an object in a picture."""

import keras
import numpy as np
from keras import layers, ops

# Large enough for maps that are bright somewhere and not everywhere before training.
SHARP = keras.initializers.VarianceScaling(25.0, "fan_avg", "uniform")


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
    x = _block(x, 32, 3, pool=2)
    x = _block(_block(x, 48, 3), 48, 3)
    # Nothing is between the places and theta: what follows a small shift follows a large one, and
    # on photographs that were never seen as well.
    maps = layers.Conv2D(24, 1, kernel_initializer=SHARP)(x)
    places = BrightPlaces(name="bright_places")(maps)
    return keras.Model(images, places, name="localization")


def _block(x, filters, size, strides=1, pool=1):
    x = layers.Conv2D(filters, size, strides, padding="same")(x)
    return layers.ReLU()(layers.GroupNormalization(4)(layers.MaxPooling2D(pool)(x)))


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
