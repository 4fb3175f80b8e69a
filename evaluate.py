"""Compare an experiment's trained models: python evaluate.py EXPERIMENT."""

import sys
from pathlib import Path

from data_prep.errors import UserError, run_command
from data_prep.files import writable_folder
from data_prep.quiet import quiet_import
from experiments import EXPERIMENTS
from experiments.command_line import data_arguments, experiment_parser, results_folder


def parse_arguments():
    """The command line of evaluate.py."""
    parser = experiment_parser(
        "evaluate.py",
        "Compare an experiment's trained models: a table, report.md, report.json and pictures. "
        "Trains nothing.",
        nargs="?",
    )
    parser.add_argument(
        "--all",
        action="store_true",
        help="every experiment with finished runs, and one table of all reports: README.md",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="folder of the report, with --all of the reports' folders (default: "
        "results/EXPERIMENT, with --all results; or below STN_RESULTS_DIR)",
    )
    arguments = parser.parse_args()
    if arguments.all == (arguments.experiment is not None):
        parser.error("expected either EXPERIMENT or --all")
    return arguments


def main():
    """Evaluate one experiment, or all and write their table."""
    arguments = parse_arguments()
    if not arguments.all:
        experiment = EXPERIMENTS[arguments.experiment]
        evaluate(experiment, arguments, arguments.out or results_folder() / experiment.name)
        return
    from experiments.overview import write_overview

    folder = writable_folder(arguments.out or results_folder())
    for experiment in EXPERIMENTS.values():
        if any((arguments.runs_dir / experiment.name).glob("*/*/metrics.json")):
            try:
                evaluate(experiment, arguments, folder / experiment.name)
            except UserError as error:  # the others are worth evaluating still
                print(f"{experiment.name}: left as it was: {error}", file=sys.stderr)
    print(write_overview(folder))


def evaluate(experiment, arguments, folder):
    """Measure every finished run, then write table, report and pictures into the folder."""
    quiet_import("stn_keras")
    from experiments import report
    from experiments.evaluation import evaluate_run, find_runs, make_sweeps

    runs = find_runs(arguments.runs_dir, experiment)
    writable_folder(folder)
    data = experiment.load_data(**data_arguments(experiment, arguments))
    sweeps = make_sweeps(data)
    evaluated = []
    for run, settings in runs:
        print(f"evaluating {run.folder}", flush=True)
        evaluated.append(evaluate_run(run, settings, data, sweeps))
    summary = report.summarize(experiment, [result for _, result in evaluated], data)
    pictures = draw_pictures(evaluated, data, folder)
    report.write(summary, pictures, folder)
    print(f"\n{experiment.title}: accuracy in percent\n\n{report.table(summary)}\n")
    for name in ("report.md", *pictures):
        print(folder / name)


def draw_pictures(evaluated, data, folder):
    """Draw the first seed of every model; file name -> caption."""
    from experiments import pictures
    from experiments.evaluation import transformer_of

    first = {result.model: (model, result) for model, result in reversed(evaluated)}
    shown = [first[name] for name in dict.fromkeys(result.model for _, result in evaluated)]
    shown_images = (
        "Test images" if data.shown == "test" else f"{data.shown} test images".capitalize()
    )
    captions = {}
    for model, result in shown:
        if transformer_of(model) is not None:
            name = f"transformed-{result.model}.png"
            pictures.draw_transformer(model, result, data, folder / name)
            captions[name] = f"{shown_images} above what the transformer of {result.model} made of "
            captions[name] += "them, with the class it then predicts"
        if any(result.run.monitor.glob("epoch-*.png")):
            name = f"epochs-{result.model}.gif"
            pictures.draw_film(result.run.monitor, folder / name)
            captions[name] = f"What the transformer of {result.model} learned, epoch by epoch"
    results = [result for _, result in shown]
    if data.swept:
        pictures.draw_curves(results, folder / "curves.png")
        captions["curves.png"] = "Accuracy against rotation, scale and shift"
    pictures.draw_confusion(results, data, folder / "confusion.png")
    captions["confusion.png"] = f"Confusion matrices on the {shown_images.lower()}"
    measured = "validation" if data.validation else "training"
    pictures.draw_learning(results, measured, folder / "learning.png")
    captions["learning.png"] = f"{measured.capitalize()} accuracy by epoch"
    return captions


if __name__ == "__main__":
    run_command(main, "evaluate.py")
