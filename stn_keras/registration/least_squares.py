"""Levenberg-Marquardt: for squared differences and few parameters, far fewer steps than descent."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from keras import ops

from stn_keras import backend
from stn_keras.backend import matmul
from stn_keras.registration.losses import mse, ncc, standardized
from stn_keras.registration.pairs import Level

MOST_PARAMETERS = 20
LOSSES = ("mse", "ncc")
# What theta is moved by to see which way places move.
_SMALL = 2e-3
_FIRST_DAMPING, _LEAST_DAMPING, _MOST_DAMPING = 1e-3, 1e-6, 1e6
_FASTER, _SLOWER = 0.2, 8.0
# Images that overlap less match by chance.
LEAST_OVERLAP = 0.1


class Match(NamedTuple):
    """How well images match, and what the next step needs.

    Attributes:
        loss: (N,).
        overlap: (N,), the part of the fixed image that the moving one covers.
        curvature: (N, P, P), the sum of products of slopes.
        slope: (N, P), of the loss.
        corners: (N, corners, rank), where the fixed image's corners are read.
    """

    loss: np.ndarray
    overlap: np.ndarray
    curvature: np.ndarray
    slope: np.ndarray
    corners: np.ndarray


@dataclass(frozen=True)
class NormalEquations:
    """theta -> `Match`, a function of tensors alone.

    Attributes:
        level: `Level`.
        loss: "mse" or "ncc".
    """

    level: Level
    loss: str

    def __call__(self, theta, fixed, moving, mask):
        """`Match` as a tuple.

        Args:
            theta: (N, P).
            fixed: (N, M, C).
            moving: (N, *size, C + rank * C), the images and their slopes along x and y.
            mask: (N, M, 1).
        """
        channels, rank = fixed.shape[-1], len(self.level.moving_size)
        places = self.level.places(theta)
        weights, overlap = self.level.weights(places, mask)
        values = self.level.read(moving, places)
        warped = values[..., :channels]
        slopes = [
            values[..., start : start + channels]
            for start in range(channels, channels * (rank + 1), channels)
        ]
        jacobian = 0  # (N, P, M, C)
        for slope, move in zip(slopes, self._moves(theta, places), strict=True):
            jacobian = jacobian + slope[:, None] * ops.expand_dims(move, -1)
        if self.loss == "ncc":
            loss = ncc(fixed, warped, weights)
            missed, jacobian = _normalized(fixed, warped, jacobian, weights)
        else:
            loss, missed = mse(fixed, warped, weights), warped - fixed
        flat = ops.reshape(jacobian, (*ops.shape(theta), -1))
        weighted = flat * ops.reshape(weights * ops.ones_like(fixed), (ops.shape(theta)[0], 1, -1))
        curvature = matmul(weighted, ops.swapaxes(flat, 1, 2))
        slope = matmul(weighted, ops.reshape(missed, (ops.shape(theta)[0], -1, 1)))[..., 0]
        return loss, overlap, curvature, slope, self._corners(places)

    def _moves(self, theta, places):
        """How places move with each entry of theta, (N, P, M) for each axis."""
        count = theta.shape[-1]
        moved = theta[:, None] + _SMALL * ops.eye(count, dtype=theta.dtype)
        moved = self.level.places(ops.reshape(moved, (-1, count)))
        shape = (-1, count, ops.shape(places[0])[-1])
        return [
            (ops.reshape(there, shape) - here[:, None]) / _SMALL
            for here, there in zip(places, moved, strict=True)
        ]

    def _corners(self, places):
        """Places of the first and last pixel of each axis."""
        index = np.arange(np.prod(self.level.fixed_size)).reshape(self.level.fixed_size)
        corners = index[np.ix_(*([0, -1] for _ in self.level.fixed_size))].ravel()
        return ops.stack([ops.take(place, corners, axis=1) for place in places], axis=-1)


def _normalized(fixed, warped, jacobian, weights):
    """What is missed between normalized images, and how it changes with theta."""
    ours, deviation = standardized(warped, weights)
    missed = ours - standardized(fixed, weights)[0]
    weights = ops.expand_dims(weights, 1)
    channels = fixed.shape[-1]
    jacobian = jacobian - ops.sum(jacobian * weights, axis=(2, 3), keepdims=True) / channels
    along = ops.sum(jacobian * weights * ours[:, None], axis=(2, 3), keepdims=True) / channels
    return missed, (jacobian - ours[:, None] * along) / deviation[:, None]


def minimize(
    evaluate: Callable,
    theta: np.ndarray,
    constrain: Callable,
    steps: int,
    precision: float,
    report: Callable,
) -> tuple[np.ndarray, np.ndarray, Match]:
    """The theta of least loss nearby.

    Args:
        evaluate: theta (N, P) -> `Match`.
        theta: (N, P), to start from.
        constrain: theta -> the closest one allowed.
        steps: at most.
        precision: a step by which no corner moves farther, in pixels, is the last.
        report: called with the losses (N,) of each step.

    Returns:
        theta (N, P), whether each was found before the steps ran out, (N,), and its `Match`.
    """
    match = evaluate(theta)
    damping, done = np.full(len(theta), _FIRST_DAMPING), np.zeros(len(theta), bool)
    for _ in range(steps):
        candidate = constrain(theta - _step(match, damping))
        trial = evaluate(candidate)
        moved = np.linalg.norm(trial.corners - match.corners, axis=-1).max(-1)
        better = ~done & (trial.loss < match.loss) & (trial.overlap >= LEAST_OVERLAP)
        theta = _where(better, candidate, theta)
        match = Match(*(_where(better, new, old) for new, old in zip(trial, match, strict=True)))
        damping = np.where(better, np.maximum(damping * _FASTER, _LEAST_DAMPING), damping * _SLOWER)
        done |= (moved < precision) | (damping > _MOST_DAMPING)
        report(match.loss)
        if done.all():
            break
    return theta, done, match


def _step(match, damping):
    curvature = match.curvature.astype("float64")
    diagonal = np.einsum("npp->np", curvature)
    # An entry that changes nothing stays where it is.
    held = np.maximum(diagonal, 1e-12 * diagonal.max(-1, keepdims=True) + 1e-30)
    curvature[:, range(held.shape[1]), range(held.shape[1])] = held * (1 + damping[:, None])
    return np.linalg.solve(curvature, match.slope[..., None].astype("float64"))[..., 0].astype(
        match.slope.dtype
    )


def _where(chosen, new, old):
    return np.where(chosen.reshape(-1, *[1] * (new.ndim - 1)), new, old)


def evaluator(level, loss, fixed, moving, mask):
    """theta -> `Match` for arrays of a level; the slopes of the moving images are taken once."""
    axes = range(len(level.moving_size), 0, -1)
    slopes = [_slope(moving, axis) for axis in axes]
    arrays = fixed.reshape(len(fixed), -1, fixed.shape[-1]), np.concatenate([moving, *slopes], -1)
    arrays = [ops.convert_to_tensor(array) for array in (*arrays, mask.reshape(len(mask), -1, 1))]
    equations = NormalEquations(level, loss)

    def evaluate(theta):
        return Match(*map(ops.convert_to_numpy, backend.compiled(equations)(theta, *arrays)))

    return evaluate


def _slope(images, axis):
    if images.shape[axis] == 1:
        return np.zeros_like(images)
    return np.gradient(images, axis=axis).astype(images.dtype)
