"""Spatial transformer layers for Keras."""

from stn_keras import callbacks, layers, models, ops, optimizers, transforms
from stn_keras._version import __version__
from stn_keras.layers import (
    BilinearSampler,
    GridGenerator,
    IterativeSpatialTransformer,
    ParallelSpatialTransformer,
    Sampler,
    SpatialTransformer,
    ThetaRegressor,
)
from stn_keras.models import with_spatial_transformer

__all__ = [
    "BilinearSampler",
    "GridGenerator",
    "IterativeSpatialTransformer",
    "ParallelSpatialTransformer",
    "Sampler",
    "SpatialTransformer",
    "ThetaRegressor",
    "__version__",
    "callbacks",
    "layers",
    "models",
    "ops",
    "optimizers",
    "transforms",
    "with_spatial_transformer",
]
