"""Measure trained runs on every test set, without training anything."""

import math
import time
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import keras
import numpy as np

from cli.errors import UserError
from data_prep.distortions.imgaug_runner import apply_family
from experiments.data.batches import InOrder
from experiments.data.data import DATA_SEED, LabelledImages, as_input
from experiments.environment import describe
from experiments.evaluation import motion_invariance, windows
from experiments.training.checkpoint import load_model
from experiments.training.run_folder import Run, Settings, history_columns, read_json, run_of

# Of large pictures fewer, so that a network's maps of a batch, and what is timed, fit into memory.
BATCH_SIZE, MOST_PIXELS = 500, 5_000_000
SWEEP_IMAGES, TIMED_IMAGES, TIMED_BYTES, MOVED_BATCHES = 1000, 10_000, 2**30, 2
# axis label -> (family arguments of one value, values)
SWEEPS = {
    "rotation (degrees)": (lambda value: {"rotate": value}, np.arange(-90, 91, 15)),
    "scale (factor)": (lambda value: {"scale": value}, np.arange(4, 15) / 10),
    "horizontal shift (part of the width)": (
        lambda value: {"translate_percent": {"x": value, "y": 0.0}},
        np.arange(-8, 9) / 20,
    ),
}


@dataclass
class RunResult:
    """What one run achieved: all that a report needs to know of it.

    Attributes:
        settings: the run's settings.
        parameters: number of weights.
        environment: device, versions, commit and time of the training.
        evaluated: the same of the evaluation.
        best_epoch: the epoch whose model is kept, from 1.
        schedule: how it was trained; None where it was not noted. See `Run.schedule`.
        accuracy: test set -> share of right answers.
        sweeps: axis label -> accuracy at each of its values.
        predicted: whole test set -> predicted class of each of its images.
        images_per_second: of `predict`, on the device that evaluated.
        training_seconds: sum over the epochs.
        history: rows of history.csv.
        invariance: motion -> part of it that the transformer removes, see
            `experiments.evaluation.motion_invariance`; None without a transformer, or where it was
            not measured.
        windows: how well the transformer's windows enclose the objects, see
            `experiments.evaluation.windows.measure`; None where that is not known.
    """

    settings: Settings
    parameters: int
    environment: dict
    evaluated: dict
    best_epoch: int
    accuracy: dict = field(default_factory=dict)
    sweeps: dict = field(default_factory=dict)
    predicted: dict = field(default_factory=dict)
    images_per_second: float = 0.0
    training_seconds: float = 0.0
    history: list = field(default_factory=list)
    invariance: dict | None = None
    schedule: dict | None = None
    windows: dict | None = None

    @property
    def model(self):
        """What tables and pictures call the model."""
        return self.settings.name

    @property
    def seed(self):
        """The run's seed."""
        return self.settings.seed


def find_runs(runs_dir, experiment):
    """Finished runs of the experiment, in the order of its models and by seed.

    Returns:
        List of (`Run`, `Settings`).

    Raises:
        UserError: a folder holds the run of another experiment.
    """
    found = []
    for config in Path(runs_dir, experiment.name).glob("*/seed-*/config.json"):
        run = Run(config.parent)
        settings = run.settings()
        if not belongs(settings, experiment):
            raise UserError(
                f"expected a run of {experiment.name} in {run.folder}, "
                f"got {settings.experiment}, {settings.model}, schedule {settings.schedule}"
            )
        if run.folder != run_of(runs_dir, settings).folder:
            print(f"{run.folder}: a copy of {settings.name}, seed {settings.seed}, left out")
        elif run.finished:
            found.append((run, settings))
        else:
            print(f"{run.folder}: not finished, left out; train.py --resume continues it")
    return sorted(found, key=lambda item: table_order(experiment, item[1]))


def belongs(settings, experiment):
    """Whether a run of these settings is one of the experiment's."""
    return (
        settings.experiment == experiment.name
        and settings.model in experiment.models
        and settings.schedule in experiment.schedules
    )


def table_order(experiment, settings):
    """What runs are sorted by: their place in tables."""
    return (
        experiment.models.index(settings.model),
        settings.transform or "",
        list(experiment.schedules).index(settings.schedule),
        settings.seed,
    )


def check_comparable(trained):
    """Runs of one model may differ in the seed alone: the report takes their mean.

    Args:
        trained: list of (`Settings`, schedule as the run notes it or None).

    Raises:
        UserError: two of them differ in something else.
    """
    first, first_schedule = {}, {}
    for settings, schedule in trained:
        other = first.setdefault(settings.name, settings)
        noted = schedule is None or schedule == first_schedule.setdefault(settings.name, schedule)
        if replace(settings, seed=other.seed) != other or not noted:
            raise UserError(
                f"expected runs of {settings.name} that differ in the seed alone, got seed "
                f"{settings.seed} trained otherwise than seed {other.seed}"
            )


def make_sweeps(data):
    """Axis label -> `LabelledImages`: test images distorted by each of its values in turn."""
    if data.swept is None:
        return {}
    part = data.test[data.swept]
    images, labels = part.images[:SWEEP_IMAGES], part.labels[:SWEEP_IMAGES]
    return {
        label: LabelledImages(
            np.concatenate([apply_family(images, arguments(value), DATA_SEED) for value in values]),
            np.tile(labels, len(values)),
        )
        for label, (arguments, values) in SWEEPS.items()
    }


def evaluate_run(run, settings, data, sweeps):
    """Measure one run's model.

    Returns:
        (model, `RunResult`).
    """
    run.check_data(data.parameters)
    model = load_model(run.best_model, data.image_shape)
    return model, measure(model, run, settings, data, sweeps)


def measure(model, run, settings, data, sweeps):
    """The `RunResult` of a run's model."""
    result = RunResult(
        settings,
        model.count_params(),
        environment=read_json(run.config, "environment"),
        evaluated=describe(),
        best_epoch=read_json(run.metrics, "best_epoch"),
        schedule=run.schedule,
    )
    result.predicted = {name: predict(model, part) for name, part in data.test.items()}
    right = {name: result.predicted[name] == part.labels for name, part in data.test.items()}
    result.accuracy = {
        name: float(np.mean(right[whole][mask]))
        for name, (whole, mask) in data.test_sets().items()
        if mask.any()
    }
    result.sweeps = {
        label: _accuracy_by_value(model, swept, len(SWEEPS[label][1]))
        for label, swept in sweeps.items()
    }
    images = timed_images(data)
    result.images_per_second = _throughput(model, as_input(images))
    result.history = run.read_history(history_columns(data))
    epochs = read_json(run.metrics, "epochs", default=0)
    if len(result.history) < epochs:
        raise UserError(f"expected {epochs} epochs in {run.history}, got {len(result.history)}")
    result.training_seconds = sum(row["seconds"] for row in result.history)
    result.invariance = _measure_invariance(model, images)
    result.windows = _measure_windows(model, data)
    return result


def batch_size(image_shape):
    """How many images (H, W, C), or volumes, are measured at once.

    Example:
        >>> batch_size((28, 28, 1)), batch_size((1024, 1024, 3))
        (500, 4)
    """
    return max(1, min(BATCH_SIZE, MOST_PIXELS // math.prod(image_shape[:-1])))


def timed_images(data):
    """Images of the test set shown: at most 10,000 and, as models read them, a GiB."""
    images = data.test[data.shown].images
    most = TIMED_BYTES // (4 * math.prod(data.image_shape))
    return images[: min(TIMED_IMAGES, most)]


def predict(model, part):
    """The class that the model gives each image of `experiments.data.data.LabelledImages`."""
    batches = InOrder(part, batch_size(part.images.shape[1:]))
    return model.predict(batches, verbose=0).argmax(-1)


def predict_theta(model, images):
    """The theta of images as `as_input` takes them; None where the model has no transformer."""
    layer = transformer_of(model)
    if layer is None:
        return None
    theta = keras.Model(model.inputs, layer.predict_theta(model.inputs[0]))
    return theta.predict(as_input(images), batch_size=batch_size(images.shape[1:]), verbose=0)


def transformer_of(model):
    """The model's spatial transformer, or None."""
    from stn_keras.layers import find_transformers

    return next(iter(find_transformers(model)), None)


def _measure_invariance(model, images):
    """`motion_invariance.measure` of the first images; None without transformer, or of volumes."""
    transformer = transformer_of(model)
    if transformer is None or images.ndim != 4:
        return None
    read = motion_invariance.coordinates_reader(transformer, partial(predict_theta, model))
    return motion_invariance.measure(read, images[: MOVED_BATCHES * batch_size(images.shape[1:])])


def _measure_windows(model, data):
    """`windows.measure`; None without transformer, or where the data know no windows."""
    transformer, test = transformer_of(model), data.test[data.shown]
    if transformer is None or test.windows is None or data.validation is None:
        return None
    theta = {
        "validation": predict_theta(model, data.validation.images),
        "test": predict_theta(model, test.images),
    }
    known = data.validation.windows, test.windows
    return windows.measure(transformer.theta_transform, theta, *known, data.image_shape[:2])


def _accuracy_by_value(model, swept, values):
    right = predict(model, swept) == swept.labels
    return [float(accuracy) for accuracy in right.reshape(values, -1).mean(1)]


def _throughput(model, images, repeats=3):
    """Images per second of `predict`, the median of `repeats`; everything is compiled by now."""
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        model.predict(images, batch_size=batch_size(images.shape[1:]), verbose=0)
        seconds.append(time.perf_counter() - started)
    return len(images) / float(np.median(seconds))
