"""python docs/draw_transforms.py: draw docs/transforms.png, each family at work on a digit."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import numpy as np
from keras import ops
from matplotlib import pyplot as plt

from data_prep.sources import load_source
from stn_keras.ops import warp
from stn_keras.transforms import (
    Affine,
    Attention,
    AxisAligned,
    DecomposedAffine,
    DenseFlow,
    Homography,
    Rotation,
    Similarity,
    ThinPlateSpline,
    Translation,
)

SIZE = (28, 28)
PATH = Path(__file__).with_name("transforms.png")


def examples():
    """Return (transform, theta) for each family."""
    rng = np.random.default_rng(3)
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    waves = np.stack([2 * np.sin(y / 4), 2 * np.sin(x / 4)], axis=-1)
    return [
        (Translation(), [0.3, -0.2]),
        (Attention(), [0.6, 0.1, -0.1]),
        (AxisAligned(), [0.6, 1.2, 0, 0]),
        (Rotation(), [0.6]),
        (Similarity(), [0.8, -0.5, 0.1, 0]),
        (Affine(), [0.8, 0.4, 0, -0.1, 1.1, 0.1]),
        (DecomposedAffine(), [0.7, 0.9, 0.4, 0.3, 0, 0]),
        (Homography(), [0.9, 0, 0, 0, 0.9, 0.1, 0.3, 0.35]),
        (ThinPlateSpline((4, 4)), rng.normal(0, 0.12, 32)),
        (DenseFlow(SIZE), waves.ravel()),
    ]


def draw(before, after, image, transform, theta):
    """Draw where the image is read, as a grid on it, and the output."""
    theta = np.asarray(theta, "float32")[None]
    coordinates = transform.source_coordinates(theta, output_size=SIZE, input_size=SIZE)
    warped = ops.convert_to_numpy(warp(image[None], theta, transform))[0]
    x, y = np.moveaxis(ops.convert_to_numpy(coordinates)[0], -1, 0)
    before.imshow(image, cmap="gray")
    step = slice(None, None, 3)
    before.plot(x[step].T, y[step].T, color="#e67e22", linewidth=0.7)
    before.plot(x[:, step], y[:, step], color="#e67e22", linewidth=0.7)
    before.set(xlim=(-8, SIZE[1] + 7), ylim=(SIZE[0] + 7, -8), title=type(transform).__name__)
    after.imshow(warped, cmap="gray")
    for axes in (before, after):
        axes.set_facecolor("#dddddd")
        axes.set(xticks=[], yticks=[])


def main():
    """Draw all families side by side, the input above the output."""
    image = load_source("digits").train_images[9].astype("float32") / 255
    shown = examples()
    figure, axes = plt.subplots(
        2, len(shown), figsize=(1.7 * len(shown), 3.9), layout="constrained"
    )
    for (before, after), (transform, theta) in zip(axes.T, shown, strict=True):
        draw(before, after, image, transform, theta)
    axes[0, 0].set_ylabel("input, and where it is read")
    axes[1, 0].set_ylabel("output")
    figure.savefig(PATH, dpi=90)
    print(PATH)


if __name__ == "__main__":
    main()
