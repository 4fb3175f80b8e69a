"""Features -> theta, starting at the identity."""

import math

import keras
from keras import ops

from stn_keras import transforms


@keras.saving.register_keras_serializable(package="stn_keras")
class ThetaRegressor(keras.layers.Layer):
    """A dense layer onto theta whose first output is the identity, whatever its input.

    Convention: zero kernel, bias at the transform's identity. Weights and theta are float32
    whatever the mixed-precision policy.

    Args:
        transform: a name in `stn_keras.transforms.FAMILIES`, or a `Transform`.

    Input shape: (N, ...); everything but the batch is flattened and must be static.

    Output shape: theta (N, P), with P the transform's `num_parameters`, float32.

    Raises:
        ValueError: unknown transform, or features of unknown size.

    Reference:
        Jaderberg et al. 2015 (arXiv:1506.02025), section 3.1 and appendix A.1.

    Example:
        >>> import numpy as np
        >>> keras.ops.convert_to_numpy(ThetaRegressor()(np.ones((1, 8), "float32")))
        array([[1., 0., 0., 0., 1., 0.]], dtype=float32)
    """

    def __init__(self, transform="affine", **kwargs):
        super().__init__(autocast=False, **{"dtype": "float32", **kwargs})
        self.transform = transforms.get(transform, getattr(transform, "align_corners", False))

    def build(self, features_shape):
        if None in features_shape[1:]:
            raise ValueError(
                "Expected features of a static size; for images of any size end the localization "
                "network in a global or adaptive pooling. "
                f"Received: features.shape={tuple(features_shape)}"
            )
        outputs = self.transform.num_parameters
        self.kernel = self.add_weight(
            name="kernel", shape=(math.prod(features_shape[1:]), outputs), initializer="zeros"
        )
        self.bias = self.add_weight(name="bias", shape=(outputs,), initializer=self._identity)

    def _identity(self, shape, dtype=None):
        return ops.convert_to_tensor(self.transform.identity, dtype=dtype)

    def call(self, features):
        features = ops.cast(ops.reshape(features, (-1, self.kernel.shape[0])), self.compute_dtype)
        return ops.matmul(features, self.kernel) + self.bias

    def compute_output_shape(self, features_shape):
        return (features_shape[0], self.transform.num_parameters)

    def get_config(self):
        return {
            **super().get_config(),
            "transform": keras.saving.serialize_keras_object(self.transform),
        }

    @classmethod
    def from_config(cls, config):
        transform = keras.saving.deserialize_keras_object(config["transform"])
        return cls(**{**config, "transform": transform})
