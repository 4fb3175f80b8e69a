"""XLA kernels on a CPU: a function and its gradients, each a kernel that is compiled once.

The gradient to the pixels. `gather_neighbors` reads a small cube of pixels at each position; for
bilinear interpolation the square

    first        first + 1
    first + row  first + row + 1

Its transpose adds to those four pixels. Two of a row lie side by side in memory, so one scatter of
windows of two pixels adds both; XLA scatters windows much faster than single rows.
"""

import functools
import itertools

import tensorflow as tf

from stn_keras.backend.plain import Chain, neighbor_offsets

# Values per image from which its gradient fills the cache, so that images go one at a time.
_ONE_BY_ONE_FROM_VALUES = 2**14
# Operations that only pass on what they are given.
_PASSED_ON = ("Identity", "Reshape")
_PRODUCTS = ("MatMul", "BatchMatMul", "BatchMatMulV2", "BatchMatMulV3")


def run(function, *arguments):
    """function(*arguments) by kernels; the gradient to each argument is a kernel too.

    A gradient that nobody asks for falls out of the graph. A chain is one kernel where its first
    part ends in a matrix product, else two: XLA stores a product, and computes anything else again
    for each value that reads it.
    """
    if isinstance(function, Chain) and not _ends_in_product_once(function.inner, arguments[1]):
        images, theta = arguments
        return run(function.outer, images, run(function.inner, theta))
    specs = tf.nest.map_structure(_spec, arguments)
    try:
        call = _compiled(function, specs)
    except TypeError:  # unhashable: it holds tensors of this graph, such as sizes
        call = _compile(function, specs)
    return call(*tf.nest.flatten(arguments))


def _ends_in_product_once(function, theta):
    try:
        return _ends_in_product(function, _spec(theta))
    except TypeError:  # unhashable, as in `run`
        return _ends_in_product.__wrapped__(function, _spec(theta))


@functools.cache
def _ends_in_product(function, spec):
    """Whether all results of a function come out of matrix products."""
    traced = tf.function(
        lambda tensor: function(tensor, gather=gather_neighbors), autograph=False
    ).get_concrete_function(spec)
    return all(_source(tensor).type in _PRODUCTS for tensor in tf.nest.flatten(traced.outputs))


def _source(tensor):
    """The operation that computes a tensor."""
    operation = tensor.op
    while operation.type in _PASSED_ON:
        operation = operation.inputs[0].op
    return operation


def _spec(tensor):
    return tf.TensorSpec(tensor.shape, tensor.dtype)


@functools.cache
def _compiled(function, specs):
    return _compile(function, specs)


def _compile(function, specs):
    """The kernels of a function for tensors of these shapes and types, with their gradients."""
    forward = _kernel(lambda *packed: function(*packed, gather=gather_neighbors))
    backward = [_kernel(_gradient_to(i, function, specs)) for i in range(len(specs))]

    @tf.custom_gradient
    def call(*flat):
        packed = tf.nest.pack_sequence_as(specs, flat)

        def gradients(*upstream):
            return tf.nest.flatten([kernel(upstream, *packed) for kernel in backward])

        return forward(*packed), gradients

    return call


def _kernel(function):
    return tf.function(function, jit_compile=True, autograph=False)


def _gradient_to(position, function, specs):
    """The gradient of a function to its argument at `position`, of (upstream, *arguments)."""

    def gradient(upstream, *arguments):
        with tf.GradientTape() as tape:
            tape.watch(arguments[position])
            results = tf.nest.flatten(function(*arguments, gather=gather_neighbors))
        return tape.gradient(results, arguments[position], upstream)

    def one_by_one(upstream, *arguments):
        def of_one(one):
            batches = tf.nest.map_structure(lambda tensor: tensor[None], one)
            return tf.nest.map_structure(lambda tensor: tensor[0], gradient(*batches))

        dtypes = tf.nest.map_structure(lambda tensor: tensor.dtype, arguments[position])
        return tf.map_fn(of_one, (upstream, *arguments), fn_output_signature=dtypes)

    def run(upstream, *arguments):
        at_once = gradient(upstream, *arguments)
        if None in tf.nest.flatten(at_once) or not _is_large(upstream, specs):
            return at_once
        return one_by_one(upstream, *arguments)  # `at_once` is unused and falls out of the kernel

    return run


def _is_large(upstream, specs):
    """Whether an image's gradient fills the cache, in a batch that can go one at a time."""
    values = upstream[0].shape[1:].num_elements()
    batches = {spec.shape[0] for spec in tf.nest.flatten(specs)}
    fills = values is not None and values >= _ONE_BY_ONE_FROM_VALUES
    return fills and len(batches) == 1 and 0 not in batches


def gather_neighbors(rows, first, steps, strides):
    """As `plain.gather_neighbors`, with a gradient that scatters windows."""

    @tf.custom_gradient
    def gather(rows):
        def gradient(*upstream):
            return _add_windows(first, steps, strides, upstream, tf.shape(rows)[0])

        offsets = neighbor_offsets(steps, strides)
        return [tf.gather_nd(rows, (first + offset)[:, None]) for offset in offsets], gradient

    return gather(rows)


def _add_windows(first, steps, strides, upstream, count):
    """The transpose of `gather_neighbors`: windows along the last axis are added as wholes."""

    @tf.custom_gradient
    def add(*upstream):
        channels, size = upstream[0].shape[-1], len(steps)
        rows = tf.maximum(count, size)  # room for one window, even where there is no image
        sums = tf.zeros((rows * channels,), upstream[0].dtype)
        starts = itertools.product(steps, repeat=len(strides) - 1)
        for index, corner in enumerate(starts):
            start = sum(step * stride for step, stride in zip(corner, strides, strict=False))
            line = upstream[index * size : (index + 1) * size]
            from_the_left = [line[steps.index(right)] for right in range(size)]
            windows = tf.reshape(_stack(from_the_left), (-1, size * channels))
            sums = _scatter_windows(sums, (first + start) * channels, windows)
        return tf.reshape(sums, (rows, channels))[:count], gradient

    def gradient(upstream):
        return gather_neighbors(upstream, first, steps, strides)

    return add(*upstream)


def _stack(parts):
    """Stacked along axis 1 by selecting, in vectors; XLA would stack value by value."""
    stacked = parts[0][:, None]
    for index, part in enumerate(parts[1:], start=1):
        here = tf.range(len(parts))[:, None] == index
        stacked = tf.where(here, part[:, None], stacked)
    return stacked


def _scatter_windows(sums, starts, windows):
    """sums (R,) plus each of windows (M, W), added from its start on."""
    from tensorflow.compiler.tf2xla.python import xla
    from tensorflow.compiler.xla import xla_data_pb2

    dimensions = xla_data_pb2.ScatterDimensionNumbers(
        update_window_dims=[1], scatter_dims_to_operand_dims=[0], index_vector_dim=1
    )
    scalar = tf.TensorSpec((), sums.dtype)
    plus = tf.function(tf.add).get_concrete_function(scalar, scalar)
    return xla.scatter(sums, starts[:, None], windows, plus, dimensions, indices_are_sorted=False)


@functools.cache
def is_available():
    """Whether this build of TensorFlow compiles for the CPU; some are made without."""
    with tf.init_scope():
        try:
            from tensorflow.compiler.tf2xla.python import xla  # noqa: F401

            tf.function(lambda: tf.zeros(()), jit_compile=True)()
        except (ImportError, tf.errors.OpError):
            return False
    return True
