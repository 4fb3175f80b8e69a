"""Where to start: the smallest copy of the images is aligned from many places at once."""

import itertools
from collections.abc import Callable

import numpy as np

from stn_keras.registration import least_squares
from stn_keras.transforms import Transform

# Starts around the one that is given: by parts of half the image's extent, and by factors.
_SHIFTS, _FACTORS = (0.0, -0.25, 0.25), (1.0, 0.8, 1.25)
_STEPS = 15


def starts_around(transform: Transform, theta: np.ndarray) -> np.ndarray:
    """Thetas (K, P) around one (P,), itself the first: shifted, and of other scales.

    A family without shifts or scales has fewer; one that has neither has theta alone.
    """
    roles = [role for block in transform.parameters for role in [block.role] * block.size]
    kinds = [_kind(role) for role in roles]
    choices = [
        _SHIFTS if "shift_x" in kinds else (0.0,),
        _SHIFTS if "shift_y" in kinds else (0.0,),
        _FACTORS if "scale" in kinds else (1.0,),
    ]
    starts = []
    for shift_x, shift_y, factor in itertools.product(*choices):
        added = [{"shift_x": shift_x, "shift_y": shift_y}.get(kind, 0) for kind in kinds]
        factors = [factor if kind == "scale" else 1 for kind in kinds]
        starts.append(theta * factors + added)
    return np.array(starts, "float32")


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


def _kind(role):
    is_scale = role is not None and role.startswith(("scale", "matrix"))
    return "scale" if is_scale else role
