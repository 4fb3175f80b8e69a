"""Sampler layers."""

from typing import Any

import keras

from stn_keras import backend
from stn_keras._arguments import FillValue, Shape, Tensor, check_data_format, check_fill_value
from stn_keras.core.sampling import check_inputs, sampled_spec
from stn_keras.ops.warping import Reader, warped_shape


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
        grids. Coordinates (N, H', W', 2). Or volumes (N, D, H, W, C) and (N, D', H', W', 3).

    Output shape: (N, H', W', C) or (N, C, H', W'), in the dtype of the images. Volumes have D'
        before H'.

    Raises:
        ValueError: an unknown name, or a `fill_value` that is no number.

    Reference:
        Jaderberg et al. 2015 (arXiv:1506.02025), section 3.3.

    Example:
        >>> import numpy as np
        >>> sampler = Sampler(interpolation="bicubic", fill_mode="reflect")
        >>> images, coordinates = np.ones((1, 4, 4, 3)), np.zeros((1, 2, 2, 2), "float32")
        >>> tuple(sampler(images, coordinates).shape)
        (1, 2, 2, 3)
    """

    def __init__(
        self,
        *,
        interpolation: str = "bilinear",
        fill_mode: str = "constant",
        fill_value: FillValue = 0.0,
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(autocast=False, **kwargs)
        self.reader = Reader(
            interpolation,
            fill_mode,
            check_fill_value(fill_value),
            check_data_format(data_format),
        )

    def build(self, images_shape: Shape, coordinates_shape: Shape) -> None:
        rank = coordinates_shape[-1]
        self.reader.check_images(images_shape, rank if len(coordinates_shape) == rank + 2 else 2)

    def call(self, images: Tensor, coordinates: Tensor) -> Tensor:
        check_inputs(self._channels_last(images), coordinates)
        places = tuple(coordinates[..., axis] for axis in range(coordinates.shape[-1]))
        return backend.run(self.reader, images, places)

    def _channels_last(self, images):
        """The shape of the images with their channels last, and their dtype."""
        batch, *size = images.shape
        size = [*size[1:], size[0]] if self.reader.channels_first else size
        return keras.KerasTensor((batch, *size), keras.backend.standardize_dtype(images.dtype))

    def compute_output_shape(self, images_shape: Shape, coordinates_shape: Shape) -> Shape:
        batch, *output_size, _ = coordinates_shape
        return (batch, *warped_shape(self.reader, images_shape, output_size)[1:])

    def compute_output_spec(self, images: Tensor, coordinates: Tensor) -> keras.KerasTensor:
        check_inputs(self._channels_last(images), coordinates)
        shape = self.compute_output_shape(images.shape, coordinates.shape)
        return sampled_spec(images, shape)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "interpolation": self.reader.interpolation,
            "fill_mode": self.reader.fill_mode,
            "fill_value": self.reader.fill_value,
            "data_format": self.reader.data_format,
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

    def __init__(
        self,
        *,
        fill_mode: str = "constant",
        fill_value: FillValue = 0.0,
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(
            interpolation="bilinear",
            fill_mode=fill_mode,
            fill_value=fill_value,
            data_format=data_format,
            **kwargs,
        )

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["interpolation"]
        return config
