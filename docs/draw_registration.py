"""python docs/draw_registration.py: draw docs/registration.png, a photograph found on another."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import numpy as np
from keras import ops
from matplotlib import pyplot as plt
from skimage import data

from stn_keras import register
from stn_keras.ops import from_pixel_matrix, warp

PATH = Path(__file__).with_name("registration.png")
SIZE, SQUARE = (300, 400), 50
# From pixels of the fixed image to the photograph's, and of the moving one's.
FIXED = [[1.0, 0, 100], [0, 1, 50], [0, 0, 1]]
MOVING = [[0.9, -0.2, 150], [0.17, 0.95, 20], [-2e-4, 2e-4, 1]]


def seen(photograph, matrix):
    """What a camera sees of a photograph."""
    sizes = {"input_size": photograph.shape[:2], "output_size": SIZE}
    theta = from_pixel_matrix(np.array([matrix], "float32"), **sizes)
    return ops.convert_to_numpy(warp(photograph[None], theta, "homography", SIZE))[0]


def checkerboard(first, second):
    """Squares of both in turn."""
    rows, columns = (np.arange(length) // SQUARE for length in SIZE)
    return np.where(((rows[:, None] + columns) % 2 == 0)[..., None], first, second)


def main():
    """Draw both images, and checkerboards before and after."""
    photograph = data.coffee().astype("float32") / 255
    fixed, moving = seen(photograph, FIXED), 0.8 * seen(photograph, MOVING) + 0.1
    found = register(moving, fixed, "homography", loss="ncc", verbose=0)
    panels = {
        "fixed": fixed,
        "moving": moving,
        "both, before": checkerboard(fixed, moving),
        "both, aligned": checkerboard(fixed, found.aligned),
    }
    figure, axes = plt.subplots(1, 4, figsize=(12, 2.6), layout="constrained")
    for panel, (name, image) in zip(axes, panels.items(), strict=True):
        panel.imshow(np.clip(image, 0, 1))
        panel.set(xticks=[], yticks=[], title=name)
    figure.savefig(PATH, dpi=80)
    print(PATH)


if __name__ == "__main__":
    main()
