"""What the runs of a report achieved, a line of JSON each, kept beside it.

With them a report can grow on a machine that has not the weights of its earlier runs.
"""

import json
from dataclasses import asdict

import numpy as np

from cli.errors import UserError
from cli.files import atomic_path, read_text
from experiments.evaluation.measure import RunResult, belongs
from experiments.training.run_folder import parse_settings

FILE = "runs.jsonl"


def exists(folder):
    """Whether a folder has a report whose runs can be read."""
    return (folder / FILE).exists()


def write(results, data, folder):
    """Write what every run achieved, and on which data, into the report's folder."""
    records = ({**_plain(result), "data": data.parameters} for result in results)
    lines = [json.dumps(record, separators=(",", ":")) for record in records]
    with atomic_path(folder / FILE) as partial:
        partial.write_text("\n".join([*lines, ""]))


def runs_from_elsewhere(experiment, data, folder, runs):
    """What the runs that are in the folder's report and not among `runs` achieved.

    Args:
        experiment: `experiments.Experiment`.
        data: `experiments.data.data.Data` of the evaluation.
        folder: where the report lies; nothing may lie there yet.
        runs: list of (`Run`, `Settings`) of `experiments.training.run_folder`.

    Returns:
        List of `experiments.evaluation.measure.RunResult`.

    Raises:
        UserError: the file is damaged, or a run is of another experiment or other data.
    """
    here = {(settings.name, settings.seed) for _, settings in runs}
    kept = []
    for parameters, result in _read(folder):
        if not belongs(result.settings, experiment):
            raise UserError(f"expected runs of {experiment.name} in {folder / FILE}, got others")
        if set(result.accuracy) != set(data.test_sets()):
            names = ", ".join(data.test_sets())
            raise UserError(f"expected accuracies on {names} in {folder / FILE}")
        if parameters != data.parameters:
            raise UserError(f"expected runs on the data used here in {folder / FILE}, got others")
        if (result.model, result.seed) not in here:
            here.add((result.model, result.seed))
            kept.append(result)
    return kept


def _read(folder):
    """What the data of every run were made from, and its result."""
    if not exists(folder):
        return []
    try:
        records = [json.loads(line) for line in read_text(folder / FILE).splitlines()]
        return [(record.pop("data"), _result(record)) for record in records]
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise UserError(f"expected the runs of a report of evaluate.py in {folder}") from None


def _plain(result):
    predicted = {name: classes.tolist() for name, classes in result.predicted.items()}
    # Whole float32 would make most of the file digits that nothing shows.
    history = [
        {name: float(f"{value:.6g}") for name, value in row.items()} for row in result.history
    ]
    return {**asdict(result), "predicted": predicted, "history": history}


def _result(record):
    predicted = {name: np.array(classes) for name, classes in record["predicted"].items()}
    settings = parse_settings(record["settings"])
    for name in ("accuracy", "environment", "sweeps"):
        if not isinstance(record[name], dict):
            raise TypeError(name)
    return RunResult(**{**record, "settings": settings, "predicted": predicted})
