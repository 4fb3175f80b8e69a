"""Classifiers, localization networks, and what joins them."""

from stn_keras.models.classifiers import cnn, dense_net, localization_net
from stn_keras.models.paper import (
    paper_cnn,
    paper_cnn_localization_net,
    paper_fcn,
    paper_fcn_localization_net,
)
from stn_keras.models.pytorch_tutorial import tutorial_cnn, tutorial_localization_net
from stn_keras.models.spatial_transformer import with_spatial_transformer

__all__ = [
    "cnn",
    "dense_net",
    "localization_net",
    "paper_cnn",
    "paper_cnn_localization_net",
    "paper_fcn",
    "paper_fcn_localization_net",
    "tutorial_cnn",
    "tutorial_localization_net",
    "with_spatial_transformer",
]
