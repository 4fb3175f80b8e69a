"""The contract where the framework fuses operations without our help."""

import itertools

from keras import ops


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
        first: (M,), the row of each cube's first pixel.
        steps: 0, 1, ... in any order: the distances of the cube's pixels along each axis.
        strides: per axis, the rows from a pixel to the next.

    Returns:
        One (M, C) for each pixel of the cube, the last axis running fastest, in the order of
        `steps`.
    """
    return [ops.take(rows, first + offset, axis=0) for offset in neighbor_offsets(steps, strides)]


def compiled(function, *arguments):
    """function(*arguments), as it is."""
    return function(*arguments, gather=gather_neighbors)


def compiled_chain(inner, outer, images, theta):
    """outer(images, inner(theta)), as it is."""
    xy = inner(theta, gather=gather_neighbors)
    return outer(images, xy, gather=gather_neighbors)


def is_training_graph():
    """False: there is no other graph to choose."""
    return False


def with_gradient(outputs, inputs, gradient):
    """Only for convolutions on oneDNN."""
    raise NotImplementedError


def uses_onednn():
    """False: only TensorFlow computes by oneDNN."""
    return False
