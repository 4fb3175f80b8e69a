"""Traffic signs at random places on photographs, a pure function of noise.

Training pictures are drawn by it in the graph and the fixed sets in `data_prep.sets.moved_signs`.
"""

from dataclasses import dataclass

import numpy as np

from data_prep.distortions.paper import Placement, Warp

# The part of a sign's frame that its box takes, along each axis, in its middle.
BOX = 0.75
# How much larger than the sign its silhouette is, and how soft its edge, in parts of the frame.
GROWN, SOFT = 1.06, 0.02


@dataclass(frozen=True)
class MovedSign(Warp):
    """A sign turned, scaled and put at a random place on a photograph.

    Its frame lies wholly on the canvas, as it lies before it is turned.

    Attributes:
        photographs: a key of `data_prep.sources.photographs.PARTS`.
        side: height and width of a picture.
        window: height and width that the sign's box is brought to, as it lies in the picture, all
            of the result; None: the result is the picture.
        rotation: largest angle, in degrees.
        scale: smallest and largest factor.
        varied: whether photographs are also turned and zoomed, and pictures of other light and
            color: for training, where there are few photographs.

    Example:
        >>> import numpy as np
        >>> sign, noise = np.ones((1, 32, 32, 4), "float32"), np.full((1, 8), 0.5, "float32")
        >>> tuple(MovedSign("test")(sign, noise, None).shape)
        (1, 64, 64, 3)
    """

    photographs: str
    side: int = 64
    window: int | None = None
    rotation: float = 30.0
    scale: tuple[float, float] = (0.35, 1.0)
    varied: bool = False

    channels = 3

    @property
    def uniforms(self):
        """Numbers of a sign: angle, scale, place, background; and turn, zoom, light, colors."""
        return 8 + 6 * self.varied

    @property
    def canvas(self):
        """Height and width of the result."""
        return self.window or self.side

    def objects(self, channels):
        return 1

    def __call__(self, images, uniform, normal):
        """Put signs on photographs.

        Args:
            images: (N, H, H, 4), floating, in 0..1: signs in their frames, see `BOX`, and how
                opaque they are.
            uniform: (N, uniforms), from [0, 1).
            normal: not used.

        Returns:
            (N, canvas, canvas, 3).
        """
        from keras import ops

        colors, opaque = images[..., :3], images[..., 3:]
        pasted = ops.concatenate([colors * opaque, opaque], axis=-1)
        theta = self._placement.theta(uniform[:, :4], None, images.shape[1])
        # A small sign is averaged, not merely read here and there.
        drawn = _read(pasted, theta, "similarity", self.side, supersample=2)
        background = self.background(uniform[:, 4:8], uniform[:, 8:10])
        pictures = drawn[..., :3] + (1 - drawn[..., 3:]) * background
        if self.varied:
            pictures = _in_other_light(pictures, uniform[:, 10:])
        if self.window is None:
            return pictures
        return read_windows(pictures, self.theta(uniform, images.shape[1]), self.window)

    def theta(self, uniform, size):
        """Where each sign's box lies in its picture.

        Args:
            uniform: (N, uniforms), the noise that the picture is drawn by.
            size: height and width of the sign's frame.

        Returns:
            (N, 6), theta of `Affine` that reads the box.
        """
        from keras import ops

        from stn_keras.ops import compose, invert
        from stn_keras.transforms import Similarity

        placed = Similarity().to_affine(self._placement.theta(uniform[:, :4], None, size))
        box = ops.convert_to_tensor([[BOX, 0, 0, 0, BOX, 0]], "float32")
        return ops.reshape(compose(invert(placed), box), (-1, 6))

    @property
    def _placement(self):
        return Placement(self.side, self.rotation, self.scale)

    def background(self, uniform, motion=None):
        """Squares of photographs, half of them mirrored.

        Args:
            uniform: (N, 4), from [0, 1): photograph, place, whether it is mirrored.
            motion: (N, 2), from [0, 1): turn and zoom, where photographs vary.

        Returns:
            (N, side, side, 3).
        """
        from keras import ops

        from data_prep.sources.photographs import backgrounds

        known = backgrounds(self.photographs, self.side)
        count = len(known.first)
        which = ops.cast(ops.floor(uniform[:, 0] * count), "int32")
        first, sizes = (ops.take(table, which, axis=0) for table in (known.first, known.sizes))
        room = ops.cast(sizes - self.side + 1, "float32")
        start = ops.cast(ops.floor(uniform[:, 1:3] * room), "int32")
        along = ops.arange(self.side)[None]
        mirrored = ops.where(uniform[:, 3:] < 0.5, along, self.side - 1 - along)
        rows, columns = along[:, :, None], mirrored[:, None]
        if self.varied:
            rows, columns = _moved_square(rows, columns, self.side, motion)
        rows = _reflected(start[:, :1, None] + rows, sizes[:, :1, None])
        columns = _reflected(start[:, 1:, None] + columns, sizes[:, 1:, None])
        index = first[:, None, None] + rows * sizes[:, 1:, None] + columns
        return ops.cast(ops.take(known.pixels, index, axis=0), "float32") / 255


def _moved_square(rows, columns, side, motion):
    """Places of a square's pixels, turned by any angle and zoomed to 2/3 to 3/2."""
    from keras import ops

    angle = 2 * np.pi * motion[:, 0, None, None]
    zoom = 1.5 ** (2 * motion[:, 1, None, None] - 1)
    middle = (side - 1) / 2
    down, right = (ops.cast(places, "float32") - middle for places in (rows, columns))
    cosine, sine = zoom * ops.cos(angle), zoom * ops.sin(angle)
    moved = cosine * down - sine * right, sine * down + cosine * right
    return tuple(ops.cast(ops.round(places + middle), "int32") for places in moved)


def _reflected(places, size):
    """Places outside a photograph, mirrored at its edges."""
    from keras import ops

    places = ops.mod(places, 2 * size)
    return ops.minimum(places, 2 * size - 1 - places)


def _in_other_light(pictures, uniform):
    """From half to one and a half times as bright, and each channel a fifth more or less."""
    from keras import ops

    light = (0.5 + uniform[:, :1]) * (0.8 + 0.4 * uniform[:, 1:])
    return ops.minimum(pictures * light[:, None, None], 1)


def read_windows(pictures, theta, size):
    """Windows of pictures as a transformer reads them, (N, H, W, C) -> (N, size, size, C).

    Args:
        pictures: (N, H, W, C).
        theta: (N, 6), of `Affine`.
        size: height and width of a window.
    """
    return _read(pictures, theta, "affine", size, fill_mode="nearest")


def _read(images, theta, family, size, **settings):
    from stn_keras.ops import warp

    return warp(images, theta, family, size, data_format="channels_last", compiled=True, **settings)


def silhouettes(size: int) -> dict[str, np.ndarray]:
    """How opaque a pasted sign of each shape is: 1 on the sign, with a soft edge around it.

    Args:
        size: height and width of the sign's frame.

    Returns:
        Key of `SHAPES` -> (size, size) uint8, 255 where the sign is.

    Example:
        >>> [int(mask[0, 0]) for mask in silhouettes(32).values()]
        [0, 0, 0, 0, 0]
    """
    from PIL import Image, ImageDraw, ImageFilter

    fine = 8 * size
    drawn = {}
    for name, corners in SHAPES.items():
        mask = Image.new("L", (fine, fine))
        places = (np.array(corners) * (BOX * GROWN) + 1) * (fine / 2)
        ImageDraw.Draw(mask).polygon([tuple(place) for place in places], fill=255)
        mask = mask.filter(ImageFilter.GaussianBlur(SOFT * fine))
        drawn[name] = np.asarray(mask.resize((size, size), Image.Resampling.BOX))
    return drawn


def _regular(corners, first_degrees):
    """Corners (x, y) on the circle in the box, from an angle on."""
    angles = np.radians(first_degrees + np.arange(corners) * 360 / corners)
    return np.stack([np.cos(angles), np.sin(angles)], axis=-1)


# Corners (x, y) in halves of the box.
SHAPES = {
    "disc": _regular(64, 0),
    "triangle": [(0, -1), (1, 1), (-1, 1)],
    "yield": [(0, 1), (-1, -1), (1, -1)],
    "diamond": _regular(4, 0),
    "octagon": _regular(8, 22.5) / np.cos(np.pi / 8),
}
# label -> shape; a disc where there is none.
SHAPE_OF = {
    **dict.fromkeys([11, *range(18, 32)], "triangle"),
    12: "diamond",
    13: "yield",
    14: "octagon",
}
