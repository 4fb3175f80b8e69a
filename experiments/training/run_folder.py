"""Run folders: runs/<experiment>/<model>/seed-<n>/."""

import csv
import io
import json
import shutil
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from cli.errors import UserError
from cli.files import read_text, remove_partials, writable_folder, write_json
from experiments.experiment import DEFAULT_SCHEDULE

HISTORY = ("epoch", "loss", "accuracy", "seconds")
VALIDATED_HISTORY = (*HISTORY, "val_loss", "val_accuracy")
_REQUIRED = object()


@dataclass(frozen=True)
class Settings:
    """What a run is asked for on the command line.

    `transform` is the family of the model's transformer; None is the model's own. `schedule` names
    one of the experiment's, whose epochs and batch size may be others here. `backbone`, a network
    of `keras.applications`, stands in place of the model's own "cnn"; `weights` says where its are
    from, "none", "imagenet" or a file. `window` is the height and width that a transformer cuts
    out. `class_weights`: whether every class counts alike.
    """

    experiment: str
    model: str
    seed: int
    epochs: int
    batch_size: int
    precision: str
    data_seed: int
    transform: str | None = None
    schedule: str = DEFAULT_SCHEDULE
    backbone: str | None = None
    weights: str | None = None
    window: int | None = None
    class_weights: bool = False

    @property
    def pretrained(self):
        """Whether the backbone has learned something else before."""
        return self.weights not in (None, "none")

    @property
    def network(self):
        """Model, backbone, weights and family: "stn-cnn-tps", "stn-ResNet50-imagenet"."""
        model = self.model.replace("cnn", self.backbone) if self.backbone else self.model
        weights = Path(self.weights).stem if self.pretrained else None
        weighted = "weighted" if self.class_weights else None
        return "-".join(filter(None, (model, weights, self.transform, weighted)))

    @property
    def build_options(self):
        """What the experiment's `build_model` takes besides, of a user's own pictures."""
        options = {"backbone": self.backbone, "weights": self.weights, "window": self.window}
        return {name: value for name, value in options.items() if value is not None}

    @property
    def name(self):
        """What folder and tables call it: "stn-cnn", or "stn-cnn-published" by that schedule."""
        if self.schedule == DEFAULT_SCHEDULE:
            return self.network
        return f"{self.network}-{self.schedule}"


def parse_settings(content):
    """`Settings` of what a JSON file has of them.

    Raises:
        TypeError: one is missing, of another type or none of ours.
    """
    settings = Settings(**content)
    for field in fields(Settings):
        if not isinstance(getattr(settings, field.name), field.type):
            raise TypeError(field.name)
    return settings


@dataclass(frozen=True)
class Run:
    """One run's folder and the files in it."""

    folder: Path

    @property
    def config(self):
        """Settings and environment, written when the run starts."""
        return self.folder / "config.json"

    @property
    def history(self):
        """One row per epoch."""
        return self.folder / "history.csv"

    @property
    def best_model(self):
        """The model of the best epoch by validation, or of the last epoch."""
        return self.folder / "model.keras"

    @property
    def last_state(self):
        """Weights and optimizer of the last whole epoch."""
        return self.folder / "last.weights.h5"

    @property
    def metrics(self):
        """Results, written when the run has finished."""
        return self.folder / "metrics.json"

    @property
    def monitor(self):
        """Pictures of the transformer, one an epoch."""
        return self.folder / "monitor"

    @property
    def tensorboard(self):
        """Logs for TensorBoard."""
        return self.folder / "tensorboard"

    @property
    def finished(self):
        """Whether the run ended without being stopped.

        Raises:
            UserError: metrics.json is damaged.
        """
        if not self.metrics.exists():
            return False
        read_json(self.metrics, "epochs", default=None)
        return True

    @property
    def epochs_done(self):
        """Whole epochs that the last state has seen.

        Raises:
            UserError: the file is damaged.
        """
        if not self.last_state.exists():
            return 0
        from experiments.training.checkpoint import read_progress

        return read_progress(self.last_state)[0]

    def start(self, settings, environment, data=None, schedule=None):
        """Make the folder and write all that decides the run's outcome, and where it is trained.

        Args:
            settings: `Settings`.
            environment: device, versions, commit and time, as plain data.
            data: `experiments.data.data.Data.parameters`; None: on any.
            schedule: `experiments.experiment.Schedule.described`; None: by any.
        """
        writable_folder(self.folder)
        remove_partials(self.folder)
        config = {
            "settings": asdict(settings),
            "schedule": schedule,
            "data": data,
            "environment": environment,
        }
        write_json(self.config, config)

    def check_data(self, data):
        """Refuse other data than the run was started with.

        Args:
            data: `experiments.data.data.Data.parameters`.

        Raises:
            UserError: they differ.
        """
        self._check_noted("data", data, "was trained on other data")

    def check_schedule(self, schedule):
        """Refuse to take the run for one that is trained in another way.

        Args:
            schedule: `experiments.experiment.Schedule.described`.

        Raises:
            UserError: they differ.
        """
        self._check_noted(
            "schedule", schedule, "holds a run of another schedule, which --overwrite discards"
        )

    def _check_noted(self, key, now, message):
        before = read_json(self.config, key)
        if not isinstance(before, dict | None):
            raise UserError(f"expected the {key} of a run in {self.config}")
        if before is not None and before != now:
            different = [name for name in {**before, **now} if before.get(name) != now.get(name)]
            raise UserError(f"{self.folder} {message}: {', '.join(different)} differ")

    def settings(self):
        """The settings the run was started with.

        Raises:
            UserError: config.json is damaged.
        """
        try:
            return parse_settings(read_json(self.config, "settings"))
        except TypeError:
            raise UserError(f"expected the settings of a run in {self.config}") from None

    @property
    def schedule(self):
        """How it is trained, as `experiments.experiment.Schedule.described` gives it.

        Raises:
            UserError: config.json is damaged.
        """
        return read_json(self.config, "schedule")

    def read_history(self, columns=HISTORY):
        """Rows of history.csv, numbers as floats; a cell left empty is missing in its row.

        Args:
            columns: those that every row must have.

        Raises:
            UserError: a column is missing or is not of numbers, or an epoch is missing.
        """
        if not self.history.exists():
            return []
        try:
            rows = list(csv.DictReader(io.StringIO(read_text(self.history))))
            rows = [{key: float(value) for key, value in row.items() if value} for row in rows]
        except (OSError, TypeError, ValueError, csv.Error):
            raise UserError(f"expected numbers in every column of {self.history}") from None
        missing = [name for name in columns if any(name not in row for row in rows)]
        if missing:
            raise UserError(f"expected columns {', '.join(missing)} in {self.history}")
        if any(row.get("epoch") != epoch for epoch, row in enumerate(rows)):
            raise UserError(f"expected every epoch in turn in {self.history}")
        return rows

    def discard(self):
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)


def run_of(runs_dir, settings):
    """The run of these settings' experiment, model and seed."""
    return Run(Path(runs_dir) / settings.experiment / settings.name / f"seed-{settings.seed}")


def history_columns(data):
    """The columns of every row of a run's history.csv on these `experiments.data.data.Data`."""
    return VALIDATED_HISTORY if data.validation else HISTORY


def read_json(path, key, default=_REQUIRED):
    """One entry of a JSON file.

    Raises:
        UserError: the file is missing or damaged, or lacks the entry and there is no default.
    """
    try:
        content = json.loads(read_text(path))
        return content[key] if default is _REQUIRED else content.get(key, default)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise UserError(f"expected a JSON file with {key!r} at {path}") from None


def next_step(run, settings, resume, overwrite):
    """What is to be done with a run: "train", "overwrite", "resume" or "skip"; changes nothing.

    Raises:
        UserError: the folder holds an unfinished run and neither `resume` nor `overwrite` is set,
            or the run of other settings.
    """
    if overwrite:
        return "overwrite"
    if not run.config.exists():
        return "train"
    _check_same(run, settings)
    if run.finished:
        return "skip"
    if not resume:
        raise UserError(f"{run.folder} holds an unfinished run; pass --resume or --overwrite")
    return "resume"


def _check_same(run, settings):
    before, now = asdict(run.settings()), asdict(settings)
    different = [
        f"{key}={before[key]} then, {now[key]} now" for key in now if before[key] != now[key]
    ]
    if different:
        raise UserError(
            f"{run.folder} holds a run of other settings ({'; '.join(different)}); "
            "pass --overwrite or another --runs-dir"
        )
