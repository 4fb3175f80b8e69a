"""A small network for pictures of any size."""

import keras
from keras import layers

from experiments.networks.blocks import scores

SCORES = "scores"


def cnn(input_shape, num_classes, on_maps=None):
    """Blocks of 32, 64 and 128 filters of 3x3, each halved and normalized, then the mean of each
    map. Maps are halved first, which makes normalizing them four times cheaper.

    Args:
        input_shape: (H, W, C).
        num_classes: number of classes.
        on_maps: layer between the first two blocks; None: nothing.
    """
    blocks = []
    for filters, convolutions in ((32, 1), (64, 2), (128, 2)):
        for convolution in range(convolutions):
            blocks += [
                layers.Conv2D(filters, 3, padding="same", use_bias=False),
                *([layers.MaxPooling2D(2, padding="same")] if convolution == 0 else []),
                layers.BatchNormalization(momentum=0.9),
                layers.ReLU(),
            ]
        if on_maps and filters == 32:
            blocks.append(on_maps)
    return keras.Sequential(
        [
            keras.Input(input_shape),
            *blocks,
            layers.GlobalAveragePooling2D(),
            layers.Dropout(0.3),
            scores(num_classes, SCORES),
        ],
        name="cnn",
    )
