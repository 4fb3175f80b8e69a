"""Comparisons of networks with and without a spatial transformer: train.py and evaluate.py."""

from experiments.catalogue import EXPERIMENTS
from experiments.experiment import Experiment

__all__ = ["EXPERIMENTS", "Experiment"]
