"""What the command lines of train.py and evaluate.py share."""

import os
from pathlib import Path

from cli.errors import UserError
from cli.parser import OneLineParser
from experiments import EXPERIMENTS

SIDES = (16, 1024)


def experiment_parser(prog, description, nargs=None):
    """A parser that knows the experiment, where its runs are kept and where its data come from.

    Args:
        prog: name of the program.
        description: what it does.
        nargs: "?" where the experiment may be left out.
    """
    parser = OneLineParser(prog=prog, description=description)
    names = ", ".join(EXPERIMENTS)
    parser.add_argument(
        "experiment",
        choices=EXPERIMENTS,
        metavar="EXPERIMENT",
        nargs=nargs,
        help=f"one of: {names}",
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


def data_arguments(experiment, arguments):
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


def results_folder():
    """Where reports lie unless told otherwise."""
    return Path(os.environ.get("STN_RESULTS_DIR", "results"))
