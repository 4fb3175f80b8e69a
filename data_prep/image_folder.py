"""A user's own pictures: root/<class>/*.png|jpg, read when they are needed."""

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageOps
from tqdm import tqdm

from data_prep.distortions import default_workers
from data_prep.errors import UserError, one_line

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp")
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP")  # whatever the suffix: Pillow reads scripts too
# Each thread may hold a picture, so that much is decoded at most; JPEGs of 64 times as many.
MOST_PIXELS = 50_000_000
PARTS = ("train", "test")
# The size and the colours of a folder are told from so many of its pictures.
LOOKED_AT = 100
LARGEST_GUESSED_SIDE = 96
MODES = {1: "L", 3: "RGB"}
GREY_16_BITS = ("I;16", "I")  # Pillow's names for a PNG's
LYING = range(5, 9)  # orientations by EXIF in which width and height change places


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

    def __getitem__(self, numbers):
        """The pictures of those numbers (a slice or an array of them), read by several threads.

        Raises:
            UserError: a file is not a picture.
        """
        paths = self.paths[numbers]
        images = np.empty((len(paths), *self.image_shape), "uint8")
        with ThreadPoolExecutor(default_workers()) as pool:
            for number, image in enumerate(pool.map(self._read, paths)):
                images[number] = image
        return images

    def _read(self, path):
        height, width, channels = self.image_shape
        try:
            with Image.open(path, formats=FORMATS) as file:
                # JPEGs are decoded at a fraction of their size where that is enough.
                file.draft(MODES[channels], (max(width, height),) * 2)  # it may lie on its side
                if file.width * file.height > MOST_PIXELS:
                    raise ValueError(f"it has more than {MOST_PIXELS:,} pixels: {file.size}")
                ImageOps.exif_transpose(file, in_place=True)
                image = _eight_bits(file).convert(MODES[channels])
                if image.size != (width, height):
                    image = image.resize((width, height), Image.Resampling.BILINEAR)
        except Exception as error:  # Pillow has many
            raise UserError(f"expected a picture at {path} ({one_line(error)})") from None
        return np.asarray(image).reshape(self.image_shape)


def _eight_bits(image):
    """The picture with 8 bits a pixel; Pillow itself makes all but the darkest of 16 bits white."""
    if image.mode not in GREY_16_BITS:
        return image
    return Image.fromarray((np.asarray(image) >> 8).astype("uint8"))


@dataclass(frozen=True)
class FolderPart:
    """Pictures and their labels.

    Attributes:
        paths: (N,) array of paths, class after class.
        labels: (N,) int64.
    """

    paths: np.ndarray
    labels: np.ndarray

    def take(self, numbers):
        """The pictures of those numbers."""
        return FolderPart(self.paths[numbers], self.labels[numbers])


@dataclass(frozen=True)
class ImageFolder:
    """What a folder holds.

    Attributes:
        classes: names of the classes, sorted; a label is a position in them.
        training: `FolderPart`.
        test: `FolderPart` where the folder has a part for it, else None.
    """

    classes: tuple[str, ...]
    training: FolderPart
    test: FolderPart | None

    def fingerprint(self):
        """SHA-256 of the names and sizes of all files."""
        digest = hashlib.sha256()
        for part in (self.training, self.test):
            for path in part.paths if part else ():
                name = f"{path.parent.name}/{path.name} {path.stat().st_size}\n"
                digest.update(os.fsencode(name))  # a name may be of any bytes
        return digest.hexdigest()


def find_images(root):
    """List root/<class>/*.png|jpg, or root/train/<class>/... and root/test/<class>/...

    Args:
        root: the folder.

    Returns:
        An `ImageFolder`.

    Raises:
        UserError: it is not there, or has less than two classes, or its parts have other classes.
    """
    root = Path(root)
    if not root.is_dir():
        raise UserError(f"expected a folder of pictures at {root}, found none")
    if not all((root / part).is_dir() for part in PARTS):
        classes, training = _list_classes(root)
        return ImageFolder(classes, training, None)
    (classes, training), (test_classes, test) = (_list_classes(root / part) for part in PARTS)
    if test_classes != classes:
        different = ", ".join(sorted(set(classes) ^ set(test_classes)))
        raise UserError(f"expected the same classes in both parts of {root}, got {different} once")
    return ImageFolder(classes, training, test)


def _list_classes(folder):
    by_class = {
        child.name: list_pictures(child)
        for child in sorted(folder.iterdir())
        if child.is_dir() and not child.name.startswith(".")
    }
    by_class = {name: paths for name, paths in by_class.items() if paths}
    if len(by_class) < 2:
        names = ", ".join(by_class) or "none"
        raise UserError(
            f"expected pictures in {folder}/CLASS/ of at least two classes, got {names}"
        )
    counts = [len(paths) for paths in by_class.values()]
    paths = np.array([path for paths in by_class.values() for path in paths])
    return tuple(by_class), FolderPart(paths, np.repeat(np.arange(len(counts)), counts))


def list_pictures(folder):
    """Paths of the pictures that lie in a folder itself, sorted."""
    return sorted(
        path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file()
    )


def guess_shape(paths, side=None):
    """(H, W, C) to bring pictures to, from the headers of some of them.

    Args:
        paths: array of paths.
        side: height and width; None: the median of the pictures' own, at most 96 pixels.

    Returns:
        (H, W, C); C is 1 where all pictures looked at are grey.

    Raises:
        UserError: a file is not a picture.
    """
    spread = np.linspace(0, len(paths) - 1, min(LOOKED_AT, len(paths))).astype(int)
    sizes, modes = zip(*(_header(path) for path in paths[np.unique(spread)]), strict=True)
    channels = 1 if set(modes) <= {"1", "L", *GREY_16_BITS} else 3
    if side:
        return side, side, channels
    width, height = np.median(sizes, axis=0)
    shrink = min(1, LARGEST_GUESSED_SIDE / max(width, height))
    return max(1, round(height * shrink)), max(1, round(width * shrink)), channels


def _header(path):
    try:
        with Image.open(path, formats=FORMATS) as file:
            lies = file.getexif().get(ExifTags.Base.Orientation) in LYING
            return file.size[::-1] if lies else file.size, file.mode
    except Exception as error:  # Pillow has many
        raise UserError(f"expected a picture at {path} ({one_line(error)})") from None


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
    for number in tqdm(range(len(images)), desc=progress, unit="image", unit_scale=True):
        picture = Image.fromarray(images[number].squeeze())
        picture.save(folder / str(labels[number]) / f"{number:06}.png")
