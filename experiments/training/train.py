"""Train one model of an experiment, so that a killed run can go on where it was."""

import sys

import keras
import numpy as np

from cli.errors import UserError, one_line
from cli.files import write_json
from cli.startup import stderr_silenced
from experiments import environment
from experiments.data.batches import InOrder, InOrderFilled, ShuffledBatches
from experiments.evaluation.measure import batch_size, predict
from experiments.networks.backbones import freeze
from experiments.training import optimizers
from experiments.training.averaging import AveragedWeights
from experiments.training.callbacks import (
    EpochSeconds,
    GrowDistortion,
    SaveBestAndLast,
    StopDiverged,
    WriteHistory,
    monitors,
    random_states,
)
from experiments.training.checkpoint import load_model, load_state, not_finite, read_progress
from experiments.training.cluster import Cluster
from experiments.training.devices import gather, scope, variable_scope
from experiments.training.run_folder import history_columns
from stn_keras.optimizers import with_localization_rate

ALONE = Cluster()
WARM_UP = 0.1


def warm_cosine(rate, total_steps):
    """A hundredth of the rate, up to all of it over the first tenth of the steps, then a cosine."""
    warm_up = max(1, round(WARM_UP * total_steps))
    decay = max(1, total_steps - warm_up)
    return keras.optimizers.schedules.CosineDecay(
        rate / 100, decay, warmup_target=rate, warmup_steps=warm_up
    )


# name -> (learning rate, all steps) -> what a Keras optimizer takes as its rate
DECAYS = {
    "constant": lambda rate, total_steps: rate,
    "cosine": keras.optimizers.schedules.CosineDecay,
    "warm-cosine": warm_cosine,
    "thirds": lambda rate, total_steps: keras.optimizers.schedules.PiecewiseConstantDecay(
        [total_steps // 3, 2 * total_steps // 3], [rate, rate / 10, rate / 100]
    ),
}


def train(experiment, run, settings, data, monitor=False, cluster=ALONE):
    """Train a run to its end, from its last whole epoch where there is one.

    Args:
        experiment: `experiments.Experiment`.
        run: `experiments.training.run_folder.Run`; started.
        settings: `experiments.training.run_folder.Settings`.
        data: `experiments.data.data.Data`.
        monitor: draw what the transformer does after each epoch, and write logs for TensorBoard.
        cluster: `experiments.training.cluster.Cluster`; started.

    Returns:
        The contents of metrics.json; None in all processes but the first.

    Raises:
        UserError: the state to resume from is damaged, or training diverged.
    """
    make_reproducible(settings)
    with scope(cluster):
        _fit(experiment, run, settings, data, monitor, cluster)
    rank = experiment.schedule_of(settings).rank
    return _finish(run, data, rank) if cluster.is_first else None


def _fit(experiment, run, settings, data, monitor, cluster):
    schedule = experiment.schedule_of(settings)
    augment = schedule.augment and schedule.augment(data.training.image_shape)
    batches = ShuffledBatches(
        data.training, settings.batch_size, settings.seed, augment=augment, part=cluster.part
    )
    with variable_scope(cluster):
        network = build_model(experiment, settings, data)
    phases, done = schedule.phases(settings.epochs), run.epochs_done
    if len(set(gather(cluster, done))) > 1:
        raise UserError(f"expected {run.folder} to be the same folder for every process")
    # The state at a phase's end has the optimizer of that phase.
    left = [phase for phase in phases if done <= phase.end]
    with variable_scope(cluster):
        model = _compile_phase(experiment, settings, network, batches, left[0])
        rows = _restore(model, run, history_columns(data))
    print(
        f"{settings.name}: {network.count_params():,} parameters, "
        f"epochs {done + 1} to {settings.epochs}"
    )
    callbacks = _callbacks(run, settings, schedule, network, data, rows, monitor, cluster)
    callbacks += _keepers(run, schedule, network, rows, batches, cluster)
    for phase in left:
        if phase is not left[0]:
            with variable_scope(cluster):
                model = _compile_phase(experiment, settings, network, batches, phase)
        batches.first_epoch = max(phase.first, done)
        if batches.first_epoch == phase.end:
            continue
        model.fit(
            batches,
            steps_per_epoch=batches.steps_per_epoch,
            validation_data=data.validation and _validation(data.validation, cluster),
            initial_epoch=batches.first_epoch,
            epochs=phase.end,
            shuffle=False,
            class_weight=class_weights(data) if settings.class_weights else None,
            verbose=1 if sys.stdout.isatty() else 2,  # a bar for people, a line an epoch for logs
            callbacks=callbacks,
        )


def _compile_phase(experiment, settings, network, batches, phase):
    """The network, frozen as the phase has it, ready to train for its epochs."""
    if settings.pretrained:
        freeze(network, phase.frozen)
    steps = batches.steps_per_epoch * (phase.end - phase.first)
    return compile_model(experiment, settings, network, steps, phase.rate)


def _callbacks(run, settings, schedule, network, data, rows, monitor, cluster):
    callbacks = [EpochSeconds(), StopDiverged(run, network, data)]
    if schedule.curriculum:
        callbacks.append(GrowDistortion(schedule.curriculum * settings.epochs))
    if cluster.is_first:
        callbacks += monitors(run, network, data) if monitor else []
        callbacks.append(WriteHistory(run, rows))
    return callbacks


def _keepers(run, schedule, network, rows, batches, cluster):
    """What decides which weights are kept, and keeps them; at the end, when all is known."""
    averaged = AveragedWeights(batches) if schedule.averaged else None
    keepers = [SaveBestAndLast(run, rows, network, schedule.rank, averaged)]
    return (keepers if cluster.is_first else []) + ([averaged] if averaged else [])


def class_weights(data):
    """Label -> factor of the loss with which every class counts alike, 1 in the mean of images."""
    counts = np.bincount(data.training.labels, minlength=data.num_classes)
    return dict(enumerate((counts.sum() / (len(counts) * np.maximum(counts, 1))).tolist()))


def _validation(part, cluster):
    count = batch_size(part.images.shape[1:])
    if cluster.replicas == 1:
        return InOrder(part, count)
    count = -(-count // cluster.replicas) * cluster.replicas  # divisible
    return InOrderFilled(part, count, cluster.part)


def make_reproducible(settings):
    """Seed everything, compute deterministically and set the precision."""
    keras.backend.clear_session()
    with stderr_silenced():  # imports TensorFlow on any backend
        keras.utils.set_random_seed(settings.seed)
    keras.config.set_dtype_policy(settings.precision)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()


def build_model(experiment, settings, data):
    """The model of the run.

    Raises:
        UserError: it cannot have the transformer's family asked for.
    """
    try:
        return experiment.build_model(
            settings.model,
            data.image_shape,
            data.num_classes,
            settings.transform,
            **settings.build_options,
        )
    except ValueError as error:
        raise UserError(f"{settings.name}: {one_line(error)}") from None


def compile_model(experiment, settings, network, total_steps, rate_factor=1.0):
    """The network, behind the layer that distorts its training images if there is one, ready to
    train for `total_steps`, at this factor of its schedule's rate.
    """
    model = network
    if experiment.distort:
        # Only test images have the network's own size, and its channels where the layer adds some.
        *size, channels = network.input_shape[1:]
        layer = experiment.distort(settings.seed)
        images = keras.Input((*[None] * len(size), None if layer.adds_channels else channels))
        model = keras.Model(images, network(layer(images)))
    schedule = experiment.schedule_of(settings)
    rate = DECAYS[schedule.decay](rate_factor * schedule.learning_rate, total_steps)
    family = keras.optimizers if hasattr(keras.optimizers, schedule.optimizer) else optimizers
    arguments = dict(schedule.optimizer_arguments)
    if schedule.averaged:
        arguments |= {"use_ema": True, "ema_momentum": schedule.averaged}
    optimizer = getattr(family, schedule.optimizer)(rate, **arguments)
    if schedule.localization_rate != 1:
        optimizer = with_localization_rate(optimizer, model, schedule.localization_rate)
    # Images that only fill up a batch weigh nothing.
    model.compile(optimizer, "sparse_categorical_crossentropy", weighted_metrics=["accuracy"])
    return model


def _restore(model, run, columns):
    """Load the last whole epoch, if there is one; the rows of history.csv up to it."""
    if not run.last_state.exists():
        return []
    model.optimizer.build(model.trainable_variables)
    load_state(model, run.last_state)
    states, (epochs, saved) = random_states(model), read_progress(run.last_state)
    if [state.shape for state in states] != [value.shape for value in saved] or not_finite(model):
        raise UserError(
            f"expected finite weights and random states of this run in {run.last_state}"
        )
    for state, value in zip(states, saved, strict=True):
        state.assign(value)
    rows = run.read_history(columns)
    if not 0 < epochs <= len(rows):
        raise UserError(f"expected the {epochs} epochs of {run.last_state} in {run.history}")
    return rows[:epochs]  # a lost epoch's row comes again


def _finish(run, data, rank):
    """Measure the model that is kept on the test sets and write metrics.json."""
    model = load_model(run.best_model)
    rows = run.read_history(history_columns(data))
    kept = min(rows, key=rank) if data.validation else rows[-1]
    metrics = {
        "best_epoch": int(kept["epoch"]) + 1,
        "epochs": len(rows),
        "validation_loss": kept.get("val_loss"),
        "validation_accuracy": kept.get("val_accuracy"),
        "test_accuracy": {
            name: float(np.mean(predict(model, part) == part.labels))
            for name, part in data.test.items()
        },
        "parameters": model.count_params(),
        "environment": environment.describe(),
    }
    write_json(run.metrics, metrics)
    return metrics
