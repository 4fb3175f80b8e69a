"""A model whose theta differs from image to image, and digits for it."""

import keras
import numpy as np

from data_prep.sources import load_source
from experiments.networks.keras_post import cnn, localization_net
from stn_keras import SpatialTransformer, with_spatial_transformer


def tilted_model(**arguments):
    """The post's STN with a regressor that does not start at the identity.

    Args:
        **arguments: of the transformer; `localization=None` takes the default network.
    """
    keras.utils.set_random_seed(0)
    arguments = {"localization": localization_net(), **arguments}
    transformer = SpatialTransformer(**arguments, name="spatial_transformer")
    model = with_spatial_transformer(cnn(), transformer)
    kernel = model.get_layer("spatial_transformer").regressor.kernel
    spread = 0.01 if arguments["localization"] is None else 0.5  # its features are larger
    kernel.assign(np.random.default_rng(0).normal(0, spread, kernel.shape))
    return model


def digits(count):
    """scikit-learn's digits as the model takes them."""
    return load_source("digits").test_images[:count].astype("float32") / 255
