"""What the command lines of train.py and evaluate.py share."""

from pathlib import Path

from data_prep.errors import OneLineParser
from experiments import EXPERIMENTS


def experiment_parser(prog, description):
    """A parser that knows the experiment and where its runs are kept."""
    parser = OneLineParser(prog=prog, description=description)
    names = ", ".join(EXPERIMENTS)
    parser.add_argument(
        "experiment", choices=EXPERIMENTS, metavar="EXPERIMENT", help=f"one of: {names}"
    )
    parser.add_argument(
        "--runs-dir", type=Path, default=Path("runs"), metavar="DIR", help="default: %(default)s"
    )
    return parser
