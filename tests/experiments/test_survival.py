"""What kills, SIGTERM, a full disk and a divergence leave behind."""

import contextlib
import json
import os
import re
import resource
import shlex
import signal
import subprocess
import sys
import time
from dataclasses import replace
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from PIL import Image

from cli.errors import UserError
from cli.files import atomic_path
from experiments.data.data import LabelledImages, TrainingImages
from experiments.experiment import Schedule
from experiments.training.callbacks import SaveBestAndLast
from experiments.training.checkpoint import not_finite
from experiments.training.run_folder import run_of
from tests.support import survival
from tests.support.cluster import environment, write_mnist
from tests.support.commands import DIGITS, ROOT, command, files_in, run, settings_of, train
from tests.support.training import TINY, TINY_DATA, stopped, tiny_images, trained

KILLS = int(os.environ.get("STN_KILLS", "5"))


@pytest.mark.everything
@pytest.mark.slow
def test_a_run_killed_again_and_again_comes_to_the_same_bits(tmp_path):
    done = survival.survive_training(tmp_path, KILLS, epochs=3)
    assert done["kills"] == KILLS


@pytest.mark.everything
def test_killed_data_preparation_leaves_a_whole_file_or_none(tmp_path):
    done = survival.survive_data_prep(tmp_path, KILLS)
    assert done["kills"] == KILLS


@pytest.mark.slow
def test_sigterm_ends_a_run_at_once_and_says_how_to_go_on(tmp_path):
    arguments = train(tmp_path, "--models", "stn-cnn", "--epochs", "3", "--batch-size", "256")
    going = run_of(tmp_path, settings_of("stn-cnn"))
    process = command(*arguments, "--overwrite")
    while not going.last_state.exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    started = time.perf_counter()
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate()
    assert time.perf_counter() - started < 10
    assert process.returncode == 143
    line = err.splitlines()[-1]  # behind the progress bar of the data
    said = re.fullmatch(r"train\.py: terminated; python (.*) continues after the last .*", line)
    code, out, err = run(*shlex.split(said[1]))
    assert code == 0, err
    assert "epochs 1 to 3" not in out
    assert going.finished
    assert not [path for path in files_in(tmp_path) if "partial" in path.name]


def test_sigterm_ends_data_preparation_and_its_workers(tmp_path):
    out = tmp_path / "set.npz"
    arguments = ("-m", "data_prep", DIGITS, "--out", out, "--copies", 50, "--workers", 2)
    process = survival.start(*arguments)
    assert b"distorting" in process.stderr.buffer.read(20)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=10)
    assert process.returncode == 143
    assert err.endswith("python -m data_prep: terminated\n")
    assert not survival.orphans(process.pid)
    assert not out.exists()


def test_a_worker_ends_by_sigterm_whatever_its_parent_does():
    # A handler of Python's waits until a lock is taken, and a worker may wait for one forever.
    script = (
        "import signal; from data_prep.distortions.imgaug_runner import _mapper\n"
        "signal.signal(signal.SIGTERM, lambda *_: None)\n"
        "with _mapper(2) as each: print(set(each(signal.getsignal, [signal.SIGTERM] * 4)))"
    )
    code, out, err = run("-c", script)
    assert (code, out) == (0, "{<Handlers.SIG_DFL: 0>}\n"), err


PYTHON_THAT_WAITS = """#!/bin/sh
trap 'echo "ended $*"; exit 143' TERM
echo "started"
sleep 30 &
wait
"""


@pytest.mark.parametrize("arguments", [["demo"], ["train", "mnist"], ["data-prep", "paper-r"]])
def test_the_container_hands_sigterm_on(arguments, tmp_path):
    python = tmp_path / "python"
    python.write_text(PYTHON_THAT_WAITS)
    python.chmod(0o755)
    process = subprocess.Popen(
        ["sh", ROOT / "docker" / "entrypoint.sh", *arguments],
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout.readline() == "started\n"
    process.send_signal(signal.SIGTERM)
    assert process.stdout.readline().startswith("ended")
    assert process.wait(timeout=10) == 143
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # what the waiting program has started


def limited(size, *arguments):
    """Run a command line that may write no file larger than so many bytes."""
    process = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": str(ROOT)},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size)),
        capture_output=True,
        text=True,
    )
    return process.returncode, process.stderr


def test_data_preparation_without_space_says_so_and_leaves_nothing(tmp_path):
    out = tmp_path / "set.npz"
    code, err = limited(10**6, "-m", "data_prep", DIGITS, "--out", out, "--workers", 1)
    assert code == 2
    assert err.splitlines()[-1] == (
        f"python -m data_prep: error: no space to write {out}; files written before it are whole"
    )
    assert not files_in(tmp_path)


@contextlib.contextmanager
def small_disk(size):
    """Within the block this process can write no file larger than so many bytes."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_full_disk_ends_training_in_one_line_and_keeps_the_last_epoch(
    tmp_path, quiet_training, monkeypatch
):
    _, metrics = trained(tmp_path / "unbroken")
    going = stopped(tmp_path)
    kept = going.last_state.read_bytes()
    with small_disk(4000), pytest.raises(UserError, match=r"^no space to write .*model\.keras; "):
        trained(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(SaveBestAndLast, "_is_kept", lambda *_: False)
        with small_disk(len(kept) - 100), pytest.raises(UserError, match=r"last\.weights\.h5; "):
            trained(tmp_path)
    assert going.last_state.read_bytes() == kept
    assert not [path for path in files_in(tmp_path) if "partial" in path.name]
    _, again = trained(tmp_path)
    assert without_times(again) == without_times(metrics)


@pytest.mark.everything
@pytest.mark.slow
def test_a_file_system_that_fills_up_is_told_and_training_goes_on_when_there_is_space(tmp_path):
    own = ["unshare", "--map-root-user", "--mount", "sh", "-c"]
    runs = tmp_path / "runs"
    runs.mkdir()
    mount = f"mount -t tmpfs -o size=1400k none {runs}"
    try:
        subprocess.run([*own, mount], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no file systems of its own: {error}")
    write_mnist(tmp_path)
    train = (
        f"{sys.executable} train.py mnist-1000 --models cnn --epochs 3 --batch-size 500 --resume "
        f"--data-dir {tmp_path} --runs-dir {runs}"
    )
    # The model and the state of an epoch fit, those of the next one beside them do not.
    script = f"{mount} && ({train}; echo ended: $?; mount -o remount,size=9m {runs} && {train})"
    done = subprocess.run(
        [*own, script],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env=environment(keras.backend.backend()),
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"epochs 1 to 3(.|\n)*ended: 2\n(.|\n)*epochs [23] to 3", done.stdout)
    told = [line for line in done.stderr.splitlines() if "error" in line]
    assert len(told) == 1
    assert told[0].startswith("train.py: error: no space to write "), told


@pytest.mark.parametrize("kind", ["keras", "npz", "csv", "png"])
def test_whatever_writes_a_file_a_full_disk_is_told_in_one_line(kind, tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (300, 300, 3), "uint8")
    model = keras.Sequential([keras.Input((300,)), keras.layers.Dense(300)])
    write = {
        "keras": model.save,
        "npz": lambda path: np.savez(path, noise),
        "csv": lambda path: path.write_text("9" * 10**5),
        "png": lambda path: Image.fromarray(noise).save(path),
    }[kind]
    path = tmp_path / f"file.{kind}"
    path.write_text("old")
    with (
        small_disk(4000),
        pytest.raises(UserError, match=r"^no space to write .*file") as error,
        atomic_path(path) as partial,
    ):
        write(partial)
    assert "\n" not in str(error.value)
    assert [file.name for file in files_in(tmp_path)] == [path.name]
    assert path.read_text() == "old"


def without_times(metrics):
    """The contents of metrics.json but for the time at which they were written."""
    environment = {**metrics["environment"], "time": None}
    return {**metrics, "environment": environment}


def test_other_errors_stay_what_they_are(tmp_path):
    with pytest.raises(RuntimeError, match="a mistake"), atomic_path(tmp_path / "file"):
        raise RuntimeError("a mistake")


def test_one_command_and_seed_give_the_same_metrics(tmp_path, quiet_training):
    (one, first), (other, second) = (trained(tmp_path / name) for name in "ab")
    assert without_times(first) == without_times(second)
    assert json.loads(one.metrics.read_text()) == first
    rows = [[{**row, "seconds": 0} for row in run.read_history()] for run in (one, other)]
    assert rows[0] == rows[1]


def with_rate(optimizer, rate, **arguments):
    """The tiny experiment at a constant learning rate."""
    schedule = Schedule(3, 10, optimizer, rate, "constant", arguments)
    return replace(TINY, schedules={"best": schedule})


def test_a_divergence_names_epoch_and_quantity_and_keeps_the_last_good_epoch(
    tmp_path, quiet_training
):
    going = stopped(tmp_path)
    kept = {path: path.read_bytes() for path in files_in(going.folder)}
    images, labels = tiny_images(40)
    images = np.where(np.arange(40)[:, None, None, None] == 7, np.nan, images / 255)
    data = replace(TINY_DATA, training=TrainingImages(images.astype("float32"), labels))
    with pytest.raises(UserError) as error:
        trained(tmp_path, data)
    assert str(error.value) == (
        "training diverged in epoch 3: loss, a weight, theta not finite; "
        f"epoch 2 is kept in {going.last_state}"
    )
    del kept[going.config]
    assert {path: path.read_bytes() for path in kept} == kept
    _, metrics = trained(tmp_path)
    assert metrics["epochs"] == 3


def test_an_epoch_that_diverges_is_not_kept():
    assert not_finite(SimpleNamespace(get_weights=lambda: [np.array([1, np.inf])]))
    assert not not_finite(SimpleNamespace(get_weights=lambda: [np.array([1, 2])]))


def test_a_learning_rate_without_measure_diverges(tmp_path, quiet_training):
    expected = r"^training diverged in epoch 1: .*loss.* not finite; no epoch is kept$"
    with pytest.raises(UserError, match=expected):
        trained(tmp_path, experiment=with_rate("SGD", 1e38))
    assert [path.name for path in files_in(tmp_path)] == ["config.json"]


@pytest.mark.parametrize("optimizer", ["SGD", "AdamW"])
def test_a_learning_rate_of_ten_stays_finite(optimizer, tmp_path, quiet_training):
    run, _ = trained(tmp_path, experiment=with_rate(optimizer, 10.0))
    assert all(np.isfinite(list(row.values())).all() for row in run.read_history())
    assert not not_finite(keras.models.load_model(run.best_model))


def test_black_images_train_at_chance(tmp_path, quiet_training):
    black = TrainingImages(np.zeros((40, 6, 6, 1), "uint8"), np.arange(40) % 2)
    test = LabelledImages(np.zeros((20, 6, 6, 1), "uint8"), np.arange(20) % 2)
    data = replace(TINY_DATA, training=black, test={"test": test})
    run, metrics = trained(tmp_path, data)
    assert metrics["test_accuracy"]["test"] == 0.5
    assert all(np.isfinite(list(row.values())).all() for row in run.read_history())
