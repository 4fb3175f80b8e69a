"""What training took, by the reports that are there."""

import json
from pathlib import Path

from cli.errors import UserError


def duration(seconds: float) -> str:
    """Minutes or hours as text.

    Example:
        >>> duration(90), duration(9000)
        ('1.5 minutes', '2.5 hours')
    """
    minutes = seconds / 60
    return f"{minutes:.1f} minutes" if minutes < 120 else f"{minutes / 60:.1f} hours"


def measured_cost(folder, settings):
    """What an epoch of a run, or of its network by another schedule, took where it was measured.

    Args:
        folder: that of all reports.
        settings: `experiments.training.run_folder.Settings`.

    Returns:
        (seconds, how it was measured), or None where no report has the network.

    Raises:
        UserError: the report is damaged.
    """
    path = Path(folder) / settings.experiment / "report.json"
    if not path.exists():
        return None
    return read_report(path, lambda summary: _cost(summary["models"], settings))


def _cost(models, settings):
    networks = [model for model in models if model["network"] == settings.network]
    if not networks:
        return None
    model = min(networks, key=lambda model: schedule_of(model) != settings.schedule)
    run, schedule = model["runs"][0], schedule_of(model)
    seconds = model["training_seconds"] / run["settings"]["epochs"]
    how, batch_size = run["environment"]["device"], run["settings"]["batch_size"]
    if schedule != settings.schedule:
        how += f", by the schedule {schedule}"
    if batch_size != settings.batch_size:
        how += f", in batches of {batch_size}"
    return seconds, how


_DAMAGE = (
    *(OSError, ValueError, RecursionError),  # while it is parsed
    *(AttributeError, IndexError, KeyError, TypeError, ZeroDivisionError),
)


def read_report(path, find):
    """What the function `find` takes from a report.json.

    Raises:
        UserError: it is damaged.
    """
    try:
        return find(json.loads(path.read_text()))
    except _DAMAGE:
        raise UserError(f"expected a report of evaluate.py at {path}") from None


def schedule_of(model):
    """The schedule that a report's model was trained by."""
    return model["runs"][0]["settings"]["schedule"]
