"""Keep trained models: python -m experiments.pretrained [EXPERIMENT MODEL]."""

from pathlib import Path

from cli.errors import UserError
from cli.parser import OneLineParser
from cli.run import run_command
from cli.startup import import_keras
from experiments.catalogue import EXPERIMENTS


def main():
    """Keep the best seed of one model, or of every model that is beaten by one."""
    parser = OneLineParser(
        prog="python -m experiments.pretrained",
        description="Keep the best seed of a trained model, by validation, in pretrained/, with "
        "its card; without EXPERIMENT replace each model there that a run beats by validation.",
    )
    parser.add_argument("experiment", nargs="?", choices=EXPERIMENTS, metavar="EXPERIMENT")
    parser.add_argument("model", nargs="?", metavar="MODEL")
    parser.add_argument(
        "--runs-dir", type=Path, default=Path("runs"), metavar="DIR", help="default: %(default)s"
    )
    parser.add_argument("--data-dir", metavar="DIR", help="default: STN_DATA_DIR, else Keras's own")
    arguments = parser.parse_args()
    if not arguments.experiment:
        replace_beaten(arguments.runs_dir, arguments.data_dir)
        return
    experiment = EXPERIMENTS[arguments.experiment]
    if arguments.model not in experiment.models:
        raise UserError(
            f"expected MODEL from {', '.join(experiment.models)}, got {arguments.model}"
        )
    import_keras("stn_keras")
    from experiments.pretrained.keep import keep

    print(keep(experiment, arguments.model, arguments.runs_dir, arguments.data_dir))


def replace_beaten(runs_dir, data_dir):
    """Replace every model that a run beats, and say which."""
    import_keras("stn_keras")
    from experiments.pretrained.keep import keep_better

    for card, path in keep_better(runs_dir, data_dir):
        print(f"{card.file}: {'replaced' if path else 'no run is better'}")


if __name__ == "__main__":
    run_command(main, "python -m experiments.pretrained")
