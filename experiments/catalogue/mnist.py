"""MNIST as it is: the network of PyTorch's tutorial on spatial transformers, with and without."""

from dataclasses import replace

from experiments.data.plain import PlainData
from experiments.experiment import Experiment, JitterRanges, Schedule


def build_model(name, input_shape, num_classes, transform=None):
    """The tutorial's classifier, alone or behind a transformer."""
    from experiments.networks.pytorch_tutorial import tutorial_cnn, tutorial_localization_net
    from stn_keras import SpatialTransformer, models

    classifier = tutorial_cnn(input_shape, num_classes)
    if name == "cnn":
        return classifier
    transformer = SpatialTransformer(
        tutorial_localization_net(input_shape), transform or "affine", name="spatial_transformer"
    )
    return models.with_spatial_transformer(classifier, transformer)


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
    load_data=PlainData("mnist", validation=5000, swept=True).load,
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
