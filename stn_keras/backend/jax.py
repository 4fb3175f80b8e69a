"""JAX: one kernel for grid and sampler, with gradients that are fast on a CPU."""

import functools
import itertools
import math

import jax
import jax.numpy as jnp
from jax import lax

from stn_keras.backend import plain
from stn_keras.backend.plain import Chain, neighbor_offsets

# Values of an image from which its gradient fills a CPU's cache, so that images go one at a time;
# fewer are enough in a batch that takes more memory than a process keeps at hand.
_ONE_BY_ONE_FROM_VALUES = 2**14
_FROM_VALUES_IN_A_LARGE_BATCH, _LARGE_BATCH = 2**12, 2**20
# Up to this many channels are summed one by one; XLA's sum over so few does not use vectors.
_FEW_CHANNELS = 32
# Functions whose kernels are kept, the last used ones.
_KERNELS = 256


def matmul(a, b):
    """a @ b in full precision: a GPU would round float32 to ten bits."""
    return jnp.matmul(a, b, precision="highest")


def gather_neighbors(rows, first, steps, strides):
    """As `plain.gather_neighbors`; its gradient scatters windows of neighbors in a line.

    They lie side by side in memory, and XLA scatters a window much faster than single rows.
    """
    return _gather(rows, first, tuple(steps), tuple(strides))


@functools.partial(jax.custom_jvp, nondiff_argnums=(2, 3))
def _gather(rows, first, steps, strides):
    offsets = neighbor_offsets(steps, strides)
    mode = "clip" if drops_out_of_range() else "promise_in_bounds"
    return [rows.at[first + offset].get(mode=mode) for offset in offsets]


@_gather.defjvp
def _gather_tangents(steps, strides, primals, tangents):
    rows, first = primals
    return _gather(rows, first, steps, strides), _gather_windows(tangents[0], first, steps, strides)


def _gather_windows(rows, first, steps, strides):
    """What `gather_neighbors` reads, so that JAX's transpose of it adds whole windows."""
    channels, size = rows.shape[1], len(steps)
    if first.shape[0] == 0:  # nor may there be rows for a window
        return [jnp.zeros((0, channels), rows.dtype)] * size ** len(strides)
    dimensions = lax.GatherDimensionNumbers(
        offset_dims=(1,), collapsed_slice_dims=(), start_index_map=(0,)
    )
    mode = "fill" if drops_out_of_range() else "promise_in_bounds"
    neighbors = []
    for corner in itertools.product(steps, repeat=len(strides) - 1):
        start = sum(step * stride for step, stride in zip(corner, strides, strict=False))
        starts = ((first + start) * channels)[:, None]
        window = (size * channels,)
        windows = lax.gather(rows.reshape(-1), starts, dimensions, window, mode=mode)
        windows = windows.reshape(-1, size, channels)
        # Selected rather than sliced, whose transpose would write value by value.
        for step in steps:
            here = (jnp.arange(size) == step)[:, None]
            neighbors.append(jnp.where(here, windows, 0).sum(axis=1))
    return neighbors


def spread(weights, channels):
    """As `plain.spread`; its gradient adds few channels one by one, in vectors."""
    if channels > _FEW_CHANNELS:
        return plain.spread(weights, channels)
    return _spread(weights, channels)


@functools.partial(jax.custom_jvp, nondiff_argnums=(1,))
def _spread(weights, channels):
    return jnp.broadcast_to(weights[:, None], (weights.shape[0], channels))


@_spread.defjvp
def _spread_tangents(channels, primals, tangents):
    return _spread(*primals, channels), jnp.stack([*tangents] * channels, axis=1)


def run(function, *arguments, compiled=None):
    """function(*arguments), compiled.

    Gradients through large images compute the function anew, which takes less memory and time than
    to keep what lies between; JAX then differentiates it backward alone. `compiled=False` is plain
    operations, which it differentiates forward too.
    """
    if compiled is False:
        return function(*arguments)
    try:
        kernel = _cached_kernel(function)
    except TypeError:  # unhashable
        kernel = _kernel(function)
    return kernel(*arguments)


@functools.lru_cache(maxsize=_KERNELS)
def _cached_kernel(function):
    return _kernel(function)


def _kernel(function):
    recomputing = _recomputing(function)

    @jax.jit
    def kernel(*arguments):
        large = _on_cpu() and _is_large(jax.eval_shape(function, *arguments))
        return (recomputing if large else function)(*arguments)

    return kernel


@functools.lru_cache(maxsize=_KERNELS)
def compiled(function):
    """A function of tensors, compiled as a whole."""
    return jax.jit(function)


@functools.lru_cache(maxsize=_KERNELS)
def value_and_gradient(function):
    """As the contract says."""
    return jax.value_and_grad(function, has_aux=True)


def _recomputing(function):
    """The function, with gradients that are computed from its arguments."""
    stored = _stored(function)

    @jax.custom_vjp
    def recomputed(*arguments):
        return function(*arguments)

    def gradients(arguments, upstream):
        positions = range(len(arguments))
        return tuple(_gradient_to(i, stored, arguments, upstream) for i in positions)

    recomputed.defvjp(lambda *arguments: (function(*arguments), arguments), gradients)
    return recomputed


def _stored(function):
    """The function; a chain's result in between is stored, not computed for each use."""
    if not isinstance(function, Chain):
        return function

    def stored(images, theta):
        return function.outer(images, lax.optimization_barrier(function.inner(theta)))

    return stored


def _gradient_to(position, function, arguments, upstream):
    """The gradient to one argument, image by image if there is one of each for every image."""

    def gradient(arguments, upstream):
        def of_one(argument):
            return function(*arguments[:position], argument, *arguments[position + 1 :])

        return jax.vjp(of_one, arguments[position])[1](upstream)[0]

    def of_image(image):
        batch = jax.tree.map(lambda array: array[None], image)
        return jax.tree.map(lambda array: array[0], gradient(*batch))

    leaves = jax.tree.leaves((arguments, upstream))
    floating = all(jnp.issubdtype(leaf.dtype, jnp.floating) for leaf in leaves)
    if floating and len({leaf.shape[0] for leaf in leaves}) == 1:
        return lax.map(of_image, (arguments, upstream))
    return gradient(arguments, upstream)


def _is_large(results):
    """Whether an image's gradient fills a CPU's cache."""
    batch, *image = jax.tree.leaves(results)[0].shape
    if not all(isinstance(length, int) for length in image):  # known only at run time
        return False
    values = math.prod(image)
    large_batch = isinstance(batch, int) and batch * values >= _LARGE_BATCH
    return values >= (_FROM_VALUES_IN_A_LARGE_BATCH if large_batch else _ONE_BY_ONE_FROM_VALUES)


def drops_out_of_range():
    """True on a GPU, where many additions to one pixel wait for each other."""
    return not _on_cpu()


def _on_cpu():
    return jax.default_backend() == "cpu"
