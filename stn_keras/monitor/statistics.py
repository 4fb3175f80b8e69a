"""What a transformer does with a batch, as statistics, and what is wrong with them."""

from typing import Any

import numpy as np
from keras import ops

from stn_keras.ops import decompose, homogeneous_meshgrid, identity_coordinates, pixels_per_unit

_SMALLEST_SCALE, _LARGEST_SHARE_OUTSIDE, _SMALLEST_SPREAD = 0.05, 0.9, 1e-6


def theta_statistics(
    theta: np.ndarray,
    coordinates: np.ndarray,
    input_size: tuple[int, int],
    align_corners: bool = False,
) -> dict[str, float]:
    """Mean and spread of scale, rotation and shift, and how much lies outside the images.

    Convention: scale, rotation and shift are those of the affine transform that fits the
    coordinates best, output to input, as of `stn_keras.ops.decompose` with `input_size`: a rotation
    turns pixels. Of volumes the rotation is the angle of the turn that is closest, 0 to 180.

    Args:
        theta: (N, ...), of each image.
        coordinates: (M, H', W', 2), (x, y) in pixels of the input, of each transform; or
            (M, D', H', W', 3).
        input_size: (height, width) of the images; (depth, height, width) of volumes.
        align_corners: of the transform.

    Returns:
        Dictionary of "scale", "scale_std", "rotation" and "rotation_std" in degrees, "shift_x",
        "shift_y", of volumes "shift_z", and "shift_std" in halves of the size, "outside", share of
        samples outside the image, and "nan", the number of images whose theta is not finite.
        Transforms with a coordinate that is not finite are left out of scale, rotation and shift,
        which are NaN if none is left.

    Example:
        >>> identity = identity_coordinates((4, 4), (8, 8)).reshape(1, 4, 4, 2)
        >>> statistics = theta_statistics(np.zeros((1, 6)), identity + (2, 0), (8, 8))
        >>> [round(statistics[name], 6) for name in ("scale", "shift_x", "outside")]
        [1.0, 0.5, 0.25]
    """
    finite_theta = np.isfinite(theta).reshape(len(theta), -1).all(-1)
    return {
        **_affine_statistics(coordinates, input_size, align_corners),
        "outside": _share_outside(coordinates, input_size),
        "nan": int((~finite_theta).sum()),
    }


def find_problems(statistics: dict[str, float]) -> dict[str, str]:
    """Problem -> message, of a transformer that has collapsed.

    Args:
        statistics: of `theta_statistics`.

    Returns:
        Dictionary with some of the keys "scale", "outside" and "nan". Each message continues a
        sentence that begins with the transformer's name.
    """
    scale, outside, nan = (statistics[name] for name in ("scale", "outside", "nan"))
    problems = {}
    if scale < _SMALLEST_SCALE:
        problems["scale"] = f"reads little more than a point of each image: a scale of {scale:.3f}"
    if outside > _LARGEST_SHARE_OUTSIDE:
        problems["outside"] = f"reads outside the images: {outside:.0%} of its samples"
    if nan:
        problems["nan"] = f"has a theta that is not finite for {nan} of the images"
    return problems


def are_alike(batch: Any) -> bool:
    """Whether all samples are equal up to rounding; False if any is NaN."""
    batch = ops.convert_to_numpy(batch).astype("float64")
    return bool((np.ptp(batch, axis=0) <= _SMALLEST_SPREAD * np.abs(batch).max()).all())


def _share_outside(coordinates, input_size):
    """Share of the samples that lie outside the image."""
    lengths = np.array(input_size[::-1])
    # NaN coordinates are left out; infinite ones are outside.
    samples = coordinates[~np.isnan(coordinates).any(-1)]
    outside = ((samples < -0.5) | (samples > lengths - 0.5)).any(-1)
    return float(outside.mean()) if len(outside) else float("nan")


def _affine_statistics(coordinates, input_size, align_corners):
    """Mean and spread of scale, rotation and shift of the finite transforms."""
    matrix, rotation = _finite_fits(coordinates, input_size, align_corners)
    with np.errstate(invalid="ignore"):  # the determinant of NaN is NaN
        scale = np.abs(np.linalg.det(matrix[:, :, :-1])) ** (1 / matrix.shape[1])
    shift = matrix[:, :, -1]
    mean_rotation, rotation_std = _circular_mean_and_std(rotation)
    statistics = {
        "scale": scale.mean(),
        "scale_std": scale.std(),
        "rotation": mean_rotation,
        "rotation_std": rotation_std,
        **{f"shift_{axis}": mean for axis, mean in zip("xyz", shift.mean(0), strict=False)},
        "shift_std": np.sqrt(shift.var(0).sum()),
    }
    return {name: float(value) for name, value in statistics.items()}


def _finite_fits(coordinates, input_size, align_corners):
    """Affine fits (K, 2, 3) of the finite transforms, and their rotations; one NaN if none is.

    Of volumes (K, 3, 4).
    """
    rank = len(input_size)
    finite = np.isfinite(coordinates).all(tuple(range(1, coordinates.ndim)))
    if not finite.any():
        return np.full((1, rank, rank + 1), np.nan), np.full(1, np.nan)
    filled = np.where(finite.reshape(-1, *[1] * (rank + 1)), coordinates, 0)
    matrix = _affine_fit(filled, input_size, align_corners)
    if rank == 3:
        return matrix[finite], _turns(matrix[finite], input_size)
    # All are decomposed before some are dropped: JAX compiles anew for every batch size.
    # An axis of one pixel has no extent with `align_corners`, so pixels cannot be turned.
    metric = None if align_corners and 1 in input_size else input_size
    parts = decompose(matrix.astype("float32"), input_size=metric, align_corners=align_corners)
    return matrix[finite], ops.convert_to_numpy(parts.rotation_degrees)[finite]


def _turns(matrix, input_size):
    """Angles in degrees (K,) of the rotations closest to matrices (K, 3, 4) of volumes."""
    lengths = np.array(input_size[::-1], "float64")
    left, _, right = np.linalg.svd(matrix[:, :, :3] * (lengths[:, None] / lengths))
    trace = np.trace(left @ right, axis1=1, axis2=2)
    return np.degrees(np.arccos(np.clip((trace - 1) / 2, -1, 1)))


def _circular_mean_and_std(degrees):
    """Mean and standard deviation of angles in degrees; 179 and -179 are 2 apart."""
    unit = np.exp(1j * np.radians(degrees))
    mean = np.angle(unit.mean(), deg=True)
    deviations = np.angle(unit * np.exp(-1j * np.radians(mean)), deg=True)
    return mean, np.sqrt(np.mean(deviations**2))


def _affine_fit(coordinates, input_size, align_corners):
    """The affine theta (N, 2, 3), in least squares, of coordinates (N, H', W', 2).

    Or (N, 3, 4) of coordinates (N, D', H', W', 3).
    """
    output_size, rank = coordinates.shape[1:-1], coordinates.shape[-1]
    extents = pixels_per_unit(input_size, align_corners, "float64")
    identity = identity_coordinates(output_size, input_size, align_corners, "float64")
    # The move from the identity is fitted, so that an axis of one pixel keeps its scale of 1.
    moves = (coordinates - identity) / np.where(extents > 0, extents, 1)
    meshgrid = homogeneous_meshgrid(output_size, align_corners, "float64")
    fit = np.linalg.pinv(meshgrid) @ moves.reshape(len(moves), -1, rank)
    return np.eye(rank, rank + 1) + fit.transpose(0, 2, 1)
