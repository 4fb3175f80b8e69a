"""Align images: from a small copy to the whole, by least squares or by descent."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from stn_keras import transforms
from stn_keras._arguments import check_choice, check_count
from stn_keras.ops.warping import warp
from stn_keras.registration import descent, least_squares, starts
from stn_keras.registration.least_squares import MOST_PARAMETERS
from stn_keras.registration.losses import LOSSES
from stn_keras.registration.pairs import Level
from stn_keras.registration.pyramid import level_count, pyramid, resized
from stn_keras.registration.result import Registration
from stn_keras.transforms import DenseFlow, Transform
from stn_keras.transforms.bounds import limits_of

# How far the last step of least squares moves corners, in pixels: on small copies, and at the end.
_COARSE_PRECISION, _PRECISION = 0.02, 0.005
_STEPS = {"least squares": 50, "descent": 150}


def register(
    moving: Any,
    fixed: Any,
    transform: str | Transform = "affine",
    *,
    loss: str | Callable = "mse",
    levels: int | None = None,
    steps: int | None = None,
    mask: Any = None,
    initial_theta: Any = None,
    bounds: Mapping | None = None,
    robust: bool = False,
    smoothness: float = 1.0,
    seed: int = 0,
    verbose: int = 1,
) -> Registration:
    """Find the transform that aligns images with others.

    Families of up to 20 parameters are found by Levenberg-Marquardt steps for "mse" and "ncc"; all
    else by Adam. Both start on a small copy of the images, where large moves are small.

    Convention: theta maps the fixed image's normalized coordinates to the moving image's, so that
    `ops.warp(moving, theta, transform, fixed_size)` looks like the fixed image.

    Args:
        moving: the images to be warped: (H, W), (H, W, C) or (N, H, W, C), any value range; with a
            depth before the height for a transform of rank 3.
        fixed: the images to align with, as many with as many channels; their size may differ.
        transform: a name in `stn_keras.transforms.FAMILIES`, "dense_flow", or a `Transform`.
        loss: "mse", "ncc" (images of different brightness and contrast), "mutual_information"
            (different modalities), or a function of fixed values (N, M, C), warped values
            (N, M, C) and weights (N, M, 1), which add up to 1, that returns (N,).
        levels: sizes to work at, each half of the next; None: until the shorter side has 24 pixels.
        steps: at most so many at each level; None: 50, or 150 of Adam.
        mask: (H, W) or (N, H, W), where the fixed image counts; None: everywhere.
        initial_theta: (P,) or (N, P) to start from; None: the identity.
        bounds: limits and fixed values of parameters, as in `SpatialTransformer`.
        robust: count differing values less in the last level, by least squares: for photographs
            in which something shines, is hidden or lies outside the plane.
        smoothness: weight of a flow's squared slopes. A flow follows a velocity, so that it does
            not fold.
        seed: chooses the points at which mutual information is estimated.
        verbose: 1 shows a progress bar for each level, 0 nothing.

    Returns:
        `Registration`, with theta, the aligned images, and the losses of each step. Values are
        first scaled to the fixed image's mean and deviation.

    Raises:
        ValueError: images that do not fit together, an empty mask, no overlap to start with, or
            malformed `steps`, `levels` or `bounds`.

    Reference:
        Baker and Matthews 2004, Lucas-Kanade 20 years on; Mattes et al. 2003 for mutual
        information; Arsigny et al. 2006 for flows.

    Example:
        >>> x = np.linspace(-2, 2, 48)
        >>> blob = np.exp(-(x[:, None] ** 2) - x**2)
        >>> found = register(np.roll(blob, 3, axis=1), blob, "translation", verbose=0)
        >>> found.pixel_matrix[0, :, 2].round(2).tolist()
        [3.0, 0.0]
    """
    moving, fixed = np.asarray(moving), np.asarray(fixed)
    family = _family(transform, fixed)
    shape, (moving, fixed) = fixed.shape, _pair(moving, fixed, family)
    mask = _mask(mask, fixed)
    loss = loss if callable(loss) else check_choice("loss", loss, LOSSES)
    by_squares = loss in least_squares.LOSSES and family.num_parameters <= MOST_PARAMETERS
    search = Search(
        family,
        loss,
        by_squares,
        _step_count(steps, by_squares),
        _constraint(family, bounds),
        robust,
        smoothness,
        np.random.default_rng(seed),
    )
    theta, losses = _start(family, initial_theta, len(fixed)), []
    copies = [*_scaled(fixed, moving, mask), mask]
    count = _level_count(levels, fixed, moving)
    stages = zip(*(pyramid(images, count) for images in copies), strict=True)
    for number, (fixed_now, moving_now, mask_now) in enumerate(stages, start=1):
        name = f"level {number} of {count}"
        if number == 1 and number < count and by_squares:
            theta = search.best_start(theta, fixed_now, moving_now, mask_now > 0.5)
        with Progress(name, fixed_now.shape, search.steps, verbose) as progress:
            theta, converged = search.at_level(
                theta, fixed_now, moving_now, mask_now > 0.5, number == count, progress
            )
        losses.append(np.array(progress.losses))
    theta = descent.theta_of(family, theta)
    size = fixed.shape[1:-1]
    aligned = warp(moving, theta, family, size, data_format="channels_last")
    aligned = ops.convert_to_numpy(aligned).reshape(shape)
    return Registration(theta, family, aligned, losses, converged, size, moving.shape[1:-1])


@dataclass
class Search:
    """How theta is looked for, at each level alike.

    Attributes:
        transform: `stn_keras.transforms.Transform`.
        loss: a name of `LOSSES`, or a function.
        by_squares: whether by least squares, else by descent.
        steps: at most so many.
        constrain: theta -> the closest one allowed.
        robust: whether differing values count less in the last level.
        smoothness: of a flow.
        rng: chooses points.
    """

    transform: Transform
    loss: str | Callable
    by_squares: bool
    steps: int
    constrain: Callable
    robust: bool
    smoothness: float
    rng: np.random.Generator

    def best_start(self, theta, fixed, moving, mask):
        """theta of less loss, by least squares from many places around."""
        sizes = fixed.shape[1:-1], moving.shape[1:-1]
        level = Level(self.transform, *sizes)

        def evaluator(pair):
            one = slice(pair, pair + 1)
            arrays = fixed[one], moving[one], mask[one].astype("float32")
            return least_squares.evaluator(level, self.loss, *arrays)

        return starts.best_start(self.transform, theta, evaluator, self.constrain)

    def at_level(self, theta, fixed, moving, mask, is_last, report):
        """theta of less loss, and whether its search ended, (N,); images are (N, *size, C)."""
        sizes = fixed.shape[1:-1], moving.shape[1:-1]
        _check_mask(mask)
        level = Level(_sized(self.transform, sizes[0]), *sizes)
        theta = self.constrain(_resized(theta, level))
        arrays = fixed, moving, mask.astype("float32")
        if self.by_squares:
            robust = self.robust and is_last
            evaluate = least_squares.evaluator(level, self.loss, *arrays, robust)
            precision = _PRECISION if is_last else _COARSE_PRECISION
            theta, done, _ = least_squares.minimize(
                evaluate, theta, self.constrain, self.steps, precision, report
            )
            return theta, done
        loss = self.loss if callable(self.loss) else LOSSES[self.loss]
        objective = descent.Objective(level, loss, self.smoothness)
        theta = descent.minimize(
            objective, theta, arrays, self.constrain, self.steps, self.rng, report
        )
        return theta, report.losses[-1] < report.losses[0]


class Progress:
    """A progress bar, and the losses it was told of."""

    def __init__(self, name, shape, steps, verbose):
        self.losses = []
        self._bar = None
        if verbose:
            print(f"{name}, {' x '.join(map(str, shape[1:-1]))}")
            self._bar = keras.utils.Progbar(steps, verbose=verbose, unit_name="step")

    def __call__(self, losses):
        self.losses.append(losses)
        if self._bar:
            done = len(self.losses)
            self._bar.update(done, [("loss", float(np.mean(losses)))], finalize=False)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._bar and self.losses:
            self._bar.update(len(self.losses), finalize=True)


def _family(transform, fixed):
    """The `Transform`; a flow by its name has the fixed images' size."""
    if isinstance(transform, str) and transform == "dense_flow":
        return DenseFlow(fixed.shape[:2] if fixed.ndim < 4 else fixed.shape[1:3])
    return transforms.get(transform)


def _sized(transform, size):
    """The transform at a level's size."""
    if isinstance(transform, DenseFlow):
        return DenseFlow(size, align_corners=transform.align_corners)
    return transform


def _step_count(steps, by_squares):
    if steps is None:
        return _STEPS["least squares" if by_squares else "descent"]
    return check_count("steps", steps)


def _pair(moving, fixed, transform):
    """Images (N, *size, C), float32."""
    rank = transform.rank
    pair = _images("moving", moving, rank), _images("fixed", fixed, rank)
    if len({(len(images), images.shape[-1]) for images in pair}) > 1:
        raise ValueError(
            "Expected as many moving as fixed images, of as many channels. "
            f"Received: moving.shape={moving.shape}, fixed.shape={fixed.shape}"
        )
    size = pair[1].shape[1:-1]
    if isinstance(transform, DenseFlow) and transform.size != size:
        raise ValueError(f"Expected a flow of size {size}. Received: {transform!r}")
    return pair


def _images(name, array, rank):
    if array.ndim not in (rank, rank + 1, rank + 2) or not array.size:
        size = {2: "H, W", 3: "D, H, W"}[rank]
        raise ValueError(
            f"Expected `{name}` of shape ({size}), ({size}, C) or (N, {size}, C). "
            f"Received: shape={array.shape}"
        )
    array = array.astype("float32")
    if not np.isfinite(array).all():
        raise ValueError(f"Expected finite values in `{name}`. Received: NaN or infinity")
    array = array[..., None] if array.ndim == rank else array
    return array[None] if array.ndim == rank + 1 else array


def _mask(mask, fixed):
    """(N, *size, 1), float32."""
    size = fixed.shape[1:-1]
    mask = np.ones(size) if mask is None else np.asarray(mask)
    if mask.shape not in (size, (len(fixed), *size)):
        raise ValueError(
            f"Expected a mask of the fixed image's size {size}. Received: mask.shape={mask.shape}"
        )
    mask = np.broadcast_to(mask != 0, (len(fixed), *size))[..., None].astype("float32")
    _check_mask(mask)
    return mask


def _check_mask(mask):
    if not mask.any(axis=tuple(range(1, mask.ndim))).all():
        raise ValueError("Expected a mask that holds part of the image. Received: an empty one")


def _level_count(levels, *images):
    most = level_count(*(array.shape[1:-1] for array in images))
    if levels is None:
        return most
    return check_count("levels", levels)


def _start(transform, initial_theta, count):
    """(N, P), float32; for a flow, a velocity of 0 and of size 1."""
    if isinstance(transform, DenseFlow):
        if initial_theta is not None:
            raise ValueError(
                "Expected no `initial_theta` for a flow: warp the moving image first. "
                f"Received: shape={np.shape(initial_theta)}"
            )
        return np.zeros((count, *[1] * transform.rank, transform.rank), "float32")
    theta = np.asarray(transform.identity if initial_theta is None else initial_theta, "float32")
    shape = transform.num_parameters
    if theta.size not in (shape, count * shape):
        raise ValueError(
            f"Expected `initial_theta` of shape ({shape},) or ({count}, {shape}). "
            f"Received: shape={theta.shape}"
        )
    return np.broadcast_to(theta.reshape(-1, shape), (count, shape))


def _constraint(transform, bounds):
    """theta -> the closest one within bounds."""
    if isinstance(transform, DenseFlow):
        if bounds:
            raise ValueError(f"Expected no `bounds` for a flow. Received: bounds={bounds!r}")
        return lambda velocity: velocity
    low, high = limits_of(transform, bounds or {})
    return lambda theta: np.clip(theta, low, high).astype("float32")


def _resized(theta, level):
    """A flow's velocity at a level's size; any other theta as it is."""
    if not isinstance(level.transform, DenseFlow):
        return theta
    size = level.fixed_size
    factor = np.array([n / m for n, m in zip(size, theta.shape[1:-1], strict=True)])[::-1]
    return resized(theta, size) * factor.astype("float32")


def _scaled(fixed, moving, mask):
    """Both images, with the fixed one's mean and deviation taken out."""
    axes = tuple(range(1, fixed.ndim))
    chosen = np.broadcast_to(mask > 0, fixed.shape)
    mean = fixed.mean(axes, keepdims=True, where=chosen, dtype="float64")
    deviation = fixed.std(axes, keepdims=True, where=chosen, dtype="float64")
    if not (deviation > 0).all():
        raise ValueError("Expected a fixed image that is not constant. Received: a constant one")
    return tuple(((image - mean) / deviation).astype("float32") for image in (fixed, moving))
