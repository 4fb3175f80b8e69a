"""Train one model of an experiment, so that a killed run can go on where it was."""

import csv
import sys
import time

import h5py
import keras
import numpy as np

from data_prep.errors import UserError, one_line
from data_prep.files import atomic_path, write_json
from experiments import environment
from experiments.batches import ShuffledBatches
from experiments.data import as_input, training_parts
from experiments.jitter import Jitter

MONITOR = "val_loss"


class EpochSeconds(keras.callbacks.Callback):
    """Adds the epoch's wall-clock seconds to its logs."""

    def on_epoch_begin(self, epoch, logs=None):
        self.started = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        logs["seconds"] = round(time.perf_counter() - self.started, 2)


class SaveBestAndLast(keras.callbacks.Callback):
    """After each epoch: the best model, then the state to resume from, each whole or not at all.

    Keras's BackupAndRestore keeps weights and epoch number in two files, so a kill between them
    repeats an epoch on newer weights. Here both are one file.

    Args:
        run: `experiments.runs.Run`.
        best: lowest validation loss so far.
    """

    def __init__(self, run, best):
        super().__init__()
        self.run, self.best = run, best

    def on_epoch_end(self, epoch, logs=None):
        if logs[MONITOR] < self.best:
            self.best = logs[MONITOR]
            with atomic_path(self.run.best_model) as partial:
                self.model.save(partial)
        with atomic_path(self.run.last_state) as partial:
            self.model.save_weights(partial)
            with h5py.File(partial, "r+") as file:
                file.attrs["epochs"] = epoch + 1


def train(experiment, run, settings, dataset):
    """Train a run to its end, from its last whole epoch where there is one.

    Args:
        experiment: `experiments.Experiment`.
        run: `experiments.runs.Run`; started.
        settings: `experiments.runs.Settings`.
        dataset: `data_prep.distorted_set.DistortedSet`.

    Returns:
        The contents of metrics.json.

    Raises:
        UserError: the state to resume from is damaged, or no epoch had a finite validation loss.
    """
    training, validation = training_parts(dataset.train, experiment.validation)
    make_reproducible(settings)
    batches = ShuffledBatches(
        training,
        settings.batch_size,
        settings.seed,
        jitter=Jitter(experiment.jitter, training.images.shape[1:]),
    )
    steps_per_epoch = batches.steps_per_epoch
    model = compile_model(experiment, settings, dataset, steps_per_epoch * settings.epochs)
    first_epoch = batches.first_epoch = _restore(model, run)
    best = min((row[MONITOR] for row in _trim_history(run, first_epoch)), default=np.inf)
    validation_data = (
        as_input(validation.images),
        validation.label(np.arange(len(validation.images))),
    )
    print(
        f"{settings.model}: {model.count_params():,} parameters, "
        f"epochs {first_epoch + 1} to {settings.epochs}"
    )
    model.fit(
        batches,
        steps_per_epoch=steps_per_epoch,
        validation_data=validation_data,
        validation_batch_size=1000,
        initial_epoch=first_epoch,
        epochs=settings.epochs,
        shuffle=False,
        verbose=1 if sys.stdout.isatty() else 2,  # a bar for people, a line an epoch for logs
        callbacks=[
            EpochSeconds(),
            keras.callbacks.CSVLogger(run.history, append=True),
            SaveBestAndLast(run, best),
        ],
    )
    return _finish(run, dataset)


def make_reproducible(settings):
    """Seed everything, compute deterministically and set the precision."""
    keras.backend.clear_session()
    keras.utils.set_random_seed(settings.seed)
    keras.config.set_dtype_policy(settings.precision)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()


def compile_model(experiment, settings, dataset, total_steps):
    """The model of the run, ready to train for `total_steps`."""
    classes = int(dataset.train.labels.max()) + 1
    model = experiment.build_model(settings.model, dataset.train.originals.shape[1:], classes)
    rate = keras.optimizers.schedules.CosineDecay(experiment.learning_rate, total_steps)
    model.compile(
        keras.optimizers.AdamW(rate, weight_decay=experiment.weight_decay),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def _restore(model, run):
    """Load the last whole epoch, if there is one; the number of epochs done."""
    if not run.last_state.exists():
        return 0
    model.optimizer.build(model.trainable_variables)
    try:
        model.load_weights(run.last_state)
        with h5py.File(run.last_state) as file:
            return int(file.attrs["epochs"])
    except Exception as error:  # h5py and Keras each have their own
        raise UserError(
            f"expected the state of this run in {run.last_state} ({one_line(error)})"
        ) from None


def _trim_history(run, epochs):
    """Keep the rows of epochs that the restored state has seen; a lost epoch's row comes again."""
    rows = [row for row in run.read_history() if row["epoch"] < epochs]
    run.history.unlink(missing_ok=True)
    if rows:
        with atomic_path(run.history) as partial, partial.open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0], lineterminator="\n")
            writer.writeheader()
            writer.writerows([{**row, "epoch": int(row["epoch"])} for row in rows])
    return rows


def _finish(run, dataset):
    """Measure the best model on the test sets and write metrics.json."""
    if not run.best_model.exists():
        raise UserError(f"training diverged: no epoch of {run.folder} has a finite validation loss")
    model = keras.models.load_model(run.best_model)
    rows = run.read_history()
    best = min(rows, key=lambda row: row[MONITOR])
    test = dataset.test
    metrics = {
        "best_epoch": int(best["epoch"]) + 1,
        "epochs": len(rows),
        "validation_loss": best["val_loss"],
        "validation_accuracy": best["val_accuracy"],
        "test_accuracy": {
            "original": _accuracy(model, test.originals, test.labels),
            "distorted": _accuracy(model, test.distorted, test.distorted_labels),
        },
        "parameters": model.count_params(),
        "environment": environment.describe(),
    }
    write_json(run.metrics, metrics)
    return metrics


def _accuracy(model, images, labels):
    predicted = model.predict(as_input(images), batch_size=1000, verbose=0).argmax(-1)
    return float(np.mean(predicted == labels))
