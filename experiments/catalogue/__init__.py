"""Experiments, one file each. A new one is a file and a line here."""

from experiments.catalogue.cifar10 import EVA6 as CIFAR10_EVA6
from experiments.catalogue.cifar10 import EXPERIMENT as CIFAR10
from experiments.catalogue.cluttered_mnist import EXPERIMENT as CLUTTERED_MNIST
from experiments.catalogue.digits_3d import EXPERIMENT as DIGITS_3D
from experiments.catalogue.distorted_digits import EXPERIMENT as DISTORTED_DIGITS
from experiments.catalogue.distorted_mnist import EXPERIMENT as DISTORTED_MNIST
from experiments.catalogue.distorted_mnist import STRONG as DISTORTED_MNIST_STRONG
from experiments.catalogue.gtsrb import EXPERIMENT as GTSRB
from experiments.catalogue.gtsrb_moved import EXPERIMENT as GTSRB_MOVED
from experiments.catalogue.gtsrb_moved import TRUE_WINDOWS as GTSRB_MOVED_WINDOWS
from experiments.catalogue.image_folder import EXPERIMENT as IMAGE_FOLDER
from experiments.catalogue.mnist import EXPERIMENT as MNIST
from experiments.catalogue.mnist_1000 import EXPERIMENT as MNIST_1000
from experiments.catalogue.paper import EXPERIMENTS as PAPER

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
        GTSRB,
        GTSRB_MOVED,
        GTSRB_MOVED_WINDOWS,
        IMAGE_FOLDER,
        DIGITS_3D,
        *PAPER,
    )
}
