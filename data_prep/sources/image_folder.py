"""A user's own pictures: root/<class>/**/*.png|jpg, read when they are needed."""

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from cli.errors import UserError, printable
from data_prep.parallel import default_workers
from data_prep.sources.picture_files import read_header, read_picture, reason
from data_prep.sources.picture_tree import count_endings, files_below, first_of, is_picture, visible

# part -> names of its folder, in any case
PARTS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val"),
    "test": ("test", "testing"),
}
# How many of a folder's pictures determine its size and colors.
LOOKED_AT = 100
LARGEST_GUESSED_SIDE = 96


@dataclass(frozen=True)
class ImageFiles:
    """Pictures in files that look like one uint8 array (N, H, W, C), of which little is in memory.

    Attributes:
        paths: (N,) array of paths.
        image_shape: (H, W, C) that each picture is brought to; C is 1 or 3.

    Example:
        >>> files = ImageFiles(np.array([]), (32, 32, 3))
        >>> files.shape, files[np.array([], int)].shape
        ((0, 32, 32, 3), (0, 32, 32, 3))
    """

    paths: np.ndarray
    image_shape: tuple[int, int, int]
    dtype = np.dtype("uint8")

    @property
    def shape(self):
        """(N, H, W, C)."""
        return (len(self.paths), *self.image_shape)

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, indices):
        """The pictures at those indices (a slice or an array of them), read by several threads.

        Raises:
            UserError: a file is not a picture.
        """
        paths = self.paths[indices]
        images = np.empty((len(paths), *self.image_shape), "uint8")
        with ThreadPoolExecutor(default_workers()) as pool:
            for index, image in enumerate(pool.map(self._read, paths)):
                images[index] = image
        return images

    def _read(self, path):
        try:
            return read_picture(path, self.image_shape)
        except Exception as error:  # Pillow has many
            raise UserError(f"expected a picture at {path} ({reason(error)})") from None


@dataclass(frozen=True)
class FolderPart:
    """Pictures and their labels.

    Attributes:
        root: the folder that the classes' folders lie in.
        paths: (N,) array of paths, class after class.
        labels: (N,) int64.
    """

    root: Path
    paths: np.ndarray
    labels: np.ndarray

    def take(self, indices):
        """The pictures at those indices."""
        return FolderPart(self.root, self.paths[indices], self.labels[indices])


@dataclass(frozen=True)
class ImageFolder:
    """What a folder holds.

    Attributes:
        root: the folder.
        classes: names of the classes, sorted; a label is a position in them.
        parts: name, one of `PARTS`, -> `FolderPart`, of those that there are.
        empty: paths of folders of classes without a picture.
        ignored: paths of files that are not read.
    """

    root: Path
    classes: tuple[str, ...]
    parts: dict[str, FolderPart]
    empty: tuple[Path, ...]
    ignored: tuple[Path, ...]

    @property
    def training(self):
        """`FolderPart` of the training pictures; without parts, of all."""
        return self.parts["train"]

    @property
    def validation(self):
        """`FolderPart` where the folder has a part for it, else None."""
        return self.parts.get("validation")

    @property
    def test(self):
        """`FolderPart` where the folder has a part for it, else None."""
        return self.parts.get("test")

    @property
    def paths(self):
        """Array of the paths of all pictures."""
        return np.concatenate([part.paths for part in self.parts.values()])

    def name(self, path):
        """What a line to read calls a file: its path from the folder on."""
        return path.relative_to(self.root).as_posix()

    def fingerprint(self):
        """SHA-256 of the paths, from the classes' folders on, and sizes of all pictures."""
        digest = hashlib.sha256()
        for name, part in self.parts.items():
            if name == "validation":
                digest.update(b"validation\n")
            for path in part.paths:
                line = f"{path.relative_to(part.root).as_posix()} {path.stat().st_size}\n"
                digest.update(os.fsencode(line))  # a name may be of any bytes
        return digest.hexdigest()

    def without(self, paths):
        """The folder as if some of its pictures were not there.

        Args:
            paths: a container of their paths.

        Raises:
            UserError: a class has no others.
        """
        parts = {}
        for name, part in self.parts.items():
            left = part.take(np.array([path not in paths for path in part.paths]))
            counts = np.bincount(left.labels, minlength=len(self.classes))
            if not counts.all():
                folder = part.root / self.classes[counts.argmin()]
                raise UserError(f"expected a whole picture in {folder}, got broken ones alone")
            parts[name] = left
        return replace(self, parts=parts)

    def notes(self):
        """Lines that say what in the folder is not read."""
        pictures = [self.name(path) for path in self.ignored if is_picture(path)]
        others = [path for path in self.ignored if not is_picture(path)]
        empty = [self.name(path) for path in self.empty]
        notes = {
            "ignored files that are not pictures": others and count_endings(others),
            "ignored pictures outside the folders of classes": pictures and first_of(pictures),
            "ignored folders without pictures": empty and first_of(empty),
        }
        return [printable(f"{what}: {which}") for what, which in notes.items() if which]


def find_images(root):
    """List root/<class>/**/*.png|jpg, or root/train/<class>/... and the other parts.

    Args:
        root: the folder. It has parts where train and one of validation and test lie in it; see
            `PARTS`.

    Returns:
        An `ImageFolder`.

    Raises:
        UserError: it is not there, or has less than two classes, or its parts have other classes,
            or it has two folders for one part.
    """
    root = Path(root)
    if not root.is_dir():
        raise UserError(f"expected a folder of pictures at {root}, found none")
    folders = _part_folders(root) or {"train": root}
    parts, classes, empty = {}, {}, []
    ignored = [] if root in folders.values() else _files_beside(root, folders.values())
    for name, folder in folders.items():
        by_class, others = _list_classes(folder, root)
        ignored += others
        empty += [folder / label for label, paths in by_class.items() if not paths]
        by_class = {label: paths for label, paths in by_class.items() if paths}
        parts[name], classes[name] = _part(folder, by_class), set(by_class)
    different = set.union(*classes.values()) - set.intersection(*classes.values())
    if different:
        names = ", ".join(sorted(different))
        raise UserError(f"expected the same classes in every part of {root}, got {names} in some")
    return ImageFolder(root, tuple(sorted(classes["train"])), parts, tuple(empty), tuple(ignored))


def _part_folders(root):
    """Part -> its folder; nothing where the folder has no parts."""
    by_name = {path.name.lower(): path for path in visible(root) if path.is_dir()}
    found = {
        part: [by_name[name] for name in names if name in by_name] for part, names in PARTS.items()
    }
    if not (found["train"] and (found["validation"] or found["test"])):
        return {}
    for part, folders in found.items():
        if len(folders) > 1:
            names = ", ".join(folder.name for folder in folders)
            raise UserError(f"expected one folder for the {part} part in {root}, got {names}")
    return {part: folders[0] for part, folders in found.items() if folders}


def _files_beside(root, folders):
    """Files in a folder that lie in none of its parts."""
    files = []
    for path in visible(root):
        if path.is_dir():
            files += files_below(path, outside=(root, *folders))
        else:
            files.append(path)
    return files


def _list_classes(folder, root):
    """(class -> pictures, other files) of a folder."""
    by_class, others = {}, []
    for child in visible(folder):
        if not child.is_dir():
            others.append(child)
            continue
        files = files_below(child, outside=(root, folder))
        by_class[child.name] = [path for path in files if is_picture(path)]
        others += sorted({*files} - {*by_class[child.name]})
    return by_class, others


def _part(folder, by_class):
    if len(by_class) < 2:
        names = ", ".join(by_class) or "none"
        raise UserError(
            f"expected pictures in {folder}/CLASS/ of at least two classes, got {names}"
        )
    counts = [len(paths) for paths in by_class.values()]
    paths = np.array([path for paths in by_class.values() for path in paths])
    return FolderPart(folder, paths, np.repeat(np.arange(len(counts)), counts))


def guess_shape(paths, side=None):
    """(H, W, C) to bring pictures to, from the headers of some of them.

    Args:
        paths: array of paths.
        side: height and width; None: the median of the pictures' own, at most 96 pixels.

    Returns:
        (H, W, C); C is 1 where all pictures read are gray.

    Raises:
        UserError: a file is not a picture.
    """
    spread = np.linspace(0, len(paths) - 1, min(LOOKED_AT, len(paths))).astype(int)
    sizes, gray = zip(*(_header(path) for path in paths[np.unique(spread)]), strict=True)
    channels = 1 if all(gray) else 3
    if side:
        return side, side, channels
    width, height = np.median(sizes, axis=0)
    shrink = min(1, LARGEST_GUESSED_SIDE / max(width, height))
    return max(1, round(height * shrink)), max(1, round(width * shrink)), channels


def _header(path):
    try:
        return read_header(path)
    except Exception as error:  # Pillow has many
        raise UserError(f"expected a picture at {path} ({reason(error)})") from None


def write_images(images, labels, folder, progress):
    """Write images (N, H, W, C) uint8 as folder/<label>/<number>.png.

    Args:
        images: the images.
        labels: (N,).
        folder: path of a folder.
        progress: what the progress bar says.
    """
    for label in np.unique(labels):
        (folder / str(label)).mkdir(parents=True)
    for index in tqdm(range(len(images)), desc=progress, unit="image", unit_scale=True):
        picture = Image.fromarray(images[index].squeeze())
        picture.save(folder / str(labels[index]) / f"{index:06}.png")
