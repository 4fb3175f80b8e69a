"""Spatial transformer layers for Keras."""

from stn_keras import callbacks, layers, models, ops, optimizers, registration, transforms
from stn_keras._version import __version__
from stn_keras.layers import (
    BilinearSampler,
    GridGenerator,
    IterativeSpatialTransformer,
    ParallelSpatialTransformer,
    PolarTransformer,
    Sampler,
    SpatialTransformer,
    ThetaRegressor,
)
from stn_keras.models import with_spatial_transformer
from stn_keras.registration import register

__all__ = [
    "BilinearSampler",
    "GridGenerator",
    "IterativeSpatialTransformer",
    "ParallelSpatialTransformer",
    "PolarTransformer",
    "Sampler",
    "SpatialTransformer",
    "ThetaRegressor",
    "__version__",
    "callbacks",
    "layers",
    "models",
    "ops",
    "optimizers",
    "register",
    "registration",
    "transforms",
    "with_spatial_transformer",
]
