"""Pure functions on tensors: coordinates and sampling."""

from stn_keras.ops.coordinates import half_extents, homogeneous_meshgrid, identity_coordinates
from stn_keras.ops.sampling import sample, sample_xy

__all__ = ["half_extents", "homogeneous_meshgrid", "identity_coordinates", "sample", "sample_xy"]
