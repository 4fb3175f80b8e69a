"""Training photographs as they might have been: in other light, less sharp, partly hidden."""

from dataclasses import dataclass

import numpy as np

from experiments.experiment import JitterRanges


@dataclass(frozen=True)
class Photographed:
    """Moves the images of a batch and changes how they were photographed, uniformly at random.

    Attributes:
        jitter: how far they are moved.
        color: largest change of each color's brightness, as a part of 1.
        gamma: largest exponent of the brightness, and one through it the smallest.
        gray: largest part of the color that is lost.
        light: by how much the light changes at most from the middle to an edge, as a part of 1.
        blur: largest part of the sharpness that is lost: of an image's difference from one with a
            quarter of the pixels.
        hidden: largest height and width of the rectangle that is hidden, as a part of the image's.
    """

    jitter: JitterRanges
    color: float = 0.0
    gamma: float = 1.0
    gray: float = 0.0
    light: float = 0.0
    blur: float = 0.0
    hidden: float = 0.0

    def __call__(self, image_shape):
        """The function (images, rng) -> images, for images (H, W, C) in 0..1."""
        jitter = self.jitter(image_shape)

        def photograph(images, rng):
            blurred = self._blur(jitter(images, rng), rng)
            light = self._light(rng, len(images), image_shape)
            return self._hide(self._tone(blurred, rng) * light, rng).astype("float32")

        return photograph

    def _light(self, rng, count, image_shape):
        """Factors (N, H, W, C): of each color, and of a light that grows in some direction."""
        height, width, channels = image_shape
        color = 1 + rng.uniform(-self.color, self.color, (count, 1, 1, channels))
        slope_x, slope_y = self.light * rng.uniform(-1, 1, (count, 2, 1, 1)).swapaxes(0, 1)
        x, y = np.linspace(-1, 1, width), np.linspace(-1, 1, height)[:, None]
        return color * np.clip(1 + slope_x * x + slope_y * y, 0.1, None)[..., None]

    def _tone(self, images, rng):
        """Images of another camera: with another gamma, and less color."""
        each = (len(images), 1, 1, 1)
        exponent = self.gamma ** rng.uniform(-1, 1, each)
        gray = rng.uniform(0, self.gray, each)
        toned = np.clip(images, 0, None) ** exponent.astype("float32")
        return toned + gray * (toned.mean(-1, keepdims=True) - toned)

    def _blur(self, images, rng):
        share = rng.uniform(0, self.blur, (len(images), 1, 1, 1))
        return images + share * (_coarse(images) - images)

    def _hide(self, images, rng):
        """Each image with a rectangle of one gray in it."""
        count, (height, width) = len(images), images.shape[1:3]
        middle, half = rng.uniform(0, 1, (count, 2, 1)), rng.uniform(0, 0.5, (count, 2, 1))
        gray = rng.uniform(0, 1, (count, 1, 1, 1))
        inside = [
            np.abs((np.arange(side) + 0.5) / side - middle[:, axis]) < self.hidden * half[:, axis]
            for axis, side in enumerate((height, width))
        ]
        return np.where((inside[0][:, :, None] & inside[1][:, None])[..., None], gray, images)


def _coarse(images):
    """Images (N, H, W, C) smoothed as by a lens of half the resolution: weights 1, 2, 1."""
    for axis in (1, 2):
        ends = [(0, 0)] * 4
        ends[axis] = (1, 1)
        padded = np.pad(images, ends, mode="edge")
        low, middle, high = (
            np.take(padded, np.arange(images.shape[axis]) + offset, axis) for offset in range(3)
        )
        images = (low + 2 * middle + high) / 4
    return images
