"""Keras layers."""

from stn_keras.layers.grid_generator import GridGenerator
from stn_keras.layers.image_conv import ImageConv2D
from stn_keras.layers.iterative import IterativeSpatialTransformer
from stn_keras.layers.parallel import ParallelSpatialTransformer
from stn_keras.layers.polar import PolarTransformer
from stn_keras.layers.sampler import BilinearSampler, Sampler
from stn_keras.layers.spatial_transformer import SpatialTransformer, find_transformers
from stn_keras.layers.theta_regressor import ThetaRegressor

__all__ = [
    "BilinearSampler",
    "GridGenerator",
    "ImageConv2D",
    "IterativeSpatialTransformer",
    "ParallelSpatialTransformer",
    "PolarTransformer",
    "Sampler",
    "SpatialTransformer",
    "ThetaRegressor",
    "find_transformers",
]
