"""1,000 MNIST images: on little data a plain spatial transformer can do worse than none."""

from dataclasses import replace

import numpy as np

from cli.errors import UserError
from data_prep.sources import load_source
from experiments.catalogue import distorted_mnist
from experiments.data.data import DATA_SEED, Data, LabelledImages, TrainingImages
from experiments.experiment import Experiment

PER_CLASS = 100
BOUNDS = {"scale": (0.7, 1.4), "rotation_degrees": (-30, 30), "shift": (-0.3, 0.3)}


def load_data(folder, data_dir=None):
    """100 training images of each digit, drawn by the data seed, and all test images.

    Raises:
        UserError: MNIST cannot be read or has too few images of a digit.
    """
    source = load_source("mnist", data_dir)
    chosen = balanced(source.train_labels, PER_CLASS, DATA_SEED)
    return Data(
        training=TrainingImages(source.train_images[chosen], source.train_labels[chosen]),
        validation=None,
        test={"test": LabelledImages(source.test_images, source.test_labels)},
        num_classes=10,
        parameters={
            "source": "mnist",
            "seed": DATA_SEED,
            "images_per_class": PER_CLASS,
            "source_sha256": source.fingerprint(),
        },
        shown="test",
        swept="test",
    )


def balanced(labels, per_class, seed):
    """Numbers of `per_class` images of each of the ten digits, drawn at random, in mixed order."""
    rng = np.random.default_rng(seed)
    chosen = []
    for digit in range(10):
        (indices,) = (labels == digit).nonzero()
        if len(indices) < per_class:
            raise UserError(f"expected {per_class} images of each digit, got {len(indices)}")
        chosen.append(rng.choice(indices, per_class, replace=False))
    return rng.permutation(np.concatenate(chosen))


def build_model(name, input_shape, num_classes, transform=None):
    """The "Hands-on" post's CNN, alone or behind a plain or a stable transformer."""
    from experiments.networks.keras_post import cnn, localization_net
    from stn_keras import SpatialTransformer, models

    classifier = cnn(input_shape, num_classes)
    if name == "cnn":
        return classifier
    stable = name == "stn-cnn-stable"
    transformer = SpatialTransformer(
        localization_net(input_shape),
        transform or ("similarity" if stable else "affine"),
        bounds=BOUNDS if stable else None,
        name="spatial_transformer",
    )
    return models.with_spatial_transformer(classifier, transformer)


BEST = replace(
    distorted_mnist.BEST,
    epochs=150,
    batch_size=50,
    per_model={"stn-cnn-stable": {"localization_rate": 0.1}},
)

EXPERIMENT = Experiment(
    name="mnist-1000",
    title="1,000 MNIST training images",
    models=("cnn", "stn-cnn", "stn-cnn-stable"),
    build_model=build_model,
    load_data=load_data,
    schedules={"best": BEST, "quick": replace(BEST, epochs=15)},
    published={
        "cnn": {"test": 96.2},
        "stn-cnn": {"test": 93.4},
        "stn-cnn-stable": {"test": 97.2},
    },
    source="P-STN (arXiv:2004.03637)",
)
