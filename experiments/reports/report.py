"""What the runs achieved, as a table, as JSON and as report.md."""

import shlex
from dataclasses import asdict
from itertools import groupby

import numpy as np

from cli.files import atomic_path, write_json
from experiments import environment
from experiments.evaluation.measure import SWEEPS
from experiments.evaluation.significance import compare_with_plain
from experiments.reports import sections
from experiments.reports.markdown import markdown_table, p_value, page, percent


def summarize(experiment, results, data):
    """Everything the report says, as plain data: mean over seeds beside the published figure."""
    models = [
        _summarize_model(name, [result for result in results if result.model == name], experiment)
        for name in dict.fromkeys(result.model for result in results)
    ]
    return {
        "experiment": experiment.name,
        "data_option": _data_option(experiment, data),
        "title": experiment.title,
        "published_by": experiment.source,
        "environment": environment.describe(),
        "data": data.parameters,
        "note": data.note,
        "validated": data.validation is not None,
        "test_images": {name: int(mask.sum()) for name, (_, mask) in data.test_sets().items()},
        "sweep_values": {label: SWEEPS[label][1].tolist() for label in results[0].sweeps},
        "models": models,
        "paired_tests": compare_with_plain(experiment, results, data),
        "by_class": sections.by_class(results, data),
    }


def _data_option(experiment, data):
    """What the command lines say about the data."""
    if not experiment.any_size:
        return ""
    height, width, _ = data.parameters["image_shape"]
    # Of two sides they are the median of the pictures' own.
    return f" --data-dir PICTURES{f' --image-size {height}' if height == width else ''}"


def table(summary):
    """The comparison as a Markdown table, in percent."""
    sets = list(summary["test_images"])
    rows = [["model", "parameters", *sets, "images/s", "training"]]
    for _, models in groupby(summary["models"], key=lambda model: model["network"]):
        schedules = list(models)
        rows += [_measured_row(model, sets) for model in schedules]
        if schedules[0]["published"]:
            published = [schedules[0]["published"].get(name) for name in sets]
            rows.append(
                ["published", "", *("" if p is None else f"{p:g}" for p in published), "", ""]
            )
    return markdown_table(rows)


def _measured_row(model, sets):
    return [
        f"**{model['model']}**",
        f"{model['parameters']:,}",
        *(percent(model["accuracy"].get(name)) for name in sets),
        f"{model['images_per_second']:,.0f}",
        f"{model['training_seconds'] / 60:.1f} min",
    ]


def write(summary, pictures, folder, as_page=False):
    """Write report.json and report.md, which shows the pictures {file name: caption}.

    Args:
        summary: what `summarize` gives.
        pictures: {file name: caption}.
        folder: where to.
        as_page: also write index.html, for a browser.
    """
    write_json(folder / "report.json", summary)
    text = _markdown(summary, pictures)
    with atomic_path(folder / "report.md") as partial:
        partial.write_text(text)
    if as_page:
        with atomic_path(folder / "index.html") as partial:
            partial.write_text(page(summary["title"], text))


def _summarize_model(name, results, experiment):
    sets = results[0].accuracy
    accuracy = {key: _mean_and_error([result.accuracy[key] for result in results]) for key in sets}
    network = results[0].settings.network
    published = experiment.published.get(network, {})
    return {
        "model": name,
        "network": network,
        "parameters": results[0].parameters,
        "accuracy": accuracy,
        "published": published,
        "difference_in_points": {
            key: 100 * accuracy[key]["mean"] - value for key, value in published.items()
        },
        "sweeps": {
            label: np.mean([result.sweeps[label] for result in results], axis=0).tolist()
            for label in results[0].sweeps
        },
        "images_per_second": float(np.mean([result.images_per_second for result in results])),
        "training_seconds": float(np.mean([result.training_seconds for result in results])),
        "invariance": _mean_invariance(
            [result.invariance for result in results if result.invariance]
        ),
        "windows": sections.mean_windows([r.windows for r in results if r.windows]),
        "runs": [
            {
                "seed": result.seed,
                "accuracy": result.accuracy,
                "settings": asdict(result.settings),
                "best_epoch": result.best_epoch,
                "environment": result.environment,
                "evaluated": result.evaluated,
            }
            for result in results
        ],
    }


def _mean_invariance(measured):
    """Motion -> part that the transformer takes back, mean over the seeds where it is noted."""
    if not measured:
        return None
    return {
        motion: float(np.mean([of_seed[motion] for of_seed in measured])) for motion in measured[0]
    }


def _mean_and_error(values):
    error = float(np.std(values, ddof=1) / np.sqrt(len(values))) if len(values) > 1 else None
    return {"mean": float(np.mean(values)), "standard_error": error, "seeds": len(values)}


def _differences(summary):
    """How far each model is from its published figures, in points with their sign."""
    models = [model for model in summary["models"] if model["published"]]
    sets = [name for name in summary["test_images"] if any(name in m["published"] for m in models)]
    rows = [["model", *sets]]
    for model in models:
        points = model["difference_in_points"]
        rows.append(
            [model["model"], *(f"{points[name]:+.2f}" if name in points else "" for name in sets)]
        )
    return [
        "## Beside the published figures",
        "",
        "Points, mean over the seeds less the published figure.",
        "",
        markdown_table(rows),
        "",
    ]


def _paired_tests(summary):
    """Each transformer against its plain classifier."""
    rows = [
        [
            "model",
            "epochs",
            "against",
            "its epochs",
            "test images",
            "only model right",
            "only the other right",
            "p",
        ]
    ]
    shown = ("model", "epochs", "plain", "plain_epochs", "test_set")
    for test in summary["paired_tests"]:
        counts = (f"{test[key]:,}" for key in ("only_model_right", "only_plain_right"))
        rows.append([*(str(test[key]) for key in shown), *counts, p_value(test["p_value"])])
    seeds = sorted({test["seed"] for test in summary["paired_tests"]})
    return [
        "## With and without a transformer",
        "",
        "Exact McNemar test, two-sided, on the same test images; the runs of seed "
        f"{', '.join(map(str, seeds))}, the first for which the answers of both are noted.",
        "",
        markdown_table(rows),
        "",
    ]


def commands(summary):
    """The command lines that train these models, one for all that are trained alike, and the one
    that evaluates them.
    """
    of_experiment = f"{summary['experiment']}{summary['data_option']}"
    seeds = {}
    for model in summary["models"]:
        for run in model["runs"]:
            settings = run["settings"]
            trained = settings["model"], _options(settings)
            seeds.setdefault(trained, []).append(str(settings["seed"]))
    models = {}
    for (model, options), its_seeds in seeds.items():
        models.setdefault((options, ",".join(its_seeds)), []).append(model)
    training = [
        f"python train.py {of_experiment} --models {' '.join(names)} {options} --seeds {its_seeds}"
        for (options, its_seeds), names in models.items()
    ]
    return [*training, f"python evaluate.py {of_experiment}"]


def _options(settings):
    """The options of train.py that a run was trained by, defaults included."""
    shown = (
        *("schedule", "transform", "epochs", "batch_size", "precision"),
        *("backbone", "weights", "window"),
    )
    options = [
        f"--{key.replace('_', '-')} {shlex.quote(str(settings[key]))}"
        for key in shown
        if settings[key] is not None
    ]
    return " ".join([*options, *(["--class-weights"] if settings["class_weights"] else [])])


def _origins(summary, done, environment):
    """Which models were "trained" or "evaluated" at which commit and where, a line each."""
    models = {}
    for model in summary["models"]:
        for run in model["runs"]:
            where = run[environment]["commit"], run[environment]["device"]
            models.setdefault(where, {})[model["model"]] = None
    return [
        f"- {', '.join(names)}: {done} at commit {commit} on {device}"
        for (commit, device), names in models.items()
    ]


def _markdown(summary, pictures):
    made = summary["environment"]
    seeds = sorted({run["seed"] for model in summary["models"] for run in model["runs"]})
    versions = ", ".join(f"{name} {version}" for name, version in made["versions"].items())
    published = summary["published_by"]
    data_seed = f"; data seed {summary['data']['seed']}" if "seed" in summary["data"] else ""
    epoch = "best on held-out training images" if summary["validated"] else "last of the schedule"
    lines = [
        f"# {summary['title']}",
        "",
        "Accuracy in percent on test images that no model was trained on or chosen by; the epoch "
        f"is the {epoch}.",
        *([f"The published figures are those of {published}."] if published else ()),
        *([f"The images here are a {summary['note']}."] if summary["note"] else ()),
        "",
        table(summary),
        "",
        "Test images: "
        + ", ".join(f"{name} {count:,}" for name, count in summary["test_images"].items())
        + ".",
        "",
        *(f"![{caption}]({name})\n\n{caption}.\n" for name, caption in pictures.items()),
        *(_differences(summary) if any(m["published"] for m in summary["models"]) else ()),
        *(_paired_tests(summary) if summary["paired_tests"] else ()),
        *sections.invariance(summary),
        *sections.windows(summary),
        *sections.classes(summary),
        "## How it was made",
        "",
        *(f"    {command}" for command in commands(summary)),
        "",
        f"- seeds: {', '.join(map(str, seeds))}{data_seed}",
        *_origins(summary, "trained", "environment"),
        *_origins(summary, "evaluated", "evaluated"),
        f"- written {made['time']} with {versions}",
        "",
    ]
    return "\n".join(lines)
