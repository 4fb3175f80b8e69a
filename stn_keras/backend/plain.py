"""The contract where the framework fuses operations without our help."""

import contextlib
import itertools
from collections.abc import Callable
from dataclasses import dataclass

from keras import ops


@dataclass(frozen=True)
class Chain:
    """outer(images, inner(theta)) as one function; those of equal parts are equal."""

    inner: Callable
    outer: Callable

    def __call__(self, images, theta, **kernel):
        return self.outer(images, self.inner(theta, **kernel), **kernel)


@contextlib.contextmanager
def switched_on(flag):
    """A context in which a `ContextVar` is True."""
    token = flag.set(True)
    try:
        yield
    finally:
        flag.reset(token)


def neighbor_offsets(steps, strides):
    """How far each pixel of a cube lies from its first one, in rows; the last axis runs fastest."""
    return [
        sum(step * stride for step, stride in zip(corner, strides, strict=True))
        for corner in itertools.product(steps, repeat=len(strides))
    ]


def gather_neighbors(rows, first, steps, strides):
    """Pixels of a cube around each position, read from the rows of images.

    Args:
        rows: (R, C), the pixels of all images.
        first: (M,), the row of each cube's first pixel; R, where a backend drops what is out of
            range: the last row is read there, and gets no gradient.
        steps: 0, 1, ... in any order: the distances of the cube's pixels along each axis.
        strides: per axis, the rows from a pixel to the next.

    Returns:
        One (M, C) for each pixel of the cube, the last axis running fastest, in the order of
        `steps`.
    """
    return [ops.take(rows, first + offset, axis=0) for offset in neighbor_offsets(steps, strides)]


def drops_out_of_range():
    """False: every row is there."""
    return False


def spread(weights, channels):
    """Weights (M,) that broadcast over the channels of (M, C)."""
    return ops.expand_dims(weights, -1)


def run(function, *arguments, compiled=None):
    """function(*arguments), operation by operation."""
    return function(*arguments)


def has_sampler(images, places, interpolation):
    """False: images are read by `gather_neighbors`."""
    return False


def sample_natively(images, places, interpolation, limits, differentiable):
    """Only for a framework that has a sampler."""
    raise NotImplementedError


def plain_graphs():
    """A context that changes nothing: there are no graphs."""
    return contextlib.nullcontext()


def compiled(function):
    """The function itself."""
    return function


def with_gradient(outputs, inputs, gradient):
    """Only for convolutions on oneDNN."""
    raise NotImplementedError


def uses_onednn():
    """False: only TensorFlow computes by oneDNN."""
    return False
