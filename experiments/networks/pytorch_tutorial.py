"""The networks of PyTorch's tutorial on spatial transformers.

Each takes images (H, W, C) in [0, 1] and normalizes them.
"""

import keras
from keras import layers

from experiments.networks.blocks import conv_pool_relu, scores

MNIST = (0.1307, 0.3081)


def tutorial_cnn(input_shape=(28, 28, 1), num_classes=10, filters=(10, 20), normalization=MNIST):
    """The tutorial's classifier: 10 and 20 filters of 5x5, dense 50; half of the maps and units
    dropped.

    Args:
        input_shape: (H, W, C).
        num_classes: length of the output.
        filters: numbers of filters of the two convolutions.
        normalization: mean and standard deviation of the images.

    Example:
        >>> tutorial_cnn().count_params()
        21840
    """
    return keras.Sequential(
        [
            keras.Input(input_shape),
            _normalize(*normalization),
            *conv_pool_relu(filters[0], 5),
            layers.Conv2D(filters[1], 5),
            layers.SpatialDropout2D(0.5),
            layers.MaxPooling2D(2),
            layers.ReLU(),
            layers.Flatten(),
            layers.Dense(50, activation="relu"),
            layers.Dropout(0.5),
            scores(num_classes),
        ],
        name="tutorial_cnn",
    )


def tutorial_localization_net(input_shape=(28, 28, 1), filters=(8, 10), normalization=MNIST):
    """The tutorial's localization network, up to its features: 8 filters of 7x7, 10 of 5x5,
    dense 32.

    Args:
        input_shape: (H, W, C).
        filters: numbers of filters of the two convolutions.
        normalization: mean and standard deviation of the images.

    Example:
        >>> tutorial_localization_net().output_shape
        (None, 32)
    """
    return keras.Sequential(
        [
            keras.Input(input_shape),
            _normalize(*normalization),
            *conv_pool_relu(filters[0], 7),
            *conv_pool_relu(filters[1], 5),
            layers.Flatten(),
            layers.Dense(32, activation="relu"),
        ],
        name="tutorial_localization",
    )


def _normalize(mean, standard_deviation):
    # The tutorial normalizes before its transformer, which then fills with 0, a gray and not the
    # background; here the transformer comes first and its 0 is the background.
    return layers.Rescaling(1 / standard_deviation, -mean / standard_deviation)
