"""Pictures of what a transformer reads: a page per epoch, and an animation of the pages."""

import importlib.util
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from stn_keras._files import atomic_path
from stn_keras.ops import identity_coordinates

DPI = 100
# Inches: beside the cells, above them, and between them.
LEFT, TOP, GAP = 1.1, 0.32, 0.07
FRAME_COLORS = ("#f07c12", "#1f8fe0", "#2ca02c", "#d62ad6")
NAN_COLOR = (0.8, 0.4, 0.4)
_SURROUNDINGS_COLOR = "#d9d9d9"
# How much of an input's surroundings is shown, as a share of its size.
_MARGIN = 0.25
_MILLISECONDS, _LAST_MILLISECONDS = 400, 2500


def check_packages() -> None:
    """Raise an ImportError if the packages that draw are missing."""
    if not all(importlib.util.find_spec(name) for name in ("matplotlib", "PIL")):
        raise ImportError(
            "TransformerMonitor draws with matplotlib and Pillow: pip install matplotlib pillow"
        )


def epoch_pictures(folder: str | os.PathLike) -> dict[int, Path]:
    """The pictures of a `TransformerMonitor` in a folder.

    Args:
        folder: the monitor's.

    Returns:
        Dictionary epoch -> path, in the order of the epochs.
    """
    found = {
        int(match[1]): path
        for path in Path(folder).iterdir()
        if (match := re.fullmatch(r"epoch-(\d{3,})\.png", path.name))
    }
    return dict(sorted(found.items()))


def draw_page(
    path: str | os.PathLike,
    inputs: np.ndarray,
    outputs: np.ndarray,
    coordinates: np.ndarray | None,
    *,
    title: str = "",
    value_range: tuple[float, float] = (0.0, 1.0),
    labels: Sequence | None = None,
) -> None:
    """Draw inputs with the frames that are read, and below them the outputs, one row per transform.

    Args:
        path: of the PNG.
        inputs: (N, H, W, C).
        outputs: (N, K, H', W', C), of K transforms.
        coordinates: (N, K, H', W', 2), (x, y) in pixels of the input: where each output is read;
            None draws no frames.
        title: written at the upper left.
        value_range: the values of black and of white.
        labels: one per input, written above it; None writes none.

    Example:
        >>> import tempfile
        >>> inputs = np.random.default_rng(0).random((2, 8, 8, 1))
        >>> identity = identity_coordinates((8, 8), (8, 8)).reshape(8, 8, 2)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "page.png")
        ...     draw_page(path, inputs, inputs[:, None], np.stack([identity[None]] * 2))
        ...     path.read_bytes()[1:4]
        b'PNG'
    """
    count = outputs.shape[1]
    page = Page(len(inputs), [inputs.shape[1:3]] + [outputs.shape[2:4]] * count)
    page.write_title(title)
    for row, name in enumerate(row_names(count)):
        page.name_row(row, name)
    for column, image in enumerate(inputs):
        if labels is not None:
            page.label_column(column, labels[column])
        frames = () if coordinates is None else coordinates[column]
        _draw_input(page, column, image, frames, value_range)
        for index, output in enumerate(outputs[column]):
            color = None if coordinates is None else _frame_color(index)
            _draw_output(page, column, index, output, value_range, color)
    with atomic_path(path) as partial:
        page.figure.savefig(partial, format="png", dpi=DPI)


def animate(pictures: Sequence[str | os.PathLike], path: str | os.PathLike) -> None:
    """Write a GIF of pictures; those of another size than the last one's are left out.

    Args:
        pictures: paths, in their order.
        path: of the GIF.
    """
    from PIL import Image

    frames = []
    for picture in pictures:
        with Image.open(picture) as image:
            frames.append(image.convert("RGB"))
    # A page of another size shows other images, from an earlier training.
    frames = [frame for frame in frames if frame.size == frames[-1].size]
    # With one palette for all, what does not change does not flicker.
    palette = frames[-1].quantize()
    first, *others = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    with atomic_path(path) as partial:
        first.save(
            partial,
            format="GIF",
            save_all=True,
            append_images=others,
            duration=[_MILLISECONDS] * len(others) + [_LAST_MILLISECONDS],
            loop=0,
        )


def middle_slices(volumes: np.ndarray) -> np.ndarray:
    """The three middle slices of volumes, side by side: across z, across y, and across x.

    Args:
        volumes: (..., D, H, W, C).

    Returns:
        (..., max(H, D), 2 * W + H, C); what is left over has the volumes' lowest value.

    Example:
        >>> middle_slices(np.zeros((2, 5, 6, 7, 1))).shape
        (2, 6, 20, 1)
    """
    *before, depth, height, width, channels = volumes.shape
    slices = (
        volumes[..., depth // 2, :, :, :],
        volumes[..., height // 2, :, :],
        volumes[..., width // 2, :],
    )
    lowest = np.nanmin(volumes) if volumes.size else 0
    canvas = np.full(
        (*before, max(height, depth), 2 * width + height, channels), lowest, volumes.dtype
    )
    left = 0
    for part in slices:
        rows, columns = part.shape[-3:-1]
        canvas[..., :rows, left : left + columns, :] = part
        left += columns
    return canvas


def row_names(count: int) -> list[str]:
    """Names of the rows of a page: the input, and the output of each of `count` transforms.

    Example:
        >>> row_names(1), row_names(2)
        (['input', 'transformed'], ['input', 'transformed 1', 'transformed 2'])
    """
    if count == 1:
        return ["input", "transformed"]
    return ["input", *(f"transformed {index + 1}" for index in range(count))]


def to_rgb(image: np.ndarray, value_range: tuple[float, float] = (0.0, 1.0)) -> np.ndarray:
    """An image of any number of channels as RGB in [0, 1].

    Three channels are drawn in color; two in orange and blue, white where both are high; others as
    their mean in gray. NaN is drawn in `NAN_COLOR`.

    Args:
        image: (H, W, C).
        value_range: the values of black and of white; values beyond are clipped.

    Returns:
        (H, W, 3).

    Example:
        >>> to_rgb(np.full((1, 1, 1), 5.0), (0, 10))
        array([[[0.5, 0.5, 0.5]]])
    """
    low, high = value_range
    channels = image.shape[-1]
    if channels == 2:
        image = np.stack([image[..., 0], image.mean(-1), image[..., 1]], axis=-1)
    elif channels != 3:
        image = image.mean(-1, keepdims=True)
    shade = np.clip((image - low) / max(high - low, 1e-12), 0, 1)
    return np.where(np.isnan(shade).any(-1, keepdims=True), NAN_COLOR, shade)


class Cell(NamedTuple):
    """A rectangle of a page, in inches from its upper left corner."""

    left: float
    top: float
    width: float
    height: float

    def inset(self, share: float) -> "Cell":
        """The cell's middle, with margins that are a share of the middle's width and height."""
        width, height = (side / (1 + 2 * share) for side in (self.width, self.height))
        return Cell(self.left + share * width, self.top + share * height, width, height)


class Page:
    """A figure of cells: a row per kind of image, a column per example.

    A single pair of axes spans the figure, in inches, y downward. A pair per cell would take five
    times as long to draw.

    Args:
        columns: how many.
        sizes: (height, width) in pixels of each row's images. Cells have the width that gives one
            square inch to the first row's, within limits.
    """

    def __init__(self, columns: int, sizes: Sequence[tuple[int, int]]):
        from matplotlib.figure import Figure

        height, width = sizes[0]
        self.cell_width = float(np.clip(np.sqrt(width / height), 0.5, 4))
        self.heights = [self.cell_width * height / width for height, width in sizes]
        self.tops = TOP + np.cumsum([0, *self.heights[:-1]]) + GAP * np.arange(len(sizes))
        size = (
            LEFT + columns * (self.cell_width + GAP),
            self.tops[-1] + self.heights[-1] + GAP,
        )
        self.figure = Figure(figsize=size)
        self.axes = self.figure.add_axes((0, 0, 1, 1))
        self.axes.set(xlim=(0, size[0]), ylim=(size[1], 0), autoscale_on=False)
        self.axes.set_axis_off()

    def cell(self, row: int, column: int) -> Cell:
        """The cell of a row and a column."""
        left = LEFT + column * (self.cell_width + GAP)
        return Cell(left, self.tops[row], self.cell_width, self.heights[row])

    def write_title(self, text: str) -> None:
        """Write a title at the upper left."""
        self.axes.text(GAP, TOP / 2, text, fontsize=11, va="center")

    def name_row(self, row: int, text: str) -> None:
        """Write a name beside a row."""
        middle = self.tops[row] + self.heights[row] / 2
        self.axes.text(LEFT - 2 * GAP, middle, text, fontsize=9, ha="right", va="center")

    def label_column(self, column: int, label: Any) -> None:
        """Write a label above a column."""
        middle = self.cell(0, column).left + self.cell_width / 2
        self.axes.text(middle, TOP / 2, label, fontsize=9, ha="center", va="center")

    def pixels(self, cell: Cell, width: int) -> Any:
        """The matplotlib transform from pixels of an image that fills a cell, `width` of them."""
        from matplotlib.transforms import Affine2D

        scale = cell.width / width
        to_inches = Affine2D().translate(0.5, 0.5).scale(scale).translate(cell.left, cell.top)
        return to_inches + self.axes.transData

    def fill(self, cell: Cell, color: str) -> Any:
        """Fill a cell with a color; the matplotlib patch."""
        from matplotlib.patches import Rectangle

        corner, size = (cell.left, cell.top), (cell.width, cell.height)
        return self.axes.add_patch(Rectangle(corner, *size, color=color, linewidth=0, zorder=-1))


def with_border(coordinates: np.ndarray) -> np.ndarray:
    """Coordinates of an output's pixels, extended by half a pixel to its outer edges.

    Args:
        coordinates: (H', W', 2), where each pixel is read. Infinity becomes NaN.

    Returns:
        (H' + 2, W' + 2, 2).

    Example:
        >>> with_border(np.array([[[0.0, 5.0], [2.0, 5.0]]]))[1, :, 0]
        array([-1.,  0.,  2.,  3.])
    """
    points = np.where(np.isfinite(coordinates), coordinates, np.nan)
    for axis in (0, 1):
        # A single pixel along an axis has no neighbor to extend from: its edges are where it is.
        step = min(1, points.shape[axis] - 1)
        first, second, before, last = (
            points.take([index], axis) for index in (0, step, -1 - step, -1)
        )
        ends = first + (first - second) / 2, last + (last - before) / 2
        points = np.concatenate([ends[0], points, ends[1]], axis)
    return points


def _draw_input(page, column, image, coordinates, value_range):
    """Draw an input amid its surroundings, and the frame that each transform reads."""
    cell = page.cell(0, column)
    surroundings = page.fill(cell, _SURROUNDINGS_COLOR)
    pixels = page.pixels(cell.inset(_MARGIN), image.shape[1])
    _show(page.axes, pixels, image, value_range)
    for index, frame in enumerate(coordinates):
        _outline(page.axes, pixels, frame, _frame_color(index), surroundings)


def _draw_output(page, column, index, output, value_range, color):
    """Draw the output of a transform in the frame that its input has, if it has one."""
    size = output.shape[:2]
    pixels = page.pixels(page.cell(1 + index, column), size[1])
    _show(page.axes, pixels, output, value_range)
    if color is not None:
        _outline(page.axes, pixels, identity_coordinates(size, size), color)


def _frame_color(index):
    return FRAME_COLORS[index % len(FRAME_COLORS)]


def _show(axes, pixels, image, value_range):
    """Draw an image where `pixels` places it."""
    # A large photo is averaged: picking every n-th of its pixels would show false patterns.
    interpolation = "nearest" if len(image) < DPI else "antialiased"
    axes.imshow(
        to_rgb(image, value_range), transform=pixels, interpolation=interpolation, aspect="auto"
    )


def _outline(axes, pixels, coordinates, color, window=None):
    """Draw an output's outline; its upper edge is thick and begins with a dot."""
    points = with_border(coordinates)
    edge = np.concatenate([points[0], points[1:, -1], points[-1, -2::-1], points[-2::-1, 0]])
    style = {"color": color, "transform": pixels}
    lines = [
        *axes.plot(*edge.T, linewidth=1, **style),
        *axes.plot(*points[0].T, linewidth=2.5, **style),
        *axes.plot(*points[0, :1].T, marker="o", markersize=4.5, **style),
    ]
    # `plot` clips its lines to the axes, so they are clipped to the window after it.
    for line in lines:
        line.set_clip_path(window)
