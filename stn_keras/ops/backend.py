"""The only backend-specific lines: reading rows, fusing, and an exact matmul.

On JAX and torch these are one call each. TensorFlow's own gradient of a gather adds element by
element on one core; here it adds whole rows, those of neighbours at once.
"""

import functools

import keras
from keras import ops

_ROWS_AT_ONCE = 4
# From this many values an image's gradient by itself fills the cache, so a batch goes one by one.
_LARGE_IMAGE = 2**14


def matmul(a, b):
    """a @ b in full precision: JAX on a GPU would round float32 to ten bits."""
    if keras.backend.backend() == "jax":
        import jax

        return jax.numpy.matmul(a, b, precision="highest")
    return ops.matmul(a, b)


def gather_rows(rows, indices):
    """rows (R, C) and indices (M,), all in range -> (M, C)."""
    return gather_neighbours(rows, indices, (0,))[0]


def gather_neighbours(rows, first, offsets):
    """rows (R, C) at first (M,) plus each offset, 0 or more -> one (M, C) for each offset."""
    if keras.backend.backend() != "tensorflow":
        return [ops.take(rows, first + offset, axis=0) for offset in offsets]
    import tensorflow as tf

    @tf.custom_gradient
    def gather(rows):
        def gradient(*upstream):
            return _add_rows(first, offsets, upstream, tf.shape(rows)[0])

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
            moved.append(tf.pad(part[: count - offset], ((offset, 0), (0, 0))))
    return tf.add_n(moved)


def fused(function, *arguments):
    """function(*arguments) of one batch, as XLA kernels in a TensorFlow graph on a CPU.

    TensorFlow computes such a graph operation by operation, and XLA's convolutions are slow on a
    CPU, so neither is good for the whole model. The gradient to each argument is a kernel by
    itself: one that nothing needs falls out of the graph.

    Args:
        function: of tensors or tuples of tensors; returns a tensor or a tuple.
        *arguments: for a tuple one kernel computes all its gradients.
    """
    if not _in_cpu_graph():
        return function(*arguments)
    import tensorflow as tf

    @tf.custom_gradient
    def call(*flat):
        packed = tf.nest.pack_sequence_as(arguments, flat)

        def gradients(*upstream):
            kernels = [_kernel(_gradient_to(i, function)) for i in range(len(packed))]
            return tf.nest.flatten([kernel(upstream, *packed) for kernel in kernels])

        return _kernel(function)(*packed), gradients

    return call(*tf.nest.flatten(arguments))


def _kernel(function):
    import tensorflow as tf

    return tf.function(function, jit_compile=True, autograph=False)


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
        values = upstream[0].shape[1:].num_elements()
        large = values is not None and values >= _LARGE_IMAGE
        return (one_by_one if large else gradient)(upstream, *arguments)

    return run


def _in_cpu_graph():
    if keras.backend.backend() != "tensorflow":
        return False
    import tensorflow as tf

    if tf.executing_eagerly() or tf.config.list_physical_devices("GPU"):
        return False
    return _has_xla()


@functools.cache
def _has_xla():
    """Whether this build of TensorFlow compiles for the CPU; some are made without."""
    import tensorflow as tf

    with tf.init_scope():
        try:
            tf.function(lambda: tf.zeros(()), jit_compile=True)()
        except tf.errors.OpError:
            return False
    return True
