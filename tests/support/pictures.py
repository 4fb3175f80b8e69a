"""Small folders and archives of pictures."""

import pickle

import numpy as np
from PIL import Image


def write_folder(root, rng, classes=("cat", "dog"), count=8, shape=(20, 30, 3)):
    """Random pictures root/<class>/<number>.png; the images, class after class."""
    images = rng.integers(0, 256, (len(classes), count, *shape), "uint8")
    for name, pictures in zip(classes, images, strict=True):
        (root / name).mkdir(parents=True)
        for number, picture in enumerate(pictures):
            Image.fromarray(picture.squeeze()).save(root / name / f"{number:02}.png")
    return images.reshape(-1, *shape)


def cifar10_arrays(rng, count=10):
    """Random images of every class, to train and to test: x_train, y_train, x_test, y_test."""
    arrays = {}
    for part in ("train", "test"):
        arrays[f"x_{part}"] = rng.integers(0, 256, (count, 32, 32, 3), "uint8")
        arrays[f"y_{part}"] = np.arange(count)[:, None] % 10
    return arrays


def save_batches(folder, arrays):
    """The original distribution's files."""
    folder.mkdir()
    pairs = [("test_batch", arrays["x_test"], arrays["y_test"])]
    parts = (np.split(arrays[key], 5) for key in ("x_train", "y_train"))
    pairs += [(f"data_batch_{i}", *part) for i, part in enumerate(zip(*parts, strict=True), 1)]
    for name, images, labels in pairs:
        data = images.transpose(0, 3, 1, 2).reshape(len(images), -1)
        content = {b"data": data, b"labels": labels[:, 0].tolist()}
        (folder / name).write_bytes(pickle.dumps(content, protocol=2))
