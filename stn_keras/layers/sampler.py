"""Sampling, as layers."""

import keras
from keras import ops

from stn_keras._arguments import check_choice, check_fill_value
from stn_keras.ops.kernels import INTERPOLATIONS
from stn_keras.ops.outside import FILL_MODES, check_fill_channels
from stn_keras.ops.sampling import check_inputs, sample, sample_xy, sampled_spec

DATA_FORMATS = ("channels_last", "channels_first")


@keras.saving.register_keras_serializable(package="stn_keras")
class Sampler(keras.layers.Layer):
    """Reads images at the coordinates of a grid: `sampler(images, coordinates)`.

    Convention: coordinates are (x, y) in pixels of the input; see `stn_keras.ops.sample`. They are
    never cast to half precision, whatever the mixed-precision policy.

    Args:
        interpolation: "nearest", "bilinear" or "bicubic".
        fill_mode: what is read outside the image: "constant", "nearest", "reflect", "mirror" or
            "wrap".
        fill_value: what "constant" reads outside: a number, or one for each channel.
        data_format: "channels_last" or "channels_first"; None: Keras's setting.

    Input shape: images (N, H, W, C), or (N, C, H, W) with "channels_first"; N may be 1 for many
        grids. Coordinates (N, H', W', 2).

    Output shape: (N, H', W', C) or (N, C, H', W'), in the dtype of the images.

    Raises:
        ValueError: an unknown name, or a `fill_value` that is no number.

    Reference:
        Jaderberg et al. 2015 (arXiv:1506.02025), section 3.3.

    Example:
        >>> import numpy as np
        >>> sampler = Sampler("bicubic", fill_mode="reflect")
        >>> images, coordinates = np.ones((1, 4, 4, 3)), np.zeros((1, 2, 2, 2), "float32")
        >>> tuple(sampler(images, coordinates).shape)
        (1, 2, 2, 3)
    """

    def __init__(
        self,
        interpolation="bilinear",
        fill_mode="constant",
        fill_value=0.0,
        data_format=None,
        **kwargs,
    ):
        super().__init__(autocast=False, **kwargs)
        self.interpolation = check_choice("interpolation", interpolation, INTERPOLATIONS)
        self.fill_mode = check_choice("fill_mode", fill_mode, FILL_MODES)
        self.fill_value = check_fill_value(fill_value)
        data_format = data_format or keras.config.image_data_format()
        self.data_format = check_choice("data_format", data_format, DATA_FORMATS)

    def build(self, images_shape, coordinates_shape):
        if self.fill_mode == "constant":
            channels = images_shape[1 if self.data_format == "channels_first" else -1]
            check_fill_channels(self.fill_value, channels)

    def call(self, images, coordinates):
        return self._sample_with(sample, images, coordinates)

    def sample_xy(self, images, x, y):
        """The images read at x and y, each (N, H', W')."""
        return self._sample_with(sample_xy, images, x, y)

    def _sample_with(self, function, images, *coordinates):
        channels_first = self.data_format == "channels_first"
        if channels_first:
            images = ops.transpose(images, (0, 2, 3, 1))
        sampled = function(
            images, *coordinates, self.interpolation, self.fill_mode, self.fill_value
        )
        return ops.transpose(sampled, (0, 3, 1, 2)) if channels_first else sampled

    def compute_output_shape(self, images_shape, coordinates_shape):
        batch, height, width, _ = coordinates_shape
        if self.data_format == "channels_first":
            return (batch, images_shape[1], height, width)
        return (batch, height, width, images_shape[3])

    def compute_output_spec(self, images, coordinates):
        check_inputs(images, coordinates)
        shape = self.compute_output_shape(images.shape, coordinates.shape)
        return sampled_spec(images, shape)

    def get_config(self):
        return {
            **super().get_config(),
            "interpolation": self.interpolation,
            "fill_mode": self.fill_mode,
            "fill_value": self.fill_value,
            "data_format": self.data_format,
        }


@keras.saving.register_keras_serializable(package="stn_keras")
class BilinearSampler(Sampler):
    """The `Sampler` of the paper: bilinear interpolation.

    Convention: as `Sampler`.

    Args:
        fill_mode: as in `Sampler`.
        fill_value: as in `Sampler`.
        data_format: as in `Sampler`.

    Reference:
        Jaderberg et al. 2015 (arXiv:1506.02025), equation 5.

    Example:
        >>> import numpy as np
        >>> sampler = BilinearSampler(fill_mode="nearest")
        >>> images, coordinates = np.ones((1, 4, 4, 3)), np.zeros((1, 2, 2, 2), "float32")
        >>> tuple(sampler(images, coordinates).shape)
        (1, 2, 2, 3)
    """

    def __init__(self, fill_mode="constant", fill_value=0.0, data_format=None, **kwargs):
        super().__init__("bilinear", fill_mode, fill_value, data_format, **kwargs)

    def get_config(self):
        config = super().get_config()
        del config["interpolation"]
        return config
