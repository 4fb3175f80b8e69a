"""The networks of `keras.applications` as classifiers, and where a transformer goes in them."""

import sys
import warnings
from pathlib import Path

import keras
import numpy as np
from keras import layers, ops

from cli.errors import UserError, one_line
from experiments.networks.blocks import scores

# Layers whose names begin so are pretrained, and frozen at first.
BACKBONE = "backbone"
NO_WEIGHTS, IMAGENET = "none", "imagenet"
# Maps that a transformer reads are at least so high and wide, or the largest that there are.
LEAST_MAPS = 8


def names() -> list[str]:
    """Every network of `keras.applications`."""
    return [name for name in dir(keras.applications) if name[0].isupper()]


def check_name(name: str) -> None:
    """Refuse a network that there is not.

    Raises:
        UserError: it is none of `keras.applications`.
    """
    if name not in names():
        raise UserError(f"expected --backbone from {', '.join(names())}, got {name}")


def classifier(name, weights, input_shape, num_classes, on_maps=None):
    """A backbone from images in 0..1 to class probabilities.

    Args:
        name: one of `names`.
        weights: "none", "imagenet" or the path of a file of them.
        input_shape: (H, W, C), C being 1 or 3.
        num_classes: number of classes.
        on_maps: layer that the backbone's maps go through in its middle; None: nothing.

    Raises:
        UserError: the weights cannot be read or downloaded, or the images are too small.
    """
    backbone = load(name, weights, (*input_shape[:2], 3))
    parts = split(backbone) if on_maps else (backbone,)
    images = keras.Input(input_shape)
    x = layers.Concatenate(name="colors")([images] * 3) if input_shape[-1] == 1 else images
    x = AffineColors(*preprocessing(name), name="preprocessing")(x)
    for part, between in zip(parts, (on_maps, None), strict=False):
        # Pretrained statistics are better than those of a small batch.
        x = part(x) if weights == NO_WEIGHTS else part(x, training=False)
        x = between(x) if between else x
    x = layers.Dropout(0.2)(layers.GlobalAveragePooling2D()(x))
    return keras.Model(images, scores(num_classes, "scores")(x), name=name.lower())


def load(name, weights, input_shape):
    """A backbone without its top.

    Raises:
        UserError: as `classifier`.
    """
    build = getattr(keras.applications, name)
    settings = {"include_top": False, "input_shape": input_shape}
    if weights not in (NO_WEIGHTS, IMAGENET) and not Path(weights).is_file():
        raise UserError(
            f"expected --weights none, imagenet or a file of {name}'s weights, got {weights}"
        )
    try:
        with warnings.catch_warnings(action="ignore"):  # of sizes that weights were not made for
            backbone = build(weights=None if weights == NO_WEIGHTS else weights, **settings)
        backbone.name = BACKBONE
        return backbone
    except Exception as error:  # urllib, h5py and Keras each have their own
        reason = one_line(error)[:200]
    if weights == IMAGENET and "fetch" in reason:
        raise UserError(
            f"could not download the weights of {name} ({reason}); --weights none trains it from "
            "scratch, --weights FILE reads a file"
        )
    raise UserError(f"expected {name} for images {input_shape} with weights {weights} ({reason})")


def split(backbone):
    """A backbone as two models, one after the other: up to its last maps of at least 8x8, and on.

    Where all that follow are smaller, up to the first ones.

    Example:
        >>> backbone = load("MobileNetV3Small", "none", (64, 64, 3))
        >>> first, then = split(backbone)
        >>> first.output_shape[1:3], then.output_shape == backbone.output_shape
        ((8, 8), True)
    """
    maps = [layer.output for layer in backbone.layers[1:-1] if _gives_maps(layer)]
    large = [each for each in maps if min(each.shape[1:3]) >= LEAST_MAPS]
    # From the last one on, which most layers come before; else from the first one of the small.
    halves = (_cut(backbone, each) for each in [*large[::-1], *maps])
    return next(filter(None, halves))


def _gives_maps(layer):
    return len(layer.output.shape) == 4 and not isinstance(layer, layers.ZeroPadding2D)


def _cut(backbone, maps):
    """The models before and behind these maps; None where something goes past them."""
    try:
        behind = keras.Model(maps, backbone.output, name=f"{BACKBONE}_behind")
    except ValueError:
        return None
    return keras.Model(backbone.input, maps, name=f"{BACKBONE}_before"), behind


def preprocessing(name):
    """What a backbone's own `preprocess_input` does to colors in 0..1, as a matrix and an offset.

    Example:
        >>> matrix, offset = preprocessing("MobileNetV2")
        >>> np.round(matrix[0], 5).tolist(), np.round(offset, 5).tolist()
        ([2.0, 0.0, 0.0], [-1.0, -1.0, -1.0])
    """
    module = sys.modules[getattr(keras.applications, name).__module__]
    probes = np.concatenate([np.zeros((1, 3)), 255 * np.eye(3)]).astype("float32")
    made = module.preprocess_input(probes[None, None].copy(), data_format="channels_last")[0, 0]
    return (made[1:] - made[0]).tolist(), made[0].tolist()


def freeze(network, frozen):
    """Let a network's pretrained layers learn, or not."""
    for layer in network._flatten_layers(include_self=False):
        if layer.name.startswith(BACKBONE):
            layer.trainable = not frozen


@keras.saving.register_keras_serializable(package="experiments")
class AffineColors(layers.Layer):
    """Colors (N, H, W, C) times a matrix, plus an offset.

    Args:
        matrix: (C, C), nested lists.
        offset: (C,), a list.

    Example:
        >>> layer = AffineColors([[0.0, 2.0], [1.0, 0.0]], [0.0, 5.0])
        >>> ops.convert_to_numpy(layer(np.array([[[[1.0, 3.0]]]], "float32"))).ravel().tolist()
        [3.0, 7.0]
    """

    def __init__(self, matrix, offset, **kwargs):
        super().__init__(**kwargs)
        self.matrix, self.offset = matrix, offset

    def call(self, images):
        matrix, offset = (
            ops.cast(ops.convert_to_tensor(values), images.dtype)
            for values in (self.matrix, self.offset)
        )
        return ops.matmul(images, matrix) + offset

    def compute_output_shape(self, images_shape):
        return images_shape

    def get_config(self):
        return {**super().get_config(), "matrix": self.matrix, "offset": self.offset}
