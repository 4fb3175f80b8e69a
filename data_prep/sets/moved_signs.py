"""Traffic signs at random places on photographs: fixed sets, and folders of pictures."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cli.files import atomic_folder
from cli.startup import import_keras
from data_prep.distortions.signs import BOX, SHAPE_OF, MovedSign, read_windows, silhouettes
from data_prep.parallel import progress_bar
from data_prep.sources.gtsrb import (
    CLASSES,
    VALIDATION_SHARE,
    Signs,
    TrafficSigns,
    spread_over_tracks,
)

GTSRB_MOVED = "gtsrb-moved"
SIDE = MovedSign.side
CHUNK = 500
# name of a part -> its folder
FOLDERS = {"training": "train", "validation": "validation", "test": "test"}


@dataclass(frozen=True)
class MovedSigns:
    """Signs moved once, and what they were made from.

    Attributes:
        validation_images: (N, side, side, 3) uint8.
        validation_labels: (N,) int64.
        validation_windows: (N, 6) float32, theta of `Affine` that reads the sign's box.
        test_images: as of validation.
        test_labels: as of validation.
        test_windows: as of validation.
        parameters: what they were made from, as plain data.
    """

    validation_images: np.ndarray
    validation_labels: np.ndarray
    validation_windows: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    test_windows: np.ndarray
    parameters: dict


def make_moved_signs(
    signs: TrafficSigns, seed: int, side: int = SIDE, progress: bool = True
) -> MovedSigns:
    """Move each held-out training sign and each test sign once.

    Args:
        signs: the benchmark.
        seed: integer; the same seed gives the same pictures.
        side: height and width of the pictures.
        progress: show progress bars.

    Returns:
        `MovedSigns`.
    """
    _, held_out = signs.split(seed)
    columns = {}
    for name, part, chosen in (
        ("validation", signs.training, held_out),
        ("test", signs.test, np.arange(len(signs.test.labels))),
    ):
        images, windows = _move(part, chosen, name, seed, side, progress)
        columns[f"{name}_images"], columns[f"{name}_windows"] = images, windows
        columns[f"{name}_labels"] = part.labels[chosen]
    parameters = {
        "set": GTSRB_MOVED,
        "source": "gtsrb",
        "seed": seed,
        "side": side,
        "validation_share": VALIDATION_SHARE,
        "source_sha256": signs.fingerprint(),
    }
    return MovedSigns(**columns, parameters=parameters)


def write_moved_signs(
    out: str | Path,
    signs: TrafficSigns,
    seed: int,
    side: int = SIDE,
    frames: int | None = None,
    progress: bool = True,
) -> dict[str, int]:
    """Write each sign, moved once, as out/<part>/<class>/<number>.png.

    The parts are train, validation and test, the classes 00 to 42, and the number is the image's
    place in the benchmark's training or test part.

    Args:
        out: the folder to write, whole or not at all; it must not exist.
        signs: the benchmark.
        seed: integer; the same seed gives the same pictures.
        side: height and width of the pictures.
        frames: how many images of each training track to take, evenly spread; None: all.
        progress: show progress bars.

    Returns:
        {part: number of its pictures}.
    """
    kept, held_out = signs.split(seed)
    if frames is not None:
        training = signs.training
        few = spread_over_tracks(training.labels, training.tracks, training.frames, frames)
        kept = np.intersect1d(kept, few)
    parts = {
        "training": (signs.training, kept),
        "validation": (signs.training, held_out),
        "test": (signs.test, np.arange(len(signs.test.labels))),
    }
    with atomic_folder(out) as folder:
        for name, (part, chosen) in parts.items():
            images, _ = _move(part, chosen, name, seed, side, progress)
            description = f"writing {name} pictures" if progress else None
            _write(images, part.labels[chosen], chosen, folder / FOLDERS[name], description)
    return {FOLDERS[name]: len(chosen) for name, (_, chosen) in parts.items()}


def example_pictures(path: str | Path, count: int = 24) -> tuple[np.ndarray, list[int]]:
    """The first test picture of `count` classes, evenly spread.

    Args:
        path: what `make_moved_signs` made, as an .npz, or what `write_moved_signs` has written.
        count: how many.

    Returns:
        (pictures, labels): uint8 (n, H, W, 3) and n integers; n is at most the number of classes.
    """
    labels, pictures = _first_pictures(Path(path))
    spread = np.linspace(0, len(labels) - 1, min(count, len(labels))).round().astype(int)
    return np.stack([pictures[place] for place in spread]), [int(labels[k]) for k in spread]


def _first_pictures(path):
    """Labels, and the first test picture of each."""
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as file:
            labels, first = np.unique(file["test_labels"], return_index=True)
            return labels, file["test_images"][first]
    from PIL import Image

    folders = sorted((path / FOLDERS["test"]).iterdir())
    pictures = [np.asarray(Image.open(min(folder.iterdir()))) for folder in folders]
    return [folder.name for folder in folders], pictures


def framed(signs: Signs, chosen: np.ndarray) -> np.ndarray:
    """Signs in their frames: the box in the middle, and how opaque each pixel is pasted.

    Args:
        signs: where they are.
        chosen: positions in them.

    Returns:
        (N, 32, 32, 4) uint8.
    """
    import_keras("stn_keras")
    from keras import ops

    boxes = 2 * signs.boxes[chosen] / np.tile(signs.sizes[chosen], 2) - 1
    center, half = (boxes[:, 2:] + boxes[:, :2]) / 2, (boxes[:, 2:] - boxes[:, :2]) / 2
    zero, grow = np.zeros(len(chosen)), half / BOX
    theta = np.stack([grow[:, 0], zero, center[:, 0], zero, grow[:, 1], center[:, 1]], axis=-1)
    colors = np.empty((len(chosen), *signs.images.shape[1:]), "uint8")
    for start in range(0, len(chosen), CHUNK):
        part = slice(start, start + CHUNK)
        images = signs.images[chosen[part]].astype("float32")
        moved = read_windows(images, theta[part].astype("float32"), colors.shape[1])
        colors[part] = np.rint(ops.convert_to_numpy(moved))
    masks = silhouettes(colors.shape[1])
    opaque = np.stack([masks[SHAPE_OF.get(label, "disc")] for label in range(len(CLASSES))])
    return np.concatenate([colors, opaque[signs.labels[chosen]][..., None]], axis=-1)


def _move(signs, chosen, name, seed, side, progress):
    """Pictures (N, side, side, 3) uint8 of a part, and their windows (N, 6) float32."""
    import_keras("stn_keras")
    from keras import ops

    images, warp = framed(signs, chosen), MovedSign(name, side)
    rng = np.random.default_rng((seed, list(FOLDERS).index(name)))
    uniform = rng.random((len(chosen), warp.uniforms), "float32")
    pictures = np.empty((len(chosen), side, side, 3), "uint8")
    with progress_bar(len(chosen), f"moving {name} signs" if progress else None) as bar:
        for start in range(0, len(chosen), CHUNK):
            part = slice(start, start + CHUNK)
            inputs = images[part].astype("float32") / 255, uniform[part]
            drawn = ops.convert_to_numpy(warp(*map(ops.convert_to_tensor, inputs), None))
            pictures[part] = np.rint(255 * drawn)
            bar.update(len(drawn))
    windows = warp.theta(ops.convert_to_tensor(uniform), images.shape[1])
    return pictures, ops.convert_to_numpy(windows)


def _write(images, labels, numbers, folder, description):
    from PIL import Image

    for label in np.unique(labels):
        (folder / f"{label:02}").mkdir(parents=True)
    with progress_bar(len(images), description) as bar:
        for image, label, number in zip(images, labels, numbers, strict=True):
            Image.fromarray(image).save(folder / f"{label:02}" / f"{number:06}.png")
            bar.update()
