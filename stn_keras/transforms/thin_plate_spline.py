"""Smooth warps by moving control points."""

import functools
from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from stn_keras._arguments import Tensor, check_size, to_tensor
from stn_keras.core.coordinates import Points, homogeneous_meshgrid
from stn_keras.transforms.affine import add_to_identity
from stn_keras.transforms.base import Transform
from stn_keras.transforms.parameters import Parameter


@keras.saving.register_keras_serializable(package="stn_keras")
class ThinPlateSpline(Transform):
    """Thin plate spline through a lattice of control points, theta = [dx dy] of each, row by row.

    Convention: inverse mapping in normalized coordinates, output to input: the control points lie
    on a regular lattice over [-1, 1] of the output, edges included; each is read from the place in
    the input that lies (dx, dy) away from it. In between, the displacement has minimal bending
    energy.

    Args:
        grid: (rows, columns) of control points, each at least 2.
        align_corners: False: -1 and 1 are the outer edges of the corner pixels. True: their
            centers.

    Raises:
        ValueError: `grid` is not two integers of at least 2.

    Reference:
        Bookstein 1989, Principal warps; Jaderberg et al. 2015 (arXiv:1506.02025), section 3.2.

    Example:
        >>> ThinPlateSpline((3, 5)).num_parameters
        30
    """

    def __init__(
        self, grid: tuple[int, int] = (4, 4), *, align_corners: bool = False, rank: int = 2
    ):
        super().__init__(align_corners=align_corners, rank=rank)
        self.grid = check_size("grid", grid)
        if min(self.grid) < 2:
            raise ValueError(
                "Invalid value for argument `grid`. Expected at least 2 rows and 2 columns. "
                f"Received: grid={grid!r}"
            )

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """(dx, dy) of each control point, as one block."""
        return (Parameter("d", role="offset", shape=self.theta_shape),)

    @property
    def theta_shape(self) -> tuple[int, ...]:
        """(rows, columns, 2)."""
        return (*self.grid, 2)

    def window(
        self,
        center: Sequence[float] | None = None,
        extent: float | Sequence[float] = 1.0,
    ) -> np.ndarray:
        """As `Transform.window`, by the spline that bends nothing."""
        moves = control_points(self.grid) * (np.array(extent) - 1)
        moves += (0, 0) if center is None else center
        return moves.ravel().astype("float32")

    def map_points(self, theta: Tensor, points: Points) -> tuple:
        moves = ops.reshape(theta, (-1, self.grid[0] * self.grid[1], 2))
        coefficients = [moves[..., axis] * points.pixels_per_unit[axis] for axis in (0, 1)]
        return add_to_identity(coefficients, self._basis(points, theta.dtype), points.pixels)

    def _basis(self, points, dtype):
        """How far each point moves with each control point: (K, M), or (N, K, M)."""
        if points.output_size:
            basis = grid_basis(self.grid, points.output_size, points.align_corners)
            return basis.astype(keras.backend.standardize_dtype(dtype))
        return spline_basis(self.grid, points.normalized, ops)

    def get_config(self) -> dict:
        return {"grid": self.grid, **super().get_config()}


def control_points(grid: tuple[int, int]) -> np.ndarray:
    """The lattice (rows * columns, 2) of (x, y), row by row, in normalized coordinates."""
    y, x = (np.linspace(-1, 1, count) for count in grid)
    return np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)


@functools.lru_cache(maxsize=32)
def grid_basis(grid, output_size, align_corners):
    """`spline_basis` at the pixels of an output, in float64."""
    pixels = homogeneous_meshgrid(output_size, align_corners, "float64")
    return np.ascontiguousarray(spline_basis(grid, (pixels[:, 0], pixels[:, 1]), np))


def spline_basis(grid, normalized, library):
    """How far points move with each control point.

    Args:
        grid: (rows, columns) of control points.
        normalized: x and y, each (..., M).
        library: `numpy` or `keras.ops`, which computes.

    Returns:
        (..., rows * columns, M).
    """
    x, y = (library.expand_dims(axis, -1) for axis in normalized)
    points = control_points(grid)
    radial = _radial((x - _like(points[:, 0], x)) ** 2 + (y - _like(points[:, 1], y)) ** 2, library)
    terms = library.concatenate([radial, x, y, library.ones_like(x)], axis=-1)
    return library.swapaxes(library.matmul(terms, _like(_solved(grid), x)), -1, -2)


@functools.lru_cache(maxsize=32)
def _solved(grid):
    """Radial and affine terms -> the weight of each control point, (K + 3, K), in float64.

    The linear system depends on the lattice only.
    """
    points = control_points(grid)
    count = len(points)
    affine = np.column_stack([points, np.ones(count)])
    system = np.zeros((count + 3, count + 3))
    squared = ((points[:, None] - points[None]) ** 2).sum(-1)
    system[:count, :count] = _radial(squared, np)
    system[:count, count:], system[count:, :count] = affine, affine.T
    values = np.concatenate([np.eye(count), np.zeros((3, count))])
    return np.linalg.solve(system, values)


def _radial(squared, library):
    """r^2 log r of squared distances, 0 at r = 0."""
    return (
        0.5 * squared * library.log(library.where(squared > 0, squared, library.ones_like(squared)))
    )


def _like(array, tensor):
    """An array of NumPy as what `tensor` is, in its dtype."""
    if isinstance(tensor, np.ndarray):
        return array
    return to_tensor(array.astype(keras.backend.standardize_dtype(tensor.dtype)))
