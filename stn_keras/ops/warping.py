"""Read images where theta says: the only place where grid and sampler meet."""

from dataclasses import dataclass, field
from typing import Any

import keras
from keras import ops

from stn_keras import backend, transforms
from stn_keras._arguments import (
    IMAGE_NAMES,
    FillValue,
    Shape,
    Size,
    Tensor,
    any_symbolic,
    array_to_tensor,
    check_choice,
    check_count,
    check_data_format,
    check_fill_value,
    check_size,
    to_tensor,
)
from stn_keras.core.fill_modes import FILL_MODES, check_fill_channels
from stn_keras.core.kernels import INTERPOLATIONS
from stn_keras.core.sampling import sample_places, sampled_spec
from stn_keras.transforms import Transform


@dataclass(frozen=True)
class Grid:
    """theta -> the places that are read, a function of tensors alone.

    Equal grids share compiled kernels.

    Attributes:
        transform: `stn_keras.transforms.Transform`.
        input_size: (height, width) of the images; with a depth before them of volumes.
        output_size: of the result, the same.
        count: transforms of each image, whose outputs lie one below the other; None: one, and theta
            has no axis for them.
        supersample: places per output pixel along each axis.
    """

    transform: Transform
    input_size: tuple
    output_size: tuple
    count: int | None = None
    supersample: int = 1

    def __call__(self, theta, gather=None):
        """theta (N, P) or (N, count, P) -> x, y (and z), each (N, count * H', W')."""
        size = tuple(length * self.supersample for length in self.output_size)
        if self.count is not None:
            theta = ops.reshape(theta, (-1, self.transform.num_parameters))
        places = self.transform.map_grid(theta, size, self.input_size)
        shape = (-1, (self.count or 1) * size[0], *size[1:])
        return tuple(ops.reshape(axis, shape) for axis in places)


@dataclass(frozen=True)
class Reader:
    """Images and places -> the images read there, a function of tensors alone.

    Attributes:
        interpolation: as in `stn_keras.ops.sample`.
        fill_mode: the same.
        fill_value: the same.
        data_format: "channels_last" or "channels_first".
        supersample: places per output pixel along each axis; they are averaged.
    """

    interpolation: str = "bilinear"
    fill_mode: str = "constant"
    fill_value: FillValue = 0.0
    data_format: str = field(default_factory=keras.config.image_data_format)
    supersample: int = 1

    def __post_init__(self):
        check_choice("interpolation", self.interpolation, INTERPOLATIONS)
        check_choice("fill_mode", self.fill_mode, FILL_MODES)
        check_supersample(self.supersample)

    def __call__(self, images, places, gather=backend.gather_neighbors):
        """Images (N, H, W, C) and x and y (N, H', W') -> (N, H', W', C), in the data format.

        Of volumes (N, D, H, W, C) and x, y and z (N, D', H', W').
        """
        if self.channels_first:
            images = ops.moveaxis(images, 1, -1)
        fill = self.interpolation, self.fill_mode, self.fill_value
        sampled = sample_places(images, places, *fill, gather)
        if self.supersample > 1:
            window = (self.supersample,) * len(places)
            sampled = ops.average_pool(sampled, window, window, data_format="channels_last")
        return ops.moveaxis(sampled, -1, 1) if self.channels_first else sampled

    @property
    def channels_first(self) -> bool:
        """Whether channels come before height and width."""
        return self.data_format == "channels_first"

    @property
    def channel_axis(self) -> int:
        """The axis of the channels: 1, or -1 for the last."""
        return 1 if self.channels_first else -1

    def size_of(self, images_shape: Shape) -> tuple:
        """(height, width) of images of a shape, (depth, height, width) of volumes."""
        return tuple(images_shape[2:] if self.channels_first else images_shape[1:-1])

    def check_images(self, shape: Shape, rank: int) -> None:
        """Refuse images of another rank, of unknown channels, or that the fill does not suit."""
        if len(shape) != rank + 2:
            raise ValueError(
                f"Expected {IMAGE_NAMES[rank]} for a transform of rank {rank}. "
                f"Received: shape={tuple(shape)}"
            )
        channels = shape[self.channel_axis]
        if channels is None:
            raise ValueError(
                f"Expected images with a known number of channels. Received: shape={tuple(shape)}"
            )
        if self.fill_mode == "constant":
            check_fill_channels(self.fill_value, channels)


def warp(
    images: Any,
    theta: Any,
    transform: str | Transform = "affine",
    output_size: int | Size | None = None,
    *,
    interpolation: str = "bilinear",
    fill_mode: str = "constant",
    fill_value: FillValue = 0.0,
    align_corners: bool | None = None,
    supersample: int = 1,
    data_format: str | None = None,
    compiled: bool | None = None,
) -> Tensor:
    """Warp images: read them where theta says. Differentiable to both.

    Convention: inverse mapping; theta maps normalized output coordinates (x, y) to the place in the
    input that is read. At the identity and equal sizes the output equals the input, bit for bit.

    Args:
        images: (N, H, W, C), or (N, C, H, W) with "channels_first"; one image is read by every
            theta, without copies. Volumes (N, D, H, W, C) for a transform of rank 3.
        theta: (N, P), P being the transform's `num_parameters`, or as its formula has it,
            (N, 2, 3); (N, K, P) reads each image K times. One theta is applied to every image,
            where their count is known when the graph is built.
        transform: a name in `stn_keras.transforms.FAMILIES`, or a `Transform`.
        output_size: (height, width) or (depth, height, width) of the output, one integer for all;
            None: the images'.
        interpolation: "nearest", "bilinear" or "bicubic" (Keys, a = -0.75).
        fill_mode: what is read outside the image: "constant", "nearest", "reflect", "mirror" or
            "wrap"; see `stn_keras.ops.sample`.
        fill_value: what "constant" reads outside: a number, or one for each channel.
        align_corners: where -1 and 1 lie; None: as the transform has it, False for a name.
        supersample: read this many places per output pixel along each axis, and average.
        data_format: "channels_last" or "channels_first"; None: Keras's setting.
        compiled: None: the fastest way that the backend has, with which a model can still be
            exported. True: in a TensorFlow graph on a CPU, kernels of XLA from the first call on.
            False: plain operations, for derivatives by other ways than backward: `jax.jvp`.

    Returns:
        (N, H', W', C), or (N, K, H', W', C) for K thetas per image, in the data format and the
        dtype of the images; float32 for integer images. Volumes have D' before H'.

    Raises:
        ValueError: an unknown name, images or theta of another shape, different counts of which
            neither is 1, or `supersample` with `align_corners=True`.

    Reference:
        Jaderberg et al. 2015 (arXiv:1506.02025), equations 1, 4 and 5.

    Example:
        >>> import numpy as np
        >>> image = np.arange(16, dtype="float32").reshape(1, 4, 4, 1)
        >>> half_a_width = [[1, 0, 1, 0, 1, 0]]
        >>> ops.convert_to_numpy(warp(image, half_a_width))[0, 0, :, 0]
        array([2., 3., 0., 0.], dtype=float32)
    """
    transform = transforms.get(transform, align_corners)
    check_supersample(supersample, transform)
    if output_size is not None:
        output_size = check_size("output_size", output_size, transform.rank)
    fill = interpolation, fill_mode, check_fill_value(fill_value)
    reader = Reader(*fill, check_data_format(data_format), supersample)
    if any_symbolic(images, theta):
        images, theta = (
            each if any_symbolic(each) else array_to_tensor(each) for each in (images, theta)
        )
        reader.check_images(images.shape, transform.rank)
        return Warp(transform, output_size, reader, compiled)(images, theta)
    return warp_by(reader, transform, output_size, images, theta, compiled)


def warp_by(reader, transform, output_size, images, theta, compiled=None):
    """`warp` by a `Reader`."""
    images, theta = to_tensor(images), array_to_tensor(theta)
    reader.check_images(images.shape, transform.rank)
    check_batches(images.shape, theta.shape, transform)
    count = count_of(transform, theta.shape)
    theta = theta[None] if is_single(transform, theta.shape) else theta
    if theta.shape[0] == 1 and images.shape[0] != 1:
        theta = ops.tile(theta, (ops.shape(images)[0], *[1] * (len(theta.shape) - 1)))
    grid = grid_of(reader, transform, output_size, images, count)
    warped = backend.run(backend.Chain(grid, reader), images, theta, compiled=compiled)
    return warped if count is None else split(reader, warped, count)


def grid_of(reader, transform, output_size, images, count=None):
    """The `Grid` for images, whose size may be known only at run time."""
    size = reader.size_of(images.shape)
    size = reader.size_of(ops.shape(images)) if None in size else size
    return Grid(transform, size, output_size or size, count, reader.supersample)


@keras.saving.register_keras_serializable(package="stn_keras")
class Warp(keras.Operation):
    """`warp` of symbolic tensors, as a functional model holds it.

    Images (N, H, W, C) and theta (N, P) or (N, K, P) -> (N, H', W', C) or (N, K, H', W', C), with a
    depth before the height for volumes.
    """

    def __init__(self, transform, output_size, reader, compiled, name=None):
        super().__init__(name=name)
        self.transform, self.output_size = transform, output_size
        self.reader, self.compiled = reader, compiled

    def call(self, images, theta):
        return warp_by(self.reader, self.transform, self.output_size, images, theta, self.compiled)

    def compute_output_spec(self, images, theta):
        self.reader.check_images(images.shape, self.transform.rank)
        check_batches(images.shape, theta.shape, self.transform)
        count = count_of(self.transform, theta.shape)
        thetas = 1 if is_single(self.transform, theta.shape) else theta.shape[0]
        output_size = self.output_size or self.reader.size_of(images.shape)
        shape = warped_shape(self.reader, images.shape, output_size, count)
        batch = thetas if images.shape[0] == 1 else images.shape[0]
        return sampled_spec(images, (batch, *shape[1:]))

    def get_config(self):
        reader = self.reader
        return {
            "name": self.name,
            "transform": keras.saving.serialize_keras_object(self.transform),
            "output_size": self.output_size,
            "reader": {name: getattr(reader, name) for name in reader.__dataclass_fields__},
            "compiled": self.compiled,
        }

    @classmethod
    def from_config(cls, config):
        transform = keras.saving.deserialize_keras_object(config["transform"])
        fill_value = config["reader"]["fill_value"]
        fill_value = tuple(fill_value) if isinstance(fill_value, list) else fill_value
        reader = Reader(**{**config["reader"], "fill_value": fill_value})
        return cls(**{**config, "transform": transform, "reader": reader})


def count_of(transform, shape):
    """Thetas per image, K, in a theta of shape (N, K, P); None where there is no such axis.

    Raises:
        ValueError: it is none of (P,), (N, P) and (N, K, P), nor as the formula has it.
    """
    shape, formula = tuple(shape), transform.theta_shape
    parameters = (transform.num_parameters,)
    if shape in (parameters, formula) or shape[1:] in (parameters, formula):
        return None
    if len(shape) == 3 and shape[2:] == parameters:
        return shape[1]
    raise ValueError(
        f"{type(transform).__name__} expects theta of shape (N, {parameters[0]}), "
        f"(N, K, {parameters[0]}) or (N, {', '.join(map(str, formula))}). "
        f"Received: theta.shape={shape}"
    )


def is_single(transform, shape):
    """Whether a theta of this shape has no axis of images."""
    return tuple(shape) in ((transform.num_parameters,), transform.theta_shape)


def check_batches(images_shape, theta_shape, transform):
    """Refuse different counts of images and thetas, neither of which is 1."""
    batches = images_shape[0], 1 if is_single(transform, theta_shape) else theta_shape[0]
    # Unknown sizes are None, or tensors in a trace of torch.
    batches = {batch for batch in batches if isinstance(batch, int)}
    if len(batches) > 1 and 1 not in batches:
        raise ValueError(
            "Expected one image, or one for each theta. "
            f"Received: images.shape={tuple(images_shape)}, theta.shape={tuple(theta_shape)}"
        )


def warped_shape(reader, images_shape, output_size, count=None):
    """Shape of warped images, (N, H', W', C) or (N, K, H', W', C), in the data format."""
    channels = images_shape[reader.channel_axis]
    image = (channels, *output_size) if reader.channels_first else (*output_size, channels)
    return (images_shape[0], *(() if count is None else (count,)), *image)


def split(reader, warped, count):
    """Outputs one below the other (N, K * H', W', C) -> (N, K, H', W', C), in the data format."""
    shape = ops.shape(warped)
    axis = 2 if reader.channels_first else 1  # of an image, the first
    height = shape[axis] // count
    warped = ops.reshape(warped, (-1, *shape[1:axis], count, height, *shape[axis + 1 :]))
    return ops.swapaxes(warped, 1, 2) if reader.channels_first else warped


def check_supersample(supersample, transform=None):
    """Refuse a `supersample` that is no count, or whose places would lie unevenly."""
    check_count("supersample", supersample)
    if supersample > 1 and transform is not None and transform.align_corners:
        raise ValueError(
            "Expected `align_corners=False` with `supersample`. "
            f"Received: supersample={supersample}, align_corners=True"
        )
