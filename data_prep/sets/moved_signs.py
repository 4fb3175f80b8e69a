"""Traffic signs moved, turned and scaled on a larger canvas: a folder of pictures to train on."""

from pathlib import Path

import numpy as np

from cli.errors import UserError
from cli.files import atomic_folder
from data_prep.distortions.imgaug_recipes import moved
from data_prep.distortions.imgaug_runner import CHUNK, distorted_chunks
from data_prep.parallel import progress_bar
from data_prep.sources import data_folder
from data_prep.sources.gtsrb import SIDE, read_gtsrb, split_by_track, spread_over_tracks

MOVED_SIGNS = "moved-signs"
CANVAS = 48
VALIDATION_SHARE = 0.15
# A sign fills about three quarters of its image. With its center this far inside the canvas, a
# sign of full size keeps at least five sixths of its width and of its height in view.
MARGIN = SIDE / 4


def make_moved_signs(
    out: str | Path,
    canvas: int = CANVAS,
    frames: int | None = None,
    seed: int = 42,
    data_dir: str | Path | None = None,
    workers: int = 1,
    progress: bool = True,
) -> dict[str, int]:
    """Write GTSRB's signs, each moved at random, as out/<part>/<class>/<number>.png.

    The parts are train, validation and test, the classes 00 to 42, and the number is the image's
    place in the benchmark's training or test part. Validation is whole tracks of the training part.

    Args:
        out: the folder to write, whole or not at all; it must not exist.
        canvas: height and width of the pictures, at least 32.
        frames: how many images of each training track to take, evenly spread; None: all. The test
            part stays whole.
        seed: integer; the same seed gives the same bytes, whatever the number of workers.
        data_dir: folder with GTSRB; None: as in `data_prep.sources.load_source`.
        workers: processes that move signs.
        progress: show progress bars.

    Returns:
        {part: number of its pictures}.

    Raises:
        UserError: GTSRB cannot be found or read, or the canvas is too small.
    """
    if canvas < SIDE:
        raise UserError(f"expected --canvas of at least {SIDE}, the images' size, got {canvas}")
    signs = read_gtsrb(data_folder(data_dir), progress)
    kept, held_out = _split(signs.training, frames, seed)
    parts = {
        "train": (signs.training, kept),
        "validation": (signs.training, held_out),
        "test": (signs.test, np.arange(len(signs.test.labels))),
    }
    with atomic_folder(out) as folder:
        for place, (name, (part, chosen)) in enumerate(parts.items()):
            description = f"writing {name}" if progress else None
            _write(part, chosen, canvas, (seed, place), workers, folder / name, description)
    return {name: len(chosen) for name, (_, chosen) in parts.items()}


def _split(training, frames, seed):
    """Positions to train and to validate on; the tracks are the same for any number of frames."""
    parts = split_by_track(training.labels, training.tracks, VALIDATION_SHARE, seed)
    if frames is None:
        return parts
    few = spread_over_tracks(training.labels, training.tracks, training.frames, frames)
    return tuple(np.intersect1d(part, few) for part in parts)


def _write(part, chosen, canvas, seed, workers, folder, description):
    from PIL import Image

    starts = range(0, len(chosen), CHUNK)
    chunks = (_on_canvas(part.images[chosen[start : start + CHUNK]], canvas) for start in starts)
    recipe = moved(0.5 - MARGIN / canvas)
    names = [f"{label:02}" for label in part.labels[chosen]]
    for name in sorted(set(names)):
        (folder / name).mkdir(parents=True)
    made = distorted_chunks(chunks, recipe, seed, min(workers, len(starts)))
    with progress_bar(len(chosen), description) as bar:
        for start, (images, _) in zip(starts, made, strict=True):
            for place, image in enumerate(images, start):
                path = folder / names[place] / f"{chosen[place]:06}.png"
                Image.fromarray(image).save(path)
                bar.update()


def _on_canvas(images, canvas):
    """Images in the middle of a canvas that their edge pixels continue."""
    before = (canvas - SIDE) // 2
    sides = (before, canvas - SIDE - before)
    return np.pad(images, [(0, 0), sides, sides, (0, 0)], mode="edge")


def example_pictures(folder: str | Path, count: int = 24) -> tuple[np.ndarray, list[int]]:
    """The first test picture of `count` classes, evenly spread.

    Args:
        folder: what `make_moved_signs` has written.
        count: how many.

    Returns:
        (pictures, labels): uint8 (n, H, W, 3) and n integers; n is at most the number of classes.
    """
    from PIL import Image

    classes = sorted((Path(folder) / "test").iterdir())
    spread = np.linspace(0, len(classes) - 1, min(count, len(classes))).round().astype(int)
    pictures = [np.asarray(Image.open(min(classes[place].iterdir()))) for place in spread]
    return np.stack(pictures), [int(classes[place].name) for place in spread]
