"""MNIST as it is: the network of PyTorch's tutorial on spatial transformers, with and without."""

from dataclasses import replace

import numpy as np

from data_prep.errors import UserError
from data_prep.sources import load_source
from experiments.base import Experiment, JitterRanges, Schedule
from experiments.data import DATA_SEED, Data, LabelledImages, TrainingImages

VALIDATION = 5000


def load_data(folder, data_dir=None):
    """The training images less those held out, drawn by the data seed; all test images.

    Raises:
        UserError: MNIST cannot be read or has too few training images.
    """
    source = load_source("mnist", data_dir)
    images, labels = source.train_images, source.train_labels
    if len(labels) <= VALIDATION:
        raise UserError(f"expected more than {VALIDATION} training images, got {len(labels)}")
    order = np.random.default_rng(DATA_SEED).permutation(len(labels))
    held_out, kept = np.sort(order[:VALIDATION]), np.sort(order[VALIDATION:])
    return Data(
        training=TrainingImages(images[kept], labels[kept]),
        validation=LabelledImages(images[held_out], labels[held_out]),
        test={"test": LabelledImages(source.test_images, source.test_labels)},
        num_classes=10,
        parameters={
            "source": "mnist",
            "seed": DATA_SEED,
            "validation": VALIDATION,
            "source_sha256": source.fingerprint(),
        },
        shown="test",
        swept="test",
    )


def build_model(name, input_shape, num_classes, transform=None):
    """The tutorial's classifier, by itself or behind a transformer."""
    from stn_keras import models

    classifier = models.tutorial_cnn(input_shape, num_classes)
    if name == "cnn":
        return classifier
    return models.with_spatial_transformer(
        classifier,
        localization=models.tutorial_localization_net(input_shape),
        transform=transform or "affine",
    )


BEST = Schedule(
    epochs=20,
    batch_size=64,
    optimizer="AdamW",
    learning_rate=2e-3,
    decay="cosine",
    optimizer_arguments={"weight_decay": 0.05},
    augment=JitterRanges(rotation=10, scale=0.1, shift=0.1),
)

EXPERIMENT = Experiment(
    name="mnist",
    title="MNIST as it is",
    models=("cnn", "stn-cnn"),
    build_model=build_model,
    load_data=load_data,
    schedules={
        "published": Schedule(
            epochs=20, batch_size=64, optimizer="SGD", learning_rate=0.01, decay="constant"
        ),
        "best": BEST,
        "quick": replace(BEST, epochs=3),
    },
    published={"stn-cnn": {"test": 98.76}},
    source="PyTorch's tutorial on spatial transformers, the best of 20 epochs on the test images "
    "(the last: 98.67)",
)
