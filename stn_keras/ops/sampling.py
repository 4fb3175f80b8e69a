"""Read images at fractional pixel coordinates."""

import keras
from keras import ops

from stn_keras._arguments import check_choice, to_tensor, widest_float
from stn_keras.ops.gather import gather_rows
from stn_keras.ops.kernels import INTERPOLATIONS, interpolate, taps
from stn_keras.ops.outside import FILL_MODES, clip_far, extend, source_index


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
    check_choice("interpolation", interpolation, INTERPOLATIONS)
    check_choice("fill_mode", fill_mode, FILL_MODES)
    images, coordinates = to_tensor(images), to_tensor(coordinates)
    _check_inputs(images, coordinates)
    if not keras.backend.is_float_dtype(images.dtype):
        images = ops.cast(images, "float32")

    height, width = ops.shape(images)[1:3]
    along_x = _axis_taps(coordinates[..., 0], width, interpolation, fill_mode)
    along_y = _axis_taps(coordinates[..., 1], height, interpolation, fill_mode)
    images = extend(images, fill_mode, fill_value)
    dtype = widest_float(images.dtype, coordinates.dtype)
    sampled = _separable(images, along_x, along_y, dtype)
    if interpolation == "nearest":
        # No weight carries a NaN coordinate to the output here.
        missing = ops.any(ops.isnan(coordinates), axis=-1, keepdims=True)
        sampled = ops.where(missing, ops.cast(float("nan"), dtype), sampled)
    return ops.cast(sampled, images.dtype)


def _check_inputs(images, coordinates):
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


def _axis_taps(position, size, interpolation, fill_mode):
    """Along one axis: which pixels of the extended image are read, and their weights."""
    position = clip_far(position, size, fill_mode)
    before = _floor(position)
    offsets, weights = taps(interpolation, position - ops.cast(before, position.dtype))
    return [source_index(before + offset, size, fill_mode) for offset in offsets], weights


def _floor(position):
    """Floor as int32; `ops.floor` would round float64 to float32 first on JAX and torch."""
    towards_zero = ops.cast(position, "int32")
    return towards_zero - ops.cast(position < ops.cast(towards_zero, position.dtype), "int32")


def _separable(images, along_x, along_y, dtype):
    """Interpolate along x within each row that is read, then along y between the rows."""
    (columns, weights_x), (rows, weights_y) = along_x, along_y
    batch, height, width = ops.shape(images)[:3]
    flat = ops.reshape(images, (-1, images.shape[-1]))
    first = ops.reshape(ops.arange(batch, dtype="int32") * (height * width), (-1, 1, 1))
    weights_x, weights_y = (
        [ops.expand_dims(ops.cast(weight, dtype), -1) for weight in weights]
        for weights in (weights_x, weights_y)
    )
    between = []
    for row in rows:
        start = first + row * width
        pixels = [ops.cast(gather_rows(flat, start + column), dtype) for column in columns]
        between.append(interpolate(pixels, weights_x))
    return interpolate(between, weights_y)
