"""The spatial transformer: localization, theta, grid and sampler in one layer."""

import numbers

import keras
import numpy as np
from keras import ops

from stn_keras import transforms
from stn_keras._arguments import array_to_tensor, check_size, to_tensor
from stn_keras.layers.localization import default_localization
from stn_keras.layers.sampler import Sampler
from stn_keras.layers.theta_regressor import ThetaRegressor
from stn_keras.layers.warping import Grid, Reader, Warp
from stn_keras.ops.coordinates import distance_outside
from stn_keras.ops.outside import check_fill_channels


@keras.saving.register_keras_serializable(package="stn_keras")
class SpatialTransformer(keras.layers.Layer):
    """Lets a network crop, rotate, scale and straighten its images, whatever their value range.

    A localization network looks at the images, a regressor turns its features into theta, and the
    images are read where theta says. The layer adds the regressor itself, with a zero kernel and an
    identity bias, so before training the output is the input, bit for bit.

    Convention: inverse mapping; theta maps normalized output coordinates (x, y) to the place in the
    input that is read. theta and coordinates are float32 whatever the mixed-precision policy.

    Args:
        localization: Keras layer or model from images to features. None: a small network that
            reads a normalized thumbnail, so pixels may be in [0, 1] or in 0..255; a network of
            your own is given the pixels unmodified and has to scale them.
        transform: a name in `stn_keras.transforms.FAMILIES`, or a `Transform`.
        output_size: (height, width) of the output, one integer for a square; None: the input's.
        fill_mode: what is read outside the image: "constant", "nearest", "reflect", "mirror" or
            "wrap"; see `stn_keras.ops.sample`.
        fill_value: what "constant" reads outside: a number, or one for each channel. Use the
            background's value: a fill of 0 on normalized images draws an edge that the transformer
            learns to avoid.
        align_corners: False: -1 and 1 are the outer edges of the corner pixels. True: their
            centres.
        interpolation: "nearest" (theta then gets no gradient), "bilinear" or "bicubic".
        data_format: "channels_last" or "channels_first"; None: Keras's setting. The localization
            network is given the images as they come.
        constraints: parameter -> (low, high), either of them None for no bound, or one number that
            fixes it: `{"scale": (0.5, 2.0), "rotation": (-90, 90), "tx": 0.0}`. Parameters by
            the transform's `parameter_names`, or together: "scale", "shift", "offset" (of a spline
            or flow) and "rotation" in degrees. Bounds are approached smoothly and do not change
            where training starts. They keep theta from running away on little data.
        initial_theta: theta (P,) before training; None: the identity.
        outside_penalty: weight of a loss added while training, the mean distance outside the image
            of the places read, in halves of its size. It draws a transformer back that has thrown
            its window out of the image, where the fill gives no gradient.
        supersample: read this many times denser along each axis and average, which keeps a
            shrunken output from aliasing; the paper pools by 2. Needs `align_corners=False`, where
            the denser places lie evenly within each output pixel.

    Input shape: (N, H, W, C), or (N, C, H, W) with "channels_first". A second argument,
        `localization_inputs` of any shape the localization network takes, is looked at in place of
        the images: the whole picture, say, while a feature map is transformed.

    Output shape: (N, H', W', C), or (N, C, H', W').

    Raises:
        ValueError: an argument of another kind or range than above, or images of a size known only
            at run time without `output_size`.

    Reference:
        Jaderberg et al. 2015 (arXiv:1506.02025).

    Example:
        >>> inputs = keras.Input((28, 28, 1))
        >>> x = SpatialTransformer(output_size=(20, 20))(inputs)
        >>> outputs = keras.layers.Dense(10)(keras.layers.Flatten()(x))
        >>> keras.Model(inputs, outputs).output_shape
        (None, 10)
    """

    def __init__(
        self,
        localization=None,
        transform="affine",
        output_size=None,
        fill_mode="constant",
        fill_value=0.0,
        align_corners=False,
        interpolation="bilinear",
        data_format=None,
        supersample=1,
        constraints=None,
        initial_theta=None,
        outside_penalty=0.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        _check_localization(localization)
        _check_supersample(supersample, align_corners)
        _check_penalty(outside_penalty)
        self.supersample = supersample
        self.outside_penalty = outside_penalty
        self.transform = transforms.get(transform, align_corners)
        self.output_size = None if output_size is None else check_size("output_size", output_size)
        self.sampler = Sampler(
            interpolation,
            fill_mode,
            fill_value,
            data_format,
            dtype=self.dtype_policy,
            name="sampler",
        )
        self._default_localization = localization is None
        if localization is None:
            localization = default_localization(self.sampler.data_format, self.dtype_policy)
        self.localization = localization
        self.regressor = ThetaRegressor(
            self.transform, constraints, self._start(initial_theta), name="theta"
        )
        if not self.trainable:  # so far said of this layer alone
            self.localization.trainable = self.regressor.trainable = False

    def _start(self, initial_theta):
        """`initial_theta`, checked."""
        if initial_theta is not None and np.ndim(initial_theta) != 1:
            raise ValueError(
                f"Expected `initial_theta` of shape ({self.transform.num_parameters},). "
                f"Received: shape={np.shape(initial_theta)}"
            )
        return initial_theta

    def __call__(self, images, *args, **kwargs):
        # Checked here since Keras spreads errors of `call` over many lines.
        self._check_call(images, *args, **kwargs)
        return super().__call__(images, *args, **kwargs)

    def _check_call(self, images, localization_inputs=None, **_):
        """Refuse images that the layer or its localization network cannot read."""
        shape = np.shape(images)
        self._check_shape(shape)
        seen = shape if localization_inputs is None else np.shape(localization_inputs)
        built = getattr(self.localization, "input_shape", None) if self.built else None
        if isinstance(built, tuple) and len(built) == len(seen) == 4:
            channels = {built[self._channel_axis], seen[self._channel_axis]} - {None}
            if len(channels) > 1:
                raise ValueError(
                    f"Expected {built[self._channel_axis]} channels, as the localization network "
                    f"was built for. Received: shape={seen}"
                )

    def _check_shape(self, images_shape):
        if len(images_shape) != 4:
            raise ValueError(f"Expected images (N, H, W, C). Received: shape={tuple(images_shape)}")
        if images_shape[self._channel_axis] is None:
            raise ValueError(
                "Expected images with a known number of channels. "
                f"Received: shape={tuple(images_shape)}"
            )

    def build(self, images_shape, localization_inputs_shape=None):
        self._check_shape(images_shape)
        if self.output_size is None and None in self._size_of(images_shape):
            raise ValueError(
                "Expected `output_size` for images whose size is known only at run time. "
                f"Received: output_size=None, shape={tuple(images_shape)}"
            )
        if self.sampler.fill_mode == "constant":
            check_fill_channels(self.sampler.fill_value, images_shape[self._channel_axis])
        seen = localization_inputs_shape or images_shape
        # Called on a symbolic tensor, any layer builds itself and tells what it returns.
        features = self.localization(keras.KerasTensor(seen, dtype=self.compute_dtype))
        if not self.regressor.built:
            self.regressor.build(features.shape)

    def theta(self, images, training=None):
        """The transform the layer chooses for each image.

        Args:
            images: (N, H, W, C), or the `localization_inputs`; a Keras symbolic tensor gives a
                symbolic theta. In a model that holds both and is to be saved, call the layer first.
            training: passed to the localization network.

        Returns:
            theta (N, P), float32; P is the transform's `num_parameters`. The layer's own kinds:
            (N, count, P) of a parallel one, the composed (N, 6) or (N, 8) of an iterative one.
        """
        if isinstance(images, keras.KerasTensor):
            return TransformerTheta(self)(images, training=training)
        return self._choose_theta(self._as_float(images), training)

    def _choose_theta(self, images, training):
        # Never None: the default of a layer such as Keras's Resizing, True, would reach all layers
        # behind this one.
        return self.regressor(self.localization(images, training=bool(training)))

    def _as_float(self, images):
        if keras.backend.is_float_dtype(keras.backend.standardize_dtype(images.dtype)):
            return images
        return ops.cast(images, self.compute_dtype)

    def warp(self, images, theta, training=None):
        """The images read where theta says.

        In a training graph of TensorFlow on a CPU, grid and sampler are XLA kernels.

        Args:
            images: (N, H, W, C) in the layer's data format; (1, H, W, C) is read by every theta.
            theta: (N, P), as `theta` returns it; (1, P) or (P,) is applied to every image. Nested
                lists are read as float32.
            training: whether this is a part of a training step.

        Returns:
            (N, H', W', C), in the layer's data format.

        Raises:
            ValueError: images or theta of another shape, or different counts and neither is 1.
        """
        images, theta = to_tensor(images), array_to_tensor(theta)
        if tuple(theta.shape) in self._shapes_of_one_theta():
            theta = theta[None]
        shapes = f"images.shape={tuple(images.shape)}, theta.shape={tuple(theta.shape)}"
        self._check_shape(images.shape)
        batches = {images.shape[0], theta.shape[0]} - {None}
        if len(batches) > 1 and 1 not in batches:
            raise ValueError(f"Expected one image, or one for each theta. Received: {shapes}")
        if theta.shape[0] == 1 and images.shape[0] != 1:
            theta = ops.repeat(theta, ops.shape(images)[0], axis=0)
        return self._warp_to(self.output_size, images, theta, training)

    def _shapes_of_one_theta(self):
        return {(self.transform.num_parameters,), self.transform.theta_shape}

    def _warp_to(self, output_size, images, theta, training):
        input_size = self._input_size(images)
        grid = Grid(self.transform, input_size, output_size or input_size, self.supersample)
        sampler = self.sampler
        reader = Reader(
            sampler.interpolation,
            sampler.fill_mode,
            sampler.fill_value,
            sampler.data_format,
            self.supersample,
        )
        warp = Warp(grid, reader)
        return warp.compiled(images, theta) if training else warp(images, theta)

    def call(self, images, localization_inputs=None, training=None):
        seen = images if localization_inputs is None else localization_inputs
        theta = self.theta(seen, training=training)
        images = self._as_float(images)
        if training and self.outside_penalty:
            self.add_loss(self.outside_penalty * self._distance_outside(images, theta))
        return self.warp(images, theta, training=training)

    def _distance_outside(self, images, theta):
        """Mean over all places read, in halves of the image."""
        input_size = self._input_size(images)
        x, y = self.transform.source_xy(theta, self.output_size or input_size, input_size)
        return ops.mean(distance_outside(x, y, input_size))

    def _input_size(self, images):
        size = self._size_of(images.shape)
        return self._size_of(ops.shape(images)) if None in size else size

    def compute_output_shape(self, images_shape, localization_inputs_shape=None):
        output_size = self.output_size or self._size_of(images_shape)
        return self.sampler.compute_output_shape(images_shape, (images_shape[0], *output_size, 2))

    @property
    def _channel_axis(self):
        return 1 if self.sampler.data_format == "channels_first" else 3

    def _size_of(self, images_shape):
        first = 2 if self.sampler.data_format == "channels_first" else 1
        return tuple(images_shape[first : first + 2])

    def get_config(self):
        localization = None if self._default_localization else self.localization
        regressor = self.regressor.get_config()
        return {
            **super().get_config(),
            "localization": keras.saving.serialize_keras_object(localization),
            "transform": keras.saving.serialize_keras_object(self.transform),
            "output_size": self.output_size,
            "fill_mode": self.sampler.fill_mode,
            "fill_value": self.sampler.fill_value,
            "align_corners": self.transform.align_corners,
            "interpolation": self.sampler.interpolation,
            "data_format": self.sampler.data_format,
            "supersample": self.supersample,
            "constraints": regressor["constraints"],
            "initial_theta": regressor["initial_theta"],
            "outside_penalty": self.outside_penalty,
        }

    @classmethod
    def from_config(cls, config):
        nested = {
            name: keras.saving.deserialize_keras_object(config[name])
            for name in ("localization", "transform")
        }
        return cls(**{**config, **nested})


@keras.saving.register_keras_serializable(package="stn_keras")
class TransformerTheta(keras.layers.Layer):
    """The theta that a transformer chooses, as a model holds it."""

    def __init__(self, transformer, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.transformer = transformer

    def build(self, images_shape):
        if not self.transformer.built:
            self.transformer.build(images_shape)

    def call(self, images, training=None):
        return self.transformer.theta(images, training=training)

    def get_config(self):
        transformer = keras.saving.serialize_keras_object(self.transformer)
        return {**super().get_config(), "transformer": transformer}

    @classmethod
    def from_config(cls, config):
        transformer = keras.saving.deserialize_keras_object(config["transformer"])
        return cls(**{**config, "transformer": transformer})


def find_transformers(layer: keras.layers.Layer) -> list["SpatialTransformer"]:
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


def _check_localization(localization):
    if localization is not None and not isinstance(localization, keras.layers.Layer):
        raise ValueError(
            "Expected `localization` to be None or a Keras layer from images to features. "
            f"Received: localization={localization!r}"
        )


def _check_supersample(supersample, align_corners):
    if not isinstance(supersample, int) or supersample < 1:
        raise ValueError(
            "Expected `supersample` to be an integer of at least 1. "
            f"Received: supersample={supersample!r}"
        )
    if supersample > 1 and align_corners:
        raise ValueError(
            "Expected `align_corners=False` with `supersample`. "
            f"Received: supersample={supersample}, align_corners={align_corners}"
        )


def _check_penalty(outside_penalty):
    if not isinstance(outside_penalty, numbers.Real) or outside_penalty < 0:
        raise ValueError(
            "Expected `outside_penalty` to be a number of at least 0. "
            f"Received: outside_penalty={outside_penalty!r}"
        )
