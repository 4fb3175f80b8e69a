"""Layers that several networks share."""

from keras import layers


def conv_pool(filters: int, size: int) -> list[layers.Layer]:
    """A convolution of size x size, ReLU, and the maxima of 2x2 pixels."""
    return [layers.Conv2D(filters, size, activation="relu"), layers.MaxPooling2D(2)]


def conv_pool_relu(filters: int, size: int) -> list[layers.Layer]:
    """The same with ReLU after the maxima, as in PyTorch's tutorials."""
    return [layers.Conv2D(filters, size), layers.MaxPooling2D(2), layers.ReLU()]


def scores(num_classes: int, name: str | None = None) -> layers.Layer:
    """Class probabilities, in float32 under any precision."""
    return layers.Dense(num_classes, activation="softmax", dtype="float32", name=name)
