"""python -m conformance.write: compute the golden vectors, in float64."""

import json
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("JAX_ENABLE_X64", "1")

import keras
import numpy as np
from keras import ops

from stn_keras.core.fill_modes import FILL_MODES
from stn_keras.core.kernels import INTERPOLATIONS
from stn_keras.ops import sample, warp
from stn_keras.transforms import FAMILIES, DenseFlow, Transform

FOLDER = Path(__file__).parent
SEED = 0
# Odd input sizes: the center, which a rotation does not move, is then a pixel.
INPUT_SIZE, OUTPUT_SIZE, COUNT, CHANNELS = (7, 9), (5, 6), 2, 2
FILL_VALUE = (0.25, -0.5)
# Of results in float32, for images in [0, 1] and coordinates of about ten pixels.
TOLERANCE = {"coordinates": 1e-4, "warped": 1e-4, "gradients": 1e-3}
# Positions keep this far from halfway between pixels, where "nearest" could go either way.
CLEARANCE = 1e-3
CONVENTIONS = {"corners-not-aligned": False, "corners-aligned": True}


def families() -> dict[str, Transform]:
    """Family name -> a function of `align_corners` that makes the transform."""
    flow = {"dense_flow": lambda align_corners: DenseFlow(OUTPUT_SIZE, align_corners=align_corners)}
    named = {
        name: lambda align_corners, cls=cls: cls(align_corners=align_corners)
        for name, cls in FAMILIES.items()
    }
    return named | flow


def family_vectors(name: str) -> dict[str, np.ndarray]:
    """The arrays of a family's file.

    Args:
        name: as in `families`.

    Returns:
        Array name -> array; "settings" is JSON.
    """
    rng = np.random.default_rng([SEED, *name.encode()])
    make = families()[name]
    images = rng.random((COUNT, *INPUT_SIZE, CHANNELS)).astype("float32")
    theta = _clear_theta(make, rng)
    arrays = {"images": images, "theta": theta}
    images, theta = images.astype("float64"), theta.astype("float64")
    for convention, align_corners in CONVENTIONS.items():
        transform = make(align_corners)
        sizes = {"output_size": OUTPUT_SIZE, "input_size": INPUT_SIZE}
        arrays[f"coordinates/{convention}"] = transform.source_coordinates(theta, **sizes)
        for interpolation in INTERPOLATIONS:
            for fill_mode in FILL_MODES:
                fill = {"interpolation": interpolation, "fill_mode": fill_mode}
                path = f"warped/{convention}/{interpolation}/{fill_mode}"
                arrays[path] = _warp(images, theta, transform, **fill)
        gradients = _gradients(images, theta, transform)
        for argument, gradient in zip(("images", "theta"), gradients, strict=True):
            arrays[f"gradient/{convention}/{argument}"] = gradient
    if name != "dense_flow":
        arrays["supersampled/2"] = _warp(images, theta, make(False), supersample=2)
    return _as_float32(arrays) | _settings(family=name, output_size=OUTPUT_SIZE)


def edge_vectors() -> dict[str, np.ndarray]:
    """The arrays of edges.npz: odd places in images of one row, of one column and of several."""
    rng = np.random.default_rng(SEED)
    odd = [0.0, 0.3, -0.4, 1.25, -7.75, 1e6, -1e6, np.inf, -np.inf, np.nan]
    x, y = np.meshgrid(odd, odd)
    coordinates = np.stack([x, y], -1)[None]
    arrays = {"coordinates": coordinates.astype("float32")}
    coordinates = arrays["coordinates"].astype("float64")
    for height, width in ((1, 5), (5, 1), (4, 5)):
        size = f"{height}x{width}"
        images = rng.random((1, height, width, CHANNELS)).astype("float32")
        arrays[f"images/{size}"] = images
        for interpolation in INTERPOLATIONS:
            for fill_mode in FILL_MODES:
                arrays[f"sampled/{size}/{interpolation}/{fill_mode}"] = sample(
                    images.astype("float64"), coordinates, interpolation, fill_mode, FILL_VALUE
                )
    return _as_float32(arrays) | _settings()


def _clear_theta(make, rng):
    """Random thetas whose places are clear of halfway in both conventions."""
    transform = make(False)
    deviation = 1.0 if transform.parameters[0].unit == "pixels" else 0.15
    while True:
        moves = rng.normal(0, deviation, (COUNT, transform.num_parameters))
        theta = (transform.identity + moves).astype("float32")
        distances = [
            np.abs(_places(make(align_corners), theta) % 1 - 0.5)
            for align_corners in CONVENTIONS.values()
        ]
        if min(distance.min() for distance in distances) > CLEARANCE:
            return theta


def _places(transform, theta):
    theta = theta.astype("float64")
    sizes = {"output_size": OUTPUT_SIZE, "input_size": INPUT_SIZE}
    return ops.convert_to_numpy(transform.source_coordinates(theta, **sizes))


def _warp(images, theta, transform, **settings):
    settings = {"fill_value": FILL_VALUE, "data_format": "channels_last", **settings}
    return warp(images, theta, transform, OUTPUT_SIZE, compiled=False, **settings)


def _gradients(images, theta, transform):
    """Of the sum of the squared output, bilinear, filled with the constant."""
    import tensorflow as tf

    images, theta = tf.constant(images), tf.constant(theta)
    with tf.GradientTape() as tape:
        tape.watch((images, theta))
        loss = tf.reduce_sum(_warp(images, theta, transform) ** 2)
    return tape.gradient(loss, (images, theta))


def _as_float32(arrays):
    return {
        name: np.asarray(ops.convert_to_numpy(array), "float32") for name, array in arrays.items()
    }


def _settings(**settings):
    settings |= {"fill_value": FILL_VALUE, "tolerance": TOLERANCE}
    return {"settings": np.array(json.dumps(settings))}


def main() -> None:
    """Write a file per family, and edges.npz."""
    if keras.backend.backend() != "tensorflow":
        raise SystemExit("python -m conformance.write: expected KERAS_BACKEND=tensorflow")
    for name in families():
        np.savez_compressed(FOLDER / f"{name}.npz", **family_vectors(name))
    np.savez_compressed(FOLDER / "edges.npz", **edge_vectors())
    total = sum(path.stat().st_size for path in FOLDER.glob("*.npz"))
    print(f"{len(families()) + 1} files, {total:,} bytes, in {FOLDER}")


if __name__ == "__main__":
    main()
