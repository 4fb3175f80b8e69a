"""Bilinear sampling, as a layer."""

import keras

from stn_keras._checks import check_choice
from stn_keras.ops.sampling import FILL_MODES, sample


@keras.saving.register_keras_serializable(package="stn_keras")
class BilinearSampler(keras.layers.Layer):
    """Reads images at the coordinates of a grid: `sampler(images, coordinates)`.

    Convention: coordinates are (x, y) in pixels of the input; see `stn_keras.ops.sample`. They are
    never cast to half precision, whatever the mixed-precision policy.

    Args:
        fill_mode: what is read outside the image: "constant" or "nearest".
        fill_value: the number read outside when `fill_mode="constant"`.

    Input shape: images (N, H, W, C) and coordinates (N, H', W', 2).

    Output shape: (N, H', W', C), in the dtype of the images.

    Raises:
        ValueError: unknown `fill_mode`.

    Reference:
        Jaderberg et al. 2015 (arXiv:1506.02025), section 3.3.

    Example:
        >>> import numpy as np
        >>> sampler = BilinearSampler(fill_mode="nearest")
        >>> sampler(np.ones((1, 4, 4, 3), "float32"), np.zeros((1, 2, 2, 2), "float32")).shape
        TensorShape([1, 2, 2, 3])
    """

    def __init__(self, fill_mode="constant", fill_value=0.0, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.fill_mode = check_choice("fill_mode", fill_mode, FILL_MODES)
        self.fill_value = float(fill_value)

    def call(self, images, coordinates):
        return sample(images, coordinates, fill_mode=self.fill_mode, fill_value=self.fill_value)

    def compute_output_shape(self, images_shape, coordinates_shape):
        return (*coordinates_shape[:3], images_shape[-1])

    def get_config(self):
        return {**super().get_config(), "fill_mode": self.fill_mode, "fill_value": self.fill_value}
