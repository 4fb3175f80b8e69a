"""The command lines of train.py and evaluate.py."""

import argparse
import os
import re
from pathlib import Path

from cli.errors import UserError
from cli.parser import OneLineParser
from experiments.catalogue import EXPERIMENTS
from experiments.experiment import DEFAULT_SCHEDULE, Experiment
from experiments.training.cluster import Cluster

DEFAULT_EXPERIMENT = "distorted-mnist"
PRECISIONS = ("float32", "mixed_float16", "mixed_bfloat16")
SIDES = (16, 1024)
# place of the transformer -> model of image-folder
TRANSFORMERS = {
    "input": "stn-cnn",
    "features": "stn-cnn-features",
    "crop": "stn-cnn-crop",
    "none": "cnn",
}
MOST_SEED = 2**32 - 1


def training_arguments(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line of train.py; None: that of this process.

    Raises:
        UserError: a number is out of its range.
    """
    parser = _experiment_parser(
        "train.py",
        "Train an experiment's models, each in RUNS_DIR/EXPERIMENT/MODEL/seed-SEED.",
    )
    _add_schedule(parser)
    _add_pictures(parser)
    parser.add_argument(
        "--precision", choices=PRECISIONS, default="float32", help="default: %(default)s"
    )
    parser.add_argument(
        "--monitor",
        action="store_true",
        help="draw after each epoch what the transformer does, and write logs for TensorBoard",
    )
    _add_mode(parser)
    _add_cluster(parser)
    arguments = parser.parse_args(argv)
    _check_ranges(arguments)
    _check_pictures(arguments)
    return arguments


def evaluation_arguments(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line of evaluate.py; None: that of this process."""
    parser = _experiment_parser(
        "evaluate.py",
        "Compare an experiment's trained models: a table, report.md, report.json and pictures. "
        "Trains nothing.",
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
        "--pretrained",
        action="store_true",
        help="measure the trained models of pretrained/ in place of runs, and print a table; done "
        "too where nothing is named and there are no runs",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="folder of the report, with --all of the reports' folders (default: "
        "results/EXPERIMENT, with --all results; or below STN_RESULTS_DIR)",
    )
    arguments = parser.parse_args(argv)
    if arguments.all and arguments.experiment is not None:
        parser.error("expected either EXPERIMENT or --all")
    if arguments.pretrained and (arguments.all or arguments.add or arguments.out):
        parser.error("expected --pretrained without --all, --add and --out: it writes no report")
    return arguments


def data_arguments(experiment: Experiment, arguments: argparse.Namespace) -> dict:
    """The arguments of the experiment's `load_data` that the command line asks for.

    Raises:
        UserError: its images cannot have the size asked for, or are not a user's own.
    """
    where = {"folder": arguments.runs_dir / experiment.name, "data_dir": arguments.data_dir}
    size = arguments.image_size
    if not experiment.any_size:
        if size is not None:
            raise UserError(f"expected no --image-size: {experiment.name} has images of one size")
        if arguments.skip_broken:
            raise UserError(f"expected no --skip-broken: {experiment.name} reads no own pictures")
        return where
    if size is not None and not SIDES[0] <= size <= SIDES[1]:
        raise UserError(f"expected --image-size from {SIDES[0]} to {SIDES[1]}, got {size}")
    return {**where, "image_size": size, "skip_broken": arguments.skip_broken}


def cluster_of(arguments: argparse.Namespace) -> Cluster:
    """The devices and processes that train.py is to train on.

    Raises:
        UserError: there can be none like these.
    """
    for option in ("devices", "num_processes"):
        value = getattr(arguments, option)
        if value < 1:
            raise UserError(f"expected --{option.replace('_', '-')} of at least 1, got {value}")
    index, processes, coordinator = (
        arguments.process_id,
        arguments.num_processes,
        arguments.coordinator,
    )
    if not 0 <= index < processes:
        raise UserError(f"expected --process-id from 0 to {processes - 1}, got {index}")
    if (processes > 1) != (coordinator is not None):
        raise UserError("expected --coordinator and --num-processes together, got one of them")
    if coordinator is not None and not re.fullmatch(r"[^\s,]+:\d+", coordinator):
        raise UserError(f"expected --coordinator HOST:PORT, got {coordinator}")
    return Cluster(arguments.devices, processes, index, coordinator)


def results_folder() -> Path:
    """Where reports lie unless STN_RESULTS_DIR names another folder."""
    return Path(os.environ.get("STN_RESULTS_DIR", "results"))


def default_notice(cost: str = "") -> str:
    """The line that says which experiment is meant where none is named.

    Args:
        cost: how long it takes, or nothing.
    """
    others = ", ".join(name for name in EXPERIMENTS if name != DEFAULT_EXPERIMENT)
    cost = f", {cost}" if cost else ""
    return f"no experiment named: {DEFAULT_EXPERIMENT}{cost}; the others are {others}"


def _experiment_parser(prog, description):
    """A parser that knows the experiment, where its runs are kept and where its data come from."""
    parser = OneLineParser(prog=prog, description=description)
    names = ", ".join(EXPERIMENTS)
    parser.add_argument(
        "experiment",
        choices=EXPERIMENTS,
        metavar="EXPERIMENT",
        nargs="?",
        help=f"one of: {names} (default: {DEFAULT_EXPERIMENT})",
    )
    parser.add_argument(
        "--runs-dir", type=Path, default=Path("runs"), metavar="DIR", help="default: %(default)s"
    )
    parser.add_argument(
        "--data-dir",
        metavar="DIR",
        help="folder with mnist.npz or the like, or of image-folder's pictures (default: "
        "STN_DATA_DIR, else Keras's own)",
    )
    parser.add_argument(
        "--image-size",
        type=int,
        metavar="N",
        help="height and width that image-folder's pictures are brought to (default: the median of "
        "their own, at most 96)",
    )
    parser.add_argument(
        "--skip-broken",
        action="store_true",
        help="leave out pictures of image-folder that cannot be read (default: refuse them)",
    )
    return parser


def _add_schedule(parser):
    """The options of what is trained, and how."""
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
        "--seeds", type=_integers, default=(0,), metavar="N,N", help="such as 0,1,2 (default: 0)"
    )
    parser.add_argument(
        "--transform",
        metavar="NAME",
        help="family of every spatial transformer, such as affine, homography or tps, whose models "
        "are then called MODEL-NAME (default: each model's own)",
    )


def _add_pictures(parser):
    """The options of a network for pictures of one's own."""
    group = parser.add_argument_group("image-folder")
    group.add_argument(
        "--backbone",
        metavar="NAME",
        help="a network of keras.applications, such as MobileNetV3Small, in place of the small CNN",
    )
    group.add_argument(
        "--weights",
        metavar="none|imagenet|FILE",
        help="the backbone's: none trains it from scratch; imagenet downloads them, FILE reads "
        "them: it is frozen at first, then trained at a smaller rate (default: none)",
    )
    group.add_argument(
        "--transformer",
        nargs="+",
        choices=TRANSFORMERS,
        metavar="PLACE",
        help="input: in front of the network; features: on its maps; crop: looks at a thumbnail "
        "and cuts a window out of the picture; none (default: none input)",
    )
    group.add_argument(
        "--window",
        type=int,
        metavar="N",
        help="height and width of the window of --transformer crop (default: half the picture's)",
    )
    group.add_argument(
        "--class-weights",
        action="store_true",
        help="let every class count alike, however many pictures it has",
    )


def _add_mode(parser):
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


def _add_cluster(parser):
    """The options of several devices and machines."""
    group = parser.add_argument_group("several devices and machines")
    group.add_argument(
        "--devices",
        type=int,
        default=1,
        metavar="N",
        help="train on N devices of this machine, each on its part of every batch; without "
        "accelerators on parts of the processor (default: %(default)s)",
    )
    group.add_argument(
        "--coordinator",
        metavar="HOST:PORT",
        help="train on several machines (KERAS_BACKEND=jax): where the first process can be "
        "reached; each machine runs the same command with another --process-id",
    )
    group.add_argument(
        "--num-processes", type=int, default=1, metavar="N", help="default: %(default)s"
    )
    group.add_argument(
        "--process-id", type=int, default=0, metavar="I", help="0 is the one that writes files"
    )


def _integers(text):
    """Integers with commas between them, each once."""
    try:
        return tuple(dict.fromkeys(int(part) for part in text.split(",")))
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected integers such as 0,1,2, got {text!r}") from None


def _check_pictures(arguments):
    """Refuse options of image-folder elsewhere, and those that need another one."""
    name = arguments.experiment or DEFAULT_EXPERIMENT
    own_pictures = EXPERIMENTS[name].any_size
    for option in ("backbone", "weights", "transformer", "window", "class_weights"):
        if getattr(arguments, option) and not own_pictures:
            raise UserError(f"expected no --{option.replace('_', '-')}: only image-folder has it")
    if arguments.weights and not arguments.backbone:
        raise UserError("expected --weights with a --backbone, got none")
    if arguments.backbone and not arguments.weights:
        arguments.weights = "none"
    if arguments.window is not None and not SIDES[0] <= arguments.window <= SIDES[1]:
        raise UserError(f"expected --window from {SIDES[0]} to {SIDES[1]}, got {arguments.window}")


def _check_ranges(arguments):
    """Refuse too few epochs or images, and seeds that are none."""
    for option, value, least in (
        ("epochs", arguments.epochs, 1),
        ("batch-size", arguments.batch_size, 1),
        *(("seeds", seed, 0) for seed in arguments.seeds),
    ):
        if value is not None and value < least:
            raise UserError(f"expected --{option} of at least {least}, got {value}")
    if max(arguments.seeds) > MOST_SEED:
        raise UserError(f"expected --seeds of at most {MOST_SEED}, got {max(arguments.seeds)}")
