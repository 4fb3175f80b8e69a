"""Where to start: the smallest copy of the images is aligned from many places at once."""

import itertools
from collections.abc import Callable

import numpy as np

from stn_keras.registration import least_squares
from stn_keras.transforms import Transform

# Starts around the one that is given: by parts of half the image's extent, by factors, by radians.
_SHIFTS, _FACTORS, _TURNS = (0.0, -0.25, 0.25), (1.0, 0.8, 1.25), (0.0, -0.4, 0.4)
_STEPS = 15
_MATRIX = ("matrix_xx", "matrix_xy", "matrix_yx", "matrix_yy")


def starts_around(transform: Transform, theta: np.ndarray) -> np.ndarray:
    """Thetas (K, P) around one (P,), itself the first: shifted, of other scales, and turned.

    A family without shifts, scales or turns has fewer; volumes are not turned.
    """
    roles = [role for block in transform.parameters for role in [block.role] * block.size]
    turn = _turned if transform.rank == 2 and set(_MATRIX) <= set(roles) else _with_angle
    can_turn = transform.rank == 2 and (turn is _turned or "rotation" in roles)
    can_scale = any(map(_is_scale, roles))
    choices = [
        _SHIFTS if "shift_x" in roles else _SHIFTS[:1],
        _SHIFTS if "shift_y" in roles else _SHIFTS[:1],
        _FACTORS if can_scale else _FACTORS[:1],
        _TURNS if can_turn else _TURNS[:1],
    ]
    starts = []
    for shift_x, shift_y, factor, angle in itertools.product(*choices):
        shifts = {"shift_x": shift_x, "shift_y": shift_y}
        moved = [
            (factor if _is_scale(role) else 1) * value + shifts.get(role or "", 0)
            for role, value in zip(roles, theta, strict=True)
        ]
        starts.append(turn(moved, roles, angle))
    return np.array(starts, "float32")


def _turned(theta, roles, angle):
    """theta whose matrix comes after a turn of the output."""
    theta, places = np.array(theta), [roles.index(role) for role in _MATRIX]
    cosine, sine = np.cos(angle), np.sin(angle)
    matrix = theta[places].reshape(2, 2) @ np.array([[cosine, -sine], [sine, cosine]])
    theta[places] = matrix.ravel()
    return theta


def _with_angle(theta, roles, angle):
    return np.array(theta) + [angle if role == "rotation" else 0 for role in roles]


def best_start(
    transform: Transform,
    theta: np.ndarray,
    evaluator: Callable,
    constrain: Callable,
) -> np.ndarray:
    """For each pair, the theta that a few steps from many starts bring closest.

    Args:
        transform: the family.
        theta: (N, P), to start around.
        evaluator: number of a pair -> its function from thetas (K, P) to `Match`.
        constrain: theta -> the closest one allowed.

    Returns:
        (N, P).
    """
    best = []
    for pair, start in enumerate(theta):
        starts = constrain(starts_around(transform, start))
        overlap = evaluator(pair)(starts).overlap
        seen = overlap >= max(least_squares.LEAST_OVERLAP, overlap[0] / 2)
        starts = starts[seen] if seen.any() else starts
        found, _, match = least_squares.minimize(
            evaluator(pair), starts, constrain, _STEPS, 0.1, lambda losses: None
        )
        # A match of a small part is worth less.
        best.append(found[np.argmin(match.loss / np.maximum(match.overlap, 1e-6))])
    return np.array(best)


def _is_scale(role):
    return role is not None and role.startswith(("scale", "matrix"))
