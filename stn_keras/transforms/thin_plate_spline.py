"""Smooth warps by moving control points."""

import functools

import keras
import numpy as np
from keras import ops

from stn_keras._arguments import check_size
from stn_keras.ops.coordinates import half_extents, homogeneous_meshgrid, identity_coordinates
from stn_keras.transforms.affine import add_to_identity
from stn_keras.transforms.base import Transform, lattice_offsets


@keras.saving.register_keras_serializable(package="stn_keras")
class ThinPlateSpline(Transform):
    """Thin plate spline through a lattice of control points, theta = [dx dy] of each, row by row.

    Convention: inverse mapping in normalized coordinates, output to input: the control points lie
    on a regular lattice over [-1, 1] of the output, edges included; each is read from the place in
    the input that lies (dx, dy) away from its own. Between them the move is the smoothest that
    there is.

    Args:
        grid: (rows, columns) of control points, each at least 2.
        align_corners: False: -1 and 1 are the outer edges of the corner pixels. True: their
            centres.

    Raises:
        ValueError: `grid` is not two integers of at least 2.

    Reference:
        Bookstein 1989, Principal warps; Jaderberg et al. 2015 (arXiv:1506.02025), section 3.2.

    Example:
        >>> ThinPlateSpline((3, 5)).num_parameters
        30
    """

    ends_in_matmul = True

    def __init__(self, grid=(4, 4), align_corners: bool = False):
        super().__init__(align_corners)
        self.grid = check_size("grid", grid)
        if min(self.grid) < 2:
            raise ValueError(
                "Invalid value for argument `grid`. Expected at least 2 rows and 2 columns. "
                f"Received: grid={grid!r}"
            )

    @property
    def parameters(self):
        """dx and dy of each control point, numbered by row and column."""
        return lattice_offsets(self.grid)

    @property
    def theta_shape(self):
        """(rows, columns, 2)."""
        return (*self.grid, 2)

    def window(self, centre=(0.0, 0.0), extent=(1.0, 1.0)):
        """As `Transform.window`, by the spline that bends nothing."""
        moves = control_points(self.grid) * (np.array(extent) - 1) + centre
        return moves.ravel().astype("float32")

    def source_xy(self, theta, output_size, input_size):
        theta = self._standardize_theta(theta)
        dtype = keras.backend.standardize_dtype(theta.dtype)
        basis = spline_basis(self.grid, tuple(output_size), self.align_corners)
        extents = half_extents(input_size, self.align_corners, dtype)
        moves = ops.reshape(theta, (-1, self.grid[0] * self.grid[1], 2))
        return add_to_identity(
            [moves[..., axis] * extents[axis] for axis in (0, 1)],
            basis.astype(dtype),
            identity_coordinates(output_size, input_size, self.align_corners, dtype),
        )

    def get_config(self) -> dict:
        return {"grid": self.grid, **super().get_config()}


def control_points(grid):
    """The lattice (rows * columns, 2) of (x, y), row by row."""
    y, x = (np.linspace(-1, 1, count) for count in grid)
    return np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)


@functools.lru_cache(maxsize=32)
def spline_basis(grid, output_size, align_corners):
    """How far each output pixel moves with each control point, (rows * columns, H' * W').

    The linear system depends on the lattice alone and is solved here, in float64.
    """
    points = control_points(grid)
    pixels = homogeneous_meshgrid(output_size, align_corners, "float64")
    count = len(points)
    affine = np.column_stack([points, np.ones(count)])
    system = np.zeros((count + 3, count + 3))
    system[:count, :count] = _radial(points, points)
    system[:count, count:], system[count:, :count] = affine, affine.T
    values = np.concatenate([np.eye(count), np.zeros((3, count))])
    basis = np.column_stack([_radial(pixels[:, :2], points), pixels]) @ np.linalg.solve(
        system, values
    )
    return np.ascontiguousarray(basis.T)


def _radial(points, centres):
    """r^2 log r between each of the points and the centres, 0 at r = 0."""
    squared = ((points[:, None] - centres[None]) ** 2).sum(-1)
    return 0.5 * squared * np.log(np.where(squared > 0, squared, 1))
