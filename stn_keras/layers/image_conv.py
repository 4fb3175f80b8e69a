"""A convolution for images behind a transformer."""

import math

import keras
from keras import ops

from stn_keras._arguments import Tensor
from stn_keras.backend import uses_onednn, with_gradient
from stn_keras.layers.image_gradient import image_gradient

# oneDNN computes this many channels in the time of one.
_VECTOR = 16


@keras.saving.register_keras_serializable(package="stn_keras")
class ImageConv2D(keras.layers.Conv2D):
    """`keras.layers.Conv2D` with a fast gradient to images of up to four channels.

    A network's first convolution needs no gradient to its images, but behind a transformer it
    does. oneDNN, by which TensorFlow computes on a CPU, computes it as if images had sixteen
    channels, which can be a large part of a training step. Here pixels side by side take the
    places of channels. Without oneDNN, with strides or for more channels this is
    `keras.layers.Conv2D`, whose weights, features and gradients it has in any case.

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

    def convolution_op(self, inputs: Tensor, kernel: Tensor) -> Tensor:
        convolve = super().convolution_op
        block = self._block(inputs.shape)
        if block < 2:
            return convolve(inputs, kernel)
        kernel = ops.convert_to_tensor(kernel)
        features = convolve(ops.stop_gradient(inputs), kernel)
        size = inputs.shape[1:3]

        def gradient(upstream):  # computed outside the scope that casts the kernel
            cast = ops.cast(kernel, upstream.dtype)
            return image_gradient(upstream, cast, size, self.padding, block)

        return with_gradient(features, inputs, gradient)

    def _block(self, images_shape):
        """Height and width of the blocks of pixels that take the places of channels."""
        _, height, width, channels = images_shape
        plain = (
            self.data_format == "channels_last"
            and {*self.strides, *self.dilation_rate, self.groups} == {1}
            and None not in (height, width)
        )
        return math.isqrt(_VECTOR // channels) if plain and uses_onednn() else 1
