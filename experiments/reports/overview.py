"""One table of every experiment, from the reports that are there."""

from functools import partial
from itertools import groupby
from operator import itemgetter
from pathlib import Path

from cli.errors import UserError
from cli.files import atomic_path
from experiments import EXPERIMENTS
from experiments.experiment import DEFAULT_SCHEDULE
from experiments.reports.costs import read_report, schedule_of
from experiments.reports.markdown import markdown_table, p_value, percent

PUBLISHED = "published"
HEADING = [
    "experiment",
    "model",
    "test images",
    "published",
    "as published",
    "ours",
    "above published",
    "p",
    "epochs",
    "training",
    "device",
]
EXPLANATION = """\
Accuracy in percent on test images: mean over seeds, its standard error, (number of seeds). The
epoch is chosen on held-out training images; where there are none it is the last. *As published*:
trained by the published schedule. *Ours*: trained by ours. *Above published*: by how many
points ours exceeds the published figure. *p*: McNemar's test of one seed against the classifier
without a transformer, empty where the answers of one of the two are not on record; the report says
for how many epochs each was trained. *Training*: minutes a seed, on a machine that also ran other
jobs.
Where there is no run by our schedule, the last columns are of the published one."""


def write_overview(folder):
    """Write folder/README.md from every folder/EXPERIMENT/report.json.

    Returns:
        Its path.

    Raises:
        UserError: there is none, or one is damaged.
    """
    folder = Path(folder)
    paths = [folder / name / "report.json" for name in EXPERIMENTS]
    parts = [read_report(path, partial(_part, folder)) for path in paths if path.exists()]
    if not parts:
        raise UserError(
            f"expected reports in {folder}, found none; evaluate.py EXPERIMENT makes one"
        )
    rows = [row for part, _ in parts for row in part]
    lines = ["# Results", "", EXPLANATION, "", markdown_table([HEADING, *rows]), ""]
    for _, section in parts:
        lines += section
    path = folder / "README.md"
    with atomic_path(path) as unfinished:
        unfinished.write_text("\n".join(lines))
    return path


def _part(folder, summary):
    """An experiment's rows of the table, and its section."""
    return list(_rows(summary)), _section(summary, folder)


def _rows(summary):
    for _, models in groupby(summary["models"], key=itemgetter("network")):
        by_schedule = {schedule_of(model): model for model in models}
        for test_set in _compared_sets(summary):
            yield _row(summary, by_schedule, test_set)


def _row(summary, by_schedule, test_set):
    as_published = by_schedule.get(PUBLISHED)
    own = {name: model for name, model in by_schedule.items() if name != PUBLISHED}
    ours = own.get(DEFAULT_SCHEDULE) or next(iter(own.values()), None)
    shown = ours or as_published
    published = shown["published"].get(test_set)
    accuracy = 100 * shown["accuracy"][test_set]["mean"]
    name = summary["experiment"]
    note = f" ({summary['note']})" if summary["note"] else ""
    return [
        f"[{name}]({name}/report.md){note}",
        shown["network"] if shown is as_published else shown["model"],
        test_set,
        "" if published is None else f"{published:g}",
        _accuracy(as_published, test_set),
        _accuracy(ours, test_set),
        "" if published is None else f"{accuracy - published:+.2f}",
        _paired_test(summary, shown["model"], test_set),
        str(shown["runs"][0]["settings"]["epochs"]),
        f"{shown['training_seconds'] / 60:.1f}",
        shown["runs"][0]["environment"]["device"],
    ]


def _compared_sets(summary):
    """Test sets with a published figure; without any, all of them."""
    named = {name for model in summary["models"] for name in model["published"]}
    return [name for name in summary["test_images"] if not named or name in named]


def _accuracy(model, test_set):
    if model is None or test_set not in model["accuracy"]:
        return ""
    return f"{percent(model['accuracy'][test_set])} ({model['accuracy'][test_set]['seeds']})"


def _paired_test(summary, model, test_set):
    tests = summary["paired_tests"]
    found = (t for t in tests if (t["model"], t["test_set"]) == (model, test_set))
    return next((p_value(test["p_value"]) for test in found), "")


def _section(summary, folder):
    name = summary["experiment"]
    pictures = sorted(
        path.name
        for suffix in ("png", "gif")
        for path in (folder / name).glob(f"*.{suffix}")
        if path.stem.startswith(("learning", "transformed", "epochs"))
    )
    return [
        f"## {summary['title']}",
        "",
        f"[Report]({name}/report.md)",
        "",
        *(f"![{name}, {picture}]({name}/{picture})" for picture in pictures),
        "",
    ]
