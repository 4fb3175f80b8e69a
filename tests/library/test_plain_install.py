"""The command lines without the packages of the extras: they help, and say what is missing."""

import configparser
import os
import re
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from cli.errors import PACKAGES
from experiments.data.data import DATA_SEED
from experiments.training.run_folder import Settings, run_of

if keras.backend.backend() != "tensorflow":
    pytest.skip("the command lines start TensorFlow", allow_module_level=True)

ROOT = Path(__file__).parents[2]
SERVE = ("examples/serve.py",)
EXPORT = ("-m", "stn_keras.export")
EXTRAS = {*PACKAGES, "ai_edge_litert", "mlserver", "onnx", "onnxruntime", "openvino", "tf2onnx"}
BACKENDS = {"jax", "tensorflow", "torch"}
# What a package's dependencies bring anyway is found.
BROUGHT = {"six", "tensorboard"}
# Python finds none of these packages, as if they were not installed.
SITECUSTOMIZE = """
import importlib.machinery
import os

find = importlib.machinery.PathFinder.find_spec
absent = os.environ["ABSENT"].split()
importlib.machinery.PathFinder.find_spec = lambda name, *rest: (
    None if name.split(".")[0] in absent else find(name, *rest)
)
"""


def without_notices(text):
    """Text without what TensorFlow's libraries tell when stn_keras.export imports them."""
    notice = re.compile(
        r"WARNING: All log messages before absl|[IWE]\d{4} |To enable the following"
    )
    return "".join(line for line in text.splitlines(True) if not notice.match(line))


@pytest.fixture
def run(tmp_path):
    """A command line in a process that finds none of the packages: (exit code, stdout, stderr)."""
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    (hooks / "sitecustomize.py").write_text(SITECUSTOMIZE)

    def run(*arguments, absent=EXTRAS - BACKENDS - BROUGHT):
        variables = {
            "PYTHONPATH": os.pathsep.join([str(hooks), str(ROOT)]),
            "ABSENT": " ".join(absent),
        }
        done = subprocess.run(
            [sys.executable, *map(str, arguments)],
            cwd=ROOT,
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            timeout=300,
        )
        return done.returncode, done.stdout, without_notices(done.stderr)

    return run


@pytest.mark.parametrize(
    "command",
    [
        ("-m", "data_prep"),
        ("-m", "data_prep", "distorted-digits"),
        ("-m", "data_prep", "cluttered-mnist"),
        ("-m", "data_prep", "paper-rts"),
        ("train.py",),
        ("evaluate.py",),
        EXPORT,
        SERVE,
    ],
    ids=" ".join,
)
def test_help_needs_no_extra(run, command):
    code, out, err = run(*command, "--help")
    assert (code, err) == (0, "")
    assert out.startswith("usage: ")


@pytest.fixture
def files(tmp_path):
    """Small files for every command line."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (20, 28, 28), "uint8")
    labels = np.arange(20, dtype="uint8") % 10
    arrays = {"x_train": images, "y_train": labels, "x_test": images, "y_test": labels}
    np.savez(tmp_path / "mnist.npz", **arrays)
    model = keras.Sequential([keras.Input((28, 28, 1)), keras.layers.Flatten()])
    model.save(tmp_path / "model.keras")
    (tmp_path / "model.onnx").write_bytes(b"a model")
    (tmp_path / "pictures").mkdir()
    made = run_of(
        tmp_path / "runs",
        Settings("distorted-digits", "cnn", 0, 1, 64, "float32", DATA_SEED),
    )
    made.folder.mkdir(parents=True)
    return tmp_path


@pytest.mark.parametrize(
    ("command", "package", "extra"),
    [
        ("-m data_prep distorted-digits --out {0}/x.npz", "matplotlib", "experiments"),
        ("-m data_prep distorted-digits --out {0}/x.npz --no-preview", "pillow", "experiments"),
        (
            "-m data_prep distorted-mnist --out {0}/x.npz --no-preview --data-dir {0}",
            *("opencv-python-headless", "experiments"),
        ),
        (
            "-m data_prep cluttered-mnist --out {0}/x.npz --no-preview --data-dir {0}",
            *("tqdm", "experiments"),
        ),
        (
            "-m data_prep cluttered-mnist --out {0}/x.npz --no-preview --pictures {0}/drawn",
            *("pillow", "experiments"),
        ),
        ("train.py distorted-digits --runs-dir {0}/runs", "pillow", "experiments"),
        ("train.py image-folder --data-dir {0}/pictures", "pillow", "experiments"),
        ("evaluate.py distorted-digits --runs-dir {0}/runs", "matplotlib", "experiments"),
        (
            "-m stn_keras.export {0}/model.keras --format onnx --out {0}/x.onnx "
            "--images {0}/mnist.npz",
            *("onnx", "export"),
        ),
        ("examples/serve.py {0}/model.onnx", "mlserver", "serve"),
    ],
    ids=lambda value: value.replace("{0}", ".") if " " in value else "",
)
def test_a_missing_package_is_told_in_one_line(run, files, command, package, extra):
    code, out, err = run(*command.format(files).split())
    assert (code, out) == (2, ""), err
    assert err.count("\n") == 1
    assert "error: " in err
    assert package in err
    assert f'pip install ".[{extra}]"' in err
    assert not list(files.glob("x*"))


def test_a_saved_model_is_exported_without_any_extra(run, files):
    arguments = (files / "model.keras", "--format", "saved_model", "--out", files / "x")
    code, out, err = run(*EXPORT, *arguments)
    assert code == 0, err
    assert out.endswith(f"{files / 'x'}\n")


def test_imgaug_is_installed_without_what_it_asks_for(run, files):
    where = ("--out", files / "x.npz", "--data-dir", files)
    code, _, err = run("-m", "data_prep", "distorted-mnist", *where, absent=["imgaug"])
    assert code == 2
    assert err.endswith(
        "error: expected the package imgaug, which is not installed: pip install --no-deps imgaug\n"
    )
    assert err.count("\n") == 1


def test_a_fault_of_the_project_is_not_taken_for_a_missing_package(run):
    script = "from cli.run import run_command; run_command(lambda: __import__('no'), 'x')"
    code, _, err = run("-c", script)
    assert code == 1
    assert "ModuleNotFoundError: No module named 'no'" in err


def test_every_package_of_the_experiments_is_known():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    listed = setup["options.extras_require"]["experiments"].split()
    known = [package for package, command in PACKAGES.values() if "experiments" in command]
    assert sorted(listed) == sorted(known)
