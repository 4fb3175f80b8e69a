"""TensorFlow: `gather_nd` with a gradient by rows, and XLA kernels in training graphs on a CPU."""

import tensorflow as tf
from tensorflow.python.eager import record

from stn_keras.backend import tensorflow_xla as xla
from stn_keras.backend.plain import neighbor_offsets

# Upstream gradients of this many neighbors are added side by side.
_ROWS_AT_ONCE = 4


def matmul(a, b):
    """a @ b; TensorFlow keeps float32 products exact unless a user asks otherwise."""
    return tf.matmul(a, b)


def gather_neighbors(rows, first, steps, strides):
    """As `plain.gather_neighbors`; its gradient adds whole rows, those of neighbors at once.

    TensorFlow's gradient of a gather adds element by element on one core.
    """
    offsets = neighbor_offsets(steps, strides)

    @tf.custom_gradient
    def gather(rows):
        def gradient(*upstream):
            return _add_rows(first, offsets, upstream, tf.shape(rows)[0])

        return [tf.gather_nd(rows, (first + offset)[:, None]) for offset in offsets], gradient

    return gather(rows)


def _add_rows(first, offsets, upstream, count):
    """The transpose of `gather_neighbors`: neighbors are added side by side, then moved."""
    moved = []
    for start in range(0, len(offsets), _ROWS_AT_ONCE):
        group = slice(start, start + _ROWS_AT_ONCE)
        side_by_side = tf.concat(upstream[group], -1)
        sums = tf.math.unsorted_segment_sum(side_by_side, first, count)
        parts = tf.split(sums, len(upstream[group]), axis=-1)
        for part, offset in zip(parts, offsets[group], strict=True):
            moved.append(tf.pad(part, ((offset, 0), (0, 0)))[:count])
    return tf.add_n(moved)


def compiled(function, *arguments):
    """function(*arguments), as XLA kernels in a graph on a CPU.

    TensorFlow computes such a graph operation by operation, and XLA's convolutions are slow on a
    CPU, so neither is good for the whole model.

    Args:
        function: of tensors or tuples of tensors and of `gather`; returns a tensor or a tuple.
            Equal functions share kernels, since the process keeps every kernel XLA has compiled.
        *arguments: a tuple's gradients are computed by one kernel.
    """
    if _compiles_here():
        return xla.run(function, *arguments)
    return function(*arguments, gather=gather_neighbors)


def compiled_chain(inner, outer, images, theta):
    """outer(images, inner(theta)), as one XLA kernel or two in a graph on a CPU."""
    if _compiles_here():
        return xla.run_chain(inner, outer, images, theta)
    xy = inner(theta, gather=gather_neighbors)
    return outer(images, xy, gather=gather_neighbors)


def is_training_graph():
    """Whether a gradient tape watches this graph, so that kernels repay their compilation."""
    return not tf.executing_eagerly() and record.could_possibly_record()


def _compiles_here():
    return not tf.executing_eagerly() and _on_cpu() and xla.is_available()


def _on_cpu():
    return not tf.config.list_physical_devices("GPU")


def uses_onednn():
    """Whether TensorFlow computes by oneDNN: on a CPU with AVX-512, or where it was asked to."""
    if not _on_cpu():
        return False
    try:
        from tensorflow.python.util import _pywrap_util_port

        return _pywrap_util_port.IsMklEnabled()
    except (ImportError, AttributeError):
        return False


def with_gradient(outputs, inputs, gradient):
    """`outputs`, whose gradient also goes to `inputs`, by the function `gradient` of it."""

    @tf.custom_gradient
    def connect(outputs, inputs):
        return outputs, lambda upstream: (upstream, gradient(upstream))

    return connect(outputs, inputs)
