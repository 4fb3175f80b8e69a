"""Grid and sampler as functions of tensors alone, so that equal ones share compiled kernels."""

from dataclasses import dataclass

from keras import ops

from stn_keras.ops.backend import fused
from stn_keras.ops.sampling import sample_xy
from stn_keras.transforms import Transform


@dataclass(frozen=True)
class Grid:
    """theta -> the places that are read, as (x, y).

    Attributes:
        transform: `stn_keras.transforms.Transform`.
        input_size: (height, width) of the images.
        output_size: (height, width) of the result.
        supersample: places per output pixel along each axis.
    """

    transform: Transform
    input_size: tuple
    output_size: tuple
    supersample: int = 1

    def __call__(self, theta):
        """x and y, each (N, H', W')."""
        denser = tuple(size * self.supersample for size in self.output_size)
        return tuple(self.transform.source_xy(theta, denser, self.input_size))


@dataclass(frozen=True)
class Reader:
    """Images and places -> the images read there, averaged over each output pixel.

    Attributes:
        interpolation: as in `stn_keras.ops.sample`.
        fill_mode: the same.
        fill_value: the same.
        data_format: "channels_last" or "channels_first".
        supersample: places per output pixel along each axis.
    """

    interpolation: str = "bilinear"
    fill_mode: str = "constant"
    fill_value: float | tuple = 0.0
    data_format: str = "channels_last"
    supersample: int = 1

    def __call__(self, images, xy):
        channels_first = self.data_format == "channels_first"
        if channels_first:
            images = ops.transpose(images, (0, 2, 3, 1))
        sampled = sample_xy(images, *xy, self.interpolation, self.fill_mode, self.fill_value)
        if self.supersample > 1:
            window = (self.supersample, self.supersample)
            sampled = ops.average_pool(sampled, window, window, data_format="channels_last")
        return ops.transpose(sampled, (0, 3, 1, 2)) if channels_first else sampled


@dataclass(frozen=True)
class Warp:
    """Images and theta -> the images read where theta says.

    Attributes:
        grid: `Grid`.
        reader: `Reader`.
    """

    grid: Grid
    reader: Reader

    def __call__(self, images, theta):
        return self.reader(images, self.grid(theta))

    def compiled(self, images, theta):
        """The same; in a TensorFlow graph on a CPU by XLA kernels."""
        if self.grid.transform.ends_in_matmul:
            return fused(self, images, theta)
        return fused(self.reader, images, fused(self.grid, theta))
