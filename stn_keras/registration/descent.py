"""Adam: for splines, flows, and losses that are no sums of squares."""

from collections.abc import Callable
from dataclasses import dataclass

import keras
import numpy as np
from keras import ops

from stn_keras import backend
from stn_keras.ops.flows import integrate
from stn_keras.registration.losses import mutual_information
from stn_keras.registration.pairs import Level
from stn_keras.transforms import DenseFlow

# Points of a step where a loss needs only some.
MOST_POINTS = 100_000
# How far a step moves places, in pixels; it falls to a hundredth along half a cosine.
_PACE, _LAST_PACE = 0.5, 0.005


@dataclass(frozen=True)
class Objective:
    """Parameters -> the loss, a function of tensors alone.

    The parameters are theta; of a flow the velocity that it follows.

    Attributes:
        level: `Level`.
        loss: function of fixed values, warped values and weights.
        smoothness: weight of a velocity's squared slopes.
    """

    level: Level
    loss: Callable
    smoothness: float

    def __call__(self, parameters, fixed, moving, mask, points):
        """The sum of losses, (), and each, (N,)."""
        is_flow = isinstance(self.level.transform, DenseFlow)
        theta = integrate(parameters) if is_flow else parameters
        places = self.level.places(theta, points)
        if points is not None:
            here = [
                ops.broadcast_to(points[:, axis], ops.shape(places[0]))
                for axis in range(points.shape[-1])
            ]
            fixed, mask = self.level.read(fixed, here), self.level.read(mask, here)
        else:
            fixed, mask = (ops.reshape(a, (a.shape[0], -1, a.shape[-1])) for a in (fixed, mask))
        warped = self.level.read(moving, places)
        inside = ops.stop_gradient(self.level.inside(places, mask))
        weights = inside / ops.maximum(ops.sum(inside, axis=1, keepdims=True), 1)
        losses = self.loss(fixed, warped, weights)
        total = ops.sum(losses)
        if is_flow and self.smoothness:
            total = total + self.smoothness * ops.sum(_roughness(parameters))
        return total, losses


def _roughness(velocity):
    """The mean squared slope of a velocity (N, *size, rank), (N,)."""
    total = 0
    for axis in range(1, len(velocity.shape) - 1):
        steps = ops.diff(velocity, axis=axis)
        total = total + ops.mean(steps**2, axis=tuple(range(1, len(velocity.shape))))
    return total


def minimize(
    objective: Objective,
    parameters: np.ndarray,
    arrays: tuple,
    constrain: Callable,
    steps: int,
    rng: np.random.Generator,
    report: Callable,
) -> np.ndarray:
    """Parameters of less loss.

    Args:
        objective: what to make small.
        parameters: to start from.
        arrays: fixed and moving images and the mask, (N, *size, C).
        constrain: parameters -> the closest ones allowed.
        steps: how many.
        rng: chooses the points.
        report: called with the losses (N,) of each step.
    """
    variable = keras.Variable(parameters, dtype="float32")
    pace = _PACE / _pixels_per_unit(objective.level)
    schedule = keras.optimizers.schedules.CosineDecay(pace, steps, alpha=_LAST_PACE / _PACE)
    optimizer = keras.optimizers.Adam(schedule)
    optimizer.build([variable])
    step = backend.compiled(backend.value_and_gradient(objective))
    tensors = [ops.convert_to_tensor(array) for array in arrays]
    for _ in range(steps):
        points = _points(objective, rng)
        (_, losses), gradient = step(ops.convert_to_tensor(variable), *tensors, points)
        optimizer.apply([gradient], [variable])
        variable.assign(constrain(ops.convert_to_numpy(variable.value)))
        report(ops.convert_to_numpy(losses))
    return ops.convert_to_numpy(variable.value)


def theta_of(transform, parameters):
    """theta of what was minimized: of a flow, where its velocity leads."""
    if not isinstance(transform, DenseFlow):
        return parameters
    return ops.convert_to_numpy(integrate(parameters))


def _pixels_per_unit(level):
    """How far a unit of a parameter moves places, in pixels."""
    return 1 if isinstance(level.transform, DenseFlow) else max(level.moving_size) / 2


def _points(objective, rng):
    """Points (M, rank) of a step; None for all pixels."""
    size = objective.level.fixed_size
    if objective.loss is not mutual_information or np.prod(size) <= MOST_POINTS:
        return None
    points = rng.uniform(0, [length - 1 for length in reversed(size)], (MOST_POINTS, len(size)))
    return ops.convert_to_tensor(points.astype("float32"))
