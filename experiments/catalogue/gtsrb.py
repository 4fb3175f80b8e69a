"""German traffic signs: photographs of 43 kinds, a CNN alone and behind transformers."""

from dataclasses import replace

from experiments.data.data import DATA_SEED, Data, LabelledImages, TrainingImages
from experiments.data.photographed import Photographed
from experiments.experiment import Experiment, JitterRanges, Schedule

NOTE = "copy of 32x32 pixels; eight of the test images are frames of a training track too"


def load_data(folder, data_dir=None):
    """The benchmark's own split; a tenth of each class's training tracks is held out.

    Raises:
        UserError: GTSRB cannot be found or read.
    """
    from data_prep.sources import data_folder
    from data_prep.sources.gtsrb import CLASSES, VALIDATION_SHARE, read_gtsrb

    signs = read_gtsrb(data_folder(data_dir))
    training, test = signs.training, signs.test
    kept, held_out = signs.split(DATA_SEED)
    return Data(
        training=TrainingImages(training.images[kept], training.labels[kept]),
        validation=LabelledImages(training.images[held_out], training.labels[held_out]),
        test={"test": LabelledImages(test.images, test.labels)},
        num_classes=len(CLASSES),
        parameters={
            "source": "gtsrb",
            "seed": DATA_SEED,
            "validation_share": VALIDATION_SHARE,
            "source_sha256": signs.fingerprint(),
        },
        shown="test",
        classes=CLASSES,
        note=NOTE,
    )


def build_model(name, input_shape, num_classes, transform=None):
    """The CNN, alone, behind a transformer, or behind one with another on its maps."""
    from experiments.networks.traffic_signs import cnn, maps_transformer
    from stn_keras import SpatialTransformer, models

    on_maps = maps_transformer(transform or "affine") if name == "stn-cnn-two" else None
    classifier = cnn(input_shape, num_classes, on_maps)
    if name == "cnn":
        return classifier
    transformer = SpatialTransformer(
        transform=transform or "affine", fill_mode="nearest", name="spatial_transformer"
    )
    return models.with_spatial_transformer(classifier, transformer)


BEST = Schedule(
    epochs=20,
    batch_size=64,
    optimizer="ConvMuon",
    learning_rate=0.01,
    decay="warm-cosine",
    chosen_by="accuracy",
    optimizer_arguments={
        "adam_lr_ratio": 0.2,
        "weight_decay": 0.05,
        "exclude_layers": ["scores", "localization", "spatial_transformer", "maps_transformer"],
    },
    augment=Photographed(
        JitterRanges(rotation=15, scale=0.2, shift=0.2, fill_mode="nearest"),
        color=0.2,
        gamma=2.0,
        gray=1.0,
        light=0.5,
        blur=1.0,
        hidden=0.6,
    ),
    per_model={
        "stn-cnn": {"localization_rate": 0.2},
        "stn-cnn-two": {"localization_rate": 0.2},
    },
)

EXPERIMENT = Experiment(
    name="gtsrb",
    title="German traffic signs",
    models=("cnn", "stn-cnn", "stn-cnn-two"),
    build_model=build_model,
    load_data=load_data,
    schedules={"best": BEST, "quick": replace(BEST, epochs=2)},
    published={
        "cnn": {"test": 98.85},
        "stn-cnn": {"test": 99.46},
        "stn-cnn-two": {"test": 99.67},
    },
    source="Moodstocks 2015, at 48x48 pixels",
)
