"""debuggercafe's LeNet and its localization network; both normalize images in [0, 1] to [-1, 1]."""

import keras
from keras import layers

from experiments.networks.blocks import conv_pool, conv_pool_relu, scores


def lenet(input_shape, num_classes):
    """6 and 16 filters of 5x5, dense 120 and 84."""
    return keras.Sequential(
        [
            keras.Input(input_shape),
            layers.Rescaling(2, -1),
            *conv_pool(6, 5),
            *conv_pool(16, 5),
            layers.Flatten(),
            layers.Dense(120, activation="relu"),
            layers.Dense(84, activation="relu"),
            scores(num_classes),
        ],
        name="lenet",
    )


def lenet_localization(input_shape):
    """64 filters of 7x7, 128 of 5x5, dense 256."""
    return keras.Sequential(
        [
            keras.Input(input_shape),
            layers.Rescaling(2, -1),
            *conv_pool_relu(64, 7),
            *conv_pool_relu(128, 5),
            layers.Flatten(),
            layers.Dense(256, activation="relu"),
        ],
        name="localization",
    )
