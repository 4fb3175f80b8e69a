"""The networks of the paper's MNIST experiments.

Each takes images (H, W, C) in [0, 1].

Reference:
    Jaderberg et al. 2015 (arXiv:1506.02025), appendix A.
"""

import keras
from keras import layers

from experiments.networks.blocks import conv_pool, scores
from stn_keras.layers import ImageConv2D


def paper_fcn(input_shape=(28, 28, 1), num_classes=10, units=208):
    """The paper's fully connected classifier: two layers of `units` units.

    Example:
        >>> paper_fcn().count_params()
        208842
    """
    return keras.Sequential(
        [
            keras.Input(input_shape),
            layers.Flatten(),
            layers.Dense(units, activation="relu"),
            layers.Dense(units, activation="relu"),
            scores(num_classes),
        ],
        name="fcn",
    )


def paper_cnn(input_shape=(28, 28, 1), num_classes=10, filters=64):
    """The paper's CNN: `filters` filters of 9x9, then of 7x7, each pooled by 2.

    What is left over at an edge is pooled too, without which 21x21 pixels were too few.

    Example:
        >>> paper_cnn().count_params()
        208586
    """
    return keras.Sequential(
        [
            keras.Input(input_shape),
            ImageConv2D(filters, 9, activation="relu"),
            layers.MaxPooling2D(2, padding="same"),
            layers.Conv2D(filters, 7, activation="relu"),
            layers.MaxPooling2D(2, padding="same"),
            layers.Flatten(),
            scores(num_classes),
        ],
        name="cnn",
    )


def paper_fcn_localization_net(input_shape=(28, 28, 1)):
    """The localization network before `paper_fcn`, up to its features: three layers of 32 units.

    Example:
        >>> paper_fcn_localization_net().output_shape
        (None, 32)
    """
    return keras.Sequential(
        [
            keras.Input(input_shape),
            layers.Flatten(),
            layers.Dense(32, activation="relu"),
            layers.Dense(32, activation="relu"),
            layers.Dense(32, activation="relu"),
        ],
        name="localization",
    )


def paper_cnn_localization_net(input_shape=(28, 28, 1)):
    """The localization network before `paper_cnn`, up to its features: two times 20 filters of 5x5
    on the image at half its size, dense 20.

    Example:
        >>> paper_cnn_localization_net().output_shape
        (None, 20)
    """
    return keras.Sequential(
        [
            keras.Input(input_shape),
            layers.AveragePooling2D(2),
            *conv_pool(20, 5),
            layers.Conv2D(20, 5, activation="relu"),
            layers.Flatten(),
            layers.Dense(20, activation="relu"),
        ],
        name="localization",
    )
