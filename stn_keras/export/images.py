"""Images to compare on, from a file or a folder, made to fit a model."""

from pathlib import Path

import keras
import numpy as np

from stn_keras.export.errors import ExportError

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
    from data_prep.errors import UserError

    path = Path(path)
    try:
        return _read_folder(path, shape) if path.is_dir() else _read_npz(path, shape)
    except UserError as error:
        raise ExportError(str(error)) from None


def _read_folder(path, shape):
    from data_prep.image_folder import ImageFiles, guess_shape
    from data_prep.picture_tree import list_pictures

    paths = np.array(list_pictures(path))
    if not len(paths):
        raise ExportError(f"expected pictures in {path}, found none")
    height, width, _ = guess_shape(paths)
    channels = 1 if shape[2] == 1 else 3
    pictures = ImageFiles(paths, (shape[0] or height, shape[1] or width, channels))
    return fit_images(pictures[:], shape), None


def _read_npz(path, shape):
    from data_prep.archives import array_names, read_arrays

    names, what = array_names(path), "an .npz of images, or a folder of pictures,"
    found = next((layout for layout in LAYOUTS if layout[0] in names), None)
    if found is None:
        expected = ", ".join(images for images, _ in LAYOUTS)
        raise ExportError(f"expected images named one of {expected} in {path}")
    images, *labels = read_arrays(path, [key for key in found if key in names], what)
    if images.ndim not in (3, 4) or images.dtype.kind not in "uif" or not images.size:
        raise ExportError(f"expected images (N, H, W, C) in {path}, got {images.shape}")
    if not np.isfinite(images).all():
        raise ExportError(f"expected finite images in {path}")
    if not labels:
        return fit_images(images, shape), None
    if labels[0].shape != images.shape[:1] or labels[0].dtype.kind not in "ui":
        raise ExportError(f"expected integer labels (N,) in {path}, got {labels[0].shape}")
    return fit_images(images, shape), labels[0]


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
