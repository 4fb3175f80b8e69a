"""Where transformers look: the outlines of what they read, and how well those enclose an object."""

from dataclasses import asdict, dataclass

import numpy as np
from keras import ops

CORNERS = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], "float32")
STEPS = 12  # of an outline between two corners


@dataclass(frozen=True)
class Similarity:
    """A map of the plane, about the middle of a window whose sides are at -1 and 1.

    Attributes:
        scale: factor.
        degrees: angle, from x to y.
        shift_x: shift along x, after it.
        shift_y: shift along y.
    """

    scale: float = 1.0
    degrees: float = 0.0
    shift_x: float = 0.0
    shift_y: float = 0.0

    def __call__(self, points):
        """Map points (..., 2).

        Example:
            >>> Similarity(scale=2.0, shift_x=1.0)(CORNERS)[0].tolist()
            [-1.0, -2.0]
        """
        angle = np.radians(self.degrees)
        cosine, sine = self.scale * np.cos(angle), self.scale * np.sin(angle)
        x, y = points[..., 0], points[..., 1]
        turned = np.stack([cosine * x - sine * y, sine * x + cosine * y], axis=-1)
        return turned + np.array([self.shift_x, self.shift_y])


def outline(steps: int = STEPS) -> np.ndarray:
    """Points (4 * steps, 2) along the edge of a window, from its upper left corner on.

    Example:
        >>> outline(1).tolist()
        [[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]]
    """
    along = np.arange(steps, dtype="float32")[:, None] / steps
    sides = zip(CORNERS, np.roll(CORNERS, -1, axis=0), strict=True)
    return np.concatenate([start + along * (end - start) for start, end in sides])


def read_at(transform, theta, points, image_size) -> np.ndarray:
    """Where in images the points of a window are read.

    Args:
        transform: `stn_keras.transforms.Transform`.
        theta: (N, P).
        points: (M, 2), a window's sides being at -1 and 1.
        image_size: (height, width).

    Returns:
        (N, M, 2), (x, y) in pixels of the images.
    """
    # As an output of as many pixels as the image; its outer edges are half a pixel further out.
    height, width = image_size
    pixels = (np.asarray(points) + 1) / 2 * [width, height] - 0.5
    if transform.align_corners:
        pixels = (np.asarray(points) + 1) / 2 * [width - 1, height - 1]
    read = transform.source_points(theta, pixels.astype("float32"), input_size=image_size)
    return ops.convert_to_numpy(read)


def overlap(one, other):
    """Intersection over union of quadrilaterals.

    Args:
        one: (N, 4, 2), corners in turn.
        other: (N, 4, 2).

    Returns:
        (N,), 0 where a quadrilateral is none.

    Example:
        >>> overlap(CORNERS[None], CORNERS[None] + [1, 0])
        array([0.33333333])
    """
    import shapely

    one, other = (shapely.make_valid(shapely.polygons(corners)) for corners in (one, other))
    shared = shapely.area(shapely.intersection(one, other))
    return shared / np.maximum(shapely.area(one) + shapely.area(other) - shared, 1e-12)


def measure(transform, theta, validation, test, image_size):
    """How well the windows that a transformer reads enclose the objects, in the mean of images.

    Labels do not say how tight a window is, nor how it is turned: one similarity of all windows is
    fitted on the validation images.

    Args:
        transform: the transformer's `theta_transform`.
        theta: {"validation": (N, P), "test": (M, P)}, of the transformer.
        validation: (N, 6), theta of `Affine` that reads the objects.
        test: (M, 6), the same.
        image_size: (height, width).

    Returns:
        Plain data: {"raw": IoU on the test images, "fitted": the same after the similarity,
        "similarity": its parameters}.
    """
    from stn_keras.transforms import Affine

    true = {
        name: read_at(Affine(), windows, CORNERS, image_size)
        for name, windows in (("validation", validation), ("test", test))
    }

    def mean_overlap(part, similarity):
        read = read_at(transform, theta[part], similarity(CORNERS), image_size)
        return float(overlap(read, true[part]).mean())

    fitted = fit(lambda similarity: mean_overlap("validation", similarity))
    return {
        "raw": mean_overlap("test", Similarity()),
        "fitted": mean_overlap("test", fitted),
        "similarity": asdict(fitted),
    }


def fit(score):
    """The `Similarity` of the highest score, found from the identity on.

    Example:
        >>> found = fit(lambda s: -abs(s.scale - 0.7) - abs(s.shift_x - 0.1) - abs(s.degrees - 5))
        >>> round(found.scale, 2), round(found.shift_x, 2), round(found.degrees)
        (0.7, 0.1, 5)
    """
    from scipy.optimize import minimize

    def similarity(numbers):
        scale, degrees, *shift = map(float, numbers)
        return Similarity(float(np.exp(scale)), 10 * degrees, *shift)

    start = np.zeros(4)
    simplex = np.concatenate([start[None], start + np.diag([0.3, 0.5, 0.2, 0.2])])
    options = {"initial_simplex": simplex, "xatol": 1e-3, "fatol": 1e-5}
    found = minimize(
        lambda numbers: -score(similarity(numbers)), start, method="Nelder-Mead", options=options
    )
    return similarity(found.x)
