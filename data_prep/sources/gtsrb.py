"""GTSRB, the German Traffic Sign Recognition Benchmark: photographs of signs, frame by frame.

A track is about 30 photographs, its frames, of one physical sign that a car drives up to. Tracks
are numbered anew in each class, so (label, track) tells one from another. Hold out whole tracks,
never single images: a frame's neighbors look almost like it.
"""

import contextlib
import csv
import hashlib
import io
import re
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cli.errors import UserError, one_line, reading
from cli.files import read_text
from data_prep.parallel import default_workers, progress_bar
from data_prep.sources.archives import check_sizes, load_arrays

WHOLE = "a whole copy of GTSRB"
# For display; a label is a position in them.
CLASSES = (
    "speed limit 20",
    "speed limit 30",
    "speed limit 50",
    "speed limit 60",
    "speed limit 70",
    "speed limit 80",
    "end of speed limit 80",
    "speed limit 100",
    "speed limit 120",
    "no passing",
    "no passing for trucks",
    "right of way at next intersection",
    "priority road",
    "yield",
    "stop",
    "no vehicles",
    "no trucks",
    "no entry",
    "general caution",
    "curve to the left",
    "curve to the right",
    "double curve",
    "bumpy road",
    "slippery road",
    "road narrows on the right",
    "road work",
    "traffic signals",
    "pedestrians",
    "children crossing",
    "bicycles crossing",
    "ice or snow",
    "wild animals crossing",
    "end of all limits",
    "turn right ahead",
    "turn left ahead",
    "ahead only",
    "ahead or right",
    "ahead or left",
    "keep right",
    "keep left",
    "roundabout",
    "end of no passing",
    "end of no passing for trucks",
)
SIDE = 32
ARCHIVE = "gtsrb32.zip"
PUBLISHER = "Institut fuer Neuroinformatik, Ruhr-Universitaet Bochum"
KEYS = ("y_train", "track_train", "frame_train", "meta_train", "y_test", "meta_test")
COLUMNS = ("ClassId", "Width", "Height", "Roi.X1", "Roi.Y1", "Roi.X2", "Roi.Y2")
# The benchmark has 39,209 and 12,630 photographs of up to 266 pixels a side.
MOST_SIGNS = 100_000
VALIDATION_SHARE = 0.1  # of each class's training tracks
MOST_SIDE = 1024
MOST_LABEL_BYTES = 2**23
MOST_STRIP_BYTES = 2**23


@dataclass(frozen=True)
class Signs:
    """Photographs of signs, squashed to squares, and where the sign was in the original.

    Attributes:
        images: (N, 32, 32, 3) uint8.
        labels: (N,) int64, positions in `CLASSES`.
        boxes: (N, 4) int64, the sign's x1, y1, x2, y2 in pixels of the original photograph.
        sizes: (N, 2) int64, width and height of the original photograph.
    """

    images: np.ndarray
    labels: np.ndarray
    boxes: np.ndarray
    sizes: np.ndarray


@dataclass(frozen=True)
class TrackedSigns(Signs):
    """Signs photographed several times each.

    Attributes:
        tracks: (N,) int64, which sign of its class an image shows.
        frames: (N,) int64, the image's place in its track; the last one is the nearest.
    """

    tracks: np.ndarray
    frames: np.ndarray


@dataclass(frozen=True)
class TrafficSigns:
    """The benchmark in its official split.

    Attributes:
        training: sorted by label, track and frame.
        test: in the order of the publisher's files, which do not tell their tracks.
    """

    training: TrackedSigns
    test: Signs

    def split(self, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Positions of training signs to train on, and of those held out: whole tracks."""
        return split_by_track(self.training.labels, self.training.tracks, VALIDATION_SHARE, seed)

    def fingerprint(self) -> str:
        """SHA-256 of all images, labels and boxes."""
        digest = hashlib.sha256()
        for part in (self.training, self.test):
            for array in vars(part).values():
                digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()


def read_gtsrb(folder: str | Path, progress: bool = True) -> TrafficSigns:
    """GTSRB from a folder with one of its forms.

    The forms are `gtsrb32.zip`, whose images have 32x32 pixels already, and the publisher's own
    folders `Final_Training` and `Final_Test`, there or in a folder `GTSRB`. Pillow brings their
    photographs to that size by its bilinear filter.

    Args:
        folder: where to look.
        progress: show a progress bar.

    Returns:
        `TrafficSigns`.

    Raises:
        UserError: none of them is there, or it is damaged.
    """
    folder = Path(folder)
    for name, read in FORMS.items():
        path = folder / name
        if path.exists():
            with reading(WHOLE, path):
                return read(path, progress)
    raise UserError(
        f"expected GTSRB in {folder} as {ARCHIVE} or as Final_Training and Final_Test, found "
        "neither; it cannot be downloaded automatically: get the German Traffic Sign Recognition "
        f'Benchmark ("GTSRB") from its publisher, {PUBLISHER}, and pass its folder by --data-dir '
        "or STN_DATA_DIR"
    )


def split_by_track(
    labels: np.ndarray, tracks: np.ndarray, share: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Hold out whole tracks of each class.

    Args:
        labels: (N,) class of each image.
        tracks: (N,) its track in that class.
        share: the part of each class's tracks to hold out, above 0 and below 1; at least one
            track of a class is held out and at least one is kept.
        seed: integer; the same seed holds out the same tracks.

    Returns:
        (kept, held_out): sorted positions in `labels`.

    Raises:
        ValueError: the share is out of range, or a class has one track only.

    Example:
        >>> labels, tracks = np.repeat([0, 1], 6), np.tile(np.repeat([0, 1, 2], 2), 2)
        >>> kept, held_out = split_by_track(labels, tracks, share=0.3, seed=0)
        >>> len(kept), len(held_out)
        (8, 4)
    """
    if not 0 < share < 1:
        raise ValueError(f"expected a share above 0 and below 1, got {share}")
    rng = np.random.default_rng(seed)
    out = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        of_class = labels == label
        names = np.unique(tracks[of_class])
        if len(names) < 2:
            raise ValueError(f"expected at least two tracks of class {label}, got {len(names)}")
        count = min(max(1, round(share * len(names))), len(names) - 1)
        out |= of_class & np.isin(tracks, rng.choice(names, count, replace=False))
    return np.flatnonzero(~out), np.flatnonzero(out)


def spread_over_tracks(
    labels: np.ndarray, tracks: np.ndarray, frames: np.ndarray, count: int
) -> np.ndarray:
    """Choose `count` images of each track, evenly spread over its frames.

    Args:
        labels: (N,) class of each image.
        tracks: (N,) its track in that class.
        frames: (N,) its place in that track.
        count: images a track; a track that has fewer gives all.

    Returns:
        Sorted positions in `labels`.

    Example:
        >>> zeros = np.zeros(9, int)
        >>> spread_over_tracks(zeros, zeros, np.arange(9), count=3).tolist()
        [1, 4, 7]
    """
    order = np.lexsort((frames, tracks, labels))
    starts = np.diff(labels[order]).astype(bool) | np.diff(tracks[order]).astype(bool)
    chosen = []
    for track in np.split(order, np.flatnonzero(starts) + 1):
        few = min(count, len(track))
        chosen.append(track[(2 * np.arange(few) + 1) * len(track) // (2 * few)])
    return np.sort(np.concatenate(chosen))


@contextlib.contextmanager
def _naming(file):
    """Puts the file's name before an error that may have none."""
    try:
        yield
    except ModuleNotFoundError:
        raise
    except Exception as error:  # csv and Pillow have many
        raise ValueError(f"{file}: {one_line(error)}") from None


def _read_archive(path, progress):
    """Arrays in labels.npz, images in strips: train/<number of the first image>.webp."""
    with zipfile.ZipFile(path) as archive:
        check_sizes(archive, ["labels.npz"], MOST_LABEL_BYTES)
        labels = io.BytesIO(archive.read("labels.npz"))
        y, track, frame, meta, y_test, meta_test = load_arrays(labels, KEYS, MOST_LABEL_BYTES)
        training, test = _columns(y, meta, tracks=track, frames=frame), _columns(y_test, meta_test)
        return TrafficSigns(
            TrackedSigns(_read_strips(archive, "train", len(y), progress), **training),
            Signs(_read_strips(archive, "test", len(y_test), progress), **test),
        )


def _read_strips(archive, part, count, progress):
    names = sorted({name for name in archive.namelist() if _is_strip(name, part)})
    images, done = np.empty((count, SIDE, SIDE, 3), "uint8"), 0
    with _bar(part, count, progress) as bar:
        for name in names:
            if int(Path(name).stem) != done:
                raise ValueError(f"expected a strip from image {done} on, got {name}")
            check_sizes(archive, [name], MOST_STRIP_BYTES)
            content = archive.read(name)
            with _naming(name):
                strip = _decode_strip(content, count - done)
            images[done : done + len(strip)] = strip
            done += len(strip)
            bar.update(len(strip))
    if done != count:
        raise ValueError(f"expected {count:,} images in {part}, got {done:,}")
    return images


def _is_strip(name, part):
    return re.fullmatch(rf"{part}/[0-9]{{5}}\.webp", name) is not None


def _decode_strip(content, most):
    from PIL import Image

    with Image.open(io.BytesIO(content), formats=["WEBP"]) as strip:
        width, height = strip.size
        if width != SIDE or height % SIDE or height > most * SIDE:
            raise ValueError(f"expected up to {most:,} images of 32x32 pixels, got {strip.size}")
        return np.asarray(strip.convert("RGB")).reshape(-1, SIDE, SIDE, 3)


def _read_original(root, progress):
    """The publisher's folders, with their tables GT-*.csv."""
    if root.name == "Final_Training":
        root = root.parent
    training, test = _training_table(root / "Final_Training" / "Images"), _test_table(root)
    return TrafficSigns(
        TrackedSigns(_read_photographs(*training, "train", progress), **training[1]),
        Signs(_read_photographs(*test, "test", progress), **test[1]),
    )


def _training_table(folder):
    paths, rows = [], []
    for label in range(len(CLASSES)):
        path = folder / f"{label:05}" / f"GT-{label:05}.csv"
        with _naming(path.name):
            names, numbers = _read_table(path, r"[0-9]{5}_[0-9]{5}\.ppm")
            if (numbers[:, 0] != label).any():
                raise ValueError(f"expected signs of class {label} alone")
        paths += [path.parent / name for name in names]
        rows.append(numbers)
    rows = np.concatenate(rows)
    places = np.array([path.stem.split("_") for path in paths]).reshape(-1, 2).astype(int)
    return paths, _columns(rows[:, 0], rows[:, 1:], tracks=places[:, 0], frames=places[:, 1])


def _test_table(root):
    folder = root / "Final_Test" / "Images"
    # The publisher has the test's classes in a separate archive.
    places = [place / "GT-final_test.csv" for place in (folder, folder.parent, root, root.parent)]
    path = next(filter(Path.is_file, places), places[0])
    with _naming(path.name):
        names, numbers = _read_table(path, r"[0-9]{5}\.ppm")
    return [folder / name for name in names], _columns(numbers[:, 0], numbers[:, 1:])


def _read_table(path, pattern):
    """File names of this pattern, sorted, and the numbers of `COLUMNS` (N, 7)."""
    rows = list(csv.DictReader(read_text(path).splitlines(), delimiter=";"))
    missing = {"Filename", *COLUMNS} - set(rows[0] if rows else ())
    if missing:
        raise ValueError(f"expected columns {', '.join(sorted(missing))} too")
    rows.sort(key=lambda row: row["Filename"])
    names = [row["Filename"] for row in rows]
    # A name of another form could lead out of the folder.
    strange = [name for name in names if not re.fullmatch(pattern, name)]
    if strange or len(set(names)) < len(names):
        raise ValueError(f"expected file names such as {pattern}, each once")
    return names, np.array([[int(row[column]) for column in COLUMNS] for row in rows], "int64")


def _read_photographs(paths, columns, part, progress):
    images = np.empty((len(paths), SIDE, SIDE, 3), "uint8")

    def read(number):
        images[number] = _read_photograph(paths[number], tuple(columns["sizes"][number]))

    with ThreadPoolExecutor(default_workers()) as pool, _bar(part, len(paths), progress) as bar:
        for _ in pool.map(read, range(len(paths))):
            bar.update()
    return images


def _read_photograph(path, size):
    from PIL import Image

    with _naming(f"{path.parent.name}/{path.name}"), Image.open(path, formats=["PPM"]) as file:
        if file.size != size:
            raise ValueError(f"expected {size[0]}x{size[1]} pixels, got {file.size}")
        return np.asarray(file.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR))


def _bar(part, count, progress):
    return progress_bar(count, f"reading {part}" if progress else None)


def _columns(labels, meta, **places):
    """What `Signs` needs besides images, checked, as int64; meta is sizes beside boxes."""
    columns = {"labels": labels, "sizes": meta[:, :2], "boxes": meta[:, 2:], **places}
    count = len(labels)
    if count > MOST_SIGNS:
        raise ValueError(f"expected at most {MOST_SIGNS:,} signs, got {count:,}")
    for name, array in columns.items():
        shape = {"sizes": (count, 2), "boxes": (count, 4)}.get(name, (count,))
        if array.shape != shape or not np.issubdtype(array.dtype, np.integer):
            raise ValueError(
                f"expected integers {shape} as {name}, got {array.dtype} {array.shape}"
            )
    columns = {name: array.astype("int64") for name, array in columns.items()}
    _check_values(**columns)
    return columns


def _check_values(labels, sizes, boxes, tracks=None, frames=None):
    if not np.array_equal(np.unique(labels), np.arange(len(CLASSES))):
        found = f"{len(np.unique(labels))} from {labels.min(initial=0)} to {labels.max(initial=0)}"
        raise ValueError(f"expected all labels from 0 to 42, got {found}")
    if sizes.min() < 1 or sizes.max() > MOST_SIDE:
        raise ValueError(
            f"expected sizes from 1 to {MOST_SIDE} pixels, got {sizes.min()} to {sizes.max()}"
        )
    starts, ends = boxes[:, :2], boxes[:, 2:]
    outside = ((starts < 0) | (starts >= ends) | (ends > sizes)).any(1)
    if outside.any():
        raise ValueError(f"expected boxes inside their images, got {outside.sum():,} others")
    if tracks is not None:
        places = np.stack([labels, tracks, frames], axis=1)
        if places.min() < 0 or len(np.unique(places, axis=0)) < len(places):
            raise ValueError("expected each frame of a track once, got one twice or below 0")


# name in the data folder -> function that reads it
FORMS = {
    ARCHIVE: _read_archive,
    "GTSRB": _read_original,
    "Final_Training": _read_original,
}
