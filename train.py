"""Train an experiment's models: python train.py EXPERIMENT."""

import io
import shlex
import sys

from cli.run import run_command
from experiments import EXPERIMENTS
from experiments.arguments import (
    DEFAULT_EXPERIMENT,
    cluster_of,
    data_arguments,
    default_notice,
    results_folder,
    training_arguments,
)
from experiments.data.loading import DataOnDemand
from experiments.training.jobs import carry_out
from experiments.training.plan import plan, settings_of, total_cost


def main():
    """Plan, then train model after model."""
    arguments = training_arguments()
    cluster = cluster_of(arguments)
    if not cluster.is_first:
        sys.stdout = io.StringIO()  # the first one prints the same
    experiment = EXPERIMENTS[arguments.experiment or DEFAULT_EXPERIMENT]
    if arguments.experiment is None:
        asked = settings_of(arguments, experiment)
        print(default_notice(total_cost(asked, results_folder())), flush=True)
    data = DataOnDemand(experiment, **data_arguments(experiment, arguments))
    jobs = plan(arguments, experiment, data)
    if not arguments.dry_run:
        return carry_out(jobs, experiment, data, cluster, arguments.monitor)
    # A user's own pictures are others than those of the report.
    results = None if experiment.any_size else results_folder()
    for job in jobs:
        print(job.line(data.per_epoch, results))


def resume_command(arguments):
    """The command that resumes where the one with these arguments was stopped."""
    kept = [argument for argument in arguments if argument not in ("--overwrite", "--resume")]
    return shlex.join(["python", "train.py", *kept, "--resume"])


if __name__ == "__main__":
    stopped = f"{resume_command(sys.argv[1:])} continues after the last whole epoch"
    run_command(main, "train.py", stopped)
