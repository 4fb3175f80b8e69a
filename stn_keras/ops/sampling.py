"""Read images at fractional pixel coordinates."""

import keras
from keras import ops

from stn_keras._arguments import (
    any_symbolic,
    check_choice,
    check_fill_value,
    to_tensor,
    widest_float,
)
from stn_keras.ops.backend import gather_neighbours, gather_rows
from stn_keras.ops.kernels import INTERPOLATIONS, interpolate, taps
from stn_keras.ops.outside import (
    FILL_MODES,
    add_frame,
    check_fill_channels,
    clip_far,
    frame_width,
    framed_index,
    inside_index,
)


def sample(images, coordinates, interpolation="bilinear", fill_mode="constant", fill_value=0.0):
    """Sample images at pixel coordinates; differentiable to both.

    Convention: pull resampling. `coordinates[n, i, j]` is the place (x, y), in pixels of the input,
    that output pixel (i, j) is read from; (0, 0) is the centre of the top left pixel. At whole
    pixels the output equals the input bit for bit, and the derivative of "bilinear" to the
    coordinates is the one from the right (towards the next pixel), so it does not vanish there.

    Args:
        images: (N, H, W, C), any number of channels, fewer than 2^31 pixels a batch; or
            (1, H, W, C) to read one image at many grids without copying it. Integer images are
            read as float32.
        coordinates: (N, H', W', 2), float32 or float64. Half precision is refused rather than read
            off by up to a pixel.
        interpolation: "nearest" (a half goes to the next pixel; no gradient to the coordinates),
            "bilinear", or "bicubic" (Keys, a = -0.75, as torch).
        fill_mode: what is read outside an image a b c d, each neighbour by itself:
            "constant": k k k k | a b c d | k k k k, k being `fill_value` (SciPy's "grid-constant");
            "nearest": a a a a | a b c d | d d d d;
            "reflect": d c b a | a b c d | d c b a;
            "mirror": d c b | a b c d | c b a;
            "wrap": a b c d | a b c d | a b c d (SciPy's "grid-wrap").
        fill_value: what "constant" reads outside: a number, or one for each channel.

    Returns:
        (N, H', W', C) in the dtype of `images`, or float32 for integer images. A NaN coordinate
        gives a NaN pixel. One infinitely far outside reads the fill of "constant" and the border of
        "nearest"; the three repeating modes take it for 2^22 pixels away.

    Raises:
        ValueError: unknown `interpolation` or `fill_mode`, a `fill_value` of another length, wrong
            rank or batch, or half-precision coordinates.

    Reference:
        Jaderberg et al. 2015 (arXiv:1506.02025), equations 4 and 5; Keys 1981, equation 4.

    Example:
        >>> import numpy as np
        >>> image = np.array([[0.0, 10.0], [20.0, 30.0]], "float32").reshape(1, 2, 2, 1)
        >>> middle = np.full((1, 1, 1, 2), 0.5, "float32")
        >>> float(sample(image, middle)[0, 0, 0, 0])
        15.0
    """
    images, coordinates = to_tensor(images), to_tensor(coordinates)
    check_inputs(images, coordinates)
    x, y = coordinates[..., 0], coordinates[..., 1]
    return sample_xy(images, x, y, interpolation, fill_mode, fill_value)


def sample_xy(images, x, y, interpolation="bilinear", fill_mode="constant", fill_value=0.0):
    """`sample` for x and y by themselves: less memory traffic, and no check of shapes.

    Convention: as `sample`.

    Args:
        images: as in `sample`, a tensor.
        x: (N, H', W'), pixels of the input, a float32 or float64 tensor.
        y: the same.
        interpolation: as in `sample`.
        fill_mode: as in `sample`.
        fill_value: as in `sample`.

    Returns:
        As `sample`.

    Raises:
        ValueError: unknown `interpolation` or `fill_mode`, a `fill_value` of another length.

    Reference:
        Jaderberg et al. 2015 (arXiv:1506.02025), equation 5.

    Example:
        >>> half = ops.full((1, 1, 1), 0.5)
        >>> float(sample_xy(ops.reshape(ops.arange(4.0), (1, 2, 2, 1)), half, half)[0, 0, 0, 0])
        1.5
    """
    check_choice("interpolation", interpolation, INTERPOLATIONS)
    check_choice("fill_mode", fill_mode, FILL_MODES)
    if any_symbolic(images, x, y):
        return SampleXY(interpolation, fill_mode, check_fill_value(fill_value))(images, x, y)
    if images.shape[-1] is None:
        raise ValueError(
            "Expected images with a known number of channels. "
            f"Received: images.shape={tuple(images.shape)}"
        )
    if not keras.backend.is_float_dtype(images.dtype):
        images = ops.cast(images, "float32")
    dtype = widest_float(images.dtype, x.dtype)
    height, width = ops.shape(images)[1:3]
    # Flat from here on: XLA then computes indices and weights in vectors.
    shape, x, y = ops.shape(x), ops.reshape(x, (-1,)), ops.reshape(y, (-1,))
    base_x, offsets, weights_x = taps(interpolation, clip_far(x, width, fill_mode))
    base_y, offsets, weights_y = taps(interpolation, clip_far(y, height, fill_mode))
    number = _number_of_image(images, shape)
    if fill_mode == "constant":
        neighbours = _read_in_frame(images, number, base_x, base_y, offsets, fill_value)
    else:
        neighbours = _read_inside(images, number, base_x, base_y, offsets, fill_mode)
    sampled = _separable(
        [ops.cast(value, dtype) for value in neighbours],
        [ops.expand_dims(ops.cast(weight, dtype), -1) for weight in weights_x],
        [ops.expand_dims(ops.cast(weight, dtype), -1) for weight in weights_y],
    )
    if interpolation == "nearest":
        # No weight carries a NaN coordinate to the output here.
        missing = ops.expand_dims(ops.logical_or(ops.isnan(x), ops.isnan(y)), -1)
        sampled = ops.where(missing, ops.cast(float("nan"), dtype), sampled)
    return ops.reshape(ops.cast(sampled, images.dtype), (*shape, images.shape[-1]))


@keras.saving.register_keras_serializable(package="stn_keras")
class SampleXY(keras.Operation):
    """`sample_xy` of symbolic tensors, as a functional model holds it."""

    def __init__(self, interpolation, fill_mode, fill_value, name=None):
        super().__init__(name=name)
        self.arguments = interpolation, fill_mode, fill_value

    def call(self, images, x, y):
        return sample_xy(images, x, y, *self.arguments)

    def compute_output_spec(self, images, x, y):
        _, fill_mode, fill_value = self.arguments
        if fill_mode == "constant":
            check_fill_channels(fill_value, images.shape[-1])
        return sampled_spec(images, (*x.shape, images.shape[-1]))


def sampled_spec(images, shape):
    """The symbolic tensor of what is sampled from images."""
    dtype = keras.backend.standardize_dtype(images.dtype)
    return keras.KerasTensor(shape, dtype if keras.backend.is_float_dtype(dtype) else "float32")


def check_inputs(images, coordinates):
    """Refuse shapes and types that `sample` does not take."""
    shapes = f"images.shape={tuple(images.shape)}, coordinates.shape={tuple(coordinates.shape)}"
    if len(images.shape) != 4 or len(coordinates.shape) != 4 or coordinates.shape[-1] != 2:
        raise ValueError(
            f"Expected images (N, H, W, C) and coordinates (N, H', W', 2). Received: {shapes}"
        )
    batches = {images.shape[0], coordinates.shape[0]} - {None}
    if len(batches) > 1 and images.shape[0] != 1:
        raise ValueError(f"Expected one image, or one per coordinate grid. Received: {shapes}")
    if keras.backend.standardize_dtype(coordinates.dtype) not in ("float32", "float64"):
        raise ValueError(
            "Expected coordinates in float32 or float64: half precision is off by up to a pixel. "
            f"Received: coordinates.dtype={keras.backend.standardize_dtype(coordinates.dtype)}"
        )


def _number_of_image(images, shape):
    """Which image each of the flat positions reads: its own, or the only one."""
    count, height, width = shape
    # Not where a size is a tensor: torch's exporter runs a trace of one image on many.
    if isinstance(images.shape[0], int) and images.shape[0] == 1:
        return 0
    pixels = ops.cast(ops.maximum(height * width, 1), "int32")
    number = ops.arange(count * height * width, dtype="int32") // pixels
    return ops.minimum(number, ops.shape(images)[0] - 1)


def _read_in_frame(images, number, base_x, base_y, offsets, fill_value):
    """Neighbours (M, C) of each position, row by row of the kernel; outside is the fill.

    A frame of fill around each image stands for everything outside it: no masks, and neighbours
    always lie at the same distances from the first.
    """
    height, width = ops.shape(images)[1:3]
    frame = frame_width(offsets)
    column = framed_index(base_x, offsets, width, frame)
    row = framed_index(base_y, offsets, height, frame)
    rows, columns = height + 2 * frame, width + 2 * frame
    return gather_neighbours(
        _flat(add_frame(images, frame, fill_value)),
        (number * rows + row) * columns + column,
        [offset - min(offsets) for offset in offsets],
        columns,
    )


def _read_inside(images, number, base_x, base_y, offsets, fill_mode):
    """Neighbours (M, C) of each position, row by row of the kernel; outside stands for inside."""
    height, width = ops.shape(images)[1:3]
    columns = [inside_index(base_x + offset, width, fill_mode) for offset in offsets]
    rows = [inside_index(base_y + offset, height, fill_mode) for offset in offsets]
    pixels = _flat(images)
    return [
        gather_rows(pixels, (number * height + row) * width + column)
        for row in rows
        for column in columns
    ]


def _flat(images):
    return ops.reshape(images, (-1, images.shape[-1]))


def _separable(neighbours, weights_x, weights_y):
    """Interpolate along x within each row of the kernel, then along y between the rows."""
    width = len(weights_x) + 1
    rows = [neighbours[start : start + width] for start in range(0, len(neighbours), width)]
    return interpolate([interpolate(row, weights_x) for row in rows], weights_y)
