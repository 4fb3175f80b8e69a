"""A transformer that looks at its image several times."""

from typing import Any

import keras
from keras import ops

from stn_keras._arguments import IMAGE_NAMES, Shape, check_count
from stn_keras.core.matrices import compose
from stn_keras.layers.spatial_transformer import SpatialTransformer
from stn_keras.ops.warping import warp_by
from stn_keras.transforms import Affine, AffineFamily, Homography, Transform


@keras.saving.register_keras_serializable(package="stn_keras")
class IterativeSpatialTransformer(SpatialTransformer):
    """Applies one localization network repeatedly, each time to the image as warped so far.

    Every step composes its change with the theta so far, and every look and the output are read
    from the original image once, so nothing is blurred by repeated sampling.

    Convention: as `SpatialTransformer`. The theta returned is the composed transform: of `Affine`
    for every affine family, of `Homography` for a homography.

    Args:
        localization: as in `SpatialTransformer`; shared by all steps.
        transform: family of each step: an affine one or a homography, whose compositions are of
            their kind again.
        steps: how often the network looks.
        **arguments: as in `SpatialTransformer`; `bounds` apply to each step's change, and
            `initial_theta` is the change of each step before training.

    Input shape: as `SpatialTransformer`. Where the images' size is known only at run time, the
        network looks at images of `output_size` from the second step on.

    Output shape: as `SpatialTransformer`.

    Raises:
        ValueError: `steps` below 1, or a transform whose compositions are not of its kind.

    Reference:
        Lin and Lucey 2017 (arXiv:1612.03897).

    Example:
        >>> inputs = keras.Input((28, 28, 1))
        >>> outputs = IterativeSpatialTransformer(steps=2, transform="similarity")(inputs)
        >>> keras.Model(inputs, outputs).output_shape
        (None, 28, 28, 1)
    """

    def __init__(
        self,
        localization: keras.layers.Layer | None = None,
        transform: str | Transform = "affine",
        *,
        steps: int = 4,
        **arguments: Any,
    ):
        super().__init__(localization, transform, **arguments)
        check_count("steps", steps)
        if not isinstance(self.transform, (AffineFamily, Homography)):
            raise ValueError(
                "Expected a transform whose compositions are of its kind: an affine one or a "
                f"homography. Received: transform={transform!r}"
            )
        self.steps = steps
        self._look_size = None

    @property
    def theta_transform(self) -> Transform:
        """`Affine`, or the homography."""
        if isinstance(self.transform, AffineFamily):
            return Affine(align_corners=self.transform.align_corners, rank=self.transform.rank)
        return self.transform

    def build(self, images_shape: Shape, localization_inputs_shape: Shape | None = None) -> None:
        seen = localization_inputs_shape or images_shape
        if len(seen) != self.transform.rank + 2:
            raise ValueError(
                f"Expected `localization_inputs` as {IMAGE_NAMES[self.transform.rank]}. "
                f"Received: shape={tuple(seen)}"
            )
        super().build(images_shape, localization_inputs_shape)
        # Where sizes are known only at run time, every look has that of the output.
        self._look_size = self.output_size if None in self.reader.size_of(seen) else None

    def _estimate_theta(self, seen, input_size, training):
        """The composed transform of all steps: (N, 6), or (N, 8) for a homography."""
        theta = self._change(seen, input_size, training)
        for _ in range(self.steps - 1):
            look = warp_by(self.reader, self.theta_transform, self._look_size, seen, theta)
            theta = compose(theta, self._change(look, input_size, training))
        return ops.reshape(theta, (-1, self.theta_transform.num_parameters))

    def _change(self, seen, input_size, training):
        theta = super()._estimate_theta(seen, input_size, training)
        if not isinstance(self.transform, AffineFamily):
            return theta
        return self.transform.to_affine(theta, input_size=input_size)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "steps": self.steps}
