"""A model whose theta differs from image to image, and digits for it."""

import keras
import numpy as np

from data_prep.sources import load_source
from stn_keras import models


def tilted_model(**arguments):
    """The post's STN with a regressor that does not start at the identity."""
    keras.utils.set_random_seed(0)
    localization = models.localization_net()
    model = models.with_spatial_transformer(models.cnn(), localization=localization, **arguments)
    kernel = model.get_layer("spatial_transformer").regressor.kernel
    kernel.assign(np.random.default_rng(0).normal(0, 0.5, kernel.shape))
    return model


def digits(count):
    """scikit-learn's digits as the model takes them."""
    return load_source("digits").test_images[:count].astype("float32") / 255
