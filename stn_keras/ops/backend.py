"""The only backend-specific lines: reading rows, fusing, gradients of our own, an exact matmul.

On JAX and torch these are one call each. TensorFlow's own gradient of a gather adds element by
element on one core; here it adds whole rows, those of neighbours at once.
"""

import contextvars
import functools

import keras
from keras import ops

from stn_keras._arguments import any_symbolic

_ROWS_AT_ONCE = 4
# From this many values an image's gradient by itself fills the cache, so a batch goes one by one.
_LARGE_IMAGE = 2**14
_in_kernel = contextvars.ContextVar("in_kernel", default=False)


def matmul(a, b):
    """a @ b in full precision: JAX on a GPU would round float32 to ten bits."""
    if any_symbolic(a, b):
        return Matmul()(a, b)
    if keras.backend.backend() == "jax":
        import jax

        return jax.numpy.matmul(a, b, precision="highest")
    return ops.matmul(a, b)


@keras.saving.register_keras_serializable(package="stn_keras")
class Matmul(keras.Operation):
    """`matmul` of symbolic tensors, as a functional model holds it."""

    def call(self, a, b):
        return matmul(a, b)


def gather_rows(rows, indices):
    """rows (R, C) and indices (M,), all in range -> (M, C)."""
    return gather_neighbours(rows, indices, (0,), 1)[0]


def gather_neighbours(rows, first, steps, columns):
    """Pixels of a square, read from the rows (R, C) of images so many columns wide.

    Args:
        rows: (R, C).
        first: (M,), the top left pixel of each square.
        steps: 0, 1, ... in any order: how far from it the others are, down and to the right.
        columns: rows from a pixel to the one below.

    Returns:
        One (M, C) for each pixel of the square, row by row in the order of `steps`.
    """
    offsets = [down * columns + right for down in steps for right in steps]
    if keras.backend.backend() != "tensorflow":
        return [ops.take(rows, first + offset, axis=0) for offset in offsets]
    import tensorflow as tf

    @tf.custom_gradient
    def gather(rows):
        def gradient(*upstream):
            count = tf.shape(rows)[0]
            if _in_kernel.get():
                return _add_windows(first, steps, columns, upstream, count)
            return _add_rows(first, offsets, upstream, count)

        return [tf.gather_nd(rows, (first + offset)[:, None]) for offset in offsets], gradient

    return gather(rows)


def _add_rows(first, offsets, upstream, count):
    """The transpose of `gather_neighbours`: neighbours are added side by side, then moved."""
    import tensorflow as tf

    moved = []
    for start in range(0, len(offsets), _ROWS_AT_ONCE):
        group = slice(start, start + _ROWS_AT_ONCE)
        side_by_side = tf.concat(upstream[group], -1)
        sums = tf.math.unsorted_segment_sum(side_by_side, first, count)
        parts = tf.split(sums, len(upstream[group]), axis=-1)
        for part, offset in zip(parts, offsets[group], strict=True):
            moved.append(tf.pad(part, ((offset, 0), (0, 0)))[:count])
    return tf.add_n(moved)


def _add_windows(first, steps, columns, upstream, count):
    """`_add_rows` in a kernel: XLA adds to windows that overlap, here each row of the square."""
    import tensorflow as tf

    @tf.custom_gradient
    def add(*upstream):
        channels, size = upstream[0].shape[-1], len(steps)
        rows = tf.maximum(count, size)  # a window fits, though there be no image
        sums = tf.zeros((rows * channels,), upstream[0].dtype)
        for number, down in enumerate(steps):
            row = upstream[number * size : (number + 1) * size]
            from_the_left = [row[steps.index(right)] for right in range(size)]
            windows = tf.reshape(_stack(from_the_left), (-1, size * channels))
            sums = _scatter_windows(sums, (first + down * columns) * channels, windows)
        return tf.reshape(sums, (rows, channels))[:count], gradient

    def gradient(upstream):
        return gather_neighbours(upstream, first, steps, columns)

    return add(*upstream)


def _stack(parts):
    """Stacked along axis 1 by selecting, in vectors; XLA would stack value by value."""
    import tensorflow as tf

    stacked = parts[0][:, None]
    for number, part in enumerate(parts[1:], start=1):
        here = tf.range(len(parts))[:, None] == number
        stacked = tf.where(here, part[:, None], stacked)
    return stacked


def _scatter_windows(sums, starts, windows):
    """sums (R,) plus each of windows (M, W), added from its start on."""
    import tensorflow as tf
    from tensorflow.compiler.tf2xla.python import xla
    from tensorflow.compiler.xla import xla_data_pb2

    numbers = xla_data_pb2.ScatterDimensionNumbers(
        update_window_dims=[1], scatter_dims_to_operand_dims=[0], index_vector_dim=1
    )
    scalar = tf.TensorSpec((), sums.dtype)
    plus = tf.function(tf.add).get_concrete_function(scalar, scalar)
    return xla.scatter(sums, starts[:, None], windows, plus, numbers, indices_are_sorted=False)


def fused(function, *arguments):
    """function(*arguments) of one batch, as XLA kernels in a TensorFlow graph on a CPU.

    TensorFlow computes such a graph operation by operation, and XLA's convolutions are slow on a
    CPU, so neither is good for the whole model. The gradient to each argument is a kernel by
    itself: one that nothing needs falls out of the graph.

    Args:
        function: of tensors or tuples of tensors; returns a tensor or a tuple. Equal functions
            share kernels, since the process keeps every kernel that XLA has compiled.
        *arguments: for a tuple one kernel computes all its gradients.
    """
    if not _in_cpu_graph():
        return function(*arguments)
    import tensorflow as tf

    specs = tf.nest.map_structure(lambda one: tf.TensorSpec(one.shape, one.dtype), arguments)
    try:
        call = _compiled(function, specs)
    except TypeError:  # unhashable: it holds tensors of this graph, such as sizes
        call = _compile(function, specs)
    return call(*tf.nest.flatten(arguments))


@functools.cache
def _compiled(function, specs):
    return _compile(function, specs)


def _compile(function, specs):
    """The kernels of a function for tensors of these shapes and types, with their gradients."""
    import tensorflow as tf

    forward = _kernel(function)
    backward = [_kernel(_gradient_to(i, function)) for i in range(len(specs))]

    @tf.custom_gradient
    def call(*flat):
        packed = tf.nest.pack_sequence_as(specs, flat)

        def gradients(*upstream):
            return tf.nest.flatten([kernel(upstream, *packed) for kernel in backward])

        return forward(*packed), gradients

    return call


def _kernel(function):
    import tensorflow as tf

    @functools.partial(tf.function, jit_compile=True, autograph=False)
    def kernel(*tensors):
        token = _in_kernel.set(True)
        try:
            return function(*tensors)
        finally:
            _in_kernel.reset(token)

    return kernel


def _gradient_to(position, function):
    import tensorflow as tf

    def gradient(upstream, *arguments):
        with tf.GradientTape() as tape:
            tape.watch(arguments[position])
            results = tf.nest.flatten(function(*arguments))
        return tape.gradient(results, arguments[position], upstream)

    def one_by_one(upstream, *arguments):
        def of_one(one):
            batches = tf.nest.map_structure(lambda tensor: tensor[None], one)
            return tf.nest.map_structure(lambda tensor: tensor[0], gradient(*batches))

        dtypes = tf.nest.map_structure(lambda tensor: tensor.dtype, arguments[position])
        return tf.map_fn(of_one, (upstream, *arguments), fn_output_signature=dtypes)

    def run(upstream, *arguments):
        at_once = gradient(upstream, *arguments)
        values = upstream[0].shape[1:].num_elements()
        connected = None not in tf.nest.flatten(at_once)
        batches = {tensor.shape[0] for tensor in tf.nest.flatten(arguments)}
        if not connected or values is None or values < _LARGE_IMAGE or len(batches) > 1:
            return at_once
        return one_by_one(upstream, *arguments)  # what nothing needs falls out of the kernel

    return run


def on_tensorflow_cpu():
    """Whether TensorFlow computes, and without a GPU."""
    if keras.backend.backend() != "tensorflow":
        return False
    import tensorflow as tf

    return not tf.config.list_physical_devices("GPU")


def on_onednn():
    """Whether TensorFlow computes by oneDNN: on a CPU with AVX-512, or where it was asked to."""
    if not on_tensorflow_cpu():
        return False
    try:
        from tensorflow.python.util import _pywrap_util_port

        return _pywrap_util_port.IsMklEnabled()
    except (ImportError, AttributeError):
        return False


def with_gradient(outputs, inputs, gradient):
    """`outputs`, whose gradient goes to `inputs` too, by a function of it; on TensorFlow."""
    import tensorflow as tf

    @tf.custom_gradient
    def connect(outputs, inputs):
        return outputs, lambda upstream: (upstream, gradient(upstream))

    return connect(outputs, inputs)


def _in_cpu_graph():
    if not on_tensorflow_cpu():
        return False
    import tensorflow as tf

    return not tf.executing_eagerly() and _has_xla()


@functools.cache
def _has_xla():
    """Whether this build of TensorFlow compiles for the CPU; some are made without."""
    import tensorflow as tf

    with tf.init_scope():
        try:
            from tensorflow.compiler.tf2xla.python import xla  # noqa: F401

            tf.function(lambda: tf.zeros(()), jit_compile=True)()
        except (ImportError, tf.errors.OpError):
            return False
    return True
