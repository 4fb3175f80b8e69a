"""Levenberg-Marquardt: for squared differences and few parameters, far fewer steps than descent."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from keras import ops

from stn_keras import backend
from stn_keras.backend import matmul
from stn_keras.registration.losses import standardized
from stn_keras.registration.pairs import Level

MOST_PARAMETERS = 20
LOSSES = ("mse", "ncc")
# What theta is moved by to see which way places move.
_SMALL = 2e-3
_FIRST_DAMPING, _LEAST_DAMPING, _MOST_DAMPING = 1e-3, 1e-6, 1e6
_FASTER, _SLOWER = 0.2, 8.0
_MOST_GAIN = 5.0
_LEAST_VARIANCE, _FAR = 1e-8, 1e6
# A difference, in deviations of the fixed image, that counts half where robust.
_TRUST = 0.5
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
        is_robust: whether values that differ much count less.
    """

    level: Level
    loss: str
    is_robust: bool = False

    def __call__(self, theta, fixed, moving, mask):
        """`Match` as a tuple.

        Args:
            theta: (N, P).
            fixed: (N, M, C).
            moving: (N, *size, C + rank * C), the images and their slopes along x and y.
            mask: (N, M, 1).
        """
        channels = fixed.shape[-1]
        places = self.level.places(theta)
        inside = self.level.inside(places, mask)
        overlap = ops.sum(inside, axis=(1, 2)) / ops.sum(mask, axis=(1, 2))
        values = self.level.read(moving, places)
        robust_loss = None
        if self.is_robust:
            inside, robust_loss = self._trusted(values[..., :channels], fixed, inside)
        values = values * inside
        warped, *slopes = (
            values[..., start : start + channels] for start in range(0, values.shape[-1], channels)
        )
        jacobian = 0  # (N, P, M, C), 0 outside
        for slope, move in zip(slopes, self._moves(theta, places), strict=True):
            jacobian = jacobian + slope[:, None] * ops.expand_dims(move, -1)
        jacobian = _rows(jacobian)
        rows = [warped - fixed * inside] if self.loss == "mse" else [warped, fixed * inside]
        others = _rows(ops.stack([*rows, inside * ops.ones_like(warped)], axis=1))
        # All sums over points are in three products, which read what lies between but once.
        among = matmul(others, ops.swapaxes(others, 1, 2))
        count = ops.maximum(among[:, -1:, -1:], 1)
        curvature, between, among = (
            product / count
            for product in (
                matmul(jacobian, ops.swapaxes(jacobian, 1, 2)),
                matmul(jacobian, ops.swapaxes(others, 1, 2)),
                among,
            )
        )
        if self.loss == "mse":
            loss, slope = among[:, 0, 0], between[..., 0]
        else:
            loss, curvature, slope = _of_normalized(curvature, between, among)
        loss = loss if robust_loss is None else robust_loss
        return loss, overlap, curvature, slope, self._corners(places)

    def _trusted(self, warped, fixed, inside):
        """`inside`, less where values differ much, and the loss that this makes small, (N,)."""
        weights = inside / ops.maximum(ops.sum(inside, axis=1, keepdims=True), 1)
        if self.loss == "ncc":
            warped, fixed = standardized(warped, weights), standardized(fixed, weights)
        surprise = ops.mean((warped - fixed) ** 2, axis=-1, keepdims=True) / _TRUST**2
        loss = ops.sum(ops.log(1 + surprise) * weights, axis=(1, 2))
        return inside / ops.sqrt(1 + surprise), loss

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
        corners = ops.stack([ops.take(place, corners, axis=1) for place in places], axis=-1)
        return ops.clip(corners, -_FAR, _FAR)  # none is infinite


def _rows(values):
    """(N, K, M, C) -> (N, K, M * C)."""
    return ops.reshape(values, (*ops.shape(values)[:2], -1))


def _of_normalized(curvature, between, among):
    """Loss, curvature and slope for values of mean 0 and variance 1, from means of the raw ones.

    Args:
        curvature: (N, P, P), products of the warped values' derivatives with each other.
        between: (N, P, 3), with warped values, fixed values and 1.
        among: (N, 3, 3), products of those three with each other.

    Reference:
        Evangelidis and Psarakis 2008, Parametric image alignment using enhanced correlation
        coefficient maximization, for the loss.
    """
    means = among[:, :2, 2]
    squares = ops.diagonal(among, axis1=1, axis2=2)[:, :2]
    variance = ops.maximum(squares - means**2, _LEAST_VARIANCE)
    deviation = ops.sqrt(variance)
    product = ops.prod(deviation, axis=1)
    loss = 1 - (among[:, 0, 1] - means[:, 0] * means[:, 1]) / product
    level = between[..., 2]
    centered = between[..., :2] - level[..., None] * means[:, None]
    along, across = ops.unstack(centered / deviation[:, None], 2, axis=-1)
    curvature = (curvature - _square(level) - _square(along)) / variance[:, :1, None]
    return loss, curvature, (along * (1 - loss[:, None]) - across) / deviation[:, :1]


def _square(vector):
    """The products of a vector's entries, (N, P) -> (N, P, P)."""
    return vector[:, :, None] * vector[:, None]


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

    Raises:
        ValueError: no overlap to start with.
    """
    match = evaluate(theta)
    _check_overlap(match.overlap)
    damping, done = np.full(len(theta), _FIRST_DAMPING), np.zeros(len(theta), bool)
    gain, last = np.ones(len(theta)), np.zeros_like(match.corners)
    for _ in range(steps):
        candidate = constrain(theta - gain[:, None] * _step(match, damping))
        trial = evaluate(candidate)
        moves = trial.corners - match.corners
        moved = np.linalg.norm(moves, axis=-1).max(-1)
        better = ~done & (trial.loss < match.loss) & (trial.overlap >= LEAST_OVERLAP)
        # Noise makes slopes steeper and steps too short, each a part of the one before.
        gain = np.where(better & (gain == 1), _gain(moves, last), 1)
        last = moves
        theta = _where(better, candidate, theta).astype("float32")
        match = Match(*(_where(better, new, old) for new, old in zip(trial, match, strict=True)))
        damping = np.where(better, np.maximum(damping * _FASTER, _LEAST_DAMPING), damping * _SLOWER)
        done |= (moved < precision) | (damping > _MOST_DAMPING)
        report(match.loss)
        if done.all():
            break
    return theta, done, match


def _check_overlap(overlap):
    if (overlap < LEAST_OVERLAP).any():
        pair = int(np.argmin(overlap))
        raise ValueError(
            f"Expected images that overlap by {LEAST_OVERLAP:.0%} to start with; see "
            f"`initial_theta`. Received: {overlap[pair]:.0%} in pair {pair}"
        )


def _gain(moves, last):
    """By how much to lengthen a step where steps shrink steadily, (N,), after Aitken."""
    axes = tuple(range(1, moves.ndim))
    squared = np.sum(last * last, axis=axes)
    part = np.sum(moves * last, axis=axes) / np.maximum(squared, 1e-12)
    return 1 / (1 - np.clip(part, 0, 1 - 1 / _MOST_GAIN))


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


def evaluator(level, loss, fixed, moving, mask, is_robust=False):
    """theta -> `Match` for arrays of a level; the slopes of the moving images are taken once."""
    axes = range(len(level.moving_size), 0, -1)
    slopes = [_slope(moving, axis) for axis in axes]
    arrays = fixed.reshape(len(fixed), -1, fixed.shape[-1]), np.concatenate([moving, *slopes], -1)
    arrays = [ops.convert_to_tensor(array) for array in (*arrays, mask.reshape(len(mask), -1, 1))]
    equations = NormalEquations(level, loss, is_robust)

    def evaluate(theta):
        match = backend.compiled(equations)(ops.convert_to_tensor(theta), *arrays)
        return Match(*map(ops.convert_to_numpy, match))

    return evaluate


def _slope(images, axis):
    if images.shape[axis] == 1:
        return np.zeros_like(images)
    return np.gradient(images, axis=axis).astype(images.dtype)
