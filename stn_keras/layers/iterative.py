"""A transformer that looks again at what it has made."""

import keras
from keras import ops

from stn_keras.layers.spatial_transformer import SpatialTransformer
from stn_keras.ops.theta import compose
from stn_keras.transforms import Affine, Homography
from stn_keras.transforms.affine import AffineFamily


@keras.saving.register_keras_serializable(package="stn_keras")
class IterativeSpatialTransformer(SpatialTransformer):
    """Applies one localization network again and again, to what its last theta made of the image.

    Every step composes its change with the theta so far, and every look and the output are read
    from the original image once, so nothing is blurred by repeated sampling.

    Convention: as `SpatialTransformer`. `theta` returns the composed transform: of `Affine` for
    every affine family, of `Homography` for a homography.

    Args:
        localization: as in `SpatialTransformer`; shared by all steps.
        transform: family of each step: an affine one or a homography, whose compositions are of
            their kind again.
        steps: how often the network looks.
        **arguments: as in `SpatialTransformer`; `constraints` bound each step's change, and
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

    def __init__(self, localization=None, transform="affine", steps=4, **arguments):
        super().__init__(localization, transform, **arguments)
        if not isinstance(steps, int) or steps < 1:
            raise ValueError(
                f"Expected `steps` to be an integer of at least 1. Received: steps={steps!r}"
            )
        if not isinstance(self.transform, (AffineFamily, Homography)):
            raise ValueError(
                "Expected a transform whose compositions are of its kind: an affine one or a "
                f"homography. Received: transform={transform!r}"
            )
        self.steps = steps
        self.step_transform = self.transform
        if isinstance(self.transform, AffineFamily):
            self.transform = Affine(self.transform.align_corners)
        self._look_size = None

    def build(self, images_shape, localization_inputs_shape=None):
        seen = localization_inputs_shape or images_shape
        if len(seen) != 4:
            raise ValueError(
                f"Expected `localization_inputs` (N, H, W, C). Received: shape={tuple(seen)}"
            )
        super().build(images_shape, localization_inputs_shape)
        # Where sizes are known only at run time, every look has that of the output.
        self._look_size = self.output_size if None in self._size_of(seen) else None

    def _choose_theta(self, images, training):
        """The composed transform of all steps: (N, 6), or (N, 8) for a homography."""
        theta = self._change(images, training)
        for _ in range(self.steps - 1):
            seen = self._warp_to(self._look_size, images, theta, training)
            theta = compose(theta, self._change(seen, training))
        return ops.reshape(theta, (-1, self.transform.num_parameters))

    def _change(self, images, training):
        theta = super()._choose_theta(images, training)
        is_affine = isinstance(self.step_transform, AffineFamily)
        return self.step_transform.to_affine(theta) if is_affine else theta

    def get_config(self):
        return {
            **super().get_config(),
            "transform": keras.saving.serialize_keras_object(self.step_transform),
            "steps": self.steps,
        }
