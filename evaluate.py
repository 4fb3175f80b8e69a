"""Compare an experiment's trained models: python evaluate.py EXPERIMENT."""

import sys

from cli.errors import UserError
from cli.files import writable_folder
from cli.run import run_command
from experiments import EXPERIMENTS
from experiments.arguments import (
    DEFAULT_EXPERIMENT,
    default_notice,
    evaluation_arguments,
    results_folder,
)
from experiments.reports.compare import compare


def main():
    """Evaluate one experiment, or all and write their table."""
    arguments = evaluation_arguments()
    if arguments.all:
        return evaluate_all(arguments)
    if arguments.experiment is None:
        print(default_notice(), flush=True)
    name = arguments.experiment or DEFAULT_EXPERIMENT
    committed = results_folder() / name
    compare(EXPERIMENTS[name], arguments, arguments.out or committed, committed)


def evaluate_all(arguments):
    """Evaluate every experiment with finished runs, then write the table of all reports."""
    from experiments.reports.overview import write_overview

    folder = writable_folder(arguments.out or results_folder())
    for experiment in EXPERIMENTS.values():
        if any((arguments.runs_dir / experiment.name).glob("*/*/metrics.json")):
            try:
                name = experiment.name
                compare(experiment, arguments, folder / name, results_folder() / name)
            except UserError as error:  # the others are worth evaluating still
                print(f"{experiment.name}: left as it was: {error}", file=sys.stderr)
    print(write_overview(folder))


if __name__ == "__main__":
    run_command(main, "evaluate.py")
