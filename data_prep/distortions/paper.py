"""The paper's distortions of digits, each a pure function of noise.

Training images are drawn by them in the graph and the fixed sets in `data_prep.sets.paper`: what a
number of noise does to a digit is decided here alone.
"""

import math
from dataclasses import dataclass


class Warp:
    """Digits and noise -> pictures; each channel is a separate digit.

    Convention: ranges speak of the object, so a scale of 0.5 draws it half as large and a positive
    angle turns it counter-clockwise. Places of zero noise are the middles of their ranges.

    Attributes:
        canvas: height and width of a picture, black where no digit is.
        uniforms: how many numbers from [0, 1) a digit needs.
        normals: how many numbers from the standard normal distribution.
        channels: of a picture; None: those of the images.

    Reference:
        Jaderberg et al. 2015 (arXiv:1506.02025), appendix A.
    """

    uniforms = normals = 0
    channels = None

    def objects(self, channels):
        """How many objects an image of so many channels shows; each takes noise of its own."""
        return channels

    def __call__(self, images, uniform, normal):
        """Distort images.

        Args:
            images: (N, H, H, C), floating.
            uniform: (N * C, uniforms), noise of the first image's channels first.
            normal: (N * C, normals).

        Returns:
            (N, canvas, canvas, C).
        """
        from keras import ops

        size, channels = images.shape[2:]
        digits = ops.reshape(ops.transpose(images, (0, 3, 1, 2)), (-1, size, size, 1))
        drawn = self.draw(digits, uniform, normal)
        drawn = ops.reshape(drawn, (-1, channels, self.canvas, self.canvas))
        return ops.transpose(drawn, (0, 2, 3, 1))

    def draw(self, digits, uniform, normal):
        """Digits (N, H, H, 1) -> (N, canvas, canvas, 1), read where `theta` says."""
        from stn_keras.ops import warp

        theta = self.theta(uniform, normal, digits.shape[1])
        settings = {"data_format": "channels_last", "compiled": True}
        return warp(digits, theta, self.family, self.canvas, **settings)


@dataclass(frozen=True)
class Placement(Warp):
    """Turned, scaled and put at a random place: R and RTS.

    The digit's frame lies wholly on the canvas, as it lies before it is turned.

    Attributes:
        canvas: as in `Warp`.
        rotation: largest angle, in degrees.
        scale: smallest and largest factor.

    Example:
        >>> from keras import ops
        >>> middle = ops.full((1, 4), 0.5)
        >>> theta = Placement(28, rotation=90).theta(middle, None, 28)
        >>> ops.convert_to_numpy(theta + 0).tolist()
        [[1.0, 0.0, 0.0, 0.0]]
    """

    canvas: int
    rotation: float
    scale: tuple[float, float] = (1.0, 1.0)

    family, uniforms = "similarity", 4

    def theta(self, uniform, normal, size):
        """Noise -> theta of `Similarity`, for digits of that size."""
        from keras import ops

        turned, scaled, *place = (uniform[:, i] for i in range(4))
        angle = math.radians(self.rotation) * (2 * turned - 1)
        shrink = self.canvas / (size * between(self.scale, scaled))
        room = 1 - 1 / shrink
        x, y = (room * (2 * along - 1) for along in place)
        # Output to input: back to the middle, turned back, grown back.
        cosine, sine = shrink * ops.cos(angle), shrink * ops.sin(angle)
        return ops.stack([shrink, angle, sine * y - cosine * x, -sine * x - cosine * y], axis=-1)


@dataclass(frozen=True)
class Perspective(Warp):
    """Scaled, then each corner of the frame stretched, moved along its diagonal: P.

    Attributes:
        canvas: the digits' size.
        deviation: standard deviation of a corner's way outwards, in pixels.
        scale: smallest and largest factor.
    """

    canvas: int = 28
    deviation: float = 5.0
    scale: tuple[float, float] = (0.75, 1.0)

    family, uniforms, normals = "homography", 1, 4

    def theta(self, uniform, normal, size):
        """Noise -> theta of `Homography`; corners clockwise from the upper left one."""
        from keras import ops

        from stn_keras.ops import compose, invert

        corners = ops.convert_to_tensor([[-1, -1], [1, -1], [1, 1], [-1, 1]], "float32")
        moved = corners * (1 + normal[..., None] * (math.sqrt(2) * self.deviation / size))
        factor, zero = between(self.scale, uniform[:, 0]), ops.zeros_like(uniform[:, 0])
        grow = ops.stack([1 / factor, zero, zero, zero, 1 / factor, zero], axis=-1)
        to_unit_square = [[0.5, 0, 0.5, 0, 0.5, 0.5]]
        return compose(grow, invert(compose(unit_square_to(moved), to_unit_square)))


@dataclass(frozen=True)
class Elastic(Warp):
    """Scaled, then bent by a thin plate spline of 4x4 control points: E.

    Attributes:
        canvas: the digits' size.
        deviation: standard deviation of a control point's move along an axis, in pixels.
        scale: smallest and largest factor.
    """

    canvas: int = 28
    deviation: float = 1.5
    scale: tuple[float, float] = (0.75, 1.0)

    family, uniforms, normals = "tps", 1, 32

    def theta(self, uniform, normal, size):
        """Noise -> theta of `ThinPlateSpline`."""
        from keras import ops

        from stn_keras.transforms.thin_plate_spline import control_points

        points = ops.convert_to_tensor(control_points((4, 4)).ravel().astype("float32"))
        factor = between(self.scale, uniform)
        # A spline reproduces every affine map, so the scale can be a part of the moves.
        return (points + normal * (2 * self.deviation / size)) / factor - points


@dataclass(frozen=True)
class Cluttered(Warp):
    """At a random place, whole pixels away, among square scraps of the other digits: TC.

    Convention: as `data_prep.distortions.clutter.draw_cluttered`, which draws by NumPy.

    Attributes:
        canvas: as in `Warp`.
        patches: scraps an image.
        patch_size: their height and width.
    """

    canvas: int = 60
    patches: int = 6
    patch_size: int = 6

    @property
    def uniforms(self):
        """Two for the digit's place; for each scrap its digit, its place in it and its own."""
        return 2 + 5 * self.patches

    def draw(self, digits, uniform, normal):
        from keras import ops

        count, size = ops.shape(digits)[0], digits.shape[1]
        own, upper_left = ops.arange(count), [ops.zeros((count,), "int32")] * 2
        place = _whole_numbers(uniform[:, :2], self.canvas - size + 1)
        drawn = self._square_of(digits, own, upper_left, place, size)
        for scrap in (uniform[:, k : k + 5] for k in range(2, self.uniforms, 5)):
            (skipped,) = _whole_numbers(scrap[:, :1], count - 1)
            cut = _whole_numbers(scrap[:, 1:3], size - self.patch_size + 1)
            place = _whole_numbers(scrap[:, 3:], self.canvas - self.patch_size + 1)
            other = (own + 1 + skipped) % count
            square = self._square_of(digits, other, cut, place, self.patch_size)
            drawn = ops.maximum(drawn, square)
        return drawn

    def _square_of(self, digits, number, cut, place, side):
        """Squares cut out of the digits of those numbers, each alone on the canvas."""
        from keras import ops

        rows, columns = (ops.arange(self.canvas)[None] - at[:, None] for at in place)
        size = digits.shape[1]
        inside = _within(rows, side)[:, :, None] & _within(columns, side)[:, None]
        row, column = (
            ops.clip(start[:, None] + along, 0, size - 1)
            for start, along in zip(cut, (rows, columns), strict=True)
        )
        index = (number[:, None, None] * size + row[:, :, None]) * size + column[:, None]
        pixels = ops.take(ops.reshape(digits, (-1,)), index)
        return ops.where(inside, pixels, ops.zeros_like(pixels))[..., None]


def between(limits, uniform):
    """Numbers from [0, 1) -> numbers between two limits."""
    low, high = limits
    return low + (high - low) * uniform


def unit_square_to(corners):
    """Homography of the unit square onto quadrilaterals, (N, 4, 2) clockwise from (0, 0) -> (N, 8).

    Reference:
        Heckbert 1989, Fundamentals of Texture Mapping and Image Warping, section 2.2.3.
    """
    from keras import ops

    p0, p1, p2, p3 = (corners[:, i] for i in range(4))
    right, down, sheared = p1 - p2, p3 - p2, p0 - p1 + p2 - p3
    area = _cross(right, down)
    g, h = _cross(sheared, down) / area, _cross(right, sheared) / area
    along_u = p1 - p0 + g[:, None] * p1
    along_v = p3 - p0 + h[:, None] * p3
    rows = ops.stack([along_u, along_v, p0], axis=-1)
    return ops.concatenate([ops.reshape(rows, (-1, 6)), ops.stack([g, h], axis=-1)], axis=-1)


def _cross(a, b):
    return a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]


def _whole_numbers(uniform, count):
    """Numbers from [0, 1), (N, K) -> K times (N,) integers below `count`."""
    from keras import ops

    numbers = ops.cast(ops.floor(uniform * ops.cast(count, uniform.dtype)), "int32")
    return [numbers[:, k] for k in range(uniform.shape[1])]


def _within(offset, side):
    return (offset >= 0) & (offset < side)
