"""theta -> sampling coordinates, as a layer."""

from typing import Any, Self

import keras
from keras import ops

from stn_keras import backend, transforms
from stn_keras._arguments import Shape, Size, Tensor, check_size, widest_float
from stn_keras.ops.warping import Grid
from stn_keras.transforms import Transform


@keras.saving.register_keras_serializable(package="stn_keras")
class GridGenerator(keras.layers.Layer):
    """Turns theta into the coordinates an output image is read from.

    Convention: inverse mapping; theta in normalized coordinates, result (x, y) in pixels of the
    input. Always computed in float32 or better, whatever the mixed-precision policy.

    Args:
        transform: a name in `stn_keras.transforms.FAMILIES`, or a `Transform`.
        output_size: (height, width) of the output, one integer for a square; (depth, height, width)
            for volumes.
        input_size: of the images to be sampled, the same; None: that of the output.
        align_corners: where -1 and 1 lie; None: as the transform has it, False for a name.
        rank: 2, or 3 for volumes; None: as the transform has it, 2 for a name.

    Input shape: theta (N, P), with P the transform's `num_parameters`.

    Output shape: (N, H', W', 2), or (N, D', H', W', 3), float32, or float64 for a float64 theta.

    Raises:
        ValueError: a size that is not two positive integers, or an unknown transform.

    Reference:
        Jaderberg et al. 2015 (arXiv:1506.02025), section 3.2.

    Example:
        >>> grid = GridGenerator(output_size=(14, 14), input_size=(28, 28))
        >>> tuple(grid(keras.ops.array([[1.0, 0.0, 0.0, 0.0, 1.0, 0.0]])).shape)
        (1, 14, 14, 2)
    """

    def __init__(
        self,
        transform: str | Transform = "affine",
        *,
        output_size: int | Size,
        input_size: int | Size | None = None,
        align_corners: bool | None = None,
        rank: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(autocast=False, **{"dtype": "float32", **kwargs})
        self.transform = transforms.get(transform, align_corners, rank)
        self.output_size = check_size("output_size", output_size, self.transform.rank)
        self.input_size = self.output_size
        if input_size is not None:
            self.input_size = check_size("input_size", input_size, self.transform.rank)

    def call(self, theta: Tensor) -> Tensor:
        grid = Grid(self.transform, self.input_size, self.output_size)
        return ops.stack(backend.run(grid, self.transform.standardize_theta(theta)), axis=-1)

    def compute_output_shape(self, theta_shape: Shape) -> Shape:
        return (theta_shape[0], *self.output_size, self.transform.rank)

    def compute_output_spec(self, theta: Tensor) -> keras.KerasTensor:
        return keras.KerasTensor(self.compute_output_shape(theta.shape), widest_float(theta.dtype))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "transform": keras.saving.serialize_keras_object(self.transform),
            "output_size": self.output_size,
            "input_size": self.input_size,
            "align_corners": self.transform.align_corners,
            "rank": self.transform.rank,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        transform = keras.saving.deserialize_keras_object(config["transform"])
        return cls(**{**config, "transform": transform})
