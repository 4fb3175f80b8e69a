"""The same comparison on scikit-learn's embedded digits: no download, minutes on two cores."""

from experiments.catalogue.distorted_mnist import build_model
from experiments.data.distorted import DistortedData
from experiments.experiment import Experiment, JitterRanges, Schedule

DATA = DistortedData("distorted-digits", copies=8, validation=137)

EXPERIMENT = Experiment(
    name="distorted-digits",
    title="scikit-learn's digits mixed with their distorted copies",
    models=("cnn", "stn-cnn"),
    build_model=build_model,
    load_data=DATA.load,
    load_test=DATA.load_test,
    images_per_epoch=DATA.images_per_epoch,
    schedules={
        "best": Schedule(
            epochs=60,
            batch_size=64,
            optimizer="AdamW",
            learning_rate=2e-3,
            decay="cosine",
            optimizer_arguments={"weight_decay": 0.1},
            augment=JitterRanges(rotation=10, scale=0.1, shift=0.1),
        )
    },
)
