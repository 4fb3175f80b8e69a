"""The spatial transformer: localization, theta and warp in one layer."""

from collections.abc import Mapping
from typing import Any, Self

import keras
import numpy as np
from keras import ops

from stn_keras import backend, transforms
from stn_keras._arguments import (
    FillValue,
    Shape,
    Size,
    Tensor,
    any_symbolic,
    check_data_format,
    check_fill_value,
    check_size,
    is_finite,
)
from stn_keras.core.coordinates import distance_outside
from stn_keras.layers.localization import check_localization, default_localization
from stn_keras.layers.theta_regressor import ThetaRegressor
from stn_keras.ops.warping import (
    Reader,
    check_supersample,
    count_of,
    grid_of,
    split,
    warp_by,
    warped_shape,
)
from stn_keras.transforms import Transform


@keras.saving.register_keras_serializable(package="stn_keras")
class SpatialTransformer(keras.layers.Layer):
    """Lets a network crop, rotate, scale and straighten its images, whatever their value range.

    A localization network looks at the images, a regressor turns its features into theta, and the
    images are read where theta says. The layer adds its own theta regressor, initialized to the
    identity, so before training the output is the input, bit for bit.

    Convention: inverse mapping; theta maps normalized output coordinates (x, y) to the place in the
    input that is read. theta and coordinates are float32 whatever the mixed-precision policy.

    Args:
        localization: Keras layer or model from images to features. None: a small network that
            reads a normalized thumbnail, so pixels may be in [0, 1] or in 0..255; your own
            network gets the pixels unmodified and has to scale them.
        transform: a name in `stn_keras.transforms.FAMILIES`, or a `Transform`.
        bounds: parameter -> (low, high), either of them None for no bound, or one number that fixes
            it: `{"scale": (0.5, 2.0), "rotation_degrees": (-90, 90), "tx": 0.0}`. Parameters by the
            transform's `parameter_names`, or together: "scale", "shift", "offset" (of a spline or
            flow) and "rotation_degrees". Bounds are approached smoothly and do not change where
            training starts. They keep theta from running away on little data.
        initial_theta: theta (P,) before training; None: the identity.
        output_size: (height, width) of the output, or (depth, height, width) of volumes, one
            integer for all; None: the input's.
        align_corners: False: -1 and 1 are the outer edges of the corner pixels. True: their
            centers. None: as the transform has it, False for a name.
        rank: 2, or 3 for volumes; None: as the transform has it, 2 for a name.
        supersample: read this many times denser along each axis and average, which keeps a
            shrunken output from aliasing; the paper pools by 2. Needs `align_corners=False`, where
            the denser places lie evenly within each output pixel.
        interpolation: "nearest" (theta then gets no gradient), "bilinear" or "bicubic".
        fill_mode: what is read outside the image: "constant", "nearest", "reflect", "mirror" or
            "wrap"; see `stn_keras.ops.sample`.
        fill_value: what "constant" reads outside: a number, or one for each channel. Use the
            background's value: a fill of 0 on normalized images draws an edge that the transformer
            learns to avoid.
        data_format: "channels_last" or "channels_first"; None: Keras's setting. The localization
            network gets the images unmodified.
        outside_penalty: weight of a loss added while training, the mean distance outside the image
            of the places read, in halves of its size. It pulls a window that has drifted outside
            the image back in, where the fill gives no gradient.

    Input shape: (N, H, W, C), or (N, C, H, W) with "channels_first"; with a depth before the height
        where the rank is 3. A second argument,
        `localization_inputs` of any shape the localization network takes, is what that network
        sees in place of the images: the whole picture, say, while a feature map is transformed.

    Output shape: (N, H', W', C), or (N, C, H', W'). With `return_theta=True` in the call, a pair:
        the output and theta (N, P).

    Raises:
        ValueError: an invalid argument, or images of a size known only at run time without
            `output_size`.

    Reference:
        Jaderberg et al. 2015 (arXiv:1506.02025).

    Example:
        >>> inputs = keras.Input((28, 28, 1))
        >>> x = SpatialTransformer(output_size=(20, 20))(inputs)
        >>> outputs = keras.layers.Dense(10)(keras.layers.Flatten()(x))
        >>> keras.Model(inputs, outputs).output_shape
        (None, 10)
    """

    _start_rank = 1  # of `initial_theta`

    def __init__(
        self,
        localization: keras.layers.Layer | None = None,
        transform: str | Transform = "affine",
        *,
        bounds: Mapping | None = None,
        initial_theta: Any = None,
        output_size: int | Size | None = None,
        align_corners: bool | None = None,
        rank: int | None = None,
        supersample: int = 1,
        interpolation: str = "bilinear",
        fill_mode: str = "constant",
        fill_value: FillValue = 0.0,
        data_format: str | None = None,
        outside_penalty: float = 0.0,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        check_localization(localization)
        _check_start(initial_theta, self._start_rank)
        _check_penalty(outside_penalty)
        self.outside_penalty = outside_penalty
        self.transform = transforms.get(transform, align_corners, rank)
        check_supersample(supersample, self.transform)
        self.output_size = None
        if output_size is not None:
            self.output_size = check_size("output_size", output_size, self.transform.rank)
        self.reader = Reader(
            interpolation,
            fill_mode,
            check_fill_value(fill_value),
            check_data_format(data_format),
            supersample,
        )
        self._default_localization = localization is None
        if localization is None:
            localization = default_localization(
                self.reader.data_format, self.dtype_policy, self.transform.rank
            )
        self.localization = localization
        self.regressor = ThetaRegressor(
            self.transform, bounds=bounds, initial_theta=initial_theta, name="theta"
        )
        if not self.trainable:  # an argument of Keras's, which knows of no layers inside yet
            self.localization.trainable = self.regressor.trainable = False

    @property
    def theta_transform(self) -> Transform:
        """The family of the thetas that the layer returns and warps by."""
        return self.transform

    def _estimate_theta(self, seen, input_size, training):
        """Hook: the theta of `theta_transform` for each image of `input_size`, by what is seen."""
        # Never None: the default of a layer such as Keras's Resizing, True, would reach all layers
        # behind this one.
        return self.regressor(self.localization(seen, training=bool(training)))

    def _arrange(self, warped):
        """Hook: the output, of images warped by theta."""
        return warped

    def __call__(self, images, *args, **kwargs):
        # Checked here since Keras spreads errors of `call` over many lines.
        self._check_call(images, *args, **kwargs)
        if kwargs.get("return_theta") and any_symbolic(images) and self._has_single_output():
            del kwargs["return_theta"]
            return TransformerWithTheta(self)(images, *args, **kwargs)
        return super().__call__(images, *args, **kwargs)

    def _has_single_output(self):
        """Whether Keras takes every symbolic call of this layer to return one tensor."""
        return bool(self._inbound_nodes) and len(self._inbound_nodes[0].outputs) == 1

    def _check_call(self, images, localization_inputs=None, **_):
        """Refuse images that the layer or its localization network cannot read."""
        shape = np.shape(images)
        self.reader.check_images(shape, self.transform.rank)
        seen = shape if localization_inputs is None else np.shape(localization_inputs)
        built = getattr(self.localization, "input_shape", None) if self.built else None
        if isinstance(built, tuple) and len(built) == len(seen) == len(shape):
            axis = self.reader.channel_axis
            if len({built[axis], seen[axis]} - {None}) > 1:
                raise ValueError(
                    f"Expected {built[axis]} channels, as the localization network "
                    f"was built for. Received: shape={seen}"
                )

    def build(self, images_shape: Shape, localization_inputs_shape: Shape | None = None) -> None:
        self.reader.check_images(images_shape, self.transform.rank)
        if self.output_size is None and None in self.reader.size_of(images_shape):
            raise ValueError(
                "Expected `output_size` for images whose size is known only at run time. "
                f"Received: output_size=None, shape={tuple(images_shape)}"
            )
        seen = localization_inputs_shape or images_shape
        # Called on a symbolic tensor, any layer builds itself and tells what it returns.
        features = self.localization(keras.KerasTensor(seen, dtype=self.compute_dtype))
        if not self.regressor.built:
            self.regressor.build(features.shape)

    def call(
        self,
        images: Tensor,
        localization_inputs: Tensor | None = None,
        training: bool | None = None,
        return_theta: bool = False,
    ) -> Any:
        seen = images if localization_inputs is None else localization_inputs
        images = self._as_float(images)
        input_size = self._input_size(images)
        theta = self._estimate_theta(self._as_float(seen), input_size, training)
        if training and self.outside_penalty:
            warped = self._warp_within(images, theta)
        else:
            warped = self._warp(images, theta)
        warped = self._arrange(warped)
        return (warped, theta) if return_theta else warped

    def predict_theta(
        self, images: Any, localization_inputs: Any = None, training: bool | None = None
    ) -> Tensor:
        """The transform the layer chooses for each image.

        `layer(images, return_theta=True)` returns it together with the warped images, in one pass.

        Args:
            images: (N, H, W, C); a Keras symbolic tensor gives a symbolic theta.
            localization_inputs: as in a call of the layer.
            training: passed to the localization network.

        Returns:
            theta (N, P), float32, of `theta_transform`: P is its `num_parameters`. A parallel
            transformer returns (N, count, P).

        Example:
            >>> layer = SpatialTransformer(transform="translation")
            >>> ops.convert_to_numpy(layer.predict_theta(ops.ones((1, 8, 8, 1)))).tolist()
            [[0.0, 0.0]]
        """
        inputs = (images,) if localization_inputs is None else (images, localization_inputs)
        if any(isinstance(tensor, keras.KerasTensor) for tensor in inputs) or not self.built:
            return self(*inputs, training=training, return_theta=True)[1]
        size = self._input_size(images)
        return self._estimate_theta(self._as_float(inputs[-1]), size, training)

    def warp(self, images: Any, theta: Any) -> Tensor:
        """The images read where theta says, with the layer's settings.

        Args:
            images: (N, H, W, C) in the layer's data format; one image is read by every theta.
            theta: (N, P), as the layer returns it; one theta is applied to every image. Nested
                lists are read as float32.

        Returns:
            As a call of the layer.

        Raises:
            ValueError: images or theta of another shape, or different counts and neither is 1.
        """
        return self._arrange(self._warp(images, theta))

    def _warp(self, images, theta):
        return warp_by(self.reader, self.theta_transform, self.output_size, images, theta)

    def _warp_within(self, images, theta):
        """`_warp`, adding the loss of places outside the image, located once for both."""
        count = count_of(self.theta_transform, theta.shape)
        output_size = self.output_size or self._input_size(images)
        grid = grid_of(self.reader, self.theta_transform, output_size, images, count)
        places = backend.run(grid, theta)
        distance = distance_outside(places, grid.input_size)
        self.add_loss(self.outside_penalty * ops.mean(distance))
        warped = backend.run(self.reader, images, places)
        return warped if count is None else split(self.reader, warped, count)

    def _as_float(self, images):
        if keras.backend.is_float_dtype(keras.backend.standardize_dtype(images.dtype)):
            return images
        return ops.cast(images, self.compute_dtype)

    def _input_size(self, images):
        size = self.reader.size_of(images.shape)
        return self.reader.size_of(ops.shape(images)) if None in size else size

    def compute_output_shape(
        self, images_shape: Shape, localization_inputs_shape: Shape | None = None
    ) -> Shape:
        output_size = self.output_size or self.reader.size_of(images_shape)
        return warped_shape(self.reader, images_shape, output_size)

    def compute_output_spec(
        self,
        images: Tensor,
        localization_inputs: Tensor | None = None,
        training: bool | None = None,
        return_theta: bool = False,
    ) -> Any:
        shape = self.compute_output_shape(images.shape)
        warped = keras.KerasTensor(shape, self.compute_dtype)
        if not return_theta:
            return warped
        return warped, keras.KerasTensor((images.shape[0], *self._theta_shape()), "float32")

    def _theta_shape(self):
        """Shape of the theta of one image."""
        return (self.theta_transform.num_parameters,)

    def get_config(self) -> dict[str, Any]:
        localization = None if self._default_localization else self.localization
        regressor = self.regressor.get_config()
        return {
            **super().get_config(),
            "localization": keras.saving.serialize_keras_object(localization),
            "transform": keras.saving.serialize_keras_object(self.transform),
            "bounds": regressor["bounds"],
            "initial_theta": regressor["initial_theta"],
            "output_size": self.output_size,
            "align_corners": self.transform.align_corners,
            "rank": self.transform.rank,
            "supersample": self.reader.supersample,
            "interpolation": self.reader.interpolation,
            "fill_mode": self.reader.fill_mode,
            "fill_value": self.reader.fill_value,
            "data_format": self.reader.data_format,
            "outside_penalty": self.outside_penalty,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        nested = {
            name: keras.saving.deserialize_keras_object(config[name])
            for name in ("localization", "transform")
        }
        return cls(**{**config, **nested})


@keras.saving.register_keras_serializable(package="stn_keras")
class TransformerWithTheta(keras.layers.Layer):
    """Output and theta of a transformer that a model has already called without theta.

    Keras expects as many outputs of each symbolic call of a layer as of the first. Images
    (N, H, W, C) -> output (N, H', W', C) and theta (N, P).
    """

    def __init__(self, transformer, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.transformer = transformer

    def build(self, images_shape: Shape, localization_inputs_shape: Shape | None = None) -> None:
        if not self.transformer.built:
            self.transformer.build(images_shape, localization_inputs_shape)

    def call(self, images, localization_inputs=None, training=None):
        return self.transformer(images, localization_inputs, training=training, return_theta=True)

    def compute_output_spec(self, images, localization_inputs=None, training=None):
        return self.transformer.compute_output_spec(images, return_theta=True)

    def get_config(self) -> dict[str, Any]:
        transformer = keras.saving.serialize_keras_object(self.transformer)
        return {**super().get_config(), "transformer": transformer}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        transformer = keras.saving.deserialize_keras_object(config["transformer"])
        return cls(**{**config, "transformer": transformer})


def find_transformers(layer: keras.layers.Layer) -> list[SpatialTransformer]:
    """Every spatial transformer in a model or a layer, nested models included.

    Args:
        layer: a Keras model or layer.

    Returns:
        The transformers in the model's order, each once. Those within a transformer are its own
        and left out.

    Example:
        >>> inner = keras.Sequential([SpatialTransformer(name="inner")])
        >>> model = keras.Sequential([SpatialTransformer(name="outer"), inner])
        >>> [transformer.name for transformer in find_transformers(model)]
        ['outer', 'inner']
    """
    if isinstance(layer, SpatialTransformer):
        return [layer]
    parts = layer._flatten_layers(include_self=False, recursive=False)
    return list(dict.fromkeys(found for part in parts for found in find_transformers(part)))


def _check_start(initial_theta, rank):
    if initial_theta is not None and np.ndim(initial_theta) != rank:
        shape = "(P,)" if rank == 1 else "(count, P)"
        raise ValueError(
            f"Expected `initial_theta` of shape {shape}. Received: shape={np.shape(initial_theta)}"
        )
    if initial_theta is not None and not np.isfinite(initial_theta).all():
        raise ValueError(f"Expected a finite `initial_theta`. Received: {initial_theta!r}")


def _check_penalty(outside_penalty):
    if not is_finite(outside_penalty) or outside_penalty < 0:
        raise ValueError(
            "Expected `outside_penalty` to be a number of at least 0. "
            f"Received: outside_penalty={outside_penalty!r}"
        )
