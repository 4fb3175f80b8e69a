"""Checks and normal forms of arguments, shared by ops, transforms and layers."""

import math
import numbers
from collections.abc import Sequence
from typing import Any, TypeAlias

import keras
import numpy as np
from keras import ops

# A tensor of the backend, a symbolic one, or an array; no backend is imported for its type.
Tensor: TypeAlias = Any
# (height, width), or (depth, height, width) of volumes.
Size: TypeAlias = Sequence[Any]
# Of a tensor: integers, or None where a size is known only at run time.
Shape: TypeAlias = tuple[Any, ...]
FillValue: TypeAlias = float | Sequence[float]
DATA_FORMATS = ("channels_last", "channels_first")


def check_choice(name, value, allowed):
    """Refuse a value that is not among the allowed ones, naming them."""
    if value not in tuple(allowed):
        choices = ", ".join(repr(choice) for choice in allowed)
        raise ValueError(
            f"Invalid value for argument `{name}`. Expected one of {{{choices}}}. "
            f"Received: {name}={value!r}"
        )
    return value


def check_count(name, value):
    """Refuse what is not an integer of at least 1."""
    if not isinstance(value, numbers.Integral) or value < 1:
        raise ValueError(
            f"Expected `{name}` to be an integer of at least 1. Received: {name}={value!r}"
        )
    return int(value)


# What sizes and places of images of each rank are called.
SIZE_NAMES = {2: "(height, width)", 3: "(depth, height, width)"}
IMAGE_NAMES = {2: "images (N, H, W, C)", 3: "volumes (N, D, H, W, C)"}


def check_size(name, value, rank=2):
    """(height, width), or with a depth, as a tuple of integers; one integer stands for all.

    Args:
        name: of the argument.
        value: what was given.
        rank: how many axes; None: 2 or 3 of a tuple.
    """
    size = same_along_axes(value, rank or 2)
    if (
        not isinstance(size, (tuple, list))
        or len(size) not in ((2, 3) if rank is None else (rank,))
        or not all(isinstance(n, numbers.Integral) and n > 0 for n in size)
    ):
        raise ValueError(
            f"Invalid value for argument `{name}`. Expected {SIZE_NAMES[rank or 2]}, positive "
            f"integers. Received: {name}={value!r}"
        )
    return tuple(int(n) for n in size)


def same_along_axes(size, rank=2):
    """A size whose lengths may be tensors; one integer stands for all."""
    return (size,) * rank if isinstance(size, numbers.Integral) else size


def check_fill_value(value):
    """A number as a float, several as a tuple of floats."""
    value = value.tolist() if isinstance(value, np.ndarray) else value
    many = isinstance(value, (tuple, list))
    values = value if many else (value,)
    # 0 times what is not finite is NaN, also inside the image.
    if not values or not all(is_finite(number) for number in values):
        raise ValueError(
            "Invalid value for argument `fill_value`. Expected a finite number or one per channel. "
            f"Received: fill_value={value!r}"
        )
    return tuple(float(number) for number in values) if many else float(value)


def is_finite(value: Any) -> bool:
    """Whether a value is a number, neither infinite nor NaN."""
    return isinstance(value, numbers.Real) and math.isfinite(value)


def widest_float(*dtypes):
    """float64 if any is, else float32: Keras's own promotion knows no float64 on JAX and torch."""
    names = {keras.backend.standardize_dtype(dtype) for dtype in dtypes}
    return "float64" if "float64" in names else "float32"


def any_symbolic(*tensors):
    """Whether Keras is only describing a model: one of the tensors has no values yet."""
    return any(isinstance(tensor, keras.KerasTensor) for tensor in tensors)


def to_tensor(array):
    """A tensor of the array's own dtype: torch's conversion would make float64 float32."""
    dtype = getattr(array, "dtype", None)
    return ops.convert_to_tensor(array, dtype and keras.backend.standardize_dtype(dtype))


def array_to_tensor(array):
    """Nested lists as float32, anything else in its own dtype."""
    listed = isinstance(array, (list, tuple))
    return to_tensor(np.asarray(array, "float32") if listed else array)


def check_data_format(value):
    """The data format, Keras's setting for None."""
    return check_choice("data_format", value or keras.config.image_data_format(), DATA_FORMATS)
