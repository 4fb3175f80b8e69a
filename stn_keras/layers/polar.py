"""The polar transformer: turns and zooms become shifts."""

from typing import Any, Self

import keras
from keras import ops

from stn_keras import backend
from stn_keras._arguments import (
    FillValue,
    Shape,
    Size,
    Tensor,
    check_data_format,
    check_fill_value,
    check_size,
)
from stn_keras.core.polar import check_radius, polar_coordinates
from stn_keras.layers.localization import check_localization, default_localization
from stn_keras.layers.theta_regressor import ThetaRegressor
from stn_keras.ops.warping import Reader, warped_shape


@keras.saving.register_keras_serializable(package="stn_keras")
class PolarTransformer(keras.layers.Layer):
    """Reads images in polar coordinates about a center that it learns to find.

    Behind it, a convolution sees a turn of the picture about the center as a shift down the rows,
    and with `log` a zoom as a shift along the columns. Rows wrap around: pad them so, or pool over
    them. Before training the center is the middle of the image.

    Convention: as `stn_keras.ops.polar_coordinates`; rows are angles, columns distances.

    Args:
        localization: Keras layer or model from images to features. None: a small network that
            reads a normalized thumbnail, as in `SpatialTransformer`.
        output_size: (height, width) of the polar image, one integer for a square; None: the
            input's.
        radius: largest distance from the center, in pixels; None: half the image's diagonal.
        log: distances grow exponentially along the columns.
        bounds: of the center, parameter -> (low, high): "tx", "ty", or "shift" for both. None: the
            center stays inside the image.
        interpolation: "nearest" (the center then gets no gradient), "bilinear" or "bicubic".
        fill_mode: what is read outside the image; see `stn_keras.ops.sample`.
        fill_value: what "constant" reads outside: a number, or one for each channel.
        data_format: "channels_last" or "channels_first"; None: Keras's setting.

    Input shape: (N, H, W, C), or (N, C, H, W) with "channels_first", of a static size.

    Output shape: (N, H', W', C), or (N, C, H', W').

    Raises:
        ValueError: an invalid argument, or images of another rank.

    Reference:
        Esteves et al. 2018, Polar Transformer Networks (arXiv:1709.01889).

    Example:
        >>> inputs = keras.Input((28, 28, 1))
        >>> PolarTransformer(output_size=(32, 16))(inputs).shape
        (None, 32, 16, 1)
    """

    def __init__(
        self,
        localization: keras.layers.Layer | None = None,
        *,
        output_size: int | Size | None = None,
        radius: float | None = None,
        log: bool = True,
        bounds: dict | None = None,
        interpolation: str = "bilinear",
        fill_mode: str = "constant",
        fill_value: FillValue = 0.0,
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        check_localization(localization)
        self.output_size = None if output_size is None else check_size("output_size", output_size)
        self.radius, self.log, self.bounds = radius, log, bounds
        self.reader = Reader(
            interpolation,
            fill_mode,
            check_fill_value(fill_value),
            check_data_format(data_format),
        )
        self._default_localization = localization is None
        if localization is None:
            localization = default_localization(self.reader.data_format, self.dtype_policy)
        self.localization = localization
        self.regressor = ThetaRegressor(
            "translation", bounds=bounds or {"shift": (-1, 1)}, name="center"
        )
        if not self.trainable:  # an argument of Keras's, which knows of no layers inside yet
            self.localization.trainable = self.regressor.trainable = False

    def build(self, images_shape: Shape) -> None:
        self.reader.check_images(images_shape, rank=2)
        check_size("input_size", self.reader.size_of(images_shape))
        check_radius(self.radius, self.reader.size_of(images_shape), self.log)
        features = self.localization(keras.KerasTensor(images_shape, dtype=self.compute_dtype))
        self.regressor.build(features.shape)

    def call(self, images: Tensor, training: bool | None = None) -> Tensor:
        images = ops.cast(images, self.compute_dtype)  # Keras casts no integers
        center = self.predict_center(images, training)
        size = self.reader.size_of(images.shape)
        places = polar_coordinates(
            center,
            output_size=self.output_size or size,
            input_size=size,
            radius=self.radius,
            log=self.log,
        )
        return backend.run(self.reader, images, (places[..., 0], places[..., 1]))

    def predict_center(self, images: Tensor, training: bool | None = None) -> Tensor:
        """The center the layer chooses for each image.

        Args:
            images: as in a call.
            training: passed to the localization network.

        Returns:
            (N, 2), (x, y) in normalized coordinates, float32.
        """
        return self.regressor(self.localization(images, training=bool(training)))

    def compute_output_shape(self, images_shape: Shape) -> Shape:
        output_size = self.output_size or self.reader.size_of(images_shape)
        return warped_shape(self.reader, images_shape, output_size)

    def get_config(self) -> dict[str, Any]:
        localization = None if self._default_localization else self.localization
        return {
            **super().get_config(),
            "localization": keras.saving.serialize_keras_object(localization),
            "output_size": self.output_size,
            "radius": self.radius,
            "log": self.log,
            "bounds": self.bounds and dict(self.bounds),
            "interpolation": self.reader.interpolation,
            "fill_mode": self.reader.fill_mode,
            "fill_value": self.reader.fill_value,
            "data_format": self.reader.data_format,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        localization = keras.saving.deserialize_keras_object(config["localization"])
        return cls(**{**config, "localization": localization})
