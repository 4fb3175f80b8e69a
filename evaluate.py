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
from experiments.pretrained.compare import compare_pretrained
from experiments.reports.compare import compare


def main():
    """Evaluate one experiment, or all and write their table."""
    arguments = evaluation_arguments()
    if arguments.all:
        return evaluate_all(arguments)
    if arguments.experiment is None:
        print(default_notice(), flush=True)
    name = arguments.experiment or DEFAULT_EXPERIMENT
    nothing_asked = arguments == evaluation_arguments([])
    if arguments.pretrained or (nothing_asked and not has_runs(arguments, name)):
        return compare_pretrained(EXPERIMENTS[name], arguments)
    committed = results_folder() / name
    compare(EXPERIMENTS[name], arguments, arguments.out or committed, committed)


def evaluate_all(arguments):
    """Evaluate every experiment with finished runs, then write the table of all reports."""
    from experiments.reports.overview import write_overview

    folder = writable_folder(arguments.out or results_folder())
    for experiment in EXPERIMENTS.values():
        if has_runs(arguments, experiment.name):
            try:
                name = experiment.name
                compare(experiment, arguments, folder / name, results_folder() / name)
            except UserError as error:  # the others are worth evaluating still
                print(f"{experiment.name}: left as it was: {error}", file=sys.stderr)
    print(write_overview(folder))


def has_runs(arguments, experiment):
    """Whether there are finished runs of an experiment."""
    return any((arguments.runs_dir / experiment).glob("*/*/metrics.json"))


if __name__ == "__main__":
    run_command(main, "evaluate.py")
