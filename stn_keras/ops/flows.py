"""Flows from velocities, which do not fold."""

from typing import Any

from stn_keras._arguments import Tensor, array_to_tensor
from stn_keras.ops.warping import warp
from stn_keras.transforms import DenseFlow


def integrate(velocity: Any, steps: int = 7) -> Tensor:
    """The flow of following a velocity for a unit of time, by scaling and squaring.

    A flow made from a smooth velocity has no folds, and that of the negative velocity undoes it.

    Convention: (dx, dy) in pixels, as theta of `stn_keras.transforms.DenseFlow`; beyond the border
    the velocity is the border's.

    Args:
        velocity: (N, H, W, 2), or (N, D, H, W, 3) of volumes, floating.
        steps: how often a flow is doubled; it starts as the velocity over 2 ** steps.

    Returns:
        theta of `DenseFlow`, in the shape and dtype of `velocity`.

    Raises:
        ValueError: a velocity of another shape, or `steps` that is no count.

    Reference:
        Arsigny et al. 2006, A log-Euclidean framework for statistics on diffeomorphisms; Dalca et
        al. 2018 (arXiv:1805.04605), section 2.

    Example:
        >>> import numpy as np
        >>> right = np.full((1, 4, 4, 2), (1, 0), "float32")
        >>> np.asarray(integrate(right))[0, 2, 2].tolist()
        [1.0, 0.0]
    """
    velocity = array_to_tensor(velocity)
    if len(velocity.shape) not in (4, 5) or velocity.shape[-1] != len(velocity.shape) - 2:
        raise ValueError(
            "Expected a velocity (N, H, W, 2) or (N, D, H, W, 3). "
            f"Received: velocity.shape={tuple(velocity.shape)}"
        )
    if not isinstance(steps, int) or steps < 0:
        raise ValueError(f"Expected `steps` to be an integer of at least 0. Received: {steps!r}")
    transform = DenseFlow(tuple(velocity.shape[1:-1]))
    flow = velocity / 2**steps
    for _ in range(steps):
        flow = flow + warp(flow, flow, transform, fill_mode="nearest", data_format="channels_last")
    return flow
