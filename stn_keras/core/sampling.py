"""Read images at fractional pixel coordinates."""

import functools
import itertools
import math

import keras
import numpy as np
from keras import ops

from stn_keras import backend
from stn_keras._arguments import (
    FillValue,
    Tensor,
    any_symbolic,
    check_choice,
    check_fill_value,
    to_tensor,
    widest_float,
)
from stn_keras.core.fill_modes import (
    FILL_MODES,
    add_frame,
    add_frame_of_pixels,
    check_fill_channels,
    clip_far,
    fill_limits,
    fold,
    frame_width,
    framed_index,
    inside_index,
    is_outside,
)
from stn_keras.core.kernels import INTERPOLATIONS, OFFSETS, interpolate, taps

# Pixels to a position from which a frame, a copy of the image, costs more than masks.
_SPARSE = 16


def sample(
    images: Tensor,
    coordinates: Tensor,
    interpolation: str = "bilinear",
    fill_mode: str = "constant",
    fill_value: FillValue = 0.0,
) -> Tensor:
    """Sample images at pixel coordinates; differentiable to both.

    Convention: pull resampling. `coordinates[n, i, j]` is the place (x, y), in pixels of the input,
    that output pixel (i, j) is read from; (0, 0) is the center of the top left pixel. At whole
    pixels the output equals the input bit for bit, and the derivative of "bilinear" to the
    coordinates is the one from the right (towards the next pixel), so it does not vanish there.

    Args:
        images: (N, H, W, C), any number of channels, fewer than 2^31 pixels a batch; or
            (1, H, W, C) to read one image at many grids without copying it. Integer images are
            read as float32. Volumes are (N, D, H, W, C).
        coordinates: (N, H', W', 2), float32 or float64. Half precision is refused rather than read
            off by up to a pixel. Of volumes (N, D', H', W', 3), (x, y, z).
        interpolation: "nearest" (a half goes to the next pixel; no gradient to the coordinates),
            "bilinear", which is trilinear in volumes, or "bicubic" (Keys, a = -0.75, as torch).
        fill_mode: what is read outside an image a b c d, each neighbor separately:
            "constant": k k k k | a b c d | k k k k, k being `fill_value` (SciPy's "grid-constant");
            "nearest": a a a a | a b c d | d d d d;
            "reflect": d c b a | a b c d | d c b a;
            "mirror": d c b | a b c d | c b a;
            "wrap": a b c d | a b c d | a b c d (SciPy's "grid-wrap").
        fill_value: what "constant" reads outside: a number, or one for each channel.

    Returns:
        (N, H', W', C), or (N, D', H', W', C), in the dtype of `images`, or float32 for integer
        images. A NaN coordinate gives a NaN pixel. One infinitely far outside reads the fill of
        "constant" and the border of "nearest"; the three repeating modes take it for 2^22 pixels
        away.

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
    check_choice("interpolation", interpolation, INTERPOLATIONS)
    check_choice("fill_mode", fill_mode, FILL_MODES)
    if any_symbolic(images, coordinates):
        operation = Sample(interpolation, fill_mode, check_fill_value(fill_value))
        return operation(images, coordinates)
    places = [coordinates[..., axis] for axis in range(coordinates.shape[-1])]
    return sample_places(images, places, interpolation, fill_mode, fill_value)


@keras.saving.register_keras_serializable(package="stn_keras")
class Sample(keras.Operation):
    """`sample` of symbolic tensors, as a functional model holds it.

    Images (N, H, W, C) and coordinates (N, H', W', 2) -> (N, H', W', C).
    """

    def __init__(self, interpolation, fill_mode, fill_value, name=None):
        super().__init__(name=name)
        self.arguments = interpolation, fill_mode, fill_value

    def call(self, images, coordinates):
        return sample(images, coordinates, *self.arguments)

    def compute_output_spec(self, images, coordinates):
        _, fill_mode, fill_value = self.arguments
        if fill_mode == "constant":
            check_fill_channels(fill_value, images.shape[-1])
        return sampled_spec(images, (*coordinates.shape[:-1], images.shape[-1]))


def sample_places(
    images, places, interpolation, fill_mode, fill_value, gather=backend.gather_neighbors
):
    """`sample` for x, y, ... as separate tensors: less memory traffic, and no checks.

    Args:
        images: (N, *size, C) of any rank, or (1, *size, C).
        places: x, y, ..., each (N, ...), pixels of the input.
        interpolation: as in `sample`.
        fill_mode: as in `sample`.
        fill_value: as in `sample`.
        gather: `stn_keras.backend.gather_neighbors`, or what stands for it in a kernel.

    Returns:
        (N, ..., C).
    """
    if images.shape[-1] is None:
        raise ValueError(
            "Expected images with a known number of channels. "
            f"Received: images.shape={tuple(images.shape)}"
        )
    if not keras.backend.is_float_dtype(images.dtype):
        images = ops.cast(images, "float32")
    read = _read_natively if backend.has_sampler(images, places, interpolation) else _interpolate
    dtype = widest_float(images.dtype, places[0].dtype)
    sampled = read(images, places, interpolation, fill_mode, fill_value, dtype, gather)
    return ops.cast(sampled, images.dtype)


def _interpolate(images, places, interpolation, fill_mode, fill_value, dtype, gather):
    """`sample_places` by reading neighbors; computes in `dtype`."""
    shape, size = ops.shape(places[0]), ops.shape(images)[1:-1]
    channels, offsets = images.shape[-1], OFFSETS[interpolation]
    margin = frame_width(offsets)
    # Flat from here on, so that XLA computes in vectors; and in the order of the images' axes.
    flat = [ops.reshape(place, (-1,)) for place in reversed(places)]
    axes = [
        taps(interpolation, clip_far(place, length, fill_mode, margin))
        for place, length in zip(flat, size, strict=True)
    ]
    bases = [base for base, _ in axes]
    image = _image_of(images, shape)
    if fill_mode != "constant":
        neighbors = _read_inside(images, image, bases, offsets, fill_mode, gather)
    elif _is_sparse(images, shape):
        neighbors = _read_or_fill(images, image, bases, offsets, fill_value, gather)
    else:
        neighbors = _read_in_frame(images, image, bases, offsets, fill_value, gather)
    values = [ops.cast(value, dtype) for value in neighbors]
    for _, weights in reversed(axes):
        columns = [backend.spread(ops.cast(weight, dtype), channels) for weight in weights]
        lines = range(0, len(values), len(offsets))
        values = [interpolate(values[line : line + len(offsets)], columns) for line in lines]
    (sampled,) = values
    if interpolation == "nearest":
        # No weight carries a NaN coordinate to the output here.
        missing = functools.reduce(ops.logical_or, map(ops.isnan, reversed(flat)))
        nan = ops.cast(float("nan"), dtype)
        sampled = ops.where(ops.expand_dims(missing, -1), nan, sampled)
    return ops.reshape(sampled, (*shape, channels))


def _read_natively(images, places, interpolation, fill_mode, fill_value, dtype, gather):
    """`sample_places` by the framework's own sampler, which reads zeros outside.

    Another fill is a frame around the images. Places are folded to where the frame is enough.
    """
    shape, size, offsets = places[0].shape, images.shape[1:-1], OFFSETS[interpolation]
    width = 0 if fill_mode == "constant" and not np.any(fill_value) else frame_width(offsets)
    if fill_mode == "constant":
        check_fill_channels(fill_value, images.shape[-1])
        framed = add_frame(images, width, fill_value) if width else images
    else:
        framed = add_frame_of_pixels(images, width, fill_mode)
    limits = [
        tuple(limit + width for limit in fill_limits(length, offsets)) for length in reversed(size)
    ]
    moved = []
    for place, length in zip(places, reversed(size), strict=True):
        place = fold(ops.cast(place, dtype), length, fill_mode)
        place = place + width if width else place
        moved.append(place if len(shape) == 3 else ops.reshape(place, (shape[0], -1, shape[-1])))

    def differentiable(images, *places):
        places = [ops.clip(place, *limit) for place, limit in zip(places, limits, strict=True)]
        return _interpolate(images, places, interpolation, "constant", 0.0, dtype, gather)

    framed = ops.cast(framed, dtype)
    sampled = backend.sample_natively(framed, moved, interpolation, limits, differentiable)
    return sampled if len(shape) == 3 else ops.reshape(sampled, (*shape, images.shape[-1]))


def sampled_spec(images, shape):
    """The symbolic tensor of what is sampled from images."""
    dtype = keras.backend.standardize_dtype(images.dtype)
    return keras.KerasTensor(shape, dtype if keras.backend.is_float_dtype(dtype) else "float32")


def check_inputs(images, coordinates):
    """Refuse shapes and types that `sample` does not take."""
    shapes = f"images.shape={tuple(images.shape)}, coordinates.shape={tuple(coordinates.shape)}"
    rank = coordinates.shape[-1]
    if rank not in (2, 3) or {len(images.shape), len(coordinates.shape)} != {rank + 2}:
        raise ValueError(
            "Expected images (N, H, W, C) and coordinates (N, H', W', 2), or volumes "
            f"(N, D, H, W, C) and coordinates (N, D', H', W', 3). Received: {shapes}"
        )
    batches = {images.shape[0], coordinates.shape[0]} - {None}
    if len(batches) > 1 and images.shape[0] != 1:
        raise ValueError(f"Expected one image, or one per coordinate grid. Received: {shapes}")
    if keras.backend.standardize_dtype(coordinates.dtype) not in ("float32", "float64"):
        raise ValueError(
            "Expected coordinates in float32 or float64: half precision is off by up to a pixel. "
            f"Received: coordinates.dtype={keras.backend.standardize_dtype(coordinates.dtype)}"
        )


def _image_of(images, shape):
    """Index of the image that each flat position reads; 0 where all share one image."""
    # Not where a size is a tensor: torch's exporter runs a trace of one image on many.
    if isinstance(images.shape[0], int) and images.shape[0] == 1:
        return 0
    positions = math.prod(shape[1:])
    index = ops.arange(shape[0] * positions, dtype="int32")
    index = index // ops.cast(ops.maximum(positions, 1), "int32")
    # A batch whose size is known only at run time may turn out to be one shared image.
    return ops.minimum(index, ops.shape(images)[0] - 1)


def _is_sparse(images, shape):
    """Whether positions of this shape are far fewer than the pixels, as those of a window are."""
    positions = shape if images.shape[0] == 1 else shape[1:]
    size = images.shape[1:-1]
    known = all(isinstance(length, int) for length in (*size, *positions))
    return known and math.prod(size) >= _SPARSE * math.prod(positions)


def _read_in_frame(images, image, bases, offsets, fill_value, gather):
    """Neighbors (M, C) of each position, the last axis running fastest; outside is the fill.

    A frame of fill around each image stands for everything outside it: no masks, and neighbors
    always lie at the same distances from the first, so that their gradients are added together.
    """
    frame, size = frame_width(offsets), ops.shape(images)[1:-1]
    first, strides = image, [1]
    for base, length in zip(bases, size, strict=True):
        padded = length + 2 * frame
        first = first * padded + framed_index(base, offsets, length, frame)
        strides = [*(stride * padded for stride in strides), 1]
    rows = _flat(add_frame(images, frame, fill_value))
    if backend.drops_out_of_range():
        outside = [is_outside(base, offsets, n) for base, n in zip(bases, size, strict=True)]
        first = ops.where(functools.reduce(ops.logical_or, outside), rows.shape[0], first)
    return gather(
        rows,
        first,
        [offset - min(offsets) for offset in offsets],
        strides[1:],
    )


def _read_or_fill(images, image, bases, offsets, fill_value, gather):
    """As `_read_in_frame`, by masks: the images are not copied."""
    check_fill_channels(fill_value, images.shape[-1])
    fill = ops.cast(np.asarray(fill_value, "float64"), images.dtype)
    outside = [
        [ops.logical_or(base + offset < 0, base + offset >= length) for offset in offsets]
        for base, length in zip(bases, ops.shape(images)[1:-1], strict=True)
    ]
    masks = [functools.reduce(ops.logical_or, corner) for corner in itertools.product(*outside)]
    inside = _read_inside(images, image, bases, offsets, "nearest", gather)
    return [
        ops.where(ops.expand_dims(mask, -1), fill, pixels)
        for mask, pixels in zip(masks, inside, strict=True)
    ]


def _read_inside(images, image, bases, offsets, fill_mode, gather):
    """Neighbors (M, C) of each position, the last axis running fastest, each mapped inside."""
    size = ops.shape(images)[1:-1]
    indices = [
        [inside_index(base + offset, length, fill_mode) for offset in offsets]
        for base, length in zip(bases, size, strict=True)
    ]
    pixels, neighbors = _flat(images), []
    for corner in itertools.product(*indices):
        row = image
        for index, length in zip(corner, size, strict=True):
            row = row * length + index
        neighbors += gather(pixels, row, (0,), (1,))
    return neighbors


def _flat(images):
    return ops.reshape(images, (-1, images.shape[-1]))
