"""The command lines as a user meets them: a short run end to end, and every kind of bad input."""

import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest

import stn_keras  # noqa: F401  registers the layers of saved models
from cli.errors import UserError
from cli.run import run_command
from data_prep.sets import distorted as distorted_set
from data_prep.sources.image_folder import ImageFiles, find_images
from experiments import EXPERIMENTS, environment
from experiments.catalogue.distorted_digits import DATA
from experiments.data.data import DATA_SEED
from experiments.data.distorted import dataset_path
from experiments.evaluation.measure import find_runs
from experiments.training.run_folder import VALIDATED_HISTORY, run_of
from tests.support.commands import DIGITS, ROOT, files_in, refused, run, settings_of, train


@pytest.fixture(scope="module")
def digits():
    """The embedded distorted set."""
    return distorted_set.make_distorted_set(DIGITS, DATA_SEED, copies=DATA.copies, progress=False)


@pytest.fixture
def finished_run(tmp_path, digits):
    """A runs folder with an untrained CNN that looks finished."""
    path = dataset_path(tmp_path / DIGITS)
    path.parent.mkdir()
    distorted_set.save(digits, path)
    made = run_of(tmp_path, settings_of("cnn"))
    made.start(settings_of("cnn"), {"device": "none"})
    EXPERIMENTS[DIGITS].build_model("cnn", (28, 28, 1), 10).save(made.best_model)
    made.metrics.write_text('{"best_epoch": 1}')
    made.history.write_text(f"{','.join(VALIDATED_HISTORY)}\n0,1,0.1,1.0,1,0.1\n")
    return made


@pytest.mark.parametrize("script", ["train.py", "evaluate.py", "-m data_prep"])
def test_help_names_every_choice(script):
    code, out, _ = run(*script.split(), "--help")
    assert code == 0
    assert "distorted-mnist" in out
    assert DIGITS in out


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("train.py", "cifar-100"), "distorted-mnist"),
        (("train.py", DIGITS, "--models", "resnet"), "cnn, stn-cnn, got resnet"),
        (("train.py", DIGITS, "--schedule", "published"), "--schedule from best, got published"),
        (("train.py", DIGITS, "--epochs", "0"), "--epochs of at least 1, got 0"),
        (("train.py", DIGITS, "--epochs", "many"), "many"),
        (("train.py", DIGITS, "--batch-size", "-3"), "--batch-size of at least 1, got -3"),
        (("train.py", DIGITS, "--seeds", "0,-1"), "--seeds of at least 0, got -1"),
        (("train.py", DIGITS, "--seeds", str(2**32)), "--seeds of at most"),
        (("train.py", DIGITS, "--seeds", "0;1"), "integers such as 0,1,2, got '0;1'"),
        (("train.py", DIGITS, "--transform", "warp"), "homography"),
        (("train.py", DIGITS, "--precision", "int8"), "float32"),
        (("train.py", DIGITS, "--resume", "--overwrite"), "not allowed"),
        (("train.py", DIGITS, "--runs-dir", "/proc/nowhere"), "/proc/nowhere"),
        (("train.py", DIGITS, "--devices", "0"), "--devices of at least 1, got 0"),
        (("train.py", DIGITS, "--devices", "3"), "divisible by the 3 devices, got 64"),
        (("train.py", DIGITS, "--num-processes", "2"), "--coordinator and --num-processes"),
        (
            ("train.py", DIGITS, "--coordinator", "here:1", "--num-processes", "2"),
            "KERAS_BACKEND=jax for several machines, got tensorflow",
        ),
        (("train.py", DIGITS, "--image-size", "28"), "has images of one size"),
        (("train.py", "image-folder", "--image-size", "1"), "--image-size from "),
        (("train.py", DIGITS, "--skip-broken"), "reads no own pictures"),
        (("evaluate.py", "cifar-100"), "distorted-mnist"),
        (("evaluate.py", DIGITS, "--runs-dir", "absent"), "python train.py distorted-digits"),
        (("-m", "data_prep", "mnist", "--out", "x.npz"), "distorted-mnist"),
        (("-m", "data_prep", DIGITS), "--out"),
        (("-m", "data_prep", DIGITS, "--out", "x.txt"), ".npz"),
        (("-m", "data_prep", DIGITS, "--out", "x.npz", "--workers", "0"), "--workers"),
        (("-m", "data_prep", DIGITS, "--out", "x.npz", "--copies", "0"), "--copies"),
        (("-m", "data_prep", DIGITS, "--out", "x.npz", "--canvas", "50"), "--canvas"),
        (("-m", "data_prep", "cluttered-mnist", "--out", "x.npz", "--copies", "2"), "--copies"),
        (
            ("-m", "data_prep", "cluttered-mnist", "--out", "x.npz", "--patch-size", "0"),
            "--patch-size of at least 1, got 0",
        ),
        (("-m", "data_prep", DIGITS, "--out", "/proc/nowhere/x.npz"), "/proc/nowhere"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_bad_arguments_are_refused_in_one_line(tmp_path, arguments, expected):
    script, *rest = arguments
    if script.endswith(".py"):
        script = ROOT / script
    assert expected in refused(script, *rest, cwd=tmp_path)
    assert not files_in(tmp_path)


@pytest.mark.parametrize("content", [None, b"PK\x03\x04 truncated", b"text"])
def test_bad_mnist_files_are_refused_in_one_line(tmp_path, content):
    if content is not None:
        (tmp_path / "mnist.npz").write_bytes(content)
    error = refused(
        "train.py", "distorted-mnist", "--data-dir", tmp_path, "--runs-dir", tmp_path / "runs"
    )
    assert str(tmp_path / "mnist.npz") in error
    assert not list((tmp_path / "runs").iterdir())


@pytest.mark.parametrize(
    "damage", ["shape", "truncated", "other experiment", "other data", "config", "history"]
)
def test_evaluate_refuses_what_does_not_belong(tmp_path, finished_run, digits, damage):
    if damage == "shape":
        EXPERIMENTS[DIGITS].build_model("cnn", (20, 20, 3), 10).save(finished_run.best_model)
        expected = "got one of (20, 20, 3)"
    elif damage == "truncated":
        finished_run.best_model.write_bytes(finished_run.best_model.read_bytes()[:5000])
        expected = "expected a whole Keras model"
    elif damage == "other experiment":
        finished_run.start(settings_of("cnn", "distorted-mnist"), {})
        expected = "got distorted-mnist"
    elif damage == "config":
        finished_run.config.write_text('{"settings": {"experiment": "distorted-digits"}}')
        expected = "expected the settings of a run"
    elif damage == "history":
        finished_run.history.write_text("epoch,loss\n0,1\n")
        expected = "val_loss"
    else:
        parameters = {**digits.parameters, "seed": 1}
        other = distorted_set.DistortedSet(digits.train, digits.test, parameters)
        distorted_set.save(other, dataset_path(tmp_path / DIGITS))
        expected = "seed=1 instead of 42"
    out = tmp_path / "report"
    assert expected in refused("evaluate.py", DIGITS, "--runs-dir", tmp_path, "--out", out)
    assert not files_in(out)


def test_evaluate_refuses_to_average_different_recipes(tmp_path, finished_run):
    other = replace(settings_of("cnn", epochs=2), seed=1)
    made = run_of(tmp_path, other)
    made.start(other, {})
    made.metrics.write_text("{}")
    error = refused("evaluate.py", DIGITS, "--runs-dir", tmp_path, "--out", tmp_path / "report")
    assert "differ in the seed alone" in error


def test_train_refuses_the_run_of_other_settings(tmp_path, finished_run):
    error = refused(*train(tmp_path, "--models", "cnn", "--epochs", "7"))
    assert "epochs=1 then, 7 now" in error
    finished_run.metrics.unlink()
    assert "--resume" in refused(*train(tmp_path, "--models", "cnn", "--epochs", "1"))


def test_a_batch_larger_than_the_data_is_refused(tmp_path):
    code, _, err = run(*train(tmp_path, "--models", "cnn", "--batch-size", "99999"))
    assert code == 2
    assert "Traceback" not in err
    assert err.splitlines()[-1].startswith("train.py: error: expected --batch-size of at most 2600")
    assert [path.name for path in files_in(tmp_path)] == ["data.npz"]


def test_overwriting_with_bad_input_keeps_the_finished_run(tmp_path, finished_run):
    arguments = ("--models", "cnn", "--epochs", "1", "--overwrite", "--batch-size", "99999")
    assert "--batch-size" in refused(*train(tmp_path, *arguments))
    assert finished_run.finished


def test_data_of_another_source_is_refused(tmp_path, digits):
    path = dataset_path(tmp_path / DIGITS)
    path.parent.mkdir()
    other = {**digits.parameters, "source_sha256": "0"}
    distorted_set.save(distorted_set.DistortedSet(digits.train, digits.test, other), path)
    error = refused(*train(tmp_path, "--data-dir", tmp_path))
    assert "made from another digits" in error


def test_a_data_set_is_checked_against_the_folder_that_the_environment_names(
    tmp_path, digits, monkeypatch
):
    path = dataset_path(tmp_path)
    distorted_set.save(digits, path)
    DATA.load(tmp_path)
    monkeypatch.setenv("STN_DATA_DIR", str(tmp_path))
    DATA.load(tmp_path)
    other = {**digits.parameters, "source_sha256": "0"}
    distorted_set.save(distorted_set.DistortedSet(digits.train, digits.test, other), path)
    with pytest.raises(UserError, match="made from another digits"):
        DATA.load(tmp_path)


def test_a_copy_of_a_run_is_no_other_seed(tmp_path, finished_run, capsys):
    shutil.copytree(finished_run.folder, f"{finished_run.folder}.bak")
    assert [run for run, _ in find_runs(tmp_path, EXPERIMENTS[DIGITS])] == [finished_run]
    assert "seed-0.bak: a copy of cnn, seed 0, left out" in capsys.readouterr().out


def test_too_little_memory_is_told_in_one_line(capsys):
    with pytest.raises(SystemExit, match="2"):
        run_command(lambda: np.empty(2**62, "uint8"), "tool")
    error = capsys.readouterr().err
    assert error.startswith("tool: error: not enough memory (")
    assert error.count("\n") == 1


def test_a_set_is_written_as_pictures_too(tmp_path):
    out, pictures = tmp_path / "set.npz", tmp_path / "pictures"
    options = ("--copies", "1", "--no-preview", "--pictures", pictures)
    code, _, err = run("-m", "data_prep", DIGITS, "--out", out, *options)
    assert code == 0, err
    made = distorted_set.load(out)
    found = find_images(pictures)
    for part, split in ((found.training, made.train), (found.test, made.test)):
        number = [int(path.stem) for path in part.paths]
        assert sorted(number) == list(range(len(split.distorted)))
        read = ImageFiles(part.paths, (28, 28, 1))[np.arange(len(number))]
        np.testing.assert_array_equal(read, split.distorted[number])
        np.testing.assert_array_equal(part.labels, split.distorted_labels[number])


def test_all_is_one_table_without_what_cannot_be_evaluated(tmp_path, finished_run):
    finished_run.start(settings_of("cnn"), environment.describe())
    shutil.copytree(finished_run.folder, tmp_path / "mnist" / "cnn" / "seed-0")
    out = tmp_path / "report"
    code, _, err = run("evaluate.py", "--all", "--runs-dir", tmp_path, "--out", out)
    assert code == 0, err
    assert "mnist: left as it was: expected a run of mnist" in err
    table = (out / "README.md").read_text()
    assert f"[{DIGITS}]" in table
    assert [path.parent.name for path in out.glob("*/report.md")] == [DIGITS]


def test_an_unfinished_run_is_left_out_of_the_report(tmp_path, finished_run):
    finished_run.metrics.unlink()
    code, out, err = run("evaluate.py", DIGITS, "--runs-dir", tmp_path)
    assert code == 2
    assert "not finished" in out
    assert "found none" in err


@pytest.mark.slow
def test_train_and_evaluate_end_to_end(tmp_path):
    code, out, err = run(*train(tmp_path, "--epochs", "2", "--precision", "mixed_bfloat16"))
    assert code == 0, err
    assert "Training on" in out
    code, out, err = run("evaluate.py", DIGITS, "--runs-dir", tmp_path, "--out", tmp_path / "out")
    assert code == 0, err
    assert "| **stn-cnn** |" in out
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert [model["model"] for model in report["models"]] == ["cnn", "stn-cnn"]
    for model in report["models"]:
        assert set(model["accuracy"]) == set(report["test_images"])
        assert model["accuracy"]["original"]["mean"] > 0.2
        made_with = model["runs"][0]["environment"]
        assert {"commit", "device", "versions", "time"} <= set(made_with)
    text = (tmp_path / "out" / "report.md").read_text()
    assert "## What the transformers take back" in text
    for picture in ("transformed-stn-cnn", "curves", "confusion", "learning"):
        assert (tmp_path / "out" / f"{picture}.png").read_bytes().startswith(b"\x89PNG")
        assert f"{picture}.png" in text
    code, out, err = run(*train(tmp_path, "--epochs", "2", "--precision", "mixed_bfloat16"))
    assert code == 0, err
    assert out.count("already trained") == 2


@pytest.mark.slow
def test_another_family_is_added_to_the_report_of_another_machine(tmp_path):
    rng = np.random.default_rng(0)
    labels = np.tile(np.arange(10, dtype="uint8"), 100)
    images = (20 * labels[:, None, None] + rng.integers(0, 50, (1000, 28, 28))).astype("uint8")
    arrays = {"x_train": images, "y_train": labels, "x_test": images[:80], "y_test": labels[:80]}
    np.savez(tmp_path / "mnist.npz", **arrays)
    shared = ("mnist-1000", "--runs-dir", tmp_path / "runs", "--data-dir", tmp_path)
    options = ("--models", "cnn", "stn-cnn", "--seeds", "1", "--transform", "rotation")
    code, _, err = run("train.py", *shared, *options, "--epochs", "1")
    assert code == 0, err
    config_file = tmp_path / "runs" / "mnist-1000" / "cnn" / "seed-1" / "config.json"
    config = json.loads(config_file.read_text())
    config["environment"]["commit"] = "an earlier one"
    config_file.write_text(json.dumps(config))
    trained, here = (tmp_path / name / "mnist-1000" / "cnn" for name in ("runs", "here"))
    here.parent.mkdir(parents=True)
    trained.rename(here)
    for runs in ("runs", "here", "none"):  # each sees the runs of one model alone, or no run
        arguments = (*shared, "--runs-dir", tmp_path / runs, "--out", tmp_path / "out")
        code, _, err = run("evaluate.py", *arguments, "--add")
        assert code == 0, err
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert [model["model"] for model in report["models"]] == ["cnn", "stn-cnn-rotation"]
    assert [(test["model"], test["plain"]) for test in report["paired_tests"]] == [
        ("stn-cnn-rotation", "cnn")
    ]
    text = (tmp_path / "out" / "report.md").read_text()
    assert "train.py mnist-1000 --models stn-cnn --schedule best --transform rotation" in text
    assert text.count("--precision float32 --seeds 1\n") == 2
    assert "the last of the schedule" in text
    assert "- cnn: trained at commit an earlier one on " in text
    assert re.search(r"^- stn-cnn-rotation: trained at commit (?!an earlier)", text, re.MULTILINE)
    assert "Training error by epoch" in text
    assert "(transformed-stn-cnn-rotation.png)" in text
    assert re.search(r"^\| cnn +\| +[-+]\d+\.\d\d \|$", text, re.MULTILINE)
