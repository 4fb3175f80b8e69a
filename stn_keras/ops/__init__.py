"""Pure functions on tensors, symbolic ones too: coordinates, sampling, computing with theta."""

from stn_keras.ops.coordinates import (
    distance_outside,
    half_extents,
    homogeneous_meshgrid,
    identity_coordinates,
)
from stn_keras.ops.sampling import sample, sample_xy
from stn_keras.ops.theta import (
    Decomposition,
    compose,
    decompose,
    from_pixel_matrix,
    invert,
    to_pixel_matrix,
)

__all__ = [
    "Decomposition",
    "compose",
    "decompose",
    "distance_outside",
    "from_pixel_matrix",
    "half_extents",
    "homogeneous_meshgrid",
    "identity_coordinates",
    "invert",
    "sample",
    "sample_xy",
    "to_pixel_matrix",
]
