"""What the command lines of train.py and evaluate.py share."""

from pathlib import Path

from data_prep.errors import OneLineParser
from experiments import EXPERIMENTS


def experiment_parser(prog, description):
    """A parser that knows the experiment, where its runs are kept and where its data come from."""
    parser = OneLineParser(prog=prog, description=description)
    names = ", ".join(EXPERIMENTS)
    parser.add_argument(
        "experiment", choices=EXPERIMENTS, metavar="EXPERIMENT", help=f"one of: {names}"
    )
    parser.add_argument(
        "--runs-dir", type=Path, default=Path("runs"), metavar="DIR", help="default: %(default)s"
    )
    parser.add_argument(
        "--data-dir",
        metavar="DIR",
        help="folder with mnist.npz (default: STN_DATA_DIR, else Keras's own)",
    )
    return parser
