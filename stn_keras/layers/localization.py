"""The localization network of a transformer that is given none."""

from typing import Any

import keras
from keras import ops

from stn_keras.ops.warping import warp
from stn_keras.transforms import Affine

# Of the thumbnail, by rank; and of that of maps which are no larger.
SIDES, SMALL_SIDE = {2: 32, 3: 24}, 16
FILTERS, GROUPS, FEATURES = (16, 32), 4, 64
# A deviation below this share of the largest value counts as noise.
_LEAST_CONTRAST = 1e-3


def default_localization(data_format, dtype, rank=2):
    """A small localization network for images of any size and range: it looks at a thumbnail.

    That of small maps is smaller: to enlarge what has many channels costs more than it shows.

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
    network = [Thumbnail(SIDES[rank], SMALL_SIDE, data_format=data_format, dtype=dtype)]
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
        small_side: the same for images that are no larger along any axis; None: `side`.
        data_format: of the images, "channels_last" or "channels_first".

    Input shape: (N, H, W, C), or (N, C, H, W) with "channels_first"; or volumes, with a depth
        before the height.

    Output shape: (N, side, side, C), channels last in either case; `small_side` for small images.

    Example:
        >>> images = 255 * ops.reshape(ops.arange(128.0) % 2, (2, 8, 8, 1))
        >>> tuple(Thumbnail(4)(images).shape)
        (2, 4, 4, 1)
    """

    def __init__(self, side, small_side=None, data_format="channels_last", **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.side, self.small_side, self.data_format = side, small_side, data_format

    def build(self, images_shape):
        # Once for all: the layers behind it are built for this size.
        self._side = self._side_for(images_shape)
        super().build(images_shape)

    def call(self, images):
        if self.data_format == "channels_first":
            images = ops.moveaxis(images, 1, -1)
        # The squares of values up to 255 are too large for half precision.
        dtype = keras.backend.result_type(images.dtype, "float32")
        small = _resized(ops.cast(images, dtype), self._side)
        return ops.cast(standardize(small), self.compute_dtype)

    def compute_output_shape(self, images_shape):
        channels = images_shape[1 if self.data_format == "channels_first" else -1]
        side = self._side if self.built else self._side_for(images_shape)
        return (images_shape[0], *[side] * (len(images_shape) - 2), channels)

    def _side_for(self, images_shape):
        first = 2 if self.data_format == "channels_first" else 1
        size = images_shape[first : first + len(images_shape) - 2]
        small = self.small_side is not None and None not in size and max(size) <= self.small_side
        return self.small_side if small else self.side

    def get_config(self) -> dict[str, Any]:
        own = {name: getattr(self, name) for name in ("side", "small_side", "data_format")}
        return {**super().get_config(), **own}


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


def check_localization(localization):
    """Refuse a localization network that is no layer."""
    if localization is not None and not isinstance(localization, keras.layers.Layer):
        raise ValueError(
            "Expected `localization` to be None or a Keras layer from images to features. "
            f"Received: localization={localization!r}"
        )
