"""The networks of cluttered MNIST."""

import keras
from keras import layers

from experiments.networks.blocks import conv_pool, scores


def cnn(input_shape, num_classes):
    """32 and 64 filters of 3x3, dense 128, with dropout."""
    return keras.Sequential(
        [
            keras.Input(input_shape),
            *conv_pool(32, 3),
            *conv_pool(64, 3),
            layers.Flatten(),
            layers.Dropout(0.3),
            layers.Dense(128, activation="relu"),
            layers.Dropout(0.3),
            scores(num_classes),
        ],
        name="cnn",
    )


def localization(input_shape):
    """20 and 32 filters of 5x5 on the image at half its size, dense 64."""
    return keras.Sequential(
        [
            keras.Input(input_shape),
            layers.AveragePooling2D(2),
            *conv_pool(20, 5),
            layers.Conv2D(32, 5, activation="relu"),
            layers.Flatten(),
            layers.Dropout(0.25),
            layers.Dense(64, activation="relu"),
        ],
        name="localization",
    )
