"""Experiments, one file each. A new one is a file and a line here."""

from experiments.base import Experiment
from experiments.distorted_digits import EXPERIMENT as DISTORTED_DIGITS
from experiments.distorted_mnist import EXPERIMENT as DISTORTED_MNIST

EXPERIMENTS = {experiment.name: experiment for experiment in (DISTORTED_MNIST, DISTORTED_DIGITS)}

__all__ = ["EXPERIMENTS", "Experiment"]
