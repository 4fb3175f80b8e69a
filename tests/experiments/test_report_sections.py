"""What a report says in words and by class, and the page it makes of it."""

from dataclasses import replace

import numpy as np
import pytest

from experiments.evaluation.measure import RunResult
from experiments.reports import sections
from experiments.reports.markdown import page
from tests.support.training import SETTINGS, TINY_DATA

FOLLOWED = {"turned by 10 degrees": 0.42, "scaled by 10 %": 0.05, "shifted by 5 %": 0.05}
TEST = {
    "model": "stn-cnn",
    "plain": "cnn",
    "test_set": "test",
    "only_model_right": 30,
    "only_plain_right": 4,
    "p_value": 1e-5,
}


@pytest.mark.parametrize(
    ("tests", "shares", "expected"),
    [
        (
            [TEST],
            dict.fromkeys(FOLLOWED, 0.04),
            "4 % of a turn, of a change of scale and of a s",
        ),
        ([TEST], dict.fromkeys(FOLLOWED, -0.04), "its transformer adds nothing."),
        ([TEST], FOLLOWED, "42 % of a turn, 5 % of a change of scale and of a shift."),
        ([TEST], FOLLOWED, "It is better than cnn (p = 1e-05)."),
        ([{**TEST, "p_value": 0.0}], FOLLOWED, "It is better than cnn (p < 1e-300)."),
        ([{**TEST, "only_plain_right": 99}], FOLLOWED, "It is worse than cnn"),
        ([{**TEST, "p_value": 0.3}], FOLLOWED, "may be chance (p = 0.3)"),
        ([{**TEST, "test_set": "moved"}], FOLLOWED, "than cnn on the moved images"),
        ([], FOLLOWED, "of a shift."),
    ],
)
def test_a_verdict_says_what_is_followed_and_what_for(tests, shares, expected):
    said = sections.verdict("stn-cnn", shares, {"paired_tests": tests})
    assert expected in said
    assert said.startswith("**stn-cnn** follows ")


def test_accuracy_by_class_is_the_mean_over_seeds_hardest_first():
    labels = TINY_DATA.test["test"].labels
    data = replace(TINY_DATA, classes=("dark", "bright"))
    right, half = labels.copy(), np.where(np.arange(len(labels)) < 10, labels, 1)
    results = [
        RunResult(replace(SETTINGS, seed=seed), 0, {}, {}, 1, predicted={"test": answers})
        for seed, answers in enumerate((right, half))
    ]
    found = sections.by_class(results, data)
    assert found["images"] == {"dark": 10, "bright": 10}
    assert found["accuracy"]["stn-tiny"] == {"dark": 0.75, "bright": 1.0}
    lines = sections.classes({"by_class": found})
    table = next(line for line in lines if line.startswith("| class")).splitlines()
    assert [row.split("|")[1].strip() for row in table[2:]] == ["dark", "bright"]
    assert sections.by_class(results, TINY_DATA) is None
    assert sections.classes({}) == []


def test_windows_are_told_where_they_are_known():
    similarity = {"scale": 1.2, "degrees": 3.0, "shift_x": 0.0, "shift_y": 0.0}
    found = [{"raw": raw, "fitted": 0.8, "similarity": similarity} for raw in (0.5, 0.6)]
    mean = sections.mean_windows(found)
    assert mean["raw"] == pytest.approx(0.55)
    models = [{"model": "cnn"}, {"model": "stn-cnn", "windows": mean}]
    assert "| stn-cnn |    0.550 |" in "\n".join(sections.windows({"models": models}))
    assert sections.windows({"models": models[:1]}) == []
    assert sections.mean_windows([]) is None


def test_a_page_shows_tables_and_pictures_and_escapes_names():
    text = "# Signs\n\n| a | b |\n| - | -: |\n| <b>x</b> | 1 |\n\n![shown](learning.png)\n"
    made = page("<Signs>", text)
    assert "<title>&lt;Signs&gt;</title>" in made
    assert '<img src="learning.png" alt="shown" />' in made
    assert "<td>&lt;b&gt;x&lt;/b&gt;</td>" in made
