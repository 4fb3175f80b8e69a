"""Sections of a report on what a transformer does, and on which classes are hard."""

import numpy as np

from experiments.reports.markdown import markdown_table, p_value

# A transformer that follows less of every motion than this does next to nothing.
NEXT_TO_NOTHING = 0.1
CHANCE = 0.05
# label of a motion, as `experiments.evaluation.motion_invariance` has it -> what it is called
MOTIONS = {
    "turned by 10 degrees": "a turn",
    "scaled by 10 %": "a change of scale",
    "shifted by 5 %": "a shift",
}


def invariance(summary):
    """What is left of a motion of the images behind each transformer, and what it is good for."""
    measured = {m["model"]: m["invariance"] for m in summary["models"] if m["invariance"]}
    if not measured:
        return []
    motions = list(next(iter(measured.values())))
    rows = [
        ["model", *motions],
        *(
            [name, *(f"{100 * shares[motion]:z.0f}" for motion in motions)]
            for name, shares in measured.items()
        ),
    ]
    return [
        "## What the transformers take back",
        "",
        "How much of a motion of test images, to either side, is gone behind the transformer, in "
        "percent: at 100 its output stays as it was, at 0 it moves as far as the image. Of the "
        "models for which it is on record.",
        "",
        markdown_table(rows),
        "",
        *(f"- {verdict(name, shares, summary)}" for name, shares in measured.items()),
        "",
    ]


def verdict(name, shares, summary):
    """In words: what a transformer follows, and whether that made its classifier better.

    Args:
        name: of the model.
        shares: motion -> part of it that the transformer follows.
        summary: the report's.

    Example:
        >>> shares = {"turned by 10 degrees": 0.04}
        >>> verdict("stn-cnn", shares, {"paired_tests": []})
        '**stn-cnn** follows 4 % of a turn: on these images its transformer adds nothing.'
    """
    follows = f"**{name}** follows {_listed(shares)}"
    tests = [test for test in summary["paired_tests"] if test["model"] == name]
    if max(shares.values()) < NEXT_TO_NOTHING:
        return f"{follows}: on these images its transformer adds nothing."
    if not tests:
        return f"{follows}."
    return f"{follows}. {' '.join(map(_compared, tests))}"


def _listed(shares):
    """'4 % of a turn, 5 % of a change of scale and of a shift'."""
    said, before = [], None
    for motion, share in shares.items():
        percent = f"{max(0.0, 100 * share):.0f} %"
        of = f"of {MOTIONS.get(motion, motion)}"
        said.append(of if percent == before else f"{percent} {of}")
        before = percent
    return " and ".join([", ".join(said[:-1]), said[-1]]) if len(said) > 1 else said[0]


def _compared(test):
    """Whether a model and its plain classifier differ by more than chance, as a sentence."""
    plain, chance = test["plain"], f"(p = {p_value(test['p_value'])})".replace("= <", "<")
    on = "" if test["test_set"] == "test" else f" on the {test['test_set']} images"
    if test["p_value"] > CHANCE:
        return f"Whether it is better than {plain}{on} or worse may be chance {chance}."
    better = test["only_model_right"] > test["only_plain_right"]
    return f"It is {'better' if better else 'worse'} than {plain}{on} {chance}."


def windows(summary):
    """How well the windows that transformers read enclose the objects."""
    measured = {m["model"]: m["windows"] for m in summary["models"] if m.get("windows")}
    if not measured:
        return []
    rows = [["model", "as it is", "after one similarity", "its scale", "its angle"]]
    for name, found in measured.items():
        similarity = found["similarity"]
        rows.append(
            [
                name,
                f"{found['raw']:.3f}",
                f"{found['fitted']:.3f}",
                f"{similarity['scale']:.3f}",
                f"{similarity['degrees']:.1f} degrees",
            ]
        )
    return [
        "## Where the transformers look",
        "",
        "Intersection over union of the window that the transformer reads with the quadrilateral "
        "of the object, in the mean of test images. No model has seen where objects are; labels do "
        "not say how tight a window is or how it is turned, so one similarity of all windows is "
        "fitted on validation images. Mean over seeds; the similarity of the first.",
        "",
        markdown_table(rows),
        "",
    ]


def mean_windows(measured):
    """What runs of one model noted of their windows, in the mean; None without any."""
    if not measured:
        return None
    return {
        "raw": float(np.mean([found["raw"] for found in measured])),
        "fitted": float(np.mean([found["fitted"] for found in measured])),
        "similarity": measured[0]["similarity"],
    }


def by_class(results, data):
    """Accuracy of each class on the test images shown, mean over seeds; none without class names.

    Args:
        results: `experiments.evaluation.measure.RunResult` of every run.
        data: `experiments.data.data.Data`.

    Returns:
        Plain data: {"images": class -> count, "accuracy": model -> class -> share}, or None.
    """
    answered = [result for result in results if result.predicted]
    if not data.classes or not answered:
        return None
    labels = data.test[data.shown].labels
    of_class = {name: labels == label for label, name in enumerate(data.classes)}
    of_class = {name: mask for name, mask in of_class.items() if mask.any()}
    shares = {}
    for result in answered:
        right = result.predicted[data.shown] == labels
        for name, mask in of_class.items():
            shares.setdefault(result.model, {}).setdefault(name, []).append(right[mask].mean())
    return {
        "images": {name: int(mask.sum()) for name, mask in of_class.items()},
        "accuracy": {
            model: {name: float(np.mean(values)) for name, values in classes.items()}
            for model, classes in shares.items()
        },
    }


def classes(summary):
    """The table of accuracies by class, the hardest first."""
    measured = summary.get("by_class")
    if not measured:
        return []
    accuracy = measured["accuracy"]
    hardest = sorted(
        measured["images"], key=lambda name: np.mean([model[name] for model in accuracy.values()])
    )
    rows = [
        ["class", "images", *accuracy],
        *(
            [
                name,
                f"{measured['images'][name]:,}",
                *(f"{100 * model[name]:.1f}" for model in accuracy.values()),
            ]
            for name in hardest
        ),
    ]
    return [
        "## By class",
        "",
        "Accuracy in percent, mean over seeds, the hardest class first.",
        "",
        markdown_table(rows),
        "",
    ]
