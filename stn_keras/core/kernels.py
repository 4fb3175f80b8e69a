"""Interpolation kernels along one axis: which neighbors are read, and with which weights.

A value is interpolated as base + sum of w_k (v_k - base), where the base is the pixel at or before
the position: equal neighbors then give exactly their value, and at whole pixels all w_k are zero.
"""

from keras import ops

KEYS_A = -0.75


def _nearest(fraction):
    return ()


def _bilinear(fraction):
    return (fraction,)


def _bicubic(fraction):
    far, near = _keys_far, _keys_near
    return far(fraction + 1), near(1 - fraction), far(2 - fraction)


def _keys_near(distance):
    """Keys' kernel up to one pixel away."""
    return ((KEYS_A + 2) * distance - (KEYS_A + 3)) * distance * distance + 1


def _keys_far(distance):
    """Keys' kernel from one to two pixels away."""
    return ((KEYS_A * distance - 5 * KEYS_A) * distance + 8 * KEYS_A) * distance - 4 * KEYS_A


# Neighbors as offsets from the base, the base first. Floor and floor + 1: neighbors that coincide
# at whole pixels would give theta no gradient.
OFFSETS = {"nearest": (0,), "bilinear": (0, 1), "bicubic": (0, -1, 1, 2)}
_WEIGHTS = {"nearest": _nearest, "bilinear": _bilinear, "bicubic": _bicubic}
INTERPOLATIONS = tuple(OFFSETS)


def taps(interpolation, position):
    """Neighbors of a position along an axis.

    Returns:
        (base, weights): the base pixel, int32, and the weights of its neighbors but itself, in the
        order of `OFFSETS`.
    """
    base = floor(position)
    fraction = position - ops.cast(base, position.dtype)
    if interpolation == "nearest":
        # Compared rather than added to and floored: 0.49999997 + 0.5 rounds to 1 in float32.
        base = base + ops.cast(fraction >= 0.5, "int32")
    return base, _WEIGHTS[interpolation](fraction)


def floor(position):
    """Floor as int32; `ops.floor` would round float64 to float32 first on JAX and torch."""
    towards_zero = ops.cast(position, "int32")
    return towards_zero - ops.cast(position < ops.cast(towards_zero, position.dtype), "int32")


def interpolate(values, weights):
    """base + sum of w_k (v_k - base), the base being the first value."""
    base, *others = values
    result = base
    for value, weight in zip(others, weights, strict=True):
        result = result + weight * (value - base)
    return result
