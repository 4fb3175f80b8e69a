"""Bounds and fixed values of theta's entries."""

import math
import numbers
from collections.abc import Mapping

import numpy as np
from keras import ops

from stn_keras._arguments import to_tensor

# A name that stands for several parameters -> their roles.
GROUPS = {
    "scale": ("scale", "scale_x", "scale_y", "scale_z"),
    "rotation_degrees": ("rotation",),
    "shift": ("shift_x", "shift_y", "shift_z"),
    "offset": ("offset",),
}
IN_DEGREES = "rotation_degrees"


class Bounds:
    """Keeps theta within bounds, smoothly: start + move, squashed.

    A bounded entry approaches its bounds as a hyperbolic tangent does; at a move of 0 it has the
    start's value, slope 1 and no kink, so training starts as it would without bounds.

    Convention: bounds are in theta's units, those of "rotation_degrees" in degrees.

    Args:
        transform: `stn_keras.transforms.Transform`.
        start: (P,) or (count, P), theta at a move of 0.
        limits: parameter, or group of `GROUPS` -> (low, high), either of them None for no bound, or
            one number to fix it. Later entries replace earlier ones.

    Raises:
        ValueError: an unknown parameter, malformed bounds, or bounds that exclude the start.

    Reference:
        Sonnet's `AffineWarpConstraints`, for the idea of fixed and free entries.

    Example:
        >>> from stn_keras.transforms import Rotation
        >>> quarter = Bounds(Rotation(), np.zeros(1), {"rotation_degrees": (-90, 90)})
        >>> round(float(quarter(ops.array([[1e3]]))[0, 0] * 180 / np.pi), 3)
        90.0
    """

    def __init__(self, transform, start, limits):
        low, high = limits_of(transform, limits)
        self.start = np.array(start, "float32")
        for name, value in limits.items():
            self._check_inside(name, value, positions(transform, name))
        self.start = np.where(low == high, low, self.start)
        self._low, self._high = low - self.start, high - self.start

    def __call__(self, move):
        """theta (N, *start.shape) for a move from the start of the same shape."""
        below = move < 0
        low, high, start = (
            ops.cast(to_tensor(reach), move.dtype)
            for reach in (_finite(self._low), _finite(self._high), self.start)
        )
        reach = ops.where(below, low, high)
        bounded = ops.where(below, np.isfinite(self._low), np.isfinite(self._high))
        # A fixed entry has reach 0, and is divided by 1.
        squashed = reach * ops.tanh(move / ops.where(reach == 0, ops.ones_like(reach), reach))
        return ops.where(bounded, squashed, move) + start

    def _check_inside(self, name, value, at):
        if isinstance(value, numbers.Real):
            return
        low, high = _bounds(name, value)
        if not ((low < self.start[..., at]) & (self.start[..., at] < high)).all():
            raise ValueError(
                f"Expected the bounds of {name!r} on both sides of the value training starts at. "
                f"Received: bounds={{{name!r}: {value!r}}}"
            )


def limits_of(transform, limits):
    """The lowest and highest theta that bounds allow, each (P,) float32, equal where it is fixed.

    Raises:
        ValueError: an unknown parameter, or malformed bounds.
    """
    if not isinstance(limits, Mapping):
        raise ValueError(
            "Expected `bounds` to be a dictionary, parameter -> (low, high) or a number. "
            f"Received: bounds={limits!r}"
        )
    low = np.full(transform.num_parameters, -np.inf, "float32")
    high = np.full(transform.num_parameters, np.inf, "float32")
    for name, value in limits.items():
        at = positions(transform, name)
        fixed = isinstance(value, numbers.Real)
        low[at], high[at] = _bounds(name, (value, value) if fixed else value)
    return low, high


def positions(transform, name):
    """Where in theta the entries of a parameter or of a group stand."""
    found, start = [], 0
    for block in transform.parameters:
        entries = range(start, start + block.size)
        if (name == block.name and not block.shape) or block.role in GROUPS.get(name, ()):
            found += entries
        start += block.size
    if not found and name in transform.parameter_names:
        found = [transform.parameter_names.index(name)]
    if not found:
        raise ValueError(
            f"Invalid value for argument `bounds`. {type(transform).__name__} has "
            f"{', '.join(_some_names(transform))}{_families_with(name)}. Received: {name!r}"
        )
    return found


def _some_names(transform):
    """What bounds of a transform may be called: its groups, and its first parameters."""
    roles = {block.role for block in transform.parameters}
    groups = [group for group, group_roles in GROUPS.items() if roles & set(group_roles)]
    return [*groups, *transform.parameter_names[:8]]


def _families_with(name):
    """Which families have a parameter or group of that name, as the end of a sentence."""
    from stn_keras.transforms import FAMILIES  # which are built on this module's package

    families = [
        repr(family)
        for family, cls in FAMILIES.items()
        if any(
            name in block.entry_names or block.role in GROUPS.get(name, ())
            for block in cls().parameters
        )
    ]
    return f"; {name!r} needs one of the transforms {', '.join(families)}" if families else ""


def _bounds(name, value):
    if (
        not isinstance(value, (tuple, list))
        or len(value) != 2
        or not all(bound is None or isinstance(bound, numbers.Real) for bound in value)
    ):
        raise ValueError(
            f"Expected (low, high) or a number for the bounds of {name!r}. Received: {value!r}"
        )
    infinite = (-math.inf, math.inf)
    low, high = (
        none if bound is None else _in_theta_units(name, bound)
        for bound, none in zip(value, infinite, strict=True)
    )
    if not low <= high:
        raise ValueError(f"Expected low <= high for the bounds of {name!r}. Received: {value!r}")
    return low, high


def _in_theta_units(name, value):
    return math.radians(value) if name == IN_DEGREES else float(value)


def _finite(reach):
    """Reaches with a harmless number in place of infinity, whose branch is not taken."""
    return np.where(np.isfinite(reach), reach, 1).astype(reach.dtype)
