"""Features -> theta, starting at the identity."""

import math
from collections.abc import Mapping
from typing import Any, Self

import keras
import numpy as np
from keras import ops

from stn_keras import transforms
from stn_keras._arguments import Shape, Tensor, to_tensor
from stn_keras.backend import matmul
from stn_keras.transforms import Transform
from stn_keras.transforms.bounds import Bounds


@keras.saving.register_keras_serializable(package="stn_keras")
class ThetaRegressor(keras.layers.Layer):
    """A dense layer onto theta whose first output is the identity, whatever its input.

    Convention: zero kernel, bias at the transform's identity. Weights and theta are float32
    whatever the mixed-precision policy.

    Args:
        transform: a name in `stn_keras.transforms.FAMILIES`, or a `Transform`.
        bounds: bounds and fixed values of theta's entries; see `SpatialTransformer`.
        initial_theta: theta before training, (P,), or (count, P) for several of each image; None:
            the identity.
        align_corners: convention of a transform made from its name; None: False.
        rank: of a transform made from its name; None: 2.

    Input shape: (N, ...); everything but the batch is flattened and must be static.

    Output shape: theta (N, P), or (N, count, P), with P the transform's `num_parameters`, float32.

    Raises:
        ValueError: unknown transform or parameter, `initial_theta` of another shape, or features
            of unknown size.

    Reference:
        Jaderberg et al. 2015 (arXiv:1506.02025), section 3.1 and appendix A.1.

    Example:
        >>> features = np.ones((1, 8), "float32")
        >>> keras.ops.convert_to_numpy(ThetaRegressor()(features))
        array([[1., 0., 0., 0., 1., 0.]], dtype=float32)
    """

    def __init__(
        self,
        transform: str | Transform = "affine",
        *,
        bounds: Mapping | None = None,
        initial_theta: Any = None,
        align_corners: bool | None = None,
        rank: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(autocast=False, **{"dtype": "float32", **kwargs})
        self.transform = transforms.get(transform, align_corners, rank)
        self.bounds = bounds
        self.initial_theta = initial_theta
        start = _start(self.transform, initial_theta)
        self._bound = Bounds(self.transform, start, bounds) if bounds else None
        self._start = self._bound.start if self._bound else start

    def build(self, features_shape: Shape) -> None:
        if None in features_shape[1:]:
            raise ValueError(
                "Expected features of a static size; for images of any size end the localization "
                "network in a global or adaptive pooling. "
                f"Received: features.shape={tuple(features_shape)}"
            )
        sizes = dict(enumerate(features_shape[1:], start=1))
        self.input_spec = keras.layers.InputSpec(ndim=len(features_shape), axes=sizes)
        outputs = self._start.size
        self.kernel = self.add_weight(
            name="kernel", shape=(math.prod(features_shape[1:]), outputs), initializer="zeros"
        )
        self.bias = self.add_weight(name="bias", shape=(outputs,), initializer=self._initial_bias)

    def _initial_bias(self, shape, dtype=None):
        return ops.convert_to_tensor(self._start.ravel(), dtype=dtype)

    def call(self, features: Tensor) -> Tensor:
        features = ops.cast(ops.reshape(features, (-1, self.kernel.shape[0])), self.compute_dtype)
        theta = matmul(features, ops.convert_to_tensor(self.kernel)) + self.bias
        theta = ops.reshape(theta, (-1, *self._start.shape))
        if not self._bound:
            return theta
        return self._bound(theta - ops.cast(to_tensor(self._start), theta.dtype))

    def compute_output_shape(self, features_shape: Shape) -> Shape:
        return (features_shape[0], *self._start.shape)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "transform": keras.saving.serialize_keras_object(self.transform),
            "bounds": self.bounds and dict(self.bounds),
            "initial_theta": None
            if self.initial_theta is None
            else np.array(self.initial_theta).tolist(),
            "align_corners": self.transform.align_corners,
            "rank": self.transform.rank,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        transform = keras.saving.deserialize_keras_object(config["transform"])
        return cls(**{**config, "transform": transform})


def _start(transform, initial_theta):
    """(P,) or (count, P), float32."""
    if initial_theta is None:
        return transform.identity
    start = np.array(initial_theta, "float32")
    if start.ndim not in (1, 2) or start.shape[-1] != transform.num_parameters:
        parameters = transform.num_parameters
        raise ValueError(
            f"Expected `initial_theta` of shape ({parameters},) or (count, {parameters}). "
            f"Received: shape={start.shape}"
        )
    return start
