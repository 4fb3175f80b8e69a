"""Keep the best run of a model as a trained model that comes along."""

from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np

from cli.errors import UserError
from cli.files import atomic_path, writable_folder
from experiments.catalogue import EXPERIMENTS
from experiments.evaluation.measure import find_runs, measure
from experiments.experiment import DEFAULT_SCHEDULE, Experiment
from experiments.pretrained.cards import CARDS, FOLDER, Card, read_cards, sha256_of, write_cards
from experiments.pretrained.page import write_page
from experiments.training.checkpoint import load_model
from experiments.training.run_folder import parse_settings, read_json

MOST_BYTES = 2_000_000


def keep(
    experiment: Experiment,
    model: str,
    runs_dir: Path,
    data_dir: str | None = None,
    folder: Path = FOLDER,
) -> Path:
    """Write the model of the seed that is best by validation, its card, and the page of all cards.

    Args:
        experiment: `Experiment`.
        model: one of its models.
        runs_dir: folder of the runs.
        data_dir: folder of the data.
        folder: of the trained models.

    Returns:
        Path of the model's file.

    Raises:
        UserError: there is no finished run, or the model is too large.
    """
    runs = _runs_of(experiment, model, runs_dir)
    if not runs:
        raise UserError(f"expected a finished run of {model} in {runs_dir / experiment.name}")
    run, settings = min(runs, key=lambda item: _rank(experiment, *item))
    data = experiment.load_data(folder=runs_dir / experiment.name, data_dir=data_dir)
    run.check_data(data.parameters)
    trained = load_model(run.best_model, data.image_shape)
    round_kernels(trained)
    result = measure(trained, run, settings, data, {})
    best = _best_epoch(run)
    path = writable_folder(folder) / f"{experiment.name}-{model}.keras"
    _save(trained, path)
    card = Card(
        experiment=experiment.name,
        model=model,
        settings=read_json(run.config, "settings"),
        seeds=[settings.seed for _, settings in runs],
        best_epoch=result.best_epoch,
        validation={"accuracy": best["val_accuracy"], "loss": best["val_loss"]},
        accuracy=result.accuracy,
        parameters=result.parameters,
        sha256=sha256_of(path),
        environment=result.environment,
        schedule=result.schedule,
        data=data.parameters,
        windows=result.windows,
    )
    known = read_cards(folder) if (folder / CARDS).exists() else []
    others = [other for other in known if other.file != card.file]
    cards = sorted([*others, card], key=lambda card: card.file)
    write_cards(cards, folder)
    write_page(cards, folder)
    return path


def keep_better(
    runs_dir: Path, data_dir: str | None = None, folder: Path = FOLDER
) -> Iterator[tuple[Card, Path | None]]:
    """Replace each trained model that a finished run beats by validation, on the same images.

    Args:
        runs_dir: folder of the runs.
        data_dir: folder of the data.
        folder: of the trained models.

    Yields:
        A model's card, and the path of its file where that was replaced.
    """
    for card in read_cards(folder):
        experiment = EXPERIMENTS[card.experiment]
        runs = _runs_of(experiment, card.model, runs_dir)
        validation = {f"val_{name}": value for name, value in card.validation.items()}
        to_beat = experiment.schedule_of(parse_settings(card.settings)).rank(validation)
        better = any(
            _rank(experiment, run, settings) < to_beat
            and read_json(run.config, "data") == card.data
            for run, settings in runs
        )
        path = keep(experiment, card.model, runs_dir, data_dir, folder) if better else None
        yield card, path


def round_kernels(model: keras.Model) -> None:
    """Round kernels to what float16 can hold, so that a file may keep them in half the bytes.

    Example:
        >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        >>> _ = model.layers[0].kernel.assign([[0.1]])
        >>> round_kernels(model)
        >>> float(model.layers[0].kernel[0, 0])
        0.0999755859375
    """
    for weight in model.trainable_weights:
        if len(weight.shape) > 1:
            weight.assign(np.asarray(weight).astype("float16").astype("float32"))


def _runs_of(experiment, model, runs_dir):
    """Finished runs of a model as it is, by the default schedule: (`Run`, `Settings`) of each."""
    return [
        (run, settings)
        for run, settings in find_runs(runs_dir, experiment)
        if settings.name == model and settings.schedule == DEFAULT_SCHEDULE
    ]


def _best_epoch(run):
    return run.read_history()[read_json(run.metrics, "best_epoch") - 1]


def _rank(experiment, run, settings):
    """What the best run has least of: as the best epoch is chosen, by validation."""
    return experiment.schedule_of(settings).rank(_best_epoch(run))


def _save(model, path):
    """Save a model without its optimizer."""
    model.optimizer = None
    with atomic_path(path) as partial:
        model.save(partial)
        size = partial.stat().st_size
        if size > MOST_BYTES:
            raise UserError(f"expected a model of at most {MOST_BYTES:,} bytes, got {size:,}")
