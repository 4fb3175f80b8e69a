"""torch: its own sampler where that fits, which is one operation; else operation by operation."""

import contextlib
import contextvars

import torch

from stn_keras.backend.plain import neighbor_offsets, switched_on

# Names that `torch.ops.aten.grid_sampler_2d` has for interpolations. Its "nearest" rounds a half to
# the even pixel, ours to the next.
_MODES = {"bilinear": 0, "bicubic": 2}
_ZEROS_OUTSIDE = 0
_plain = contextvars.ContextVar("plain", default=False)


def matmul(a, b):
    """a @ b; torch keeps float32 products exact unless a user asks otherwise."""
    return torch.matmul(a, b)


def gather_neighbors(rows, first, steps, strides):
    """As `plain.gather_neighbors`."""
    offsets = neighbor_offsets(steps, strides)
    return [torch.index_select(rows, 0, first + offset) for offset in offsets]


def run(function, *arguments, compiled=None):
    """function(*arguments); without torch's own sampler where `compiled` is False."""
    with switched_on(_plain) if compiled is False else contextlib.nullcontext():
        return function(*arguments)


def value_and_gradient(function):
    """As the contract says."""

    def differentiated(argument, *arguments):
        argument = argument.detach().requires_grad_()
        value, *others = function(argument, *arguments)
        (gradient,) = torch.autograd.grad(value, argument)
        return (value.detach(), *(other.detach() for other in others)), gradient

    return differentiated


def has_sampler(images, places, interpolation):
    """Whether `sample_natively` takes these.

    A program that is traced gets plain operations: a compiler fuses them, and other runtimes have
    them. So do torch's function transforms, for which a derivative by hand is opaque.
    """
    return (
        interpolation in _MODES
        and len(places) == 2
        and images.device.type in ("cpu", "cuda")
        and 0 not in (*images.shape, *places[0].shape)
        and not _is_traced()
        and not _plain.get()
    )


def _is_traced():
    return (
        torch.compiler.is_compiling()
        or torch.jit.is_tracing()
        or torch._C._functorch.peek_interpreter_stack() is not None
    )


def sample_natively(images, places, interpolation, limits, differentiable):
    """Images (N, H, W, C) or (1, H, W, C) read at x and y (N, H', W'), zeros outside.

    Args:
        images: of the dtype of the places.
        places: x and y in pixels, each (N, H', W').
        interpolation: "bilinear" or "bicubic".
        limits: for x and for y (low, high), beyond which the same is read as there.
        differentiable: function of images, x and y that computes the same by plain operations;
            second gradients are taken through it.
    """
    images = images.expand(len(places[0]), -1, -1, -1)
    return _Sample.apply(images, *places, _MODES[interpolation], limits, differentiable)


class _Sample(torch.autograd.Function):
    """`torch.nn.functional.grid_sample` at places in pixels, exact at whole ones."""

    @staticmethod
    def forward(ctx, images, x, y, mode, limits, differentiable):
        ctx.save_for_backward(images, x, y)
        ctx.settings, ctx.differentiable = (mode, _ZEROS_OUTSIDE, False), differentiable
        ctx.limits = limits
        padded = _padded(images)
        grid = _normalized((x, y), limits, padded.shape[2:])
        return torch.ops.aten.grid_sampler_2d(padded, grid, *ctx.settings).permute(0, 2, 3, 1)

    @staticmethod
    def backward(ctx, upstream):
        needed = ctx.needs_input_grad[:3]
        # Recorded where the gradient itself will be differentiated.
        gradients = _recorded_gradients if torch.is_grad_enabled() else _native_gradients
        return *gradients(ctx, upstream, needed), None, None, None


def _native_gradients(ctx, upstream, needed):
    images, *places = ctx.saved_tensors
    padded = _padded(images)
    size = padded.shape[2:]
    by_images, by_grid = torch.ops.aten.grid_sampler_2d_backward(
        upstream.permute(0, 3, 1, 2),
        padded,
        _normalized(places, ctx.limits, size),
        *ctx.settings,
        (needed[0], True),
    )
    if needed[0]:
        height, width = images.shape[1:3]
        by_images = by_images.permute(0, 2, 3, 1)[:, :height, :width]
    by_places = (by_grid[..., axis] * (2 / n) for axis, n in enumerate(reversed(size)))
    return by_images if needed[0] else None, *by_places


def _recorded_gradients(ctx, upstream, needed):
    inputs = ctx.saved_tensors
    outputs = ctx.differentiable(*inputs)
    sources = [tensor for tensor, need in zip(inputs, needed, strict=True) if need]
    gradients = iter(torch.autograd.grad(outputs, sources, upstream, create_graph=True))
    return [next(gradients) if need else None for need in needed]


def _padded(images):
    """Images (N, H, W, C) as (N, C, H', W'), with zeros up to sizes that are powers of two.

    There normalized coordinates hold every pixel's place exactly. Images that have such a size are
    not copied.
    """
    count, height, width, channels = images.shape
    size = [_power_of_two(length) for length in (height, width)]
    if size != [height, width]:
        padded = images.new_zeros((count, *size, channels))
        padded[:, :height, :width] = images
        images = padded
    return images.permute(0, 3, 1, 2)


def _power_of_two(length):
    return 1 << (length - 1).bit_length()


def _normalized(places, limits, size):
    """x and y (N, H', W') in pixels -> (N, H', W', 2), where -1 and 1 are edges of the image."""
    grid = places[0].new_empty((*places[0].shape, 2))
    for axis, (place, length) in enumerate(zip(places, reversed(size), strict=True)):
        place = torch.clamp(place.detach(), *limits[axis]).mul_(2 / length)
        torch.add(place, 1 / length - 1, out=grid[..., axis])
    return grid
