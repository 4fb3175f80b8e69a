"""Pictures of data sets."""

import matplotlib
import numpy as np

from cli.files import atomic_path


def save_preview(dataset, path, per_family=3):
    """Draw test images of every distortion family, the original above its distorted copy."""
    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    split, families = dataset.test, dataset.distortions
    figure = plt.figure(figsize=(1.0 * per_family * len(families), 2.5), layout="constrained")
    for index, (family, part) in enumerate(
        zip(families, figure.subfigures(1, len(families), squeeze=False)[0], strict=True)
    ):
        part.suptitle(family, fontsize=10)
        axes = part.subplots(2, per_family, squeeze=False)
        chosen = (split.distortion == index).nonzero()[0][:per_family]
        for column, image in enumerate(chosen):
            for axis, images in zip(
                axes[:, column], (split.originals, split.distorted), strict=True
            ):
                axis.imshow(images[image].squeeze(), cmap="gray", vmin=0, vmax=255)
        for axis in axes.flat:
            axis.set(xticks=[], yticks=[])
        if index == 0:
            axes[0, 0].set_ylabel("original", fontsize=9)
            axes[1, 0].set_ylabel("distorted", fontsize=9)
    _save(figure, path)


def save_grid(images, labels, path, rows=3, columns=8):
    """Draw the first images of a set, each under its label, in color or channel by channel."""
    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(
        rows, columns, figsize=(columns, 1.2 * rows), layout="constrained", squeeze=False
    )
    for axis in axes.flat:
        axis.set_axis_off()
    for axis, image, label in zip(axes.flat, images, labels, strict=False):
        color = image.shape[-1] == 3
        shown = image if color else np.hstack(np.moveaxis(image, -1, 0))
        axis.imshow(shown, cmap="gray", vmin=0, vmax=255)
        axis.set_title(label, fontsize=8)
    _save(figure, path)


def _save(figure, path):
    from matplotlib import pyplot as plt

    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110)
    plt.close(figure)
