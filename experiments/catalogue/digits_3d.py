"""MNIST digits as bodies in space, turned up to 60 degrees about any axis."""

from dataclasses import replace

from data_prep.sources import load_source
from experiments.data.data import DATA_SEED, Data, LabelledImages, TrainingImages
from experiments.experiment import Experiment, Schedule

# Of MNIST's images; an epoch shows each once, turned anew.
TRAINING, VALIDATION, TEST = 10_000, 1_000, 2_000


def load_data(folder, data_dir=None):
    """Training digits as they are; those held out and test digits, turned once.

    Raises:
        UserError: MNIST cannot be read.
    """
    from experiments.data import turned_digits

    source = load_source("mnist", data_dir)
    held_out = slice(len(source.train_images) - VALIDATION, None)
    bodies = turned_digits.fixed_set
    return Data(
        training=TrainingImages(
            source.train_images[:TRAINING, None], source.train_labels[:TRAINING]
        ),
        validation=LabelledImages(
            bodies(source.train_images[held_out], DATA_SEED), source.train_labels[held_out]
        ),
        test={
            "test": LabelledImages(
                bodies(source.test_images[:TEST], DATA_SEED + 1), source.test_labels[:TEST]
            )
        },
        num_classes=10,
        parameters={
            "source": "mnist",
            "seed": DATA_SEED,
            "canvas": turned_digits.CANVAS,
            "images": [TRAINING, VALIDATION, TEST],
            "source_sha256": source.fingerprint(),
        },
        shown="test",
    )


def distort(seed):
    """The layer that turns training digits."""
    from experiments.data.turned_digits import RandomTurns

    return RandomTurns(seed)


def build_model(name, input_shape, num_classes, transform=None):
    """The CNN, alone or behind a transformer of volumes."""
    from experiments.networks.digits_3d import cnn, localization_net
    from stn_keras import SpatialTransformer, models

    classifier = cnn(input_shape, num_classes)
    if name == "cnn":
        return classifier
    transformer = SpatialTransformer(
        localization_net(input_shape),
        transform or "similarity",
        rank=3,
        name="spatial_transformer",
    )
    return models.with_spatial_transformer(classifier, transformer)


BEST = Schedule(
    epochs=20,
    batch_size=64,
    optimizer="AdamW",
    learning_rate=1e-3,
    decay="cosine",
    optimizer_arguments={"weight_decay": 0.01},
)

EXPERIMENT = Experiment(
    name="digits-3d",
    title="MNIST digits as bodies, turned in space",
    models=("cnn", "stn-cnn"),
    build_model=build_model,
    load_data=load_data,
    schedules={"best": BEST, "quick": replace(BEST, epochs=2)},
    images_per_epoch=lambda folder, data_dir=None: TRAINING,
    distort=distort,
)
