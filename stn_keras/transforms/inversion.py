"""Which points of the output read given places, for families without a formula for it."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from stn_keras._arguments import Tensor, to_tensor

# A step that does not come closer is halved, so that not every step is one of Newton's.
_STEPS = 40
# How far apart, in pixels, points lie between which a slope is taken: while approaching, and at
# the solution, where gradients go through it.
_FAR_APART = 0.25
_CLOSE = {"float32": 0.05, "float64": 1e-5}
# A point found reads its place to this many pixels.
_PRECISION = 1e-2


def find_points(read: Callable, places: Tensor, start: Tensor, output_size: Any) -> Tensor:
    """The points that read given places, by Newton's method.

    Gradients go to the places and to what `read` holds, by the implicit function theorem.

    Args:
        read: function of points (N, M, rank), in pixels of the output, that returns where in the
            input they are read, (N, M, rank); it may be NaN outside the output.
        places: (N, M, rank), in pixels of the input.
        start: (N, M, rank), points of the output to start from.
        output_size: sizes of the output's axes, height before width.

    Returns:
        (N, M, rank); NaN where none was found.
    """
    lengths = to_tensor([float(length) for length in reversed(output_size)])
    last = ops.cast(lengths, places.dtype) - 1
    start = ops.clip(start, ops.zeros_like(last), last)
    fixed_places = ops.stop_gradient(places)

    def miss(points):
        return ops.stop_gradient(read(points)) - fixed_places

    def approach(_, state):
        points, pace = state
        missed = miss(points)
        step = _solve(_slopes(miss, points, missed, last, _FAR_APART), missed)
        candidate = points - ops.expand_dims(pace, -1) * step
        closer = _length(miss(candidate)) < _length(missed)
        points = ops.where(ops.expand_dims(closer, -1), candidate, points)
        return points, ops.where(closer, ops.minimum(2 * pace, ops.ones_like(pace)), pace / 2)

    state = ops.stop_gradient(start), ops.ones_like(start[..., 0])
    points, _ = ops.fori_loop(0, _STEPS, approach, state)
    points = ops.stop_gradient(points)
    missed = read(points) - places
    found = ops.expand_dims(_length(missed) < _PRECISION, -1)
    close = _CLOSE[keras.backend.standardize_dtype(places.dtype)]
    slopes = _slopes(miss, points, ops.stop_gradient(missed), last, close)
    # Of a point that was not found nothing may reach the gradients of the others.
    slopes = [ops.where(found, slope, _unit(axis, slope)) for axis, slope in enumerate(slopes)]
    solution = points - _solve(slopes, ops.where(found, missed, ops.zeros_like(missed)))
    return ops.where(found, solution, ops.full_like(solution, float("nan")))


def _slopes(miss, points, missed, last, distance):
    """How what is missed changes along each axis of the output, (N, M, rank) for each."""
    slopes = []
    for axis in range(points.shape[-1]):
        # Towards the middle, since a flow knows nothing outside its grid.
        away = ops.where(points[..., axis] > last[axis] / 2, -distance, distance)
        away = ops.expand_dims(ops.cast(away, points.dtype), -1)
        slopes.append((miss(points + away * _unit(axis, points)) - missed) / away)
    return slopes


def _unit(axis, points):
    """The unit vector of an axis, (rank,)."""
    return ops.cast(ops.one_hot(axis, points.shape[-1]), points.dtype)


def _solve(columns, right):
    """x of sum over k of columns[k] x_k = right, each (N, M, rank), by Cramer's rule."""
    whole = _determinant(columns)
    parts = [
        _determinant([*columns[:axis], right, *columns[axis + 1 :]]) for axis in range(len(columns))
    ]
    return ops.stack(parts, axis=-1) / ops.expand_dims(whole, -1)


def _determinant(columns):
    if len(columns) == 2:
        a, b = columns
        return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
    a, b, c = columns
    return ops.sum(a * ops.cross(b, c), axis=-1)


def _length(vectors):
    return ops.sqrt(ops.sum(vectors * vectors, axis=-1))
