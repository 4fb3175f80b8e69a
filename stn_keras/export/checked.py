"""Export a model, run what was written and compare it with Keras."""

import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from stn_keras import backend
from stn_keras._files import atomic_folder, atomic_path
from stn_keras.export.errors import ExportError
from stn_keras.export.formats import FORMATS, QUANTIZATIONS
from stn_keras.export.source import in_float32, with_named_outputs

BATCHES = (1, 5, 37)
TOLERANCE = 1e-5


@dataclass(frozen=True)
class Exported:
    """A model that has been written and checked.

    Attributes:
        path: the file or folder.
        format: a key of `FORMATS`.
        differences: output name -> largest difference from Keras's `predict`, divided by the
            output's largest value if that is above 1.
    """

    path: Path
    format: str
    differences: dict[str, float]

    def load(self) -> Callable[[np.ndarray], dict[str, np.ndarray]]:
        """The function images (N, H, W, C) -> {output name: array}, in the format's runtime."""
        return FORMATS[self.format].load(self.path)


def export(
    model: keras.Model,
    path: str | os.PathLike,
    format: str,
    images: np.ndarray,
    *,
    with_theta: bool = False,
    quantize: str | None = None,
    compiled: bool = False,
    tolerance: float = TOLERANCE,
) -> Exported:
    """Write a model for another runtime, whole or not at all, and compare it there with Keras.

    The result takes batches of any size. It is run on batches of 1, 5 and 37 images and kept only
    if no output differs from Keras's `predict` by more than `tolerance`, or by that part of the
    output's largest value if that is above 1, as in images in 0..255. A model in half precision is
    exported and compared in float32. A quantized model is not held to that bound: measure its
    accuracy.

    Args:
        model: a built Keras model from images to scores.
        path: the file (.onnx, .tflite) or new folder (SavedModel, OpenVINO) to write.
        format: "saved_model", "onnx", "litert" or "openvino"; from JAX only "saved_model".
        images: (N, H, W, C), like those that the model will get: to compare on, and to quantize
            for.
        with_theta: whether to return theta and the straightened images besides the scores.
        quantize: None, or for "litert": "weights" keeps the weights in int8, "full" also computes
            in int8.
        compiled: for "saved_model": whether TensorFlow may compile grid and sampler by XLA where
            the model runs, which takes moments at the first batch and is faster from then on.
        tolerance: largest difference. Straightened images may need 1e-4: rounding moves a place by
            a millionth of the image's size, which shows at sharp edges of large images.

    Returns:
        `Exported`.

    Raises:
        ExportError: a package is missing, an argument does not fit, or the outputs differ.
    """
    chosen = _checked_format(format, quantize)
    if compiled and (format, keras.backend.backend()) != ("saved_model", "tensorflow"):
        raise ExportError(f"expected compiled with saved_model from tensorflow, got {format}")
    path = Path(path)
    _check_path(path, chosen.suffix)
    named = with_named_outputs(in_float32(model), with_theta)
    images = _checked_images(images, named)
    options = QUANTIZATIONS[quantize](images) if quantize else {}
    shown = images[np.arange(sum(BATCHES)) % len(images)]  # repeated if there are too few
    expected = named.predict(shown, batch_size=len(shown), verbose=0)
    atomic = atomic_path if chosen.suffix else atomic_folder
    with atomic(path) as partial:
        with contextlib.nullcontext() if compiled else backend.plain_graphs():
            chosen.write(named, partial, **options)
        differences = _differences(expected, chosen.load(partial), shown)
        if not quantize:
            _check_differences(differences, format, tolerance)
    return Exported(path, format, differences)


def _differences(expected, run, images):
    """Output name -> largest difference on batches of several sizes; NaN is infinite."""
    largest = dict.fromkeys(expected, 0.0)
    scale = {name: max(1, np.abs(array).max()) for name, array in expected.items()}
    start = 0
    for size in BATCHES:
        part = slice(start, start + size)
        got, start = run(images[part]), start + size
        theirs = {name: array[part] for name, array in expected.items()}
        if _shapes(theirs) != _shapes(got):
            raise ExportError(f"expected outputs {_shapes(theirs)}, got {_shapes(got)}")
        for name in largest:
            difference = np.abs(theirs[name] - got[name]).max() / scale[name]
            largest[name] = max(largest[name], float(np.nan_to_num(difference, nan=np.inf)))
    return largest


def _shapes(outputs):
    return {name: array.shape for name, array in outputs.items()}


def _check_differences(differences, format, tolerance):
    name, worst = max(differences.items(), key=lambda item: item[1])
    if worst > tolerance:
        raise ExportError(
            f"expected {format} within {tolerance:.0e} of Keras, got {name} off by {worst:.1e}"
        )


def _checked_format(name, quantize):
    if name not in FORMATS:
        raise ExportError(f"expected a format from {', '.join(FORMATS)}, got {name}")
    if quantize and (name != "litert" or quantize not in QUANTIZATIONS):
        modes = " or ".join(QUANTIZATIONS)
        raise ExportError(f"expected quantize {modes} with litert, got {quantize} with {name}")
    from_backend = keras.backend.backend()
    if from_backend != "tensorflow" and (from_backend, name) != ("jax", "saved_model"):
        raise ExportError(f"expected KERAS_BACKEND=tensorflow for {name}, got {from_backend}")
    FORMATS[name].check_packages(name)
    return FORMATS[name]


def _check_path(path, suffix):
    if suffix and path.suffix != suffix:
        raise ExportError(f"expected a file *{suffix} to write, got {path}")
    # A file is replaced in one step; a folder cannot be, and might be the wrong one.
    if path.is_dir() if suffix else path.exists():
        raise ExportError(f"expected {path} not to be there yet")


def _checked_images(images, model):
    images = np.asarray(images, model.inputs[0].dtype)
    expected = model.inputs[0].shape
    fits = images.ndim == len(expected) and all(
        size in (None, actual) for size, actual in zip(expected[1:], images.shape[1:], strict=True)
    )
    if not fits or not len(images):
        raise ExportError(f"expected images {tuple(expected)}, got {images.shape}")
    return images
