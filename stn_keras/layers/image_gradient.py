"""The gradient of a convolution to images of few channels."""

from keras import ops


def image_gradient(upstream, kernel, size, padding, block):
    """The gradient (N, *size, C) of a convolution by kernel (h, w, C, F) to its images.

    It is a convolution too, of `upstream` by the kernel turned round. Here each pixel of a block
    is a channel, with the kernel moved by as much, and the convolution steps from block to block.
    """
    blocks = [-(-length // block) for length in size]
    around = [(0, 0)]
    for axis, count in enumerate(blocks):
        reach = kernel.shape[axis] - 1
        before = reach - reach // 2 if padding == "same" else reach
        after = count * block + reach - before - upstream.shape[axis + 1]
        around.append((before, after))
    around.append((0, 0))
    pixels = ops.conv(
        ops.pad(upstream, around),
        _moved_kernels(kernel, block),
        strides=block,
        data_format="channels_last",
    )
    pixels = ops.reshape(pixels, (-1, *blocks, block, block, kernel.shape[2]))
    pixels = ops.transpose(pixels, (0, 1, 3, 2, 4, 5))
    image = ops.reshape(pixels, (-1, *(count * block for count in blocks), kernel.shape[2]))
    return image[:, : size[0], : size[1]]


def _moved_kernels(kernel, block):
    """The kernel (h, w, C, F), turned round and moved to each pixel of a block, one after another:
    (h + block - 1, w + block - 1, F, block * block * C).
    """
    turned = ops.transpose(ops.flip(kernel, (0, 1)), (0, 1, 3, 2))
    places = [(place, block - 1 - place) for place in range(block)]
    moved = [ops.pad(turned, (down, right, (0, 0), (0, 0))) for down in places for right in places]
    return ops.concatenate(moved, axis=-1)
