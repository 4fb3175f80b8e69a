"""The localization network of a transformer that is given none."""

from typing import Any

import keras
from keras import ops

from stn_keras.ops.warping import warp
from stn_keras.transforms import Affine

# Of the thumbnail, by rank.
SIDES = {2: 32, 3: 24}
FILTERS, GROUPS, FEATURES = (16, 32), 4, 64
# A deviation below this share of the largest value counts as noise.
_LEAST_CONTRAST = 1e-3


def default_localization(data_format, dtype, rank=2):
    """A small localization network for images of any size and range: it looks at a thumbnail.

    Each layer is normalized within an image, before its ReLU. Without, the first gradients of an
    untrained classifier could push all units below zero, from where no gradient leads back.

    Every argument is set here, so that Keras's settings may differ when the layer is loaded.

    Args:
        data_format: of the images, "channels_last" or "channels_first".
        dtype: dtype policy of the layers.
        rank: 2, or 3 for volumes.

    Returns:
        A Keras model from images to features.
    """
    layers, last = keras.layers, {"data_format": "channels_last", "dtype": dtype}
    convolution, pooling = {
        2: (layers.Conv2D, layers.MaxPooling2D),
        3: (layers.Conv3D, layers.MaxPooling3D),
    }[rank]
    network = [Thumbnail(SIDES[rank], data_format=data_format, dtype=dtype)]
    for filters in FILTERS:
        network += [
            convolution(filters, 5, **last),
            layers.GroupNormalization(GROUPS, dtype=dtype),
            layers.ReLU(dtype=dtype),
            pooling(2, **last),
        ]
    network += [
        layers.Flatten(**last),
        layers.Dense(FEATURES, dtype=dtype),
        layers.LayerNormalization(dtype=dtype),
        layers.ReLU(dtype=dtype),
    ]
    return keras.Sequential(network, name="localization")


@keras.saving.register_keras_serializable(package="stn_keras")
class Thumbnail(keras.layers.Layer):
    """Images of any size and range as small ones of mean 0 and variance 1.

    Unlike `keras.layers.Resizing` it has no `training` argument: in Keras 3.15 the default of
    `Resizing`, True, reaches the layers behind it, and a BatchNormalization there trains.

    Convention: each image is resized bilinearly, then normalized over all its pixels and channels,
    in float32 or better. A constant image becomes 0.

    Args:
        side: height and width of the result, and depth of volumes.
        data_format: of the images, "channels_last" or "channels_first".

    Input shape: (N, H, W, C), or (N, C, H, W) with "channels_first"; or volumes, with a depth
        before the height.

    Output shape: (N, side, side, C), channels last in either case.

    Example:
        >>> images = 255 * ops.reshape(ops.arange(128.0) % 2, (2, 8, 8, 1))
        >>> tuple(Thumbnail(4)(images).shape)
        (2, 4, 4, 1)
    """

    def __init__(self, side, data_format="channels_last", **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.side, self.data_format = side, data_format

    def call(self, images):
        if self.data_format == "channels_first":
            images = ops.moveaxis(images, 1, -1)
        # The squares of values up to 255 are too large for half precision.
        dtype = keras.backend.result_type(images.dtype, "float32")
        small = _resized(ops.cast(images, dtype), self.side)
        return ops.cast(standardize(small), self.compute_dtype)

    def compute_output_shape(self, images_shape):
        channels = images_shape[1 if self.data_format == "channels_first" else -1]
        return (images_shape[0], *[self.side] * (len(images_shape) - 2), channels)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "side": self.side, "data_format": self.data_format}


def _resized(images, side):
    """Images or volumes, channels last, with `side` pixels along each axis."""
    if len(images.shape) == 4:
        return ops.image.resize(images, (side, side), data_format="channels_last")
    settings = {"fill_mode": "nearest", "data_format": "channels_last"}
    same = Affine(rank=3)
    return warp(images, same.identity, same, side, **settings)


def standardize(images):
    """Each image (N, ...) with mean 0 and variance 1, whatever its range; a constant one is 0."""
    axes = tuple(range(1, len(images.shape)))
    centered = images - ops.mean(images, axes, keepdims=True)
    variance = ops.mean(ops.square(centered), axes, keepdims=True)
    least = ops.square(_LEAST_CONTRAST * ops.max(ops.abs(images), axes, keepdims=True))
    # Divided by 1 where nothing is to be seen, so that no gradient is infinite.
    seen = variance > least
    deviation = ops.sqrt(ops.where(seen, variance, ops.ones_like(variance)))
    return ops.where(seen, centered / deviation, ops.zeros_like(centered))
