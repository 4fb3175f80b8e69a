"""python docs/draw_conventions.py: draw docs/conventions.png with the library's own coordinates."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.patches import Rectangle

from stn_keras.ops import identity_coordinates, pixels_per_unit

INPUT_SIZE, OUTPUT_SIZE = (4, 5), (2, 3)
PATH = Path(__file__).with_name("conventions.png")


def label_corners(axes, center, half_extents):
    """Write the normalized coordinates of the four corners beside them."""
    for x, y in ((-1, -1), (1, -1), (-1, 1), (1, 1)):
        axes.annotate(
            f"({x}, {y})",
            (center[0] + x * half_extents[0], center[1] + y * half_extents[1]),
            xytext=(0, -14 * y),
            textcoords="offset points",
            color="#c0392b",
            ha="center",
            va="center",
        )


def draw(axes, align_corners):
    """Draw an input image, where -1 and 1 lie on it, and what a smaller output reads of it."""
    height, width = INPUT_SIZE
    for y in range(height):
        for x in range(width):
            shade = "#dbe7f3" if (x + y) % 2 else "#eef3f9"
            axes.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=shade))
    pixels = identity_coordinates(INPUT_SIZE, INPUT_SIZE, align_corners).reshape(-1, 2)
    axes.plot(*pixels.T, ".", color="#5b7c9d", label="input pixels: coordinates 0, 1, 2, ...")
    half_x, half_y = pixels_per_unit(INPUT_SIZE, align_corners)
    center = (width - 1) / 2, (height - 1) / 2
    corner = (center[0] - half_x, center[1] - half_y)
    axes.add_patch(
        Rectangle(
            corner,
            2 * half_x,
            2 * half_y,
            fill=False,
            color="#c0392b",
            linewidth=2,
            label="normalized -1 to 1",
        )
    )
    label_corners(axes, center, (half_x, half_y))
    reads = identity_coordinates(OUTPUT_SIZE, INPUT_SIZE, align_corners).reshape(-1, 2)
    label = f"read by an output of {OUTPUT_SIZE[0]} x {OUTPUT_SIZE[1]} at the identity"
    axes.plot(*reads.T, "+", color="black", markersize=11, markeredgewidth=2, label=label)
    axes.set(
        title=f"align_corners={align_corners}",
        xlabel="x, pixels of the input",
        ylabel="y, pixels of the input",
        xticks=range(width),
        yticks=range(height),
        xlim=(-0.9, width - 0.1),
        ylim=(height - 0.05, -0.95),
        aspect="equal",
    )


def main():
    """Draw both conventions side by side."""
    figure, panels = plt.subplots(1, 2, figsize=(10, 5.2), layout="constrained")
    for axes, align_corners in zip(panels, (False, True), strict=True):
        draw(axes, align_corners)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=9)
    figure.savefig(PATH, dpi=100)
    print(PATH)


if __name__ == "__main__":
    main()
