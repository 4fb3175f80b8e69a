"""Command lines as a user runs them."""

import os
import subprocess
import sys
from pathlib import Path

import stn_keras  # noqa: F401  registers the layers of saved models
from experiments.data.data import DATA_SEED
from experiments.training.run_folder import Settings

ROOT = Path(__file__).parents[2]


DIGITS = "distorted-digits"


def command(*arguments, **options):
    """Start a command line of the project in its own process."""
    variables = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **options.pop("env", {})}
    return subprocess.Popen(
        [sys.executable, *map(str, arguments)],
        cwd=options.pop("cwd", ROOT),
        env={**variables, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(*arguments, **options):
    """Run a command line to its end: (exit code, stdout, stderr)."""
    process = command(*arguments, **options)
    out, err = process.communicate(timeout=540)
    return process.returncode, out, err


def refused(*arguments, **options):
    """The one line in which a command line refuses bad input."""
    code, _, err = run(*arguments, **options)
    assert code == 2, err
    assert err.count("\n") == 1, err
    assert "error: " in err
    return err


def train(runs_dir, *arguments):
    """Arguments of a short training on the embedded digits."""
    return ("train.py", DIGITS, "--runs-dir", runs_dir, *arguments)


def files_in(folder):
    """Every file below a folder."""
    return [path for path in Path(folder).rglob("*") if path.is_file()]


def settings_of(model, experiment=DIGITS, epochs=1):
    """Settings of a short run."""
    return Settings(experiment, model, 0, epochs, 64, "float32", DATA_SEED)
