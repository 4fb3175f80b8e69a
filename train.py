"""Train an experiment's models: python train.py EXPERIMENT."""

import argparse
import importlib.util
import io
import shlex
import sys
from dataclasses import replace

from cli.errors import UserError
from cli.files import writable_folder
from cli.run import run_command
from cli.startup import import_keras
from experiments import EXPERIMENTS, environment
from experiments.arguments import data_arguments, experiment_parser, results_folder
from experiments.data.data import DATA_SEED
from experiments.experiment import DEFAULT_SCHEDULE, has_transformer
from experiments.reports.costs import measured_cost
from experiments.training.devices import Place
from experiments.training.malloc import keep_freed_pages
from experiments.training.run_folder import Settings, next_step, run_of

PRECISIONS = ("float32", "mixed_float16", "mixed_bfloat16")


def parse_arguments():
    """The command line of train.py."""
    parser = experiment_parser(
        "train.py",
        "Train an experiment's models, each in RUNS_DIR/EXPERIMENT/MODEL/seed-SEED.",
    )
    parser.add_argument(
        "--models", nargs="+", metavar="MODEL", help="default: all of the experiment's"
    )
    parser.add_argument(
        "--schedule",
        default=DEFAULT_SCHEDULE,
        metavar="NAME",
        help="best: ours; published: the publication's; quick: minutes on two cores; where the "
        "experiment has it. Models by another schedule than best are then called MODEL-NAME "
        "(default: %(default)s)",
    )
    parser.add_argument("--epochs", type=int, metavar="N", help="default: the schedule's")
    parser.add_argument(
        "--batch-size",
        type=int,
        metavar="N",
        help="default: the schedule's, of image-folder at most the number of training pictures",
    )
    parser.add_argument(
        "--seeds", type=integers, default=(0,), metavar="N,N", help="such as 0,1,2 (default: 0)"
    )
    parser.add_argument(
        "--transform",
        metavar="NAME",
        help="family of every spatial transformer, such as affine, homography or tps, whose models "
        "are then called MODEL-NAME (default: each model's own)",
    )
    parser.add_argument(
        "--precision", choices=PRECISIONS, default="float32", help="default: %(default)s"
    )
    parser.add_argument(
        "--monitor",
        action="store_true",
        help="draw after each epoch what the transformer does, and write logs for TensorBoard",
    )
    add_mode(parser)
    add_place(parser)
    return parser.parse_args()


def add_mode(parser):
    """The options of what to do with runs that are there, and of doing nothing."""
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="list what would be trained, with its cost, and train nothing",
    )
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--resume", action="store_true", help="go on with unfinished runs")
    mode.add_argument(
        "--overwrite", action="store_true", help="discard earlier runs and start again"
    )


def add_place(parser):
    """The options of several devices and machines, in a group of their own."""
    place = parser.add_argument_group("several devices and machines")
    place.add_argument(
        "--devices",
        type=int,
        default=1,
        metavar="N",
        help="train on so many devices of this machine, each on its part of every batch; without "
        "accelerators on parts of the processor (default: %(default)s)",
    )
    place.add_argument(
        "--coordinator",
        metavar="HOST:PORT",
        help="train on several machines (KERAS_BACKEND=jax): where the first process can be "
        "reached; each machine runs the same command with another --process-id",
    )
    place.add_argument(
        "--num-processes", type=int, default=1, metavar="N", help="default: %(default)s"
    )
    place.add_argument(
        "--process-id", type=int, default=0, metavar="I", help="0 is the one that writes files"
    )


def integers(text):
    """Integers with commas between them, each once."""
    try:
        return tuple(dict.fromkeys(int(part) for part in text.split(",")))
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected integers such as 0,1,2, got {text!r}") from None


def settings_of(arguments, experiment):
    """The settings of each run that the command line asks for."""
    models = arguments.models or experiment.models
    for model in models:
        if model not in experiment.models:
            raise UserError(f"expected --models from {', '.join(experiment.models)}, got {model}")
    if arguments.schedule not in experiment.schedules:
        names = ", ".join(experiment.schedules)
        raise UserError(f"expected --schedule from {names}, got {arguments.schedule}")
    check_numbers(arguments)
    schedule = experiment.schedules[arguments.schedule]
    return [
        Settings(
            experiment.name,
            model,
            seed,
            arguments.epochs or schedule.of(model).epochs,
            arguments.batch_size or schedule.of(model).batch_size,
            arguments.precision,
            DATA_SEED,
            arguments.transform if has_transformer(model) else None,
            arguments.schedule,
        )
        for seed in arguments.seeds
        for model in dict.fromkeys(models)
    ]


def schedule_of(experiment, settings):
    """How a run is trained, as plain data that it notes."""
    return experiment.schedules[settings.schedule].of(settings.model).described


def check_numbers(arguments):
    """Refuse numbers of epochs or images that are none, and seeds that are too large."""
    for name, value, least, most in (
        ("epochs", arguments.epochs, 1, None),
        ("batch-size", arguments.batch_size, 1, None),
        *(("seeds", seed, 0, 2**32 - 1) for seed in arguments.seeds),
    ):
        if value is not None and value < least:
            raise UserError(f"expected --{name} of at least {least}, got {value}")
        if value is not None and most is not None and value > most:
            raise UserError(f"expected --{name} of at most {most}, got {value}")


def check_transform(name):
    """Refuse a family that there is not."""
    families = import_keras("stn_keras").transforms.FAMILIES
    if name not in families:
        raise UserError(f"expected --transform from {', '.join(families)}, got {name}")


def check_monitor():
    """Refuse to monitor without the packages that TensorBoard's logs need."""
    for package in ("tensorboard", "tensorflow"):
        if importlib.util.find_spec(package) is None:
            raise UserError(f"--monitor needs the package {package}: pip install {package}")


def print_plan(planned, experiment, images_per_epoch):
    """A line for each run: what would be done with it."""
    for step, run, settings in planned:
        done = run.epochs_done if step == "resume" else 0
        work = f"epochs {done + 1} to {settings.epochs}, {images_per_epoch:,} images an epoch"
        # One's own pictures are others than those of the report.
        measured = None if experiment.any_size else measured_cost(results_folder(), settings)
        if measured:
            seconds, how = measured
            minutes = (settings.epochs - done) * seconds / 60
            took = f"{minutes:.1f} minutes" if minutes < 120 else f"{minutes / 60:.1f} hours"
            work += f", {took} where it was measured ({how})"
        what = f"finished in {run.folder}" if step == "skip" else work
        print(f"{step:9}  {settings.name}, seed {settings.seed}: {what}")


def fit_batches(asked, available, place):
    """The settings with batches of no more images than there are; says so where they were larger.

    Args:
        asked: list of `Settings`.
        available: number of images of an epoch.
        place: `Place`, whose devices share each batch evenly.
    """
    most = max(available - available % place.replicas, place.replicas)
    if any(settings.batch_size > most for settings in asked):
        print(f"batches of {most} images: there are only {available} to train on")
    return [replace(each, batch_size=min(each.batch_size, most)) for each in asked]


def plan(asked, experiment, arguments, place):
    """What to do with the run of each `Settings`: a list of (step, run, settings).

    Raises:
        UserError: a run is there that cannot be taken or replaced.
    """
    planned = []
    for settings in asked:
        place.check_batch_size(settings.batch_size)
        run = run_of(arguments.runs_dir, settings)
        step = next_step(run, settings, arguments.resume, arguments.overwrite)
        if step in ("resume", "skip"):
            run.check_schedule(schedule_of(experiment, settings))
        planned.append((step, run, settings))
    return planned


def main():
    """Make the data, then train model after model."""
    arguments = parse_arguments()
    experiment = EXPERIMENTS[arguments.experiment]
    place = Place(
        arguments.devices, arguments.num_processes, arguments.process_id, arguments.coordinator
    )
    if not place.is_first:
        sys.stdout = io.StringIO()  # the first one prints the same
    asked = settings_of(arguments, experiment)
    if arguments.transform:
        check_transform(arguments.transform)
    if arguments.monitor:
        check_monitor()
        if place.processes > 1:
            raise UserError(f"expected --monitor in one process, got {place.processes}")
    where = data_arguments(experiment, arguments)
    data = None
    if experiment.any_size:  # few pictures decide the batch size, by which runs are recognized
        data = experiment.load_data(**where)
        if not arguments.batch_size:
            asked = fit_batches(asked, data.training.per_epoch, place)
    planned = plan(asked, experiment, arguments, place)
    if arguments.dry_run:
        per_epoch = data.training.per_epoch if data else experiment.count_images(**where)
        return print_plan(planned, experiment, per_epoch)
    for step, run, settings in planned:
        if step == "skip":
            print(f"{settings.name}: already trained in {run.folder}; --overwrite trains it again")
    pending = [(step, run, settings) for step, run, settings in planned if step != "skip"]
    if pending:
        place.check_backend()
        writable_folder(arguments.runs_dir)
        # Data that Keras draws need its devices; others are made once, by the first process, before
        # TensorFlow starts its threads, so that workers can be forked.
        starts_first = experiment.distort or not place.is_first
        if starts_first:
            place.start()
        data = data or experiment.load_data(**where)
        if not starts_first:
            place.start()
        with place.leaving_at_once():
            train_all(experiment, pending, data, arguments.monitor, place)


def train_all(experiment, pending, data, monitor, place):
    """Train (step, run, settings) after (step, run, settings); nothing if one cannot be trained."""
    available = data.training.per_epoch
    for step, run, settings in pending:
        if settings.batch_size > available:
            raise UserError(
                f"expected --batch-size of at most {available}, got {settings.batch_size}"
            )
        if step == "resume":
            run.check_data(data.parameters)
    keep_freed_pages()
    import_keras("stn_keras")
    from experiments.training.train import build_model, train

    for _, _, settings in pending:
        if settings.transform:  # not every model can have every family
            build_model(experiment, settings, data)
    made_with = {**environment.describe(), "devices": place.replicas}
    versions = ", ".join(f"{name} {version}" for name, version in made_with["versions"].items())
    print(f"Training on {made_with['device']} ({versions})")
    if place.is_first:
        for step, run, _ in pending:
            if step == "overwrite":
                run.discard()  # all at once: after an interruption --resume takes what is there
    for _, run, settings in pending:
        if place.is_first:
            run.start(settings, made_with, data.parameters, schedule_of(experiment, settings))
        place.values(0)  # the others wait until the folder is as it should be
        metrics = train(experiment, run, settings, data, monitor, place)
        if metrics is None:
            continue
        accuracy = ", ".join(
            f"{name} {100 * share:.2f} %" for name, share in metrics["test_accuracy"].items()
        )
        print(f"{settings.name}: epoch {metrics['best_epoch']}, test accuracy {accuracy}")
        print(run.folder)


def resume_command(arguments):
    """The command that goes on where the one with these arguments was stopped."""
    kept = [argument for argument in arguments if argument not in ("--overwrite", "--resume")]
    return shlex.join(["python", "train.py", *kept, "--resume"])


if __name__ == "__main__":
    goes_on = f"{resume_command(sys.argv[1:])} goes on after the last whole epoch"
    run_command(main, "train.py", goes_on)
