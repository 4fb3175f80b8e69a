"""Train an experiment's models: python train.py EXPERIMENT."""

from data_prep.errors import UserError, run_command
from data_prep.files import writable_folder
from data_prep.quiet import quiet_import
from experiments import EXPERIMENTS, environment
from experiments.command_line import experiment_parser
from experiments.data import DATA_SEED
from experiments.runs import Settings, needs_training, run_of

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
    parser.add_argument("--epochs", type=int, metavar="N", help="default: the experiment's")
    parser.add_argument("--batch-size", type=int, metavar="N", help="default: the experiment's")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="default: %(default)s")
    parser.add_argument(
        "--precision", choices=PRECISIONS, default="float32", help="default: %(default)s"
    )
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--resume", action="store_true", help="go on with unfinished runs")
    mode.add_argument(
        "--overwrite", action="store_true", help="discard earlier runs and start again"
    )
    return parser.parse_args()


def settings_of(arguments, experiment):
    """The settings of each run that the command line asks for."""
    models = arguments.models or experiment.models
    for model in models:
        if model not in experiment.models:
            raise UserError(f"expected --models from {', '.join(experiment.models)}, got {model}")
    epochs = experiment.epochs if arguments.epochs is None else arguments.epochs
    batch_size = experiment.batch_size if arguments.batch_size is None else arguments.batch_size
    for name, value, least, most in (
        ("epochs", epochs, 1, None),
        ("batch-size", batch_size, 1, None),
        ("seed", arguments.seed, 0, 2**32 - 1),
    ):
        if value < least:
            raise UserError(f"expected --{name} of at least {least}, got {value}")
        if most is not None and value > most:
            raise UserError(f"expected --{name} of at most {most}, got {value}")
    return [
        Settings(
            experiment.name,
            model,
            arguments.seed,
            epochs,
            batch_size,
            arguments.precision,
            DATA_SEED,
        )
        for model in dict.fromkeys(models)
    ]


def main():
    """Make the data, then train model after model."""
    arguments = parse_arguments()
    experiment = EXPERIMENTS[arguments.experiment]
    pending = []
    for settings in settings_of(arguments, experiment):
        run = run_of(arguments.runs_dir, settings)
        if needs_training(run, settings, arguments.resume, arguments.overwrite):
            pending.append((run, settings))
    if not pending:
        return
    writable_folder(arguments.runs_dir)
    # Made before TensorFlow starts its threads, so that the workers can be forked.
    data = experiment.load_data(arguments.runs_dir / experiment.name, arguments.data_dir)
    available, batch_size = data.training.per_epoch, pending[0][1].batch_size
    if batch_size > available:
        raise UserError(f"expected --batch-size of at most {available}, got {batch_size}")
    if arguments.resume:
        for run in (run for run, _ in pending if run.config.exists()):
            run.check_data(data.parameters)
    quiet_import("stn_keras")
    from experiments.training import train

    described = environment.describe()
    versions = ", ".join(f"{name} {version}" for name, version in described["versions"].items())
    print(f"Training on {described['device']} ({versions})")
    for run, settings in pending:
        if arguments.overwrite:
            run.discard()
        run.start(settings, described, data.parameters)
        metrics = train(experiment, run, settings, data)
        accuracy = ", ".join(
            f"{name} {100 * share:.2f} %" for name, share in metrics["test_accuracy"].items()
        )
        print(f"{settings.model}: epoch {metrics['best_epoch']}, test accuracy {accuracy}")
        print(run.folder)


if __name__ == "__main__":
    run_command(main, "train.py")
