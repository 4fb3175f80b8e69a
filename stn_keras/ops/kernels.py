"""Interpolation kernels along one axis: which neighbours are read, and with which weights.

A value is interpolated as base + sum of w_k (v_k - base), where the base is the pixel at or before
the position: equal neighbours then give exactly their value, and at whole pixels all w_k are zero.
"""

from keras import ops

KEYS_A = -0.75


def _nearest(fraction):
    # Compared rather than added to and floored: 0.49999997 + 0.5 rounds to 1 in float32.
    return (ops.cast(fraction >= 0.5, "int32"),), ()


def _bilinear(fraction):
    # Floor and floor + 1: neighbours that coincide at whole pixels would give theta no gradient.
    return (0, 1), (fraction,)


def _bicubic(fraction):
    far, near = _keys_far, _keys_near
    return (0, -1, 1, 2), (far(fraction + 1), near(1 - fraction), far(2 - fraction))


def _keys_near(distance):
    """Keys' kernel up to one pixel away."""
    return ((KEYS_A + 2) * distance - (KEYS_A + 3)) * distance * distance + 1


def _keys_far(distance):
    """Keys' kernel from one to two pixels away."""
    return ((KEYS_A * distance - 5 * KEYS_A) * distance + 8 * KEYS_A) * distance - 4 * KEYS_A


_KERNELS = {"nearest": _nearest, "bilinear": _bilinear, "bicubic": _bicubic}
INTERPOLATIONS = tuple(_KERNELS)


def taps(interpolation, fraction):
    """Neighbours of a position that lies `fraction` past a pixel.

    Returns:
        (offsets, weights): offsets from that pixel, the base first; weights of the others.
    """
    return _KERNELS[interpolation](fraction)


def interpolate(values, weights):
    """base + sum of w_k (v_k - base), the base being the first value."""
    base, *others = values
    result = base
    for value, weight in zip(others, weights, strict=True):
        result = result + weight * (value - base)
    return result
