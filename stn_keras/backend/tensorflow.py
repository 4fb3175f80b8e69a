"""TensorFlow: `gather_nd` with a gradient by rows, and XLA for what surrounds it on a CPU."""

import contextvars
import functools

import tensorflow as tf
from tensorflow.python.eager import record

from stn_keras.backend import tensorflow_xla as xla
from stn_keras.backend.plain import neighbor_offsets, switched_on

# Upstream gradients of this many neighbors are added side by side.
_ROWS_AT_ONCE = 4
# Graphs of eager calls that are kept, the last used ones.
_GRAPHS = 64
_plain_graphs = contextvars.ContextVar("plain_graphs", default=False)


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


def run(function, *arguments, compiled=None):
    """function(*arguments), by XLA where that is faster and cannot be in the way.

    XLA's convolutions are slow on a CPU, so neither XLA nor single operations are good for a whole
    model. Where gradients are recorded, function and gradients become kernels of their own. Another
    graph holds plain operations, marked for XLA to compile together: they can be exported, and a
    batch of a new shape is computed by operations until XLA has a kernel for it. An eager call runs
    such a graph.

    Args:
        function: of tensors or tuples of tensors and of `gather`; returns a tensor or a tuple.
            Equal functions share kernels, since the process keeps every kernel XLA has compiled.
        *arguments: a tuple's gradients are computed by one kernel.
        compiled: True for kernels of their own in any graph, False for plain operations.
    """
    if compiled is False or not _on_cpu() or not xla.is_available():
        return function(*arguments)
    recorded = record.could_possibly_record()
    if tf.executing_eagerly():
        return _run_graph(function, arguments, compiled or recorded)
    return _in_graph(function, arguments, compiled or recorded)


def _in_graph(function, arguments, compiled):
    if compiled:
        return xla.run(function, *arguments)
    if _plain_graphs.get():
        return function(*arguments)
    with tf.xla.experimental.jit_scope():
        return function(*arguments)


@functools.lru_cache(maxsize=_GRAPHS)
def compiled(function):
    """A function of tensors, compiled as a whole by XLA; a graph where there is none."""
    return tf.function(function, jit_compile=xla.is_available(), autograph=False)


@functools.lru_cache(maxsize=_GRAPHS)
def value_and_gradient(function):
    """As the contract says."""

    def differentiated(argument, *arguments):
        with tf.GradientTape() as tape:
            tape.watch(argument)
            value, *others = function(argument, *arguments)
        return (value, *others), tape.gradient(value, argument)

    return differentiated


def plain_graphs():
    """A context in which graphs are traced without marks for XLA."""
    return switched_on(_plain_graphs)


def _run_graph(function, arguments, compiled):
    """An eager call, by a graph that is traced once for batches of any size."""
    specs = tf.nest.map_structure(_any_batch, arguments)
    try:
        graph = _graph(function, specs, compiled)
    except TypeError:  # unhashable: it holds tensors, such as sizes
        return function(*arguments)
    return graph(*arguments)


def _any_batch(tensor):
    # One image for many thetas is read without an index of images; no images have no loop.
    batch = tensor.shape[0] if tensor.shape[0] in (0, 1) else None
    return tf.TensorSpec((batch, *tensor.shape[1:]), tensor.dtype)


@functools.lru_cache(maxsize=_GRAPHS)
def _graph(function, specs, compiled):
    def graph(*arguments):
        return _in_graph(function, arguments, compiled)

    return tf.function(graph, input_signature=specs, autograph=False)


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
