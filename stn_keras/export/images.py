"""Images to compare on: noise, or those of a file, made to fit a model."""

import os
import zipfile
from collections.abc import Sequence

import keras
import numpy as np

from stn_keras.export.errors import ExportError

# Names of images and labels in .npz files: of data_prep, of Keras's data sets, and plain ones.
LAYOUTS = (
    ("test_distorted", "test_labels"),
    ("test_images", "test_labels"),
    ("x_test", "y_test"),
    ("images", "labels"),
    ("x", "y"),
)
MOST_BYTES = 2**30
# Height and width of noise where the model takes any size.
NOISE_SIZE = 28
_NOISE_LATTICE = (8, 8)


def noise_images(
    shape: Sequence[int | None], count: int, value_range: Sequence[float] = (0, 1)
) -> np.ndarray:
    """Smooth random images for a model, the same in every call.

    Rounding moves a sampled position by a hundred thousandth of a pixel. White noise and a bright
    border beside a fill of 0 are so steep that this alone would exceed the tolerance.

    Args:
        shape: (H, W, C) of the model's images; None, for any size, becomes 28.
        count: how many images.
        value_range: lower and upper bound of their values. The border is the value closest to 0.

    Returns:
        (count, H, W, C), float32.
    """
    height, width, channels = (size or NOISE_SIZE for size in shape)
    low, high = value_range
    noise = np.random.default_rng(0).uniform(low, high, (count, *_NOISE_LATTICE, channels))
    border = ((0, 0), (1, 1), (1, 1), (0, 0))
    noise = np.pad(noise, border, constant_values=np.clip(0, low, high))
    return fit_images(noise, (height, width, channels))


def read_images(
    path: str | os.PathLike, shape: Sequence[int | None], *, scaled: bool = True
) -> tuple[np.ndarray, np.ndarray | None]:
    """Images for a model, and their labels, from an .npz.

    Args:
        path: an .npz with images named by one of `LAYOUTS`, or with a single array.
        shape: (H, W, C) of the model's images.
        scaled: as in `fit_images`.

    Returns:
        (images (N, H, W, C) of `fit_images`, labels (N,), or None if the file has none).

    Raises:
        ExportError: the file cannot be read, or has no such images.
    """
    images, *labels = _read_arrays(path)
    if images.ndim not in (3, 4) or images.dtype.kind not in "uif" or not images.size:
        raise ExportError(
            f"expected images (N, H, W, C) in {path}, got {images.dtype} {images.shape}"
        )
    if not np.isfinite(images).all():
        raise ExportError(f"expected finite images in {path}")
    if not labels:
        return fit_images(images, shape, scaled=scaled), None
    if labels[0].shape != images.shape[:1] or labels[0].dtype.kind not in "ui":
        raise ExportError(f"expected integer labels (N,) in {path}, got {labels[0].shape}")
    return fit_images(images, shape, scaled=scaled), labels[0]


def fit_images(
    images: np.ndarray, shape: Sequence[int | None], *, scaled: bool = True
) -> np.ndarray:
    """Images resized to a model's height, width and channels.

    Args:
        images: (N, H, W) or (N, H, W, C), numbers.
        shape: (H', W', C') of the result; a None keeps the images' own size. C' is C, 1 or, from
            one channel, anything.
        scaled: whether uint8 becomes [0, 1]; other numbers keep their range.

    Returns:
        (N, H', W', C'), float32.
    """
    scale = 255 if scaled and images.dtype == np.uint8 else 1
    images = np.asarray(images, "float32") / scale
    images = images if images.ndim == 4 else images[..., None]
    height, width, channels = (new or old for new, old in zip(shape, images.shape[1:], strict=True))
    if (height, width) != images.shape[1:3]:
        resized = keras.ops.image.resize(images, (height, width), data_format="channels_last")
        images = keras.ops.convert_to_numpy(resized)
    if channels == images.shape[3]:
        return images
    return np.repeat(images.mean(-1, keepdims=True), channels, axis=-1)


def _read_arrays(path):
    """[images] or [images, labels] of an .npz; never a pickled object."""
    try:
        with zipfile.ZipFile(path) as archive:
            sizes = {
                member.filename.removesuffix(".npy"): member.file_size
                for member in archive.infolist()
            }
        names = _array_names(sizes)
        if sum(sizes[name] for name in names) > MOST_BYTES:
            raise ValueError(f"it unpacks to more than {MOST_BYTES:,} bytes")
        with np.load(path, allow_pickle=False) as file:
            arrays = [file[name] for name in names]
        if not all(isinstance(array, np.ndarray) for array in arrays):
            raise ValueError("a member of it is not an array")
        return arrays
    except Exception as error:  # zipfile, zlib and NumPy each raise their own
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ExportError(f"expected an .npz of images at {path} ({reason})") from None


def _array_names(names):
    """The names of images and, if there are any, of their labels among those of an .npz."""
    if len(names) == 1:
        return list(names)
    for layout in LAYOUTS:
        if layout[0] in names:
            return [name for name in layout if name in names]
    raise ValueError(f"it has no images named {', '.join(images for images, _ in LAYOUTS)}")
