"""Pictures of what a transformer reads: one an epoch, and an animation of them."""

import contextlib
import importlib.util
import os
import re

import numpy as np

from stn_keras.ops import identity_coordinates

# Inches of the page.
_LEFT, _TOP, _GAP = 1.1, 0.32, 0.07
_DPI = 100
# What is seen around an input, as a share of its size.
_MARGIN = 0.25
_COLOURS = ("#f07c12", "#1f8fe0", "#2ca02c", "#d62ad6")
_BEYOND, _NAN = "#d9d9d9", (0.8, 0.4, 0.4)
_MILLISECONDS, _LAST_MILLISECONDS = 400, 2500


def check_packages():
    """Refuse to begin where the optional packages are missing."""
    if not all(importlib.util.find_spec(name) for name in ("matplotlib", "PIL")):
        raise ImportError(
            "TransformerMonitor draws with matplotlib and Pillow: pip install matplotlib pillow"
        )


def epochs(folder):
    """Path of each epoch's picture in a folder, by the epoch's number and in that order."""
    found = {
        int(match[1]): path
        for path in folder.iterdir()
        if (match := re.fullmatch(r"epoch-(\d{3,})\.png", path.name))
    }
    return dict(sorted(found.items()))


def draw(path, title, look, value_range, labels=None):
    """Inputs with the frames that are read, and below them the outputs, a row for each transform.

    Args:
        path: of the PNG.
        title: in the first row.
        look: `stn_keras.callbacks._Look`.
        value_range: what is black and what is white.
        labels: one for each input, or None.
    """
    from matplotlib.figure import Figure

    shown, height, width, _ = look.inputs.shape
    count, *output_size = look.coordinates.shape[1:4]
    # Cells of about one square inch, all of one width.
    cell = float(np.clip(np.sqrt(width / height), 0.5, 4))
    heights = [cell * height / width] + [cell * output_size[0] / output_size[1]] * count
    tops = _TOP + np.cumsum([0, *heights[:-1]]) + _GAP * np.arange(1 + count)
    page = Figure(figsize=(_LEFT + shown * (cell + _GAP), tops[-1] + heights[-1] + _GAP))
    axes = _inches(page)
    axes.text(_GAP, _TOP / 2, title, fontsize=11, va="center")
    for name, top, high in zip(row_names(count), tops, heights, strict=True):
        axes.text(_LEFT - 2 * _GAP, top + high / 2, name, fontsize=9, ha="right", va="center")
    for column in range(shown):
        left = _LEFT + column * (cell + _GAP)
        if labels is not None:
            middle = left + cell / 2
            axes.text(middle, _TOP / 2, labels[column], fontsize=9, ha="center", va="center")
        scale = cell / (1 + 2 * _MARGIN)
        corner = left + _MARGIN * scale, tops[0] + _MARGIN * scale * height / width
        on_input = _pixels(axes, corner, scale / width)
        window = _window(axes, left, tops[0], cell, heights[0])
        _show(axes, on_input, look.inputs[column], value_range)
        outputs = np.split(look.outputs[column], count, axis=-1)
        for index, output in enumerate(outputs):
            colour = _COLOURS[index % len(_COLOURS)]
            _outline(axes, on_input, look.coordinates[column, index], colour, window)
            on_output = _pixels(axes, (left, tops[1 + index]), cell / output_size[1])
            _show(axes, on_output, output, value_range)
            _outline(axes, on_output, identity_coordinates(output_size, output_size), colour)
    with _whole(path) as partial:
        page.savefig(partial, format="png", dpi=_DPI)


def animate(pictures, path):
    """A GIF of PNG files, those of the last one's size."""
    from PIL import Image

    frames = []
    for picture in pictures:
        with Image.open(picture) as image:
            frames.append(image.convert("RGB"))
    # Pictures of another size are of other images: they do not belong into the same film.
    frames = [frame for frame in frames if frame.size == frames[-1].size]
    # One palette for all: what does not change does not flicker.
    palette = frames[-1].quantize()
    first, *others = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    with _whole(path) as partial:
        first.save(
            partial,
            format="GIF",
            save_all=True,
            append_images=others,
            duration=[_MILLISECONDS] * len(others) + [_LAST_MILLISECONDS],
            loop=0,
        )


def row_names(count):
    """Input, and what each of `count` transforms made of it."""
    if count == 1:
        return ["input", "transformed"]
    return ["input", *(f"transformed {number + 1}" for number in range(count))]


def _inches(page):
    """The whole page as one pair of axes, y downwards.

    A pair for each image takes five times as long; and what is placed, not fitted, stays in its
    place from epoch to epoch.
    """
    width, height = page.get_size_inches()
    axes = page.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(height, 0), autoscale_on=False)
    axes.set_axis_off()
    return axes


def _pixels(axes, corner, inches_per_pixel):
    """The coordinates of an image whose upper left corner lies there."""
    from matplotlib.transforms import Affine2D

    shift = Affine2D().translate(0.5, 0.5).scale(inches_per_pixel).translate(*corner)
    return shift + axes.transData


def _window(axes, left, top, width, height):
    """What lies beyond an input; frames are seen this far."""
    from matplotlib.patches import Rectangle

    behind = {"color": _BEYOND, "linewidth": 0, "zorder": -1}
    return axes.add_patch(Rectangle((left, top), width, height, **behind))


def colours(image, value_range):
    """One image (H, W, C) as RGB (H, W, 3).

    3 channels in colour; 2 in orange and blue, white where both are; others as their mean in gray.
    """
    low, high = value_range
    channels = image.shape[-1]
    if channels == 2:
        image = np.stack([image[..., 0], image.mean(-1), image[..., 1]], axis=-1)
    elif channels != 3:
        image = image.mean(-1, keepdims=True)
    shade = np.clip((image - low) / max(high - low, 1e-12), 0, 1)
    return np.where(np.isnan(shade).any(-1, keepdims=True), _NAN, shade)


def _show(axes, pixels, image, value_range):
    """One image where `pixels` places it."""
    # A large photo is averaged: picking every n-th of its pixels would show false patterns.
    interpolation = "nearest" if len(image) < _DPI else "antialiased"
    axes.imshow(
        colours(image, value_range), transform=pixels, interpolation=interpolation, aspect="auto"
    )


def _outline(axes, pixels, coordinates, colour, window=None):
    """Where an output lies: its upper edge is thick and begins with a dot."""
    points = _with_border(coordinates)
    edge = np.concatenate([points[0], points[1:, -1], points[-1, -2::-1], points[-2::-1, 0]])
    style = {"color": colour, "transform": pixels}
    lines = [
        *axes.plot(*edge.T, linewidth=1, **style),
        *axes.plot(*points[0].T, linewidth=2.5, **style),
        *axes.plot(*points[0, :1].T, marker="o", markersize=4.5, **style),
    ]
    # Only now: a line is given the axes' own clipping when it is added.
    for line in lines:
        line.set_clip_path(window)


def _with_border(coordinates):
    """Coordinates (H', W', 2), and around them those of the outer edges, half a pixel on."""
    points = np.where(np.isfinite(coordinates), coordinates, np.nan)
    for axis in (0, 1):
        # With one pixel along an axis there is no direction to go on in.
        step = min(1, points.shape[axis] - 1)
        first, second, before, last = (
            points.take([index], axis) for index in (0, step, -1 - step, -1)
        )
        ends = first + (first - second) / 2, last + (last - before) / 2
        points = np.concatenate([ends[0], points, ends[1]], axis)
    return points


@contextlib.contextmanager
def _whole(path):
    """A partial file beside `path`, renamed to it when the block succeeds."""
    partial = path.with_name(f".{path.name}.partial-{os.getpid()}")
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
