"""Experiments, one file each. A new one is a file and a line here."""

from experiments.base import Experiment
from experiments.cifar10 import EVA6 as CIFAR10_EVA6
from experiments.cifar10 import EXPERIMENT as CIFAR10
from experiments.cluttered_mnist import EXPERIMENT as CLUTTERED_MNIST
from experiments.distorted_digits import EXPERIMENT as DISTORTED_DIGITS
from experiments.distorted_mnist import EXPERIMENT as DISTORTED_MNIST
from experiments.distorted_mnist import STRONG as DISTORTED_MNIST_STRONG
from experiments.image_folder import EXPERIMENT as IMAGE_FOLDER
from experiments.mnist import EXPERIMENT as MNIST
from experiments.mnist_1000 import EXPERIMENT as MNIST_1000
from experiments.paper import EXPERIMENTS as PAPER

EXPERIMENTS = {
    experiment.name: experiment
    for experiment in (
        DISTORTED_MNIST,
        DISTORTED_MNIST_STRONG,
        DISTORTED_DIGITS,
        MNIST,
        MNIST_1000,
        CLUTTERED_MNIST,
        CIFAR10,
        CIFAR10_EVA6,
        IMAGE_FOLDER,
        *PAPER,
    )
}

__all__ = ["EXPERIMENTS", "Experiment"]
