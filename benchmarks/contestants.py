"""What `benchmarks.sampler` compares: warp images by theta, alone or with gradients.

Each contestant makes `run(images, theta, upstream)`: results of one call, finished when it returns.
"""

import keras
import numpy as np
from keras import ops

from stn_keras.ops import homogeneous_meshgrid, warp
from stn_keras.transforms import Affine

SEED = 0
MODES = {"forward": (), "theta gradient": ("theta",), "full gradient": ("images", "theta")}


def inputs(shape):
    """Images, theta up to 30 degrees, 20 % and a fifth of half the width, an upstream gradient.

    Of volumes (N, D, H, W, C) theta is near the identity.
    """
    rng = np.random.default_rng(SEED)
    count = shape[0]
    if len(shape) == 5:
        theta = Affine(rank=3).identity + rng.uniform(-0.2, 0.2, (count, 12))
        return rng.random(shape, "float32"), theta.astype("float32"), rng.random(shape, "float32")
    angle, scale = rng.uniform(-np.pi / 6, np.pi / 6, count), rng.uniform(0.8, 1.2, count)
    shift = rng.uniform(-0.2, 0.2, (2, count))
    cosine, sine = scale * np.cos(angle), scale * np.sin(angle)
    theta = np.stack([cosine, -sine, shift[0], sine, cosine, shift[1]], -1).astype("float32")
    return rng.random(shape, "float32"), theta, rng.standard_normal(shape, "float32")


THETAS = {
    "identity": (1, 0, 0, 0, 1, 0),
    "30 degrees": (np.cos(np.pi / 6), -0.5, 0, 0.5, np.cos(np.pi / 6), 0),
    "scale 2": (2, 0, 0, 0, 2, 0),
    "outside": (1, 0, 3, 0, 1, 0),
}


def inputs_at(shape, name):
    """`inputs`, with one of `THETAS` for every image."""
    images, theta, upstream = inputs(shape)
    return images, np.broadcast_to(THETAS[name], theta.shape).astype("float32"), upstream


def copy(images, theta):
    """As much reading and writing as a warp cannot do without."""
    return images + 0.5


def ours(images, theta):
    """The library's warp, as a user calls it."""
    return warp(images, theta, Affine(rank=len(images.shape) - 2))


def ours_plain(images, theta):
    """The same by plain operations."""
    return warp(images, theta, compiled=False)


def textbook(images, theta):
    """Bilinear sampling as tutorials write it: four gather_nd with a batch index."""
    import tensorflow as tf

    count, height, width, _ = images.shape
    grid = homogeneous_meshgrid((height, width), align_corners=True).T
    moved = tf.matmul(tf.reshape(theta, (-1, 2, 3)), tf.tile(grid[None], (count, 1, 1)))
    x = (tf.reshape(moved[:, 0], (count, height, width)) + 1) * (width - 1) / 2
    y = (tf.reshape(moved[:, 1], (count, height, width)) + 1) * (height - 1) / 2
    x0, y0 = tf.cast(tf.floor(x), "int32"), tf.cast(tf.floor(y), "int32")
    x0, x1 = (tf.clip_by_value(i, 0, width - 1) for i in (x0, x0 + 1))
    y0, y1 = (tf.clip_by_value(i, 0, height - 1) for i in (y0, y0 + 1))
    batch = tf.tile(tf.range(count)[:, None, None], (1, height, width))

    def pixel(x, y):
        return tf.gather_nd(images, tf.stack([batch, y, x], 3))

    def weight(a, b):
        return ((1 - tf.abs(x - tf.cast(a, "float32"))) * (1 - tf.abs(y - tf.cast(b, "float32"))))[
            ..., None
        ]

    corners = [(x0, y0), (x0, y1), (x1, y0), (x1, y1)]
    return tf.add_n([weight(a, b) * pixel(a, b) for a, b in corners])


def keras_affine_transform(images, theta):
    """Keras's op; takes a matrix in pixels and gives it no gradient on TensorFlow."""
    height, width = images.shape[1:3]
    a, b, tx, c, d, ty = (theta[:, i] for i in range(6))
    x, y = (width - 1) / 2, (height - 1) / 2
    # The same transform about the center, in pixels.
    rows = [
        [a, b * x / y, x * (1 + tx - a - b)],
        [c * y / x, d, y * (1 + ty - c - d)],
    ]
    zero = ops.zeros_like(a)
    matrix = ops.stack([*rows[0], *rows[1], zero, zero], axis=-1)
    return ops.image.affine_transform(images, matrix, "bilinear", "constant")


def keras_map_coordinates(images, theta):
    """Keras's op, fed with our coordinates."""
    count, height, width, channels = images.shape
    size = {"output_size": (height, width), "input_size": (height, width)}
    x, y = ops.unstack(Affine().source_coordinates(theta, **size), axis=-1)
    shape = (count, height, width, channels)
    index = np.indices(shape).astype("float32")
    full = [index[0], *(ops.broadcast_to(axis[..., None], shape) for axis in (y, x)), index[3]]
    return ops.image.map_coordinates(images, ops.stack(full), order=1, fill_mode="constant")


def keras_run(function, wrt, how="graph"):
    """`function(images, theta)` and its gradients to `wrt`, on Keras's backend.

    Args:
        function: of Keras's operations.
        wrt: names of arguments.
        how: "graph", as a model's own step is compiled; "eager"; "xla", all of it compiled by XLA
            on TensorFlow; "compiled", by `torch.compile`.

    Returns:
        (run, function that makes its tensors).
    """
    return _RUNS[keras.backend.backend()](function, wrt, how)


def _tensorflow_run(function, wrt, how):
    import tensorflow as tf

    def run(images, theta, upstream):
        if not wrt:
            return function(images, theta)
        tensors = [{"images": images, "theta": theta}[name] for name in wrt]
        with tf.GradientTape() as tape:
            tape.watch(tensors)
            result = function(images, theta)
        return tape.gradient(result, tensors, upstream)

    return (run if how == "eager" else tf.function(run, jit_compile=how == "xla")), tf.constant


def _jax_run(function, wrt, how):
    import jax

    def run(images, theta, upstream):
        if wrt == ("theta",):
            return jax.vjp(lambda theta: function(images, theta), theta)[1](upstream)
        return jax.vjp(function, images, theta)[1](upstream) if wrt else function(images, theta)

    run = run if how == "eager" else jax.jit(run)
    return (lambda *tensors: jax.block_until_ready(run(*tensors))), jax.numpy.asarray


def _torch_run(function, wrt, how):
    import torch

    function = torch.compile(function, dynamic=False) if how == "compiled" else function
    return _with_torch_gradients(function, wrt), _torch_tensor


_RUNS = {"tensorflow": _tensorflow_run, "jax": _jax_run, "torch": _torch_run}


def torch_run(wrt, compiled=False):
    """torch's affine_grid and grid_sample, channels first as they are made for."""
    import torch
    from torch.nn import functional

    def sample(images, theta):
        grid = functional.affine_grid(theta, images.shape, align_corners=False)
        return functional.grid_sample(images, grid, align_corners=False)

    def tensor(array):
        tensor = _torch_tensor(array)
        if array.ndim == 2:
            return tensor.reshape(-1, *((2, 3) if array.shape[1] == 6 else (3, 4)))
        return torch.movedim(tensor, -1, 1).contiguous()

    sample = torch.compile(sample, dynamic=False) if compiled else sample
    return _with_torch_gradients(sample, wrt), tensor


def _torch_tensor(array):
    import torch

    return torch.tensor(array, device="cuda" if torch.cuda.is_available() else "cpu")


def _with_torch_gradients(function, wrt):
    import torch

    def run(images, theta, upstream):
        images = images.detach().requires_grad_("images" in wrt)
        theta = theta.detach().requires_grad_("theta" in wrt)
        result = function(images, theta)
        if wrt:
            inputs = [tensor for tensor in (images, theta) if tensor.requires_grad]
            result = torch.autograd.grad(result, inputs, upstream)
        if images.is_cuda:
            torch.cuda.synchronize()
        return result

    return run
