"""CIFAR-10: two published networks of PyTorch, each with and without its transformer."""

from dataclasses import replace

from data_prep.sources.cifar10 import CLASSES
from experiments.data.plain import PlainData
from experiments.experiment import Experiment, JitterRanges, Schedule, has_transformer

LOAD = PlainData("cifar10", validation=5000, classes=CLASSES).load
# Both normalize to [-1, 1] before the transformer, whose fill of 0 is then a middle gray.
NORMALIZATION, GREY = (0.5, 0.5), 0.5


def build_lenet(name, input_shape, num_classes, transform=None):
    """debuggercafe's LeNet, alone or behind a transformer."""
    from experiments.networks.lenet import lenet, lenet_localization

    classifier = lenet(input_shape, num_classes)
    return _behind(name, classifier, lenet_localization(input_shape), transform)


def build_tutorial(name, input_shape, num_classes, transform=None):
    """PyTorch's tutorial network with more filters, alone or behind a transformer."""
    from experiments.networks.pytorch_tutorial import tutorial_cnn, tutorial_localization_net

    classifier = tutorial_cnn(input_shape, num_classes, (32, 64), NORMALIZATION)
    localization = tutorial_localization_net(input_shape, (64, 128), NORMALIZATION)
    return _behind(name, classifier, localization, transform)


def _behind(name, classifier, localization, transform):
    """The classifier, behind a transformer where the model's name says so."""
    from stn_keras import SpatialTransformer, models

    if not has_transformer(name):
        return classifier
    transformer = SpatialTransformer(
        localization, transform or "affine", fill_value=GREY, name="spatial_transformer"
    )
    return models.with_spatial_transformer(classifier, transformer)


# Muon for the classifier's dense layers, AdamW at a fifth of the rate for all else. So fast, even
# this small network learns images by heart that are not moved.
BEST = Schedule(
    epochs=40,
    batch_size=64,
    optimizer="Muon",
    learning_rate=0.01,
    decay="cosine",
    optimizer_arguments={
        "adam_lr_ratio": 0.2,
        "weight_decay": 0.05,
        "exclude_layers": ["localization", "spatial_transformer"],
    },
    augment=JitterRanges(rotation=5, scale=0.1, shift=0.2, flip=True, fill_mode="reflect"),
    per_model={"stn-lenet": {"localization_rate": 0.05}},
)
# Half of this network's maps and units are dropped: moving the images as well makes it no better.
EVA6_BEST = replace(
    BEST,
    epochs=20,
    optimizer="ConvMuon",
    learning_rate=1.5e-3,
    optimizer_arguments={**BEST.optimizer_arguments, "adam_lr_ratio": 0.5, "weight_decay": 0.01},
    augment=JitterRanges(flip=True, fill_mode="reflect"),
    per_model={"stn-cnn": {"localization_rate": 0.05}},
)

EXPERIMENT = Experiment(
    name="cifar10",
    title="CIFAR-10, debuggercafe's network",
    models=("lenet", "stn-lenet"),
    build_model=build_lenet,
    load_data=LOAD,
    schedules={
        "published": Schedule(
            epochs=40,
            batch_size=64,
            optimizer="SGD",
            learning_rate=1e-3,
            decay="constant",
            optimizer_arguments={"momentum": 0.9},  # that of PyTorch's CIFAR-10 tutorial
        ),
        "best": BEST,
        "quick": replace(BEST, epochs=3),
    },
    published={"stn-lenet": {"test": 63.75}},
    source='debuggercafe\'s "Spatial Transformer Network using PyTorch", on the test images after '
    "40 epochs (78.52 on the training images)",
)

EVA6 = Experiment(
    name="cifar10-eva6",
    title="CIFAR-10, the EVA6 team's network",
    models=("cnn", "stn-cnn"),
    build_model=build_tutorial,
    load_data=LOAD,
    schedules={
        "published": Schedule(
            epochs=20, batch_size=64, optimizer="SGD", learning_rate=0.01, decay="constant"
        ),
        "best": EVA6_BEST,
        "quick": replace(EVA6_BEST, epochs=2),
    },
    published={"stn-cnn": {"test": 63.13}},
    source="an EVA6 team's PyTorch tutorial network with more filters, the best of 20 epochs on "
    "the test images (the last: 63.08); optimizer and batch size are the tutorial's",
)
