"""From finished runs to a report."""

import argparse
import shlex
from pathlib import Path

from cli.errors import UserError
from cli.files import read_text, writable_folder
from cli.startup import import_keras
from experiments.arguments import DEFAULT_EXPERIMENT, data_arguments
from experiments.experiment import Experiment

DEFAULT_RUNS = Path("runs")


def compare(
    experiment: Experiment, arguments: argparse.Namespace, folder: Path, committed: Path
) -> None:
    """Measure every finished run, then write table, report and pictures into the folder.

    Args:
        experiment: `Experiment`.
        arguments: as `experiments.arguments.evaluation_arguments` gives them.
        folder: where the report is written.
        committed: folder of a report whose table is shown where there are no runs.

    Raises:
        UserError: there are no runs, or they cannot be compared.
    """
    import_keras("stn_keras")
    from experiments.evaluation.measure import (
        check_comparable,
        evaluate_run,
        find_runs,
        make_sweeps,
        table_order,
    )
    from experiments.reports import pictures, report, run_log

    runs = find_runs(arguments.runs_dir, experiment)
    if not runs and not (arguments.add and run_log.exists(folder)):
        show_committed(committed)
        raise UserError(
            f"expected finished runs in {arguments.runs_dir / experiment.name}, found none; "
            f"{training_command(experiment, arguments)} makes them{_in_minutes(experiment)}"
        )
    writable_folder(folder)
    data = experiment.load_data(**data_arguments(experiment, arguments))
    kept = run_log.runs_from_elsewhere(experiment, data, folder, runs) if arguments.add else []
    check_comparable(
        [(settings, run.schedule) for run, settings in runs]
        + [(result.settings, result.schedule) for result in kept]
    )
    sweeps = make_sweeps(data)
    evaluated = []
    for run, settings in runs:
        print(f"evaluating {run.folder}", flush=True)
        evaluated.append((run, *evaluate_run(run, settings, data, sweeps)))
    results = [*(result for *_, result in evaluated), *kept]
    results.sort(key=lambda result: table_order(experiment, result.settings))
    summary = report.summarize(experiment, results, data)
    captions = pictures.draw_all(evaluated, results, data, folder)
    run_log.write(results, data, folder)
    report.write(summary, captions, folder, as_page=experiment.any_size)
    print(f"\n{experiment.title}: accuracy in percent\n\n{report.table(summary)}\n")
    for name in ("report.md", *(["index.html"] if experiment.any_size else []), *captions):
        print(folder / name)


def show_committed(folder: Path) -> None:
    """Print the table of the report that is in a folder, if there is one."""
    path = folder / "report.md"
    try:
        lines = read_text(path).splitlines()
    except (OSError, ValueError):
        return
    rows = [number for number, line in enumerate(lines) if line.startswith("|")]
    if not rows:
        return
    end = next((n for n in range(rows[0], len(lines)) if n not in rows), len(lines))
    print(f"no finished runs; the table of {path}:\n")
    print("\n".join([*lines[rows[0] : end], ""]), flush=True)


def _in_minutes(experiment):
    return ", with --schedule quick in minutes" if "quick" in experiment.schedules else ""


def training_command(experiment: Experiment, arguments: argparse.Namespace) -> str:
    """The shortest command that makes the runs that an evaluation looks for."""
    command = ["python", "train.py"]
    if experiment.name != DEFAULT_EXPERIMENT:
        command.append(experiment.name)
    if arguments.runs_dir != DEFAULT_RUNS:
        command += ["--runs-dir", str(arguments.runs_dir)]
    if arguments.data_dir:
        command += ["--data-dir", str(arguments.data_dir)]
    if arguments.image_size:
        command += ["--image-size", str(arguments.image_size)]
    if arguments.skip_broken:
        command.append("--skip-broken")
    return shlex.join(command)
