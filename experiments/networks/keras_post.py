"""The classifiers and the localization network of the "Hands-on" Keras post.

Each takes images (H, W, C) in [0, 1] and returns class probabilities; none knows of a transformer.
"""

import keras
from keras import layers

from experiments.networks.blocks import conv_pool, scores


def dense_net(input_shape=(28, 28, 1), num_classes=10):
    """The post's dense classifier: one hidden layer of 128 units.

    Example:
        >>> dense_net().count_params()
        101770
    """
    return keras.Sequential(
        [
            keras.Input(input_shape),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            scores(num_classes),
        ],
        name="dense",
    )


def cnn(input_shape=(28, 28, 1), num_classes=10):
    """The post's convolutional classifier: 6 and 16 filters of 3x3, dense 120 and 84.

    Example:
        >>> cnn().output_shape
        (None, 10)
    """
    return keras.Sequential(
        [
            keras.Input(input_shape),
            *conv_pool(6, 3),
            *conv_pool(16, 3),
            layers.Flatten(),
            layers.Dense(120, activation="relu"),
            layers.Dense(84, activation="relu"),
            scores(num_classes),
        ],
        name="cnn",
    )


def localization_net(input_shape=(28, 28, 1)):
    """The post's localization network, up to its features: 14 and 32 filters of 5x5, dense 120 and
    84.

    Example:
        >>> localization_net().output_shape
        (None, 84)
    """
    return keras.Sequential(
        [
            keras.Input(input_shape),
            *conv_pool(14, 5),
            *conv_pool(32, 5),
            layers.Flatten(),
            layers.Dense(120, activation="relu"),
            layers.Dense(84, activation="relu"),
        ],
        name="localization",
    )
