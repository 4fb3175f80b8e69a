"""Pure functions on tensors, symbolic ones too: warping, annotations, coordinates, matrices."""

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
from stn_keras.core.polar import polar_coordinates
from stn_keras.core.sampling import sample
from stn_keras.ops.flows import integrate
from stn_keras.ops.points import theta_from_boxes, transform_boxes, transform_points
from stn_keras.ops.warping import warp

__all__ = [
    "Decomposition",
    "compose",
    "decompose",
    "from_pixel_matrix",
    "homogeneous_meshgrid",
    "identity_coordinates",
    "integrate",
    "invert",
    "out_of_bounds_distance",
    "pixels_per_unit",
    "polar_coordinates",
    "sample",
    "theta_from_boxes",
    "to_pixel_matrix",
    "transform_boxes",
    "transform_points",
    "warp",
]
