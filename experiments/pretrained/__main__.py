"""Keep a trained model: python -m experiments.pretrained EXPERIMENT MODEL."""

from pathlib import Path

from cli.errors import UserError
from cli.parser import OneLineParser
from cli.run import run_command
from cli.startup import import_keras
from experiments.catalogue import EXPERIMENTS


def main():
    """Keep the best seed of one model."""
    parser = OneLineParser(
        prog="python -m experiments.pretrained",
        description="Keep the best seed of a trained model, by validation, in pretrained/, with "
        "its card.",
    )
    parser.add_argument("experiment", choices=EXPERIMENTS, metavar="EXPERIMENT")
    parser.add_argument("model", metavar="MODEL")
    parser.add_argument(
        "--runs-dir", type=Path, default=Path("runs"), metavar="DIR", help="default: %(default)s"
    )
    parser.add_argument("--data-dir", metavar="DIR", help="default: STN_DATA_DIR, else Keras's own")
    arguments = parser.parse_args()
    experiment = EXPERIMENTS[arguments.experiment]
    if arguments.model not in experiment.models:
        raise UserError(
            f"expected MODEL from {', '.join(experiment.models)}, got {arguments.model}"
        )
    import_keras("stn_keras")
    from experiments.pretrained.keep import keep

    print(keep(experiment, arguments.model, arguments.runs_dir, arguments.data_dir))


if __name__ == "__main__":
    run_command(main, "python -m experiments.pretrained")
