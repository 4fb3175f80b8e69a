"""Train one run of a plan after the other."""

from cli.errors import UserError
from cli.files import writable_folder
from cli.startup import import_keras
from experiments import environment
from experiments.data.data import Data
from experiments.data.loading import DataOnDemand
from experiments.experiment import Experiment
from experiments.training import devices
from experiments.training.cluster import Cluster
from experiments.training.malloc import keep_freed_pages
from experiments.training.plan import Job
from experiments.training.processes import leaving_at_once


def carry_out(
    jobs: list[Job],
    experiment: Experiment,
    data: DataOnDemand,
    cluster: Cluster,
    monitor: bool = False,
) -> None:
    """Make the data, then train run after run; says what comes of each.

    Args:
        jobs: the plan.
        experiment: `Experiment`.
        data: its data.
        cluster: the devices to train on, not yet started.
        monitor: see `experiments.training.train.train`.

    Raises:
        UserError: one of the runs cannot be trained; then none is.
    """
    for job in jobs:
        if job.step == "skip":
            print(
                f"{job.settings.name}: already trained in {job.run.folder}; "
                "--overwrite trains it again"
            )
    pending = [job for job in jobs if job.step != "skip"]
    if not pending:
        return
    devices.check_backend(cluster)
    writable_folder(pending[0].run.folder.parents[2])  # of RUNS_DIR/EXPERIMENT/MODEL/seed-SEED
    loaded = _start_and_load(experiment, data, cluster)
    with leaving_at_once(cluster):
        _train_all(pending, experiment, loaded, cluster, monitor)


def _start_and_load(experiment, data, cluster):
    """The data, and devices that are started.

    Data that Keras draws need its devices; others are made once, by the first process, before
    TensorFlow starts its threads, so that workers can be forked.
    """
    starts_first = experiment.distort or not cluster.is_first
    if starts_first:
        devices.start(cluster)
    loaded = data.loaded
    if not starts_first:
        devices.start(cluster)
    return loaded


def _train_all(jobs, experiment, data, cluster, monitor):
    _check(jobs, data)
    keep_freed_pages()
    import_keras("stn_keras")
    from experiments.training.train import build_model, train

    for job in jobs:
        if job.settings.transform:  # not every model can have every family
            build_model(experiment, job.settings, data)
    made_with = {**environment.describe(), "devices": cluster.replicas}
    versions = ", ".join(f"{name} {version}" for name, version in made_with["versions"].items())
    print(f"Training on {made_with['device']} ({versions})")
    if cluster.is_first:
        for job in jobs:
            if job.step == "overwrite":
                job.run.discard()  # all at once: after an interruption --resume takes what is there
    for job in jobs:
        if cluster.is_first:
            job.run.start(job.settings, made_with, data.parameters, job.schedule)
        devices.gather(cluster, 0)  # the others wait until the folder is as it should be
        metrics = train(experiment, job.run, job.settings, data, monitor, cluster)
        if metrics is not None:
            _print_result(job, metrics)


def _check(jobs: list[Job], data: Data) -> None:
    available = data.training.per_epoch
    for job in jobs:
        if job.settings.batch_size > available:
            raise UserError(
                f"expected --batch-size of at most {available}, got {job.settings.batch_size}"
            )
        if job.step == "resume":
            job.run.check_data(data.parameters)


def _print_result(job, metrics):
    accuracy = ", ".join(
        f"{name} {100 * share:.2f} %" for name, share in metrics["test_accuracy"].items()
    )
    print(f"{job.settings.name}: epoch {metrics['best_epoch']}, test accuracy {accuracy}")
    print(job.run.folder)
