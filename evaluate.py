"""Compare an experiment's trained models: python evaluate.py EXPERIMENT."""

import sys
from pathlib import Path

from cli.errors import UserError
from cli.files import writable_folder
from cli.run import run_command
from cli.startup import import_keras
from experiments import EXPERIMENTS
from experiments.arguments import data_arguments, experiment_parser, results_folder


def parse_arguments():
    """The command line of evaluate.py."""
    parser = experiment_parser(
        "evaluate.py",
        "Compare an experiment's trained models: a table, report.md, report.json and pictures. "
        "Trains nothing.",
        nargs="?",
    )
    parser.add_argument(
        "--all",
        action="store_true",
        help="every experiment with finished runs, and one table of all reports: README.md",
    )
    parser.add_argument(
        "--add",
        action="store_true",
        help="add to the report: runs that it has and RUNS_DIR has not, such as those of another "
        "machine, stay in it; with no runs in RUNS_DIR the report is written anew from its own",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="folder of the report, with --all of the reports' folders (default: "
        "results/EXPERIMENT, with --all results; or below STN_RESULTS_DIR)",
    )
    arguments = parser.parse_args()
    if arguments.all == (arguments.experiment is not None):
        parser.error("expected either EXPERIMENT or --all")
    return arguments


def main():
    """Evaluate one experiment, or all and write their table."""
    arguments = parse_arguments()
    if not arguments.all:
        experiment = EXPERIMENTS[arguments.experiment]
        evaluate(experiment, arguments, arguments.out or results_folder() / experiment.name)
        return
    from experiments.reports.overview import write_overview

    folder = writable_folder(arguments.out or results_folder())
    for experiment in EXPERIMENTS.values():
        if any((arguments.runs_dir / experiment.name).glob("*/*/metrics.json")):
            try:
                evaluate(experiment, arguments, folder / experiment.name)
            except UserError as error:  # the others are worth evaluating still
                print(f"{experiment.name}: left as it was: {error}", file=sys.stderr)
    print(write_overview(folder))


def evaluate(experiment, arguments, folder):
    """Measure every finished run, then write table, report and pictures into the folder."""
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
        raise UserError(
            f"expected finished runs in {arguments.runs_dir / experiment.name}, found none; "
            f"python train.py {experiment.name} makes them"
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
    report.write(summary, captions, folder)
    print(f"\n{experiment.title}: accuracy in percent\n\n{report.table(summary)}\n")
    for name in ("report.md", *captions):
        print(folder / name)


if __name__ == "__main__":
    run_command(main, "evaluate.py")
