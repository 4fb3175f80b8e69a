"""A network for photographs of traffic signs."""

import keras
from keras import layers

from experiments.networks.blocks import scores
from stn_keras import SpatialTransformer


def cnn(input_shape, num_classes, on_maps=None, filters=32):
    """Six convolutions, each normalized; maps are halved three times.

    Args:
        input_shape: (H, W, C).
        num_classes: number of classes.
        on_maps: layer between the first two convolutions and the others; None: nothing.
        filters: of the first convolution; the last one has eight times as many.
    """
    return keras.Sequential(
        [
            keras.Input(input_shape),
            # Signs by day and by night alike: each image less its mean, through its deviation.
            layers.LayerNormalization(axis=(1, 2, 3), epsilon=1e-4, center=False, scale=False),
            *block(filters, 5, halved=True),
            *block(2 * filters),
            *([on_maps] if on_maps else []),
            *block(2 * filters, halved=True),
            *block(4 * filters),
            *block(4 * filters),
            *block(8 * filters, halved=True),
            layers.Flatten(),
            layers.Dropout(0.4),
            scores(num_classes, "scores"),
        ],
        name="cnn",
    )


def block(filters, size=3, halved=False):
    """A convolution, halved where asked for, normalized, ReLU.

    Halved first, it is normalized at a quarter of the cost.
    """
    return [
        layers.Conv2D(filters, size, padding="same", use_bias=False),
        *([layers.MaxPooling2D(2)] if halved else []),
        layers.BatchNormalization(momentum=0.9),
        layers.ReLU(),
    ]


def maps_transformer(transform):
    """A transformer of the maps between the CNN's blocks."""
    localization = keras.Sequential(
        [
            *block(32, halved=True),
            *block(32, halved=True),
            layers.Flatten(),
            layers.Dense(32, activation="relu"),
        ],
        name="localization",
    )
    return SpatialTransformer(localization, transform, fill_mode="nearest", name="maps_transformer")
