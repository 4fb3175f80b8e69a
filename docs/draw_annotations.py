"""python docs/draw_annotations.py: draw docs/annotations.png, points and a box through warps."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import numpy as np
from keras import ops
from matplotlib import pyplot as plt
from matplotlib.patches import Rectangle
from skimage import data

from stn_keras.ops import transform_boxes, transform_points, warp
from stn_keras.transforms import Homography, ThinPlateSpline

PATH = Path(__file__).with_name("annotations.png")
SIZE = (256, 256)
# On the photograph at half its size.
POINTS = np.array([[98.5, 54], [119, 55], [110, 68], [101, 79], [119, 79]], "float32")
BOX = np.array([[88.0, 30, 134, 98]], "float32")
COLOR = "#f07c12"


def show(axes, image, points, box):
    """An image with points and a box."""
    axes.imshow(np.clip(image, 0, 1))
    axes.scatter(*points.T, s=14, color=COLOR, edgecolors="white", linewidths=0.6)
    left, top, right, bottom = box - 0.5
    corner, width, height = (left, top), right - left, bottom - top
    axes.add_patch(Rectangle(corner, width, height, fill=False, color=COLOR, linewidth=1.5))
    axes.set(xticks=[], yticks=[])


def main():
    """Draw the photograph and two warps of it."""
    photograph = data.astronaut()[::2, ::2].astype("float32") / 255
    rng = np.random.default_rng(1)
    warps = [
        (Homography(), [0.75, 0.2, -0.1, -0.15, 0.8, -0.2, 0.2, 0.25]),
        (ThinPlateSpline((3, 3)), rng.normal(0, 0.12, 18)),
    ]
    figure, axes = plt.subplots(1, 3, figsize=(9, 3.1), layout="constrained")
    show(axes[0], photograph, POINTS, BOX[0])
    for panel, (transform, theta) in zip(axes[1:], warps, strict=True):
        theta = np.asarray(theta, "float32")[None]
        settings = {
            "transform": transform,
            "direction": "input_to_output",
            "output_size": SIZE,
            "input_size": SIZE,
        }
        warped, points, box = map(
            ops.convert_to_numpy,
            (
                warp(photograph[None], theta, transform),
                transform_points(theta, POINTS, **settings),
                transform_boxes(theta, BOX, **settings),
            ),
        )
        show(panel, warped[0], points[0], box[0, 0])
    figure.savefig(PATH, dpi=90)
    print(PATH)


if __name__ == "__main__":
    main()
