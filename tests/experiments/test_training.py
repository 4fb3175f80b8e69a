"""Data, runs and comparisons of experiments, without a command line around them."""

import importlib.util
import json
import sys
from dataclasses import asdict, replace
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from PIL import Image, ImageSequence

import train as train_command
from cli.errors import UserError
from experiments import EXPERIMENTS
from experiments.arguments import training_arguments
from experiments.data.batches import ShuffledBatches
from experiments.data.data import DATA_SEED, LabelledImages, TrainingImages, as_input
from experiments.evaluation.measure import RunResult, check_comparable, evaluate_run, timed_images
from experiments.evaluation.significance import compare_with_plain, mcnemar
from experiments.reports import pictures, report
from experiments.training import train as training
from experiments.training.callbacks import WriteHistory
from experiments.training.cluster import Cluster
from experiments.training.plan import check_monitor, settings_of
from experiments.training.run_folder import Run, Settings, next_step, run_of
from tests.support.training import (
    SETTINGS,
    TINY,
    TINY_DATA,
    dry_run,
    stopped,
    tiny_images,
    trained,
)


def shown_in(epoch, data, batch_size=5):
    """Brightest pixel of each image of an epoch, which numbers the images, and their labels."""
    batches = ShuffledBatches(data, batch_size, seed=3, first_epoch=epoch)
    images, labels = zip(*(batches[i] for i in range(batches.steps_per_epoch)), strict=True)
    return np.rint(255 * np.concatenate(images).max((1, 2, 3))), np.concatenate(labels)


@pytest.mark.parametrize("copies", [0, 3])
def test_an_epoch_shows_every_original_and_one_copy_of_each(copies):
    numbers = np.arange(10 * (1 + copies))
    images = np.broadcast_to(numbers[:, None, None, None], (len(numbers), 2, 2, 1)).astype("uint8")
    data = TrainingImages(images, np.arange(10))
    assert data.per_epoch == (20 if copies else 10)
    shown, labels = shown_in(0, data)
    np.testing.assert_array_equal(np.sort(shown[shown < 10]), np.arange(10))
    np.testing.assert_array_equal(np.sort(shown[shown >= 10] % 10), np.arange(10)[: 10 * copies])
    np.testing.assert_array_equal(labels, shown % 10)
    assert (shown_in(0, data)[0] == shown).all()
    assert (shown_in(1, data)[0] != shown).any()


def test_groups_are_test_sets_of_their_own():
    images, labels = tiny_images(6)
    groups = {"even": labels == 0, "odd": labels == 1}
    data = replace(TINY_DATA, test={"all": LabelledImages(images, labels, groups)}, shown="all")
    assert {name: mask.sum() for name, (_, mask) in data.test_sets().items()} == {
        "all": 6,
        "even": 3,
        "odd": 3,
    }
    assert data.test["all"].examples(per_group=2, at_most=1).tolist() == [0, 2, 1, 3]
    assert TINY_DATA.test["test"].examples(per_group=2, at_most=3).tolist() == [0, 9, 19]


def write_mnist(folder, per_digit):
    """A file like MNIST's with that many training images of each digit."""
    rng = np.random.default_rng(0)
    labels = rng.permutation(np.repeat(np.arange(10, dtype="uint8"), per_digit))
    images = rng.integers(0, 256, (len(labels), 28, 28), "uint8")
    test = {"x_test": images[:60], "y_test": labels[:60]}
    np.savez(folder / "mnist.npz", x_train=images, y_train=labels, **test)


def test_mnist_1000_is_balanced_and_the_same_for_all(tmp_path):
    load = EXPERIMENTS["mnist-1000"].load_data
    write_mnist(tmp_path, 120)
    data, again = load(None, tmp_path), load(None, tmp_path)
    assert np.bincount(data.training.labels).tolist() == [100] * 10
    assert data.validation is None
    np.testing.assert_array_equal(data.training.images, again.training.images)
    assert len(np.unique(data.training.images, axis=0)) == 1000
    write_mnist(tmp_path, 99)
    with pytest.raises(UserError, match="100 images of each digit, got 99"):
        load(None, tmp_path)


def test_mnist_holds_out_training_images_and_no_others(tmp_path):
    load = EXPERIMENTS["mnist"].load_data
    write_mnist(tmp_path, 510)
    data, again = load(None, tmp_path), load(None, tmp_path)
    assert (data.training.per_epoch, len(data.validation.labels)) == (100, 5000)
    together = np.concatenate([data.training.images, data.validation.images])
    assert len(np.unique(together, axis=0)) == 5100
    np.testing.assert_array_equal(data.validation.images, again.validation.images)
    write_mnist(tmp_path, 500)
    with pytest.raises(UserError, match="more than 5000 training images, got 5000"):
        load(None, tmp_path)


def test_images_become_floats_in_one_place():
    floats = np.array([0, 0.5, 1], "float32")
    assert as_input(floats) is floats
    np.testing.assert_array_equal(
        as_input(np.array([0, 51, 255], "uint8")), np.float32([0, 0.2, 1])
    )


def test_cluttered_mnist_keeps_the_parts_of_its_file(rng, tmp_path):
    counts = {"train": 12, "valid": 7, "test": 5}
    images = {part: rng.integers(0, 257, (n, 1600)) / 256 for part, n in counts.items()}
    arrays = {f"X_{part}": images[part].astype("float32") for part in counts}
    arrays |= {f"y_{part}": rng.integers(0, 10, (n, 1)) for part, n in counts.items()}
    np.savez(tmp_path / "cluttered_mnist_40x40.npz", **arrays)
    data = EXPERIMENTS["cluttered-mnist"].load_data(None, tmp_path)
    assert data.image_shape == (40, 40, 1)
    read = {"train": data.training, "valid": data.validation, **data.test}
    for part, labelled in read.items():
        np.testing.assert_array_equal(as_input(labelled.images).reshape(-1, 1600), images[part])
        np.testing.assert_array_equal(labelled.labels, arrays[f"y_{part}"][:, 0])


def test_the_cluttered_classifiers_have_the_same_layers_and_the_window_starts_in_the_middle(rng):
    build = EXPERIMENTS["cluttered-mnist"].build_model
    plain, model = (build(name, (40, 40, 1), 10) for name in ("cnn", "stn-cnn"))
    behind = model.get_layer("cnn")
    for one, other in zip(plain.layers, behind.layers, strict=True):
        assert type(one) is type(other)
        assert {**one.get_config(), "name": ""} == {**other.get_config(), "name": ""}
    images = rng.random((2, 40, 40, 1), "float32")
    window = model.get_layer("spatial_transformer")(images)
    np.testing.assert_allclose(window, images[:, 6:34, 6:34], atol=1e-5)


def test_new_clutter_depends_on_the_generator_alone_and_leaves_the_batch(rng):
    images = rng.random((5, 40, 40, 1), "float32")
    kept, change = (
        images.copy(),
        EXPERIMENTS["cluttered-mnist"].schedules["best"].augment((40, 40, 1)),
    )
    one, again, other = (change(images, np.random.default_rng(seed)) for seed in (3, 3, 4))
    np.testing.assert_array_equal(one, again)
    np.testing.assert_array_equal(images, kept)
    assert np.any(one != other)
    assert change(images[:1], np.random.default_rng(0)).shape == (1, 40, 40, 1)


@pytest.mark.parametrize(
    ("experiment", "model", "plain"),
    [
        ("distorted-mnist", "cnn", None),
        ("distorted-mnist", "stn-cnn-tps", "cnn"),
        ("distorted-mnist", "stn-dense", "dense"),
        ("mnist-1000", "stn-cnn-stable", "cnn"),
        ("mnist-1000", "stn-dense", None),
    ],
)
def test_the_classifier_behind_a_transformer(experiment, model, plain):
    assert EXPERIMENTS[experiment].plain(model) == plain


@pytest.mark.parametrize(("optimizer", "averaged"), [("AdamW", 0), ("Muon", 0), ("ConvMuon", 0.9)])
def test_without_validation_the_last_epoch_is_kept_and_resumed_exactly(
    optimizer, averaged, tmp_path, monkeypatch, quiet_training
):
    schedule = replace(TINY.schedules["best"], optimizer=optimizer, averaged=averaged)
    monkeypatch.setitem(TINY.schedules, "best", schedule)
    unbroken, metrics = trained(tmp_path / "unbroken")
    assert metrics["best_epoch"] == 3
    assert metrics["validation_loss"] is None
    broken = stopped(tmp_path / "broken")
    assert broken.epochs_done == 2
    assert not broken.best_model.exists()
    assert next_step(broken, SETTINGS, resume=True, overwrite=False) == "resume"
    trained(tmp_path / "broken")
    losses = [[row["loss"] for row in run.read_history()] for run in (unbroken, broken)]
    assert losses[0] == losses[1]
    assert len(losses[0]) == 3
    models = [keras.models.load_model(run.best_model) for run in (unbroken, broken)]
    for one, other in zip(*(model.get_weights() for model in models), strict=True):
        np.testing.assert_array_equal(one, other)
    for one, other in zip(*(model.optimizer.variables for model in models), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_run_begun_with_monitoring_resumes_without(tmp_path, quiet_training):
    pytest.importorskip("tensorboard")
    stopped(tmp_path, monitor=True)
    run, _ = trained(tmp_path)
    assert ["theta_scale" in row for row in run.read_history()] == [True, True, False]
    assert (run.monitor / "epoch-002.png").exists()
    assert any(run.tensorboard.rglob("*tfevents*"))


@pytest.mark.parametrize(("epochs", "frames"), [(1, 2), (7, 8), (40, 8)])
def test_the_film_of_a_report_is_short_from_the_first_epoch_to_the_last(tmp_path, epochs, frames):
    for epoch, bright in enumerate(np.eye(epochs + 1, dtype="uint8")):
        Image.fromarray(255 * bright[None]).save(tmp_path / f"epoch-{epoch:03d}.png")
    pictures.draw_film(tmp_path, tmp_path / "film.gif")
    with Image.open(tmp_path / "film.gif") as film:
        seen = [np.argmax(frame.convert("L")) for frame in ImageSequence.Iterator(film)]
    assert len(seen) == frames
    assert (seen[0], seen[-1]) == (0, epochs)


def test_a_report_keeps_the_film_of_its_most_accurate_model(tmp_path):
    results = []
    for model, accuracy in (("cnn", 0.5), ("stn-cnn", 0.9), ("stn-dense", 0.8)):
        settings = replace(SETTINGS, model=model)
        results.append(RunResult(settings, 0, {}, {}, 1, accuracy={"test": accuracy}))
    for film in ("epochs-stn-cnn.gif", "epochs-stn-dense.gif"):
        (tmp_path / film).write_bytes(b"a film")
    captions = pictures.draw_all([], results, replace(TINY_DATA, swept=()), tmp_path)
    assert list(captions) == ["epochs-stn-cnn.gif"]
    assert [path.name for path in tmp_path.iterdir()] == ["epochs-stn-cnn.gif"]


def test_confusion_matrices_stand_four_in_a_row(tmp_path):
    labels = TINY_DATA.test["test"].labels
    result = RunResult(SETTINGS, 0, {}, {}, 1, predicted={"test": labels})

    def size(count):
        pictures.draw_confusion([result] * count, TINY_DATA, tmp_path / "confusion.png")
        return Image.open(tmp_path / "confusion.png").size

    (width, height), small = size(4), size(1)
    assert small == (width // 4, height)
    assert size(6) == (width, 2 * height)


def test_a_diverged_run_is_told(tmp_path, quiet_training):
    images = np.zeros((20, 6, 6, 1))
    data = replace(TINY_DATA, training=TrainingImages(images * np.nan, np.arange(20) % 2))
    with pytest.raises(UserError, match="diverged"):
        trained(tmp_path, data)


def test_a_family_that_a_model_cannot_have_is_told():
    settings = replace(SETTINGS, experiment="mnist-1000", model="stn-cnn-stable", transform="tps")
    data = SimpleNamespace(image_shape=(28, 28, 1), num_classes=10)
    with pytest.raises(UserError, match=r"^stn-cnn-stable-tps: .*bounds"):
        training.build_model(EXPERIMENTS["mnist-1000"], settings, data)


def test_history_takes_columns_as_they_come(tmp_path):
    run = Run(tmp_path)
    common = {"loss": 1.0, "accuracy": 0.5, "seconds": 1.0}
    first = WriteHistory(run, [])
    first.on_epoch_end(0, dict(common))
    resumed = WriteHistory(run, run.read_history())
    resumed.on_epoch_end(1, {**common, "theta_scale": 0.9})
    again = WriteHistory(run, run.read_history())
    again.on_epoch_end(2, dict(common))
    assert run.history.read_text().splitlines()[0] == "epoch,accuracy,loss,seconds,theta_scale"
    rows = run.read_history()
    assert [row.get("theta_scale") for row in rows] == [None, 0.9, None]
    assert [row["epoch"] for row in rows] == [0, 1, 2]
    with pytest.raises(UserError, match="theta_scale"):
        run.read_history(["theta_scale"])


def test_a_run_refuses_other_data(tmp_path):
    run = Run(tmp_path)
    run.start(SETTINGS, {}, {"seed": 1, "source": "mnist"})
    run.check_data({"seed": 1, "source": "mnist"})
    with pytest.raises(UserError, match="other data: seed differ"):
        run.check_data({"seed": 2, "source": "mnist"})
    run.config.write_text('{"data": [1]}')
    with pytest.raises(UserError, match="expected the data of a run"):
        run.check_data({"seed": 1, "source": "mnist"})


def test_a_run_refuses_another_schedule(tmp_path):
    run = Run(tmp_path)
    schedule = TINY.schedules["best"].of("stn-tiny")
    run.start(SETTINGS, {}, schedule=schedule.described)
    run.check_schedule(replace(schedule, epochs=9).described)
    for other in (replace(schedule, optimizer="SGD"), replace(schedule, localization_rate=1.0)):
        with pytest.raises(UserError, match="another schedule, which --overwrite discards: "):
            run.check_schedule(other.described)


def test_runs_of_two_schedules_have_no_mean():
    one, other = (TINY.schedules[name].described for name in TINY.schedules)
    seeds = [replace(SETTINGS, seed=seed) for seed in range(3)]
    check_comparable(zip(seeds, (one, None, one), strict=True))
    with pytest.raises(UserError, match="got seed 2 trained otherwise than seed 0"):
        check_comparable(zip(seeds, (one, None, other), strict=True))


def test_an_interrupted_overwriting_is_resumed_to_its_end(tmp_path, monkeypatch, quiet_training):
    monkeypatch.setitem(EXPERIMENTS, "tiny", TINY)
    arguments = ["train.py", "tiny", "--models", "tiny", "--seeds", "0,1", "--epochs", "1"]
    monkeypatch.setattr(sys, "argv", [*arguments, "--runs-dir", str(tmp_path)])
    train_command.main()
    assert len(list(tmp_path.rglob("metrics.json"))) == 2

    def interrupt(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(training, "train", interrupt)
        patch.setattr(sys, "argv", [*sys.argv, "--overwrite"])
        with pytest.raises(KeyboardInterrupt):
            train_command.main()
    monkeypatch.setattr(sys, "argv", [*sys.argv, "--resume"])
    assert not list(tmp_path.rglob("metrics.json"))
    train_command.main()
    assert len(list(tmp_path.rglob("metrics.json"))) == 2


@pytest.mark.parametrize("size", [2, 2**20])
def test_few_pictures_are_timed_where_they_are_large(size):
    images = np.broadcast_to(np.uint8(0), (12_000, size, 1, 1))
    data = replace(TINY_DATA, test={"test": LabelledImages(images, np.zeros(12_000))})
    assert len(timed_images(data)) == min(10_000, 2**28 // size)


def test_a_history_that_lacks_epochs_is_told(tmp_path, quiet_training):
    run, _ = trained(tmp_path)
    run.history.write_text("\n".join(run.history.read_text().splitlines()[:2]))
    with pytest.raises(UserError, match=r"expected 3 epochs in .*history\.csv, got 1"):
        evaluate_run(run, SETTINGS, TINY_DATA, {})


def test_a_dry_run_tells_what_an_earlier_one_took(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(EXPERIMENTS, "tiny", TINY)
    monkeypatch.setenv("STN_RESULTS_DIR", str(tmp_path))
    made_by = {"epochs": 10, "batch_size": TINY.schedules["best"].batch_size, "schedule": "best"}
    run = {"settings": made_by, "environment": {"device": "abacus"}}
    measured = {"network": "tiny", "training_seconds": 600, "runs": [run]}
    (tmp_path / "tiny").mkdir()
    report_file = tmp_path / "tiny" / "report.json"
    report_file.write_text(json.dumps({"models": [measured]}))
    lines = dry_run(monkeypatch, capsys, "--runs-dir", tmp_path, "--epochs", "4")
    assert lines[0].endswith("an epoch, 4.0 minutes where it was measured (abacus)")
    assert lines[1].endswith("40 images an epoch")
    lines = dry_run(monkeypatch, capsys, "--runs-dir", tmp_path, "--batch-size", "7")
    assert lines[0].endswith(f"(abacus, in batches of {made_by['batch_size']})")
    lines = dry_run(monkeypatch, capsys, "--runs-dir", tmp_path, "--epochs", "300")
    assert lines[0].endswith("5.0 hours where it was measured (abacus)")
    made_by["schedule"] = "published"
    report_file.write_text(json.dumps({"models": [measured]}))
    lines = dry_run(monkeypatch, capsys, "--runs-dir", tmp_path, "--epochs", "4")
    assert lines[0].endswith(
        "4.0 minutes where it was measured (abacus, by the schedule published)"
    )
    own = {**run, "settings": {**made_by, "schedule": "best"}}
    both = [measured, {**measured, "training_seconds": 300, "runs": [own]}]
    report_file.write_text(json.dumps({"models": both}))
    lines = dry_run(monkeypatch, capsys, "--runs-dir", tmp_path, "--epochs", "4")
    assert lines[0].endswith("2.0 minutes where it was measured (abacus)")
    own_pictures = replace(TINY, any_size=True, load_data=lambda **where: TINY_DATA)
    monkeypatch.setitem(EXPERIMENTS, "tiny", own_pictures)
    lines = dry_run(monkeypatch, capsys, "--runs-dir", tmp_path)
    assert lines[0].endswith("40 images an epoch")


NO_REPORTS = {
    "empty": "{}",
    "no list": '{"models": 5}',
    "no models": '{"models": ["tiny"]}',
    "no runs": '{"models": [{"network": "tiny", "training_seconds": 1, "runs": []}]}',
    "no epochs": '{"models": [{"network": "tiny", "training_seconds": 1, "runs": [{"settings": '
    '{"epochs": 0}}]}]}',
    "deep": "[" * 100_000,
}


@pytest.mark.parametrize("content", NO_REPORTS.values(), ids=NO_REPORTS)
def test_a_dry_run_refuses_a_damaged_report(tmp_path, monkeypatch, capsys, content):
    monkeypatch.setitem(EXPERIMENTS, "tiny", TINY)
    monkeypatch.setenv("STN_RESULTS_DIR", str(tmp_path))
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "report.json").write_text(content)
    with pytest.raises(UserError, match=r"expected a report of evaluate\.py at"):
        dry_run(monkeypatch, capsys, "--runs-dir", tmp_path)


def test_a_dry_run_lists_what_would_be_done_and_writes_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(EXPERIMENTS, "tiny", TINY)
    arguments = ("--runs-dir", tmp_path, "--seeds", "0,1", "--transform", "affine", "--resume")
    lines = dry_run(monkeypatch, capsys, *arguments)
    assert [line.split(":")[0] for line in lines] == [
        "train      tiny, seed 0",
        "train      stn-tiny-affine, seed 0",
        "train      tiny, seed 1",
        "train      stn-tiny-affine, seed 1",
    ]
    assert lines[0].endswith("epochs 1 to 3, 40 images an epoch")
    assert not list(tmp_path.iterdir())
    for seed, finished in ((0, True), (1, False)):
        settings = replace(SETTINGS, model="tiny", seed=seed)
        run = run_of(tmp_path, settings)
        run.start(settings, {})
        if finished:
            run.metrics.write_text("{}")
    steps = [line.split()[0] for line in dry_run(monkeypatch, capsys, *arguments)]
    assert steps == ["skip", "train", "resume", "train"]


def test_monitoring_names_the_package_it_lacks(monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "tensorboard" else find(name)
    )
    with pytest.raises(UserError, match="pip install tensorboard"):
        check_monitor(Cluster())


def test_mcnemar_counts_the_pairs_that_differ():
    right, plain_right = np.array([1, 1, 1, 0, 0], bool), np.array([1, 0, 0, 0, 1], bool)
    assert mcnemar(right, plain_right) == {
        "only_model_right": 2,
        "only_plain_right": 1,
        "p_value": 1.0,
    }
    assert mcnemar(right, right)["p_value"] == 1
    # Ten of ten one way: 2 * 0.5^10.
    assert mcnemar(np.ones(10, bool), np.zeros(10, bool))["p_value"] == pytest.approx(2**-9)


def test_the_commands_of_a_report_train_its_runs_and_no_others():
    runs = [
        Settings("paper-r", model, seed, epochs, 64, "float32", DATA_SEED, transform, schedule)
        for model, seed, epochs, transform, schedule in (
            ("cnn", 0, 20, None, "best"),
            ("cnn", 1, 20, None, "best"),
            ("stn-fcn", 0, 20, None, "best"),
            ("stn-fcn", 0, 20, "tps", "best"),
            ("stn-cnn", 0, 20, "tps", "best"),
            ("stn-cnn", 0, 40, None, "best"),
            ("fcn", 0, 20, None, "published"),
        )
    ]
    models = [{"runs": [{"settings": asdict(settings)}]} for settings in runs]
    summary = {"experiment": "paper-r", "data_option": "", "models": models}
    *commands, last = report.commands(summary)
    assert last == "python evaluate.py paper-r"
    trained = []
    for command in commands:
        arguments = training_arguments(command.split()[2:])
        trained += settings_of(arguments, EXPERIMENTS["paper-r"])
    assert len(commands) == 5
    assert set(trained) == set(runs)
    assert len(trained) == len(runs)


def test_the_first_seed_that_both_models_have_is_compared():
    labels = TINY_DATA.test["test"].labels
    plain, moved = replace(SETTINGS, model="tiny"), replace(SETTINGS, transform="tps")
    results = [
        RunResult(replace(settings, seed=seed), 0, {}, {}, 1, predicted={"test": predicted})
        for settings, seed, predicted in (
            (plain, 1, 1 - labels),
            (plain, 2, labels),
            (moved, 0, 1 - labels),
            (moved, 1, labels),
            (moved, 2, 1 - labels),
        )
    ]
    (compared,) = compare_with_plain(TINY, results, TINY_DATA)
    assert (compared["model"], compared["plain"], compared["seed"]) == ("stn-tiny-tps", "tiny", 1)
    assert (compared["only_model_right"], compared["only_plain_right"]) == (20, 0)
