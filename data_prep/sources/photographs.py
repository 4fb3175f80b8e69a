"""Photographs that scikit-image and scikit-learn come with, as backgrounds."""

import functools
from dataclasses import dataclass

import numpy as np

# Part of a data set -> names; no photograph is in two parts.
PARTS = {
    "training": (
        *("astronaut", "chelsea", "rocket", "flower.jpg", "brick", "grass", "gravel"),
        *("clock", "hubble_deep_field", "immunohistochemistry", "moon", "page", "retina", "text"),
    ),
    "validation": ("coffee", "coins"),
    "test": ("china.jpg", "motorcycle", "camera"),
}
REDUCTIONS = (1, 2, 4)
# Collages of training photographs: how many, their height and width, pieces in each.
COLLAGES, COLLAGE_SIDE, PIECES = 32, 192, 40


@dataclass(frozen=True)
class Backgrounds:
    """Photographs at several sizes, pixel after pixel.

    Attributes:
        pixels: (P, 3) uint8, row after row of one photograph after the other.
        first: (K,) int32, where each photograph starts in them.
        sizes: (K, 2) int32, height and width of each.
    """

    pixels: np.ndarray
    first: np.ndarray
    sizes: np.ndarray


@functools.cache
def backgrounds(part: str, least: int) -> Backgrounds:
    """The photographs of a part, each as it is and reduced to a half and to a quarter.

    Those of training, which are few, come with collages of them.

    Args:
        part: one of `PARTS`.
        least: height and width below which a photograph is not reduced.

    Returns:
        `Backgrounds`.

    Example:
        >>> backgrounds("test", 64).sizes.tolist()[:3]
        [[427, 640], [213, 320], [106, 160]]
    """
    pictures = [
        reduced
        for name in PARTS[part]
        for reduced in (_reduced(_read(name), factor) for factor in REDUCTIONS)
        if min(reduced.shape[:2]) >= least
    ]
    if part == "training":
        rng = np.random.default_rng(0)
        pictures += [_collage(pictures, rng) for _ in range(COLLAGES)]
    sizes = np.array([picture.shape[:2] for picture in pictures], "int32")
    ends = np.cumsum(sizes.prod(1), dtype="int32")
    pixels = np.concatenate([picture.reshape(-1, 3) for picture in pictures])
    return Backgrounds(pixels, ends - sizes.prod(1, dtype="int32"), sizes)


def _collage(pictures, rng):
    """Ellipses and polygons cut from pictures, some of one color, one over the other.

    Small ones come last. Many look like signs from afar: a network must look at what they show.
    """
    from PIL import Image, ImageDraw

    collage = Image.fromarray(_cutting(pictures, rng, COLLAGE_SIDE))
    for radius in np.sort(rng.uniform(4, 50, PIECES))[::-1]:
        x, y = rng.uniform(0, COLLAGE_SIDE, 2)
        corners = rng.choice([3, 4, 5, 8, 48])
        angles = 2 * np.pi * (np.arange(corners) / corners + rng.random())
        wide, high = radius * rng.uniform(0.5, 1, 2)
        mask = Image.new("L", collage.size)
        outline = zip(x + wide * np.cos(angles), y + high * np.sin(angles), strict=True)
        ImageDraw.Draw(mask).polygon(list(outline), fill=255)
        cutting = _cutting(pictures, rng, COLLAGE_SIDE)
        if rng.random() < 0.4:
            cutting[:] = cutting[0, 0]
        collage.paste(Image.fromarray(cutting), mask=mask)
    return np.asarray(collage)


def _cutting(pictures, rng, side):
    """A square of a random picture, repeated where that is smaller, in other colors."""
    picture = pictures[rng.integers(len(pictures))]
    rows, columns = (rng.integers(size) + np.arange(side) for size in picture.shape[:2])
    square = picture[rows % picture.shape[0]][:, columns % picture.shape[1]]
    gains = rng.uniform(0.5, 1.5, 3)
    return np.minimum(square[..., rng.permutation(3)] * gains, 255).astype("uint8")


def _read(name):
    """A photograph (H, W, 3) uint8; gray ones in three equal channels."""
    if name.endswith(".jpg"):
        from sklearn.datasets import load_sample_image

        return load_sample_image(name)
    import skimage.data

    image = skimage.data.stereo_motorcycle()[0] if name == "motorcycle" else _of_skimage(name)
    return image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=-1)


def _of_skimage(name):
    import skimage.data

    return getattr(skimage.data, name)()


def _reduced(image, factor):
    """The means of squares of pixels; what is left over at the far edges is cut off."""
    height, width = (side // factor for side in image.shape[:2])
    squares = image[: height * factor, : width * factor].astype("uint32")
    squares = squares.reshape(height, factor, width, factor, 3)
    return ((squares.sum((1, 3)) + factor**2 // 2) // factor**2).astype("uint8")
