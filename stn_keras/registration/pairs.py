"""A pair of images at one level: where theta reads, and what is found there."""

from dataclasses import dataclass

from keras import ops

from stn_keras.core.coordinates import Points
from stn_keras.core.sampling import sample_places
from stn_keras.transforms import Transform


@dataclass(frozen=True)
class Level:
    """The sizes of a pair and the family that aligns it, a part of what is compiled.

    Attributes:
        transform: `stn_keras.transforms.Transform`.
        fixed_size: (height, width) of the fixed images.
        moving_size: (height, width) of the moving ones.
    """

    transform: Transform
    fixed_size: tuple
    moving_size: tuple

    def places(self, theta, points=None):
        """Where points (M, rank) of the fixed images, None for all pixels, are read.

        Returns:
            x and y, each (N, M).
        """
        if points is None:
            return self.transform.map_grid(theta, self.fixed_size, self.moving_size)
        sizes = self.fixed_size, self.moving_size
        theta = self.transform.standardize_theta(theta)
        points = Points.of_pixels(points, *sizes, self.transform.align_corners, "float32")
        return self.transform.map_points(theta, points)

    def read(self, images, places):
        """Values (N, M, C) of images (N, *size, C) at places."""
        return sample_places(images, places, "bilinear", "nearest", 0.0)

    def inside(self, places, mask):
        """The mask (N, M, 1) of the fixed image, 0 where the moving image is not seen."""
        for place, length in zip(places, reversed(self.moving_size), strict=True):
            seen = ops.logical_and(place >= 0, place <= length - 1)
            mask = ops.where(ops.expand_dims(seen, -1), mask, ops.zeros_like(mask))
        return mask
