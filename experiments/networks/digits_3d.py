"""Small networks for volumes."""

import keras
from keras import layers


def cnn(input_shape, num_classes):
    """A CNN of three convolutions in space."""
    return keras.Sequential(
        [
            keras.Input(input_shape),
            layers.Conv3D(16, 5, strides=2, padding="same", activation="relu"),
            layers.Conv3D(32, 3, strides=2, padding="same", activation="relu"),
            layers.Conv3D(64, 3, activation="relu"),
            layers.MaxPooling3D(2),
            layers.Flatten(),
            layers.Dropout(0.3),
            layers.Dense(num_classes, activation="softmax"),
        ],
        name="cnn",
    )


def localization_net(input_shape):
    """Finds out how a body is turned."""
    return keras.Sequential(
        [
            keras.Input(input_shape),
            layers.AveragePooling3D(2),
            layers.Conv3D(16, 5, activation="relu"),
            layers.MaxPooling3D(2),
            layers.Conv3D(32, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
        ],
        name="localization",
    )
