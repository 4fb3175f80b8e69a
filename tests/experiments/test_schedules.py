"""Schedules: what they decide, and how runs by several stand beside each other."""

import json
from dataclasses import asdict, replace

import keras
import numpy as np
import pytest

from cli.errors import UserError
from experiments import EXPERIMENTS
from experiments.arguments import training_arguments
from experiments.evaluation.measure import RunResult, find_runs
from experiments.evaluation.significance import compare_with_plain
from experiments.networks.pytorch_tutorial import tutorial_cnn, tutorial_localization_net
from experiments.reports import report, run_log
from experiments.training import train as training
from experiments.training.plan import settings_of
from experiments.training.run_folder import run_of
from stn_keras import SpatialTransformer
from stn_keras.models import with_spatial_transformer
from tests.support.training import SETTINGS, TINY, TINY_DATA, dry_run

PUBLISHED = replace(SETTINGS, schedule="published", epochs=7, batch_size=5)


def compiled(experiment, settings, data):
    """The model of a run, ready to train for 100 steps."""
    network = training.build_model(experiment, settings, data)
    return training.compile_model(experiment, settings, network, 100)


def rates(optimizer, steps):
    """The learning rate at each of the steps."""
    rate = optimizer.get_config()["learning_rate"]
    if not isinstance(rate, dict):
        return [rate for _ in steps]
    schedule = keras.optimizers.schedules.deserialize(rate)
    return [float(schedule(step)) for step in steps]


def test_a_schedule_decides_optimizer_and_decay():
    steps = [0, 50, 100]
    best, published = (
        compiled(TINY, settings, TINY_DATA).optimizer
        for settings in (replace(SETTINGS, model="tiny"), PUBLISHED)
    )
    assert isinstance(best, keras.optimizers.AdamW)
    assert best.weight_decay == 0.1
    np.testing.assert_allclose(rates(best, steps), [0.01, 0.005, 0], atol=1e-9)
    assert type(published) is keras.optimizers.SGD
    assert published.momentum == 0.9
    np.testing.assert_allclose(rates(published, steps), 0.1)


@pytest.mark.parametrize("total_steps", [1, 3, 1000])
def test_a_warm_cosine_rises_over_a_tenth_and_ends_at_zero(total_steps):
    rate = training.DECAYS["warm-cosine"](0.5, total_steps)
    values = [float(rate(step)) for step in range(total_steps + 1)]
    peak = max(1, total_steps // 10)
    np.testing.assert_allclose([values[0], values[peak]], [0.005, 0.5], rtol=1e-5)
    assert (np.diff(values[: peak + 1]) > 0).all()
    assert (np.diff(values[peak:]) < 0).all()
    assert total_steps < 2 or values[-1] < 1e-3


def test_the_tutorials_published_schedule():
    schedule = EXPERIMENTS["mnist"].schedules["published"]
    assert (schedule.epochs, schedule.batch_size, schedule.augment) == (20, 64, None)
    assert (schedule.optimizer, schedule.learning_rate) == ("SGD", 0.01)
    assert (schedule.decay, schedule.optimizer_arguments) == ("constant", {})


@pytest.mark.parametrize("experiment", EXPERIMENTS.values(), ids=EXPERIMENTS)
def test_every_schedule_can_be_trained(experiment):
    assert "best" in experiment.schedules
    shape = (1, 28, 28, 1)
    if experiment.distort:
        shape = experiment.distort(0).compute_output_shape(shape)
    shown = replace(TINY_DATA.test["test"], images=np.zeros(shape, "uint8"))
    data = replace(TINY_DATA, test={"test": shown}, num_classes=10)
    for name, schedule in experiment.schedules.items():
        assert set(schedule.per_model) <= set(experiment.models)
        settings = replace(SETTINGS, model=experiment.models[-1], schedule=name)
        model = compiled(experiment, settings, data)
        assert model.output_shape == (None, 10)


def test_only_another_schedule_than_the_default_is_named():
    assert SETTINGS.name == "stn-tiny"
    assert PUBLISHED.name == "stn-tiny-published"
    moved = replace(PUBLISHED, transform="tps")
    assert (moved.network, moved.name) == ("stn-tiny-tps", "stn-tiny-tps-published")
    assert run_of("runs", moved).folder.parts[-2:] == ("stn-tiny-tps-published", "seed-0")


def test_a_schedule_is_chosen_and_overridden(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(EXPERIMENTS, "tiny", TINY)
    arguments = ("--runs-dir", tmp_path, "--schedule", "published")
    assert dry_run(monkeypatch, capsys, *arguments) == [
        "train      tiny-published, seed 0: epochs 1 to 7, 40 images an epoch",
        "train      stn-tiny-published, seed 0: epochs 1 to 7, 40 images an epoch",
    ]
    assert "epochs 1 to 2," in dry_run(monkeypatch, capsys, *arguments, "--epochs", "2")[0]
    with pytest.raises(UserError, match="--schedule from published, best, got quick"):
        dry_run(monkeypatch, capsys, "--schedule", "quick")


def test_a_model_may_have_its_own_epochs_and_batch_size():
    per_model = {"tiny": {"epochs": 9, "batch_size": 4}}
    schedule = replace(TINY.schedules["best"], epochs=3, batch_size=5, per_model=per_model)
    experiment = replace(TINY, schedules={"best": schedule})

    def planned(*arguments):
        runs = settings_of(training_arguments(["mnist", *arguments]), experiment)
        return {settings.model: (settings.epochs, settings.batch_size) for settings in runs}

    assert planned() == {"tiny": (9, 4), "stn-tiny": (3, 5)}
    assert planned("--epochs", "7") == {"tiny": (7, 4), "stn-tiny": (7, 5)}
    assert planned("--batch-size", "2") == {"tiny": (9, 2), "stn-tiny": (3, 2)}


def test_a_model_may_be_trained_in_its_own_way():
    own = {"learning_rate": 0.5, "localization_rate": 4.0, "curriculum": 0.25}
    schedule = replace(TINY.schedules["best"], per_model={"stn-tiny": own})
    experiment = replace(TINY, schedules={"best": schedule})
    slower, rest = compiled(experiment, SETTINGS, TINY_DATA).optimizer.optimizers
    assert (float(slower.learning_rate), float(rest.learning_rate)) == (2, 0.5)
    described = schedule.of("stn-tiny").described
    assert {name: described[name] for name in own} == own
    assert schedule.of("tiny").described["curriculum"] == 0


def test_runs_are_found_by_model_then_schedule(tmp_path):
    for settings in (SETTINGS, PUBLISHED, replace(PUBLISHED, model="tiny")):
        run = run_of(tmp_path, settings)
        run.start(settings, {})
        run.metrics.write_text("{}")
    names = [settings.name for _, settings in find_runs(tmp_path, TINY)]
    assert names == ["tiny-published", "stn-tiny-published", "stn-tiny"]
    with pytest.raises(UserError, match=r"got tiny, .*, schedule published"):
        find_runs(tmp_path, replace(TINY, schedules={"best": TINY.schedules["best"]}))


def result(settings, share):
    """A measured run that answers the first `share` of 20 test images correctly."""
    environment = {"commit": "none", "device": "none"}
    labels = TINY_DATA.test["test"].labels
    right = np.arange(len(labels)) < share * len(labels)
    predicted = {"test": np.where(right, labels, 1 - labels)}
    accuracy = {"test": share}
    return RunResult(settings, 10, environment, environment, 1, accuracy, predicted=predicted)


def test_schedules_stand_beside_each_other_in_one_table(tmp_path):
    plain = replace(SETTINGS, model="tiny")
    results = [
        result(settings, share)
        for settings, share in ((plain, 0.5), (PUBLISHED, 0.7), (SETTINGS, 0.9))
    ]
    summary = report.summarize(TINY, results, TINY_DATA)
    rows = [line.split("|")[1:4:2] for line in report.table(summary).splitlines()[2:]]
    assert [[cell.strip() for cell in row] for row in rows] == [
        ["**tiny**", "50.00"],
        ["**stn-tiny-published**", "70.00"],
        ["**stn-tiny**", "90.00"],
        ["published", "75"],
    ]
    report.write(summary, {}, tmp_path)
    text = (tmp_path / "report.md").read_text()
    models, rest = "--models tiny stn-tiny", "--precision float32 --seeds 0"
    assert f"train.py tiny {models} --schedule best --epochs 3 --batch-size 10 {rest}\n" in text
    assert "--models stn-tiny --schedule published --epochs 7 --batch-size 5 " in text


def test_a_report_tells_what_transformers_take_back(tmp_path):
    seeds = [result(replace(SETTINGS, seed=seed), 0.9) for seed in range(3)]
    report.write(report.summarize(TINY, seeds, TINY_DATA), {}, tmp_path)
    assert "take back" not in (tmp_path / "report.md").read_text()
    seeds[0].invariance, seeds[2].invariance = (
        {"turned": 0.5, "scaled": -0.004, "shifted": -0.25},
        {"turned": 1, "scaled": 0, "shifted": 0},
    )
    run_log.write(seeds, TINY_DATA, tmp_path)
    kept = run_log.runs_from_elsewhere(TINY, TINY_DATA, tmp_path, [])
    summary = report.summarize(TINY, [*kept, result(PUBLISHED, 0.9)], TINY_DATA)
    report.write(summary, {}, tmp_path)
    assert "| stn-tiny |     75 |      0 |     -12 |\n\n" in (tmp_path / "report.md").read_text()


def test_a_report_keeps_what_its_runs_achieved(tmp_path):
    plain = result(replace(SETTINGS, model="tiny"), 0.5)
    plain.history = [{"epoch": 0.0, "loss": 0.7}]
    run_log.write([plain, result(SETTINGS, 0.9), plain], TINY_DATA, tmp_path)
    kept = run_log.runs_from_elsewhere(TINY, TINY_DATA, tmp_path, [(None, SETTINGS)])
    np.testing.assert_equal([vars(other) for other in kept], [vars(plain)])
    assert run_log.runs_from_elsewhere(TINY, TINY_DATA, tmp_path / "none", []) == []


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("other data", "runs on the data used here"),
        ("other experiment", "runs of tiny"),
        ("cut off", "the runs of a report"),
    ],
)
def test_runs_that_do_not_belong_to_a_report_are_refused(damage, message, tmp_path):
    data = replace(TINY_DATA, parameters={"seed": 7}) if damage == "other data" else TINY_DATA
    settings = replace(SETTINGS, experiment="paper-r") if damage == "other experiment" else SETTINGS
    run_log.write([result(settings, 0.9)], data, tmp_path)
    if damage == "cut off":
        path = tmp_path / run_log.FILE
        path.write_text(path.read_text()[:100])
    with pytest.raises(UserError, match=message):
        run_log.runs_from_elsewhere(TINY, TINY_DATA, tmp_path, [])


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ({"accuracy": [0.9]}, "the runs of a report"),
        ({"accuracy": {"train": 0.9}}, "accuracies on test"),
        ({"settings": {**asdict(SETTINGS), "seed": "0"}}, "the runs of a report"),
    ],
)
def test_noted_runs_of_another_form_are_refused(part, message, tmp_path):
    run_log.write([result(SETTINGS, 0.9)], TINY_DATA, tmp_path)
    path = tmp_path / run_log.FILE
    path.write_text(json.dumps({**json.loads(path.read_text()), **part}))
    with pytest.raises(UserError, match=message):
        run_log.runs_from_elsewhere(TINY, TINY_DATA, tmp_path, [])


def test_a_model_is_compared_with_the_classifier_of_its_schedule():
    plain = replace(SETTINGS, model="tiny")
    results = [result(plain, 0.5), result(PUBLISHED, 0.75)]
    assert compare_with_plain(TINY, results, TINY_DATA) == []
    results.append(result(replace(PUBLISHED, model="tiny"), 0.6))
    (compared,) = compare_with_plain(TINY, results, TINY_DATA)
    assert (compared["model"], compared["plain"]) == ("stn-tiny-published", "tiny-published")
    assert (compared["only_model_right"], compared["only_plain_right"]) == (3, 0)


def test_the_tutorials_transformer_reads_background_outside_the_image(rng):
    transformer = SpatialTransformer(tutorial_localization_net(), name="spatial_transformer")
    model = with_spatial_transformer(tutorial_cnn(), transformer)
    digits = rng.random((2, 28, 28, 1), "float32")
    black = model.predict(np.zeros_like(digits), verbose=0)
    assert (model.predict(digits, verbose=0) != black).any()
    far_away = [1, 0, 9, 0, 1, 0]
    model.get_layer("spatial_transformer").regressor.bias.assign(far_away)
    np.testing.assert_array_equal(model.predict(digits, verbose=0), black)
