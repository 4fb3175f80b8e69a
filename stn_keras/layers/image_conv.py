"""A convolution for images behind a transformer."""

import math

import keras
from keras import ops

from stn_keras.ops.backend import on_tensorflow_cpu

# A CPU computes this many channels in the time of one.
_VECTOR = 16


@keras.saving.register_keras_serializable(package="stn_keras")
class ImageConv2D(keras.layers.Conv2D):
    """`keras.layers.Conv2D` with a fast gradient to images of up to four channels.

    A network's first convolution needs no gradient to its images, but behind a transformer it
    does. On a CPU that can take longer than the rest of the network, for it is computed as if
    images had sixteen channels. Here, on TensorFlow, pixels side by side take the places of
    channels. Elsewhere, with strides or for more channels this is `keras.layers.Conv2D`, whose
    weights, features and gradients it has in any case.

    Convention: as `keras.layers.Conv2D`.

    Args:
        *args: as `keras.layers.Conv2D`.
        **kwargs: as `keras.layers.Conv2D`.

    Input shape: (N, H, W, C), or (N, C, H, W) with "channels_first".

    Output shape: (N, H', W', filters) or (N, filters, H', W').

    Raises:
        ValueError: as `keras.layers.Conv2D`.

    Example:
        >>> tuple(ImageConv2D(32, 9)(ops.ones((2, 28, 28, 1))).shape)
        (2, 20, 20, 32)
    """

    def convolution_op(self, inputs, kernel):
        convolve = super().convolution_op
        block = self._block(inputs.shape)
        if block < 2:
            return convolve(inputs, kernel)
        kernel = ops.convert_to_tensor(kernel)
        features = convolve(ops.stop_gradient(inputs), kernel)
        return _with_image_gradient(features, inputs, kernel, self.padding, block)

    def _block(self, images_shape):
        """Height and width of the blocks of pixels that take the places of channels."""
        _, height, width, channels = images_shape
        plain = (
            self.data_format == "channels_last"
            and {*self.strides, *self.dilation_rate, self.groups} == {1}
            and None not in (height, width)
        )
        return math.isqrt(_VECTOR // channels) if plain and on_tensorflow_cpu() else 1


def _with_image_gradient(features, images, kernel, padding, block):
    """`features`, whose gradient goes to the images too."""
    import tensorflow as tf

    @tf.custom_gradient
    def connect(features, images, kernel):
        def gradient(upstream):
            size = images.shape[1:3]
            return upstream, _image_gradient(upstream, kernel, size, padding, block), None

        return features, gradient

    return connect(features, images, kernel)


def _image_gradient(upstream, kernel, size, padding, block):
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
    pixels = ops.conv(ops.pad(upstream, around), _moved_kernels(kernel, block), strides=block)
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
