"""How far the output of a spatial transformer is invariant to a motion of its input."""

import numpy as np
from keras import ops

from experiments.data.data import as_input

GRID = (8, 8)  # points of the transformer's output that are followed


def motions(image_size):
    """Label -> two matrices (2, 3), one to each side: a moved image's pixel to where it is read.

    Args:
        image_size: (height, width).

    Example:
        >>> motions((28, 28))["shifted by 5 %"][0].round(1).tolist()
        [[1.0, 0.0, -1.4], [0.0, 1.0, 0.0]]
    """
    turn, shift = np.radians(10), 0.05 * image_size[1]
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    identity, along_x = np.eye(2), np.array([shift, 0])
    return {
        "turned by 10 degrees": [_about_center(m, image_size) for m in (rotation, rotation.T)],
        "scaled by 10 %": [_about_center(identity * s, image_size) for s in (1 / 1.1, 1.1)],
        "shifted by 5 %": [_about_center(identity, image_size, s) for s in (-along_x, along_x)],
    }


def measure(read_coordinates, images):
    """The part of each of the `motions` of images that is gone in a transformer's output.

    Where an image is moved and its transformer reads each output pixel as far moved as the image
    is, the output stays as it was: 1. Where it reads the same places as before, the output moves
    with the image: 0. Between them counts how far the output moves along the image's motion.

    Args:
        read_coordinates: images (N, H, W, C) -> (N, ..., 2), (x, y) in pixels, where their
            transformer reads them.
        images: (N, H, W, C), uint8 or floats in [0, 1].

    Returns:
        Label of the motion -> float, the mean over images, points and both sides.

    Example:
        >>> from stn_keras.ops import identity_coordinates
        >>> grid = ops.convert_to_numpy(identity_coordinates((8, 8), (28, 28)))
        >>> still = measure(lambda images: np.stack([grid] * len(images)), np.zeros((2, 28, 28, 1)))
        >>> sorted(set(still.values()))
        [0.0]
    """
    images = as_input(np.asarray(images))
    shown = read_coordinates(images)
    return {
        label: _invariance(read_coordinates, images, shown, matrices)
        for label, matrices in motions(images.shape[1:3]).items()
    }


def coordinates_reader(transformer, predict_theta):
    """What `measure` asks for, of a `SpatialTransformer`.

    Args:
        transformer: the layer.
        predict_theta: images -> theta.
    """
    transform = transformer.theta_transform

    def read_coordinates(images):
        theta = predict_theta(images)
        each = ops.reshape(theta, (-1, transform.num_parameters))
        xy = transform.source_coordinates(each, output_size=GRID, input_size=images.shape[1:3])
        return ops.convert_to_numpy(xy).reshape(len(images), -1, 2)

    return read_coordinates


def _invariance(read_coordinates, images, shown, matrices):
    left, whole = 0.0, 0.0
    for matrix in matrices:
        again = read_coordinates(_moved(images, matrix))
        motion = _moved_points(shown, matrix) - shown
        left += np.mean((_moved_points(again, matrix) - shown) * motion, dtype="float64")
        whole += np.mean(np.square(motion), dtype="float64")
    return float(1 - left / whole)


def _moved(images, matrix):
    """Images read where the matrix says; beyond their edges as at the edge."""
    from stn_keras.ops import sample

    height, width = images.shape[1:3]
    y, x = np.mgrid[:height, :width]
    read = _moved_points(np.stack([x, y], axis=-1), matrix).astype("float32")
    read = np.broadcast_to(read, (len(images), height, width, 2))
    return ops.convert_to_numpy(sample(images, read, fill_mode="nearest"))


def _moved_points(points, matrix):
    return points @ matrix[:, :2].T + matrix[:, 2]


def _about_center(linear, image_size, shift=(0, 0)):
    """The matrix in pixels of a linear map about the middle of an image, then a shift."""
    height, width = image_size
    center = np.array([width - 1, height - 1]) / 2
    return np.column_stack([linear, center - linear @ center + shift])
