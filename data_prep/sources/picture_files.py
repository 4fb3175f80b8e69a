"""One picture in one file: reading it, and telling whether that is possible."""

import warnings
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError
from tqdm import tqdm

from cli.errors import one_line
from cli.startup import python_stderr_only
from data_prep.parallel import default_workers

# Whatever the suffix: Pillow reads scripts too.
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF")
# Each thread may hold a picture, so that much is decoded at most; JPEGs of 64 times as many.
MOST_PIXELS = 50_000_000
MODES = {1: "L", 3: "RGB"}
GREY_16_BITS = ("I;16", "I;16B", "I")  # Pillow's names for a PNG's and a TIFF's
GREY = ("1", "L", *GREY_16_BITS)
LYING = range(5, 9)  # orientations by EXIF in which width and height change places
QUIET_SECONDS = 2  # a check that is done by then shows no progress


def read_picture(path, image_shape):
    """The picture in a file, brought to (H, W, C) and uint8.

    Raises:
        Exception: it is not a picture or has too many pixels; `reason` says it in words.
    """
    height, width, channels = image_shape
    with Image.open(path, formats=FORMATS) as file:
        # JPEGs are decoded at a fraction of their size where that is enough.
        file.draft(MODES[channels], (max(width, height),) * 2)  # it may lie on its side
        if file.width * file.height > MOST_PIXELS:
            raise Image.DecompressionBombError
        ImageOps.exif_transpose(file, in_place=True)
        image = _eight_bits(file).convert(MODES[channels])
        if image.size != (width, height):
            image = image.resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(image).reshape(image_shape)


def _eight_bits(image):
    """The picture with 8 bits a pixel; Pillow itself makes all but the darkest of 16 bits white."""
    if image.mode == "F":
        raise ValueError("its pixels are floats")
    if image.mode not in GREY_16_BITS:
        return image
    pixels = np.asarray(image)
    if pixels.min() < 0 or pixels.max() >= 2**16:
        raise ValueError("its pixels have more than 16 bits")
    return Image.fromarray((pixels >> 8).astype("uint8"))


def read_header(path):
    """Width and height of the upright picture in a file, and whether it is gray.

    Raises:
        Exception: it is not a picture; `reason` says it in words.
    """
    with Image.open(path, formats=FORMATS) as file:
        # Pillow itself gives a TIFF's size as it stands upright.
        lies = file.format != "TIFF" and file.getexif().get(ExifTags.Base.Orientation) in LYING
        return file.size[::-1] if lies else file.size, file.mode in GREY


def reason(error):
    """Why a picture cannot be read, in a few words without its path."""
    if isinstance(error, Image.DecompressionBombError):
        return f"more than {MOST_PIXELS:,} pixels"
    if isinstance(error, UnidentifiedImageError):
        return f"not a {', '.join(FORMATS[:-1])} or {FORMATS[-1]} file, or a damaged one"
    return getattr(error, "strerror", None) or one_line(error)


def find_broken(paths, side):
    """Read every picture once, as training will: only then a truncated one shows.

    Args:
        paths: array of paths.
        side: height and width that pictures are read at.

    Returns:
        path -> why it cannot be read, of those that cannot.
    """
    # Pillow warns of what it reads all the same; libtiff prints what becomes an error anyway.
    with warnings.catch_warnings(action="ignore"), python_stderr_only():
        refusals = _read_all(paths, side)
    return {path: refusal for path, refusal in refusals.items() if refusal}


def _read_all(paths, side):
    """path -> why it cannot be read, or None."""
    with ThreadPoolExecutor(default_workers()) as pool:
        reading = pool.map(partial(_refusal, side=side), paths)
        bar = tqdm(
            reading, "checking", len(paths), unit="image", unit_scale=True, delay=QUIET_SECONDS
        )
        try:
            return dict(zip(paths, bar, strict=True))
        finally:
            pool.shutdown(cancel_futures=True)  # Ctrl-C does not wait for all others


def _refusal(path, side):
    try:
        read_picture(path, (side, side, 1))
    except Exception as error:  # Pillow has many
        return reason(error)
    return None
