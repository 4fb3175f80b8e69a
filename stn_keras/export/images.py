"""Images to compare on, from a file or a folder, made to fit a model."""

from pathlib import Path

import keras
import numpy as np

from stn_keras.export.errors import ExportError, one_line

# Names of images and labels in .npz files: of data_prep, of Keras, and plain ones.
LAYOUTS = (
    ("test_distorted", "test_labels"),
    ("test_images", "test_labels"),
    ("x_test", "y_test"),
    ("images", "labels"),
)


def read_images(path, shape):
    """Images for a model from an .npz, or from a folder of pictures.

    Args:
        path: an .npz with one of `LAYOUTS`, or a folder of files that Pillow reads.
        shape: (H, W, C) of the model's images.

    Returns:
        (images (N, H, W, C) as of `fit_images`, labels (N,), or None where there are none).

    Raises:
        ExportError: it cannot be read.
    """
    path = Path(path)
    try:
        if path.is_dir():
            return _read_folder(path, shape), None
        with np.load(path, allow_pickle=False) as file:
            images, labels = next(names for names in LAYOUTS if names[0] in file)
            return fit_images(file[images], shape), file.get(labels)
    except StopIteration:
        names = ", ".join(images for images, _ in LAYOUTS)
        raise ExportError(f"expected images named one of {names} in {path}") from None
    except Exception as error:  # zipfile, zlib, numpy and Pillow each have their own
        raise ExportError(
            f"expected an .npz or a folder of pictures at {path} ({one_line(error)})"
        ) from None


def _read_folder(path, shape):
    from PIL import Image

    mode = "L" if shape[-1] == 1 else "RGB"
    pictures = []
    for file in sorted(path.iterdir()):
        with Image.open(file) as picture:
            pictures.append(fit_images(np.asarray(picture.convert(mode))[None], shape))
    if not pictures:
        raise ExportError("it is empty")
    return np.concatenate(pictures)


def fit_images(images, shape):
    """Images resized to a model's height, width and channels, float32 in [0, 1].

    Args:
        images: (N, H, W) or (N, H, W, C), uint8, or floats that stay as they are.
        shape: (H', W', C') of the result; a None keeps the images' own size. C' is C, 1 or, from
            one channel, anything.
    """
    scale = 255 if images.dtype == np.uint8 else 1
    images = np.asarray(images, "float32") / scale
    images = images if images.ndim == 4 else images[..., None]
    size = tuple(new or old for new, old in zip(shape[:2], images.shape[1:3], strict=True))
    if size != images.shape[1:3]:
        resized = keras.ops.image.resize(images, size, data_format="channels_last")
        images = keras.ops.convert_to_numpy(resized)
    if shape[2] == images.shape[3]:
        return images
    return np.repeat(images.mean(-1, keepdims=True), shape[2], axis=-1)
