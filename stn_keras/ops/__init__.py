"""Pure functions on tensors, symbolic ones too: warping, sampling, coordinates, matrices."""

from stn_keras.core.coordinates import (
    homogeneous_meshgrid,
    identity_coordinates,
    out_of_bounds_distance,
    pixels_per_unit,
)
from stn_keras.core.matrices import (
    Decomposition,
    compose,
    decompose,
    from_pixel_matrix,
    invert,
    to_pixel_matrix,
)
from stn_keras.core.sampling import sample
from stn_keras.ops.warping import warp

__all__ = [
    "Decomposition",
    "compose",
    "decompose",
    "from_pixel_matrix",
    "homogeneous_meshgrid",
    "identity_coordinates",
    "invert",
    "out_of_bounds_distance",
    "pixels_per_unit",
    "sample",
    "to_pixel_matrix",
    "warp",
]
