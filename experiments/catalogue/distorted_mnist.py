"""MNIST mixed with its distorted copies: the "Hands-on" Keras post's comparison."""

from dataclasses import replace

from experiments.data.distorted import DistortedData
from experiments.experiment import (
    WITH_TRANSFORMER,
    Experiment,
    JitterRanges,
    Schedule,
    has_transformer,
)

DATA = DistortedData("distorted-mnist", copies=5, validation=5000)
STRONG_DATA = DistortedData("distorted-mnist-strong", copies=5, validation=5000)


def build_model(name, input_shape, num_classes, transform=None):
    """The post's "dense" or "cnn", or one of them unmodified behind a transformer: "stn-..."."""
    from experiments.networks.keras_post import cnn, dense_net, localization_net
    from stn_keras import SpatialTransformer, models

    classifiers = {"dense": dense_net, "cnn": cnn}
    classifier = classifiers[name.removeprefix(WITH_TRANSFORMER)](input_shape, num_classes)
    if not has_transformer(name):
        return classifier
    transformer = SpatialTransformer(
        localization_net(input_shape), transform or "affine", name="spatial_transformer"
    )
    return models.with_spatial_transformer(classifier, transformer)


# The digits are the same in every epoch, so they are bent as well as moved.
BEST = Schedule(
    epochs=72,
    batch_size=128,
    optimizer="ConvMuon",
    learning_rate=3e-3,
    decay="cosine",
    optimizer_arguments={
        "adam_lr_ratio": 0.5,
        "weight_decay": 0.05,
        "exclude_layers": ["localization", "spatial_transformer"],
    },
    augment=JitterRanges(rotation=15, scale=0.15, shift=0.15, bend=0.07),
)
# The copies are strongly distorted already, so they are moved less.
STRONG_BEST = replace(BEST, augment=JitterRanges(rotation=5, scale=0.05, shift=0.05, bend=0.05))

EXPERIMENT = Experiment(
    name="distorted-mnist",
    title="MNIST mixed with its distorted copies",
    models=("dense", "cnn", "stn-dense", "stn-cnn"),
    build_model=build_model,
    load_data=DATA.load,
    load_test=DATA.load_test,
    images_per_epoch=DATA.images_per_epoch,
    schedules={"best": BEST, "quick": replace(BEST, epochs=4)},
    published={
        "dense": {"original": 97.67, "distorted": 83.88},
        "cnn": {"original": 98.72, "distorted": 93.67},
        "stn-cnn": {"original": 99.0, "distorted": 97.0},
    },
    source='the "Hands-on" Keras post on spatial transformers',
)

STRONG = replace(
    EXPERIMENT,
    name="distorted-mnist-strong",
    title="MNIST mixed with its strongly distorted copies",
    load_data=STRONG_DATA.load,
    load_test=STRONG_DATA.load_test,
    images_per_epoch=STRONG_DATA.images_per_epoch,
    schedules={"best": STRONG_BEST, "quick": replace(STRONG_BEST, epochs=4)},
    published={"stn-dense": {"original": 98.67, "distorted": 89.28}},
    source='the repository of the "Hands-on" Keras post',
)
