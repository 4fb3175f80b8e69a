"""How badly two images match: functions of values at the same points."""

from keras import ops

from stn_keras._arguments import Tensor
from stn_keras.backend import matmul

# Intensities of the joint histogram, per image.
BINS = 32
# A cubic window reaches two bins to each side.
_WINDOW = 2
_LEAST_VARIANCE = 1e-8


def mse(fixed: Tensor, warped: Tensor, weights: Tensor) -> Tensor:
    """Mean squared error.

    Args:
        fixed: (N, M, C), values of the fixed image.
        warped: (N, M, C), values of the moving image at the same points.
        weights: (N, M, 1), which add up to 1 for each pair; 0 where a point does not count.

    Returns:
        (N,).
    """
    return ops.sum(ops.mean((warped - fixed) ** 2, axis=-1, keepdims=True) * weights, axis=(1, 2))


def ncc(fixed: Tensor, warped: Tensor, weights: Tensor) -> Tensor:
    """1 - normalized cross-correlation, for images of different brightness and contrast.

    Args and returns: as `mse`.
    """
    product = standardized(fixed, weights) * standardized(warped, weights)
    return 1 - ops.sum(ops.mean(product, axis=-1, keepdims=True) * weights, axis=(1, 2))


def mutual_information(fixed: Tensor, warped: Tensor, weights: Tensor) -> Tensor:
    """Minus the mutual information in nats, for images of different modalities.

    A Parzen estimate: each value is spread over a histogram of 32 bins by a cubic B-spline, and the
    histograms of all channels are one.

    Args and returns: as `mse`.

    Reference:
        Mattes et al. 2003, PET-CT image registration in the chest using free-form deformations.
    """
    channels = fixed.shape[-1]
    weights = ops.repeat(weights / channels, channels, axis=-1)
    ours, theirs = (_windows(values, weights) for values in (fixed, warped))
    weights = ops.reshape(weights, (-1, ops.shape(ours)[1], 1))
    joint = matmul(ops.swapaxes(ours * weights, 1, 2), theirs)
    apart = ops.sum(joint, axis=2, keepdims=True) * ops.sum(joint, axis=1, keepdims=True)
    # Bins that nothing falls into count nothing, and have no infinite gradient.
    empty = joint < 1e-12
    ratio = ops.where(empty, 1.0, joint) / ops.where(empty, 1.0, apart)
    return -ops.sum(joint * ops.log(ratio), axis=(1, 2))


def standardized(values: Tensor, weights: Tensor) -> Tensor:
    """Values with weighted mean 0 and variance 1 over points and channels.

    Args:
        values: (N, M, C).
        weights: (N, M, 1), which add up to 1.

    Returns:
        (N, M, C).
    """
    centered = values - _mean(values, weights)
    return centered / ops.sqrt(_mean(centered**2, weights) + _LEAST_VARIANCE)


def _mean(values, weights):
    """Weighted mean over points and channels, (N, 1, 1)."""
    return ops.sum(ops.mean(values * weights, axis=-1, keepdims=True), axis=1, keepdims=True)


def _windows(values, weights):
    """How much each value counts in each bin, (N, M * C, BINS)."""
    counted = weights > 0
    low = ops.min(ops.where(counted, values, float("inf")), axis=(1, 2), keepdims=True)
    high = ops.max(ops.where(counted, values, float("-inf")), axis=(1, 2), keepdims=True)
    low, high = ops.stop_gradient(low), ops.stop_gradient(high)
    # The outermost windows end inside the histogram.
    places = (values - low) / ops.maximum(high - low, 1e-6) * (BINS - 1 - 2 * _WINDOW) + _WINDOW
    places = ops.clip(places, 1, BINS - 2)
    places = ops.reshape(places, (ops.shape(values)[0], -1, 1))
    return _cubic(ops.abs(places - ops.arange(BINS, dtype=places.dtype)))


def _cubic(distance):
    """The cubic B-spline at a distance from its middle."""
    near = 2 / 3 - distance**2 + distance**3 / 2
    far = ops.relu(2 - distance) ** 3 / 6
    return ops.where(distance < 1, near, far)


LOSSES = {"mse": mse, "ncc": ncc, "mutual_information": mutual_information}
