"""Pairs of images whose true homography is known: photographs of a wall, and moved photographs."""

from dataclasses import dataclass

import cv2
import numpy as np
from scipy import ndimage

from data_prep.sources import data_folder

SIZE = (256, 256)
# Of scikit-image, in gray; each is large enough to be moved.
PHOTOGRAPHS = (
    "astronaut",
    "brick",
    "camera",
    "chelsea",
    "coffee",
    "coins",
    "gravel",
    "immunohistochemistry",
    "moon",
    "rocket",
)
# Corners move by this part of the image, values by these parts of their range.
_CORNERS, _NOISE, _CONTRAST, _LIGHT = 0.08, 0.02, 0.2, 0.1
_SEEDS = (0, 1)
# The start beside the wall's true homography: a similarity, this much too large.
_TOO_LARGE = 1.2


@dataclass
class Pair:
    """Two gray images and how they lie.

    Attributes:
        name: of the pair.
        moving: (H, W), float32 in 0..1.
        fixed: (H, W), the same.
        truth: (3, 3), pixels of fixed to pixels of moving.
        start: (3, 3), where registration starts.
    """

    name: str
    moving: np.ndarray
    fixed: np.ndarray
    truth: np.ndarray
    start: np.ndarray

    def error(self, matrix):
        """Mean distance of the fixed image's corners from the truth, in pixels of moving."""
        corners = corners_of(self.fixed.shape)
        return np.linalg.norm(apply(matrix, corners) - apply(self.truth, corners), axis=1).mean()


def wall():
    """The photographs `pairs/graf1.png` and `graf3.png` of the data folder, None without."""
    folder = data_folder(None) / "pairs"
    if not (folder / "graf1.png").exists():
        return None
    fixed, moving = (_gray(cv2.imread(str(folder / f"graf{n}.png"))) for n in (1, 3))
    truth = cv2.FileStorage(str(folder / "H1to3p.xml"), cv2.FILE_STORAGE_READ)
    truth = truth.getFirstTopLevelNode().mat()
    start = _similarity_near(truth, fixed.shape)
    middle = apply(start, np.array([[(n - 1) / 2 for n in reversed(fixed.shape)]]))[0]
    return Pair("wall", moving, fixed, truth, _zoom(_TOO_LARGE, middle) @ start)


def moved_photographs():
    """Twenty pairs: a part of a photograph, and the same as another camera and light have it."""
    return [_moved(name, seed) for name in PHOTOGRAPHS for seed in _SEEDS]


def _moved(name, seed):
    from skimage import data

    rng = np.random.default_rng([seed, PHOTOGRAPHS.index(name)])
    photograph = _gray(getattr(data, name)())
    corners = corners_of(SIZE)
    moved = corners + rng.uniform(-_CORNERS, _CORNERS, (4, 2)) * SIZE[0]
    truth = cv2.getPerspectiveTransform(corners.astype("float32"), moved.astype("float32"))
    top, left = ((n - m) / 2 for n, m in zip(photograph.shape, SIZE, strict=True))
    x, y = np.meshgrid(np.arange(SIZE[1]), np.arange(SIZE[0]))
    pixels = np.stack([x.ravel(), y.ravel()], -1).astype("float64")

    def seen(places):
        rows, columns = places[:, 1] + top, places[:, 0] + left
        values = ndimage.map_coordinates(photograph, [rows, columns], order=3, mode="mirror")
        return values.reshape(SIZE) + rng.normal(0, _NOISE, SIZE)

    fixed, moving = seen(pixels), seen(apply(np.linalg.inv(truth), pixels))
    contrast, light = 1 + rng.uniform(-_CONTRAST, _CONTRAST), rng.uniform(-_LIGHT, _LIGHT)
    slope = rng.uniform(-_LIGHT, _LIGHT) * (x / SIZE[1] - 0.5)
    moving = moving * contrast + light + slope
    images = (np.clip(image, 0, 1).astype("float32") for image in (moving, fixed))
    return Pair(f"{name}-{seed}", *images, truth, np.eye(3))


def corners_of(size):
    """The centers of an image's corner pixels, (4, 2)."""
    height, width = size
    return np.array([[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]], "float64")


def apply(matrix, points):
    """Points (M, 2) moved by a matrix (3, 3)."""
    moved = np.column_stack([points, np.ones(len(points))]) @ np.transpose(matrix)
    return moved[:, :2] / moved[:, 2:]


def _gray(picture):
    """(H, W), float32 in 0..1."""
    picture = picture if picture.ndim == 2 else picture[..., :3].mean(-1)
    return (picture / 255).astype("float32")


def _similarity_near(matrix, size):
    """The similarity that moves an image's corners most as a matrix does."""
    corners = corners_of(size)
    rows = [row for x, y in corners for row in ((x, -y, 1, 0), (y, x, 0, 1))]
    a, b, tx, ty = np.linalg.lstsq(np.array(rows), apply(matrix, corners).ravel(), rcond=None)[0]
    return np.array([[a, -b, tx], [b, a, ty], [0, 0, 1]])


def _zoom(factor, center):
    x, y = center
    return np.array([[factor, 0, x * (1 - factor)], [0, factor, y * (1 - factor)], [0, 0, 1]])
