"""Tiny experiments that train in seconds."""

import sys

import keras
import numpy as np
import pytest

import train as train_command
from experiments.data.data import Data, LabelledImages, TrainingImages
from experiments.experiment import Experiment, Schedule
from experiments.training import train as training
from experiments.training.callbacks import SaveBestAndLast
from experiments.training.run_folder import Settings, run_of
from stn_keras import SpatialTransformer

SETTINGS = Settings("tiny", "stn-tiny", 0, 3, 10, "float32", 42)


def tiny_images(count, seed=0):
    """Images (count, 6, 6, 1) whose mean brightness tells their class, 0 or 1."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    images = rng.integers(0, 100, (count, 6, 6, 1)) + 100 * labels[:, None, None, None]
    return images.astype("uint8"), labels


def build_tiny(name, input_shape, num_classes, transform=None):
    """A linear classifier with dropout behind a transformer."""
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input(input_shape),
            SpatialTransformer(layers.Flatten(), transform or "translation"),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(num_classes, activation="softmax"),
        ]
    )


TINY = Experiment(
    name="tiny",
    title="Bright and dark",
    models=("tiny", "stn-tiny"),
    build_model=build_tiny,
    load_data=lambda folder, data_dir=None: TINY_DATA,
    schedules={
        "published": Schedule(7, 5, "SGD", 0.1, "constant", {"momentum": 0.9}),
        "best": Schedule(
            epochs=3,
            batch_size=10,
            optimizer="AdamW",
            learning_rate=1e-2,
            decay="cosine",
            optimizer_arguments={"weight_decay": 0.1},
            per_model={"stn-tiny": {"localization_rate": 0.1}},
        ),
    },
    published={"stn-tiny": {"test": 75.0}},
)


TINY_DATA = Data(
    training=TrainingImages(*tiny_images(40)),
    validation=None,
    test={"test": LabelledImages(*tiny_images(20, 1))},
    num_classes=2,
    parameters={"seed": 42},
    shown="test",
)


def trained(folder, data=TINY_DATA, monitor=False, experiment=TINY):
    """A run of the tiny experiment, and its metrics."""
    run = run_of(folder, SETTINGS)
    run.start(SETTINGS, {"device": "none"}, data.parameters)
    return run, training.train(experiment, run, SETTINGS, data, monitor)


def stopped(folder, **options):
    """A run of the tiny experiment that was stopped after the second of three epochs."""
    save = SaveBestAndLast.on_epoch_end

    def save_and_stop(self, epoch, logs=None):
        save(self, epoch, logs)
        if epoch == 1:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SaveBestAndLast, "on_epoch_end", save_and_stop)
        with pytest.raises(KeyboardInterrupt):
            trained(folder, **options)
    return run_of(folder, SETTINGS)


def dry_run(monkeypatch, capsys, *arguments):
    """What train.py --dry-run prints."""
    monkeypatch.setattr(sys, "argv", ["train.py", "tiny", *map(str, arguments), "--dry-run"])
    train_command.main()
    return capsys.readouterr().out.splitlines()
