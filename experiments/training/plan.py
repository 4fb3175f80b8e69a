"""What train.py is to do with each run, before anything is done."""

import argparse
import importlib.util
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cli.errors import UserError
from cli.startup import import_keras
from experiments.arguments import TRANSFORMERS, cluster_of
from experiments.data.data import DATA_SEED
from experiments.data.loading import DataOnDemand
from experiments.experiment import Experiment, has_transformer
from experiments.reports.costs import duration, measured_cost
from experiments.training.cluster import Cluster
from experiments.training.run_folder import Run, Settings, next_step, run_of


@dataclass(frozen=True)
class Job:
    """What is done with a run.

    Attributes:
        step: "train", "overwrite", "resume" or "skip".
        run: its folder.
        settings: what is asked for.
        schedule: how it is trained, as plain data that the run notes.
    """

    step: str
    run: Run
    settings: Settings
    schedule: dict[str, Any]

    @property
    def epochs_left(self) -> int:
        """Epochs that are to be trained."""
        done = self.run.epochs_done if self.step == "resume" else 0
        return self.settings.epochs - done

    def line(self, images_per_epoch: int, results: Path | None) -> str:
        """What would be done, with its cost.

        Args:
            images_per_epoch: of the data.
            results: folder of all reports; None: they tell nothing of these data.
        """
        name = f"{self.step:9}  {self.settings.name}, seed {self.settings.seed}"
        if self.step == "skip":
            return f"{name}: finished in {self.run.folder}"
        first = self.settings.epochs - self.epochs_left + 1
        work = f"epochs {first} to {self.settings.epochs}, {images_per_epoch:,} images an epoch"
        measured = results and measured_cost(results, self.settings)
        if measured:
            seconds, how = measured
            work += f", {duration(self.epochs_left * seconds)} where it was measured ({how})"
        return f"{name}: {work}"


def plan(arguments: argparse.Namespace, experiment: Experiment, data: DataOnDemand) -> list[Job]:
    """A job for each run that a command line asks for; nothing is changed.

    Args:
        arguments: as `experiments.arguments.training_arguments` gives them.
        experiment: the one that they name.
        data: its data, which are loaded where they decide the batch size.

    Raises:
        UserError: something asked for cannot be, or a run is there that cannot be taken or
            replaced.
    """
    asked, cluster = settings_of(arguments, experiment), cluster_of(arguments)
    if arguments.transform:
        check_transform(arguments.transform)
    if arguments.backbone:
        check_backbone(arguments.backbone)
    if arguments.monitor:
        check_monitor(cluster)
    # Few pictures decide the batch size, by which runs are recognized.
    if experiment.any_size and not arguments.batch_size:
        asked = fit_batches(asked, data.per_epoch, cluster)
    return [_job(settings, arguments, experiment, cluster) for settings in asked]


def settings_of(arguments: argparse.Namespace, experiment: Experiment) -> list[Settings]:
    """The settings of each run that a command line asks for.

    Raises:
        UserError: the experiment has no such model or schedule.
    """
    models = models_of(arguments, experiment)
    for model in models:
        if model not in experiment.models:
            raise UserError(f"expected --models from {', '.join(experiment.models)}, got {model}")
    if arguments.schedule not in experiment.schedules:
        names = ", ".join(experiment.schedules)
        raise UserError(f"expected --schedule from {names}, got {arguments.schedule}")
    return [
        _settings(arguments, experiment, model, seed)
        for seed in arguments.seeds
        for model in dict.fromkeys(models)
    ]


def models_of(arguments: argparse.Namespace, experiment: Experiment) -> tuple[str, ...]:
    """The models that a command line names, or the experiment's default.

    Raises:
        UserError: it names them in two ways.
    """
    if not arguments.transformer:
        return arguments.models or experiment.default_models or experiment.models
    if arguments.models:
        raise UserError("expected either --models or --transformer, got both")
    return tuple(TRANSFORMERS[place] for place in arguments.transformer)


def _settings(arguments, experiment, model, seed):
    """The settings of one run, with the schedule's epochs and batch size for want of others."""
    settings = Settings(
        experiment.name,
        model,
        seed,
        arguments.epochs or 0,
        arguments.batch_size or 0,
        arguments.precision,
        DATA_SEED,
        arguments.transform if has_transformer(model) else None,
        arguments.schedule,
        arguments.backbone,
        arguments.weights,
        arguments.window if model == TRANSFORMERS["crop"] else None,
        arguments.class_weights,
    )
    schedule = experiment.schedule_of(settings)
    return replace(
        settings,
        epochs=settings.epochs or schedule.epochs,
        batch_size=settings.batch_size or schedule.batch_size,
    )


def check_transform(name: str) -> None:
    """Refuse a family that there is not."""
    families = import_keras("stn_keras").transforms.FAMILIES
    if name not in families:
        raise UserError(f"expected --transform from {', '.join(families)}, got {name}")


def check_backbone(name: str) -> None:
    """Refuse a network that `keras.applications` does not have."""
    import_keras("experiments.networks.backbones").check_name(name)


def check_monitor(cluster: Cluster) -> None:
    """Refuse to monitor without the packages that TensorBoard's logs need, or several processes."""
    for package in ("tensorboard", "tensorflow"):
        if importlib.util.find_spec(package) is None:
            raise UserError(f"--monitor needs the package {package}: pip install {package}")
    if cluster.processes > 1:
        raise UserError(f"expected --monitor in one process, got {cluster.processes}")


def fit_batches(asked: list[Settings], available: int, cluster: Cluster) -> list[Settings]:
    """The settings with batches of no more images than there are; says where they were larger.

    Args:
        asked: the settings.
        available: images of an epoch.
        cluster: its devices share each batch evenly.
    """
    most = max(available - available % cluster.replicas, cluster.replicas)
    if any(settings.batch_size > most for settings in asked):
        print(f"batches of {most} images: there are only {available} to train on")
    return [replace(each, batch_size=min(each.batch_size, most)) for each in asked]


def total_cost(asked: Iterable[Settings], results: Path) -> str:
    """How long all these runs take from their start, or nothing where one was not measured."""
    measured = [(settings.epochs, measured_cost(results, settings)) for settings in asked]
    if not measured or any(cost is None for _, cost in measured):
        return ""
    devices = ", ".join(dict.fromkeys(cost[1] for _, cost in measured))
    seconds = sum(epochs * cost[0] for epochs, cost in measured)
    return f"{duration(seconds)} where it was measured ({devices})"


def _job(settings, arguments, experiment, cluster):
    if settings.batch_size % cluster.replicas:
        raise UserError(
            f"expected --batch-size divisible by the {cluster.replicas} devices, "
            f"got {settings.batch_size}"
        )
    run = run_of(arguments.runs_dir, settings)
    step = next_step(run, settings, arguments.resume, arguments.overwrite)
    schedule = experiment.schedule_of(settings).described
    if step in ("resume", "skip"):
        run.check_schedule(schedule)
    return Job(step, run, settings, schedule)
