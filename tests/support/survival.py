"""python -m tests.support.survival: kill training and data preparation again and again.

What is left after each kill is read by the project's own loaders, and what comes out at the end is
compared, bit for bit, with what comes out undisturbed.
"""

import contextlib
import functools
import json
import math
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import h5py

from cli.files import writable_folder, write_json
from cli.parser import OneLineParser
from cli.run import run_command
from cli.startup import import_keras
from data_prep.sets import distorted as distorted_set
from experiments.data.data import DATA_SEED
from experiments.data.distorted import dataset_path
from experiments.experiment import DEFAULT_SCHEDULE
from experiments.training.run_folder import VALIDATED_HISTORY, Settings, read_json, run_of

ROOT = Path(__file__).parents[2]
NAME, MODEL, BATCH_SIZE = "distorted-digits", "stn-cnn", 256
SHAPE = (28, 28, 1)
POLL = 0.002


def start(*arguments):
    """Start a command line of the project in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finish(*arguments):
    """Run a command line to its end: (seconds, stdout). It has to succeed."""
    started = time.perf_counter()
    process = start(*arguments)
    out, err = process.communicate()
    assert process.returncode == 0, err
    return time.perf_counter() - started, out


def kill(process, due, folder):
    """Kill a process as soon as it is due.

    Args:
        process: `subprocess.Popen`.
        due: function of no arguments that says whether it is.
        folder: where the process writes.

    Returns:
        Whether it was still running, and whether it has left a partial file.
    """
    started = time.time()
    while process.poll() is None and not due():
        time.sleep(POLL)
    killed = process.poll() is None
    if killed:
        os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    return killed, bool(partials(folder, started))


def after(seconds):
    """Function that says whether so many seconds have gone by."""
    end = time.perf_counter() + seconds
    return lambda: time.perf_counter() >= end


def writing_after(path, folder):
    """Function that says whether `path` was written anew, and another file is being written."""
    before = path.stat().st_mtime_ns if path.exists() else 0
    return lambda: path.exists() and path.stat().st_mtime_ns > before and bool(partials(folder))


def partials(folder, since=0.0):
    """Files that are being written, or were when a process was killed; since that time of day."""
    found = []
    for path in Path(folder).rglob(".*-partial*"):
        with contextlib.suppress(FileNotFoundError):  # it has just been renamed
            if path.stat().st_mtime >= since:
                found.append(path)
    return found


def orphans(group, seconds=10):
    """Whether a process of the group is still there after that time; it is then ended."""
    with contextlib.suppress(ProcessLookupError):
        for _ in range(int(seconds / 0.1)):
            os.killpg(group, 0)
            time.sleep(0.1)
        os.killpg(group, signal.SIGKILL)
        return True
    return False


def check_run(runs_dir, run):
    """Read every file of a run folder, and the data set beside it, as the project does.

    Returns:
        Names of the files read.
    """
    from experiments.training.checkpoint import load_model, read_progress

    readers = {
        run.config: run.settings,
        run.history: lambda: run.read_history(VALIDATED_HISTORY),
        run.best_model: lambda: load_model(run.best_model),
        run.last_state: lambda: read_progress(run.last_state),
        run.metrics: lambda: read_json(run.metrics, "best_epoch"),
        dataset_path(runs_dir / NAME): lambda: distorted_set.load(dataset_path(runs_dir / NAME)),
    }
    found = {path for path in runs_dir.rglob("*") if path.is_file()} - set(partials(runs_dir))
    assert found <= set(readers), found - set(readers)
    for path in found:
        readers[path]()
    return sorted(path.name for path in found)


def outcome(run):
    """All that a run leaves behind, but for times: what is compared bit for bit."""
    from experiments.training.checkpoint import load_model

    metrics = json.loads(run.metrics.read_text())
    del metrics["environment"]
    rows = [{**row, "seconds": None} for row in run.read_history(VALIDATED_HISTORY)]
    state = {}
    with h5py.File(run.last_state) as file:
        file.visititems(
            lambda name, item: (
                state.update({name: item[()].tobytes()} if item.shape else {})
                if isinstance(item, h5py.Dataset)
                else None
            )
        )
    weights = [array.tobytes() for array in load_model(run.best_model).get_weights()]
    return {"metrics": metrics, "history": rows, "state": state, "model": weights}


def survive_training(folder, kills, epochs, seed=0):
    """Kill one training run at random moments, resume it after each, and compare the outcome.

    Every second kill comes when another epoch is done, while a file is being written.

    Args:
        folder: an empty one.
        kills: how many.
        epochs: of the run.
        seed: of the moments.

    Returns:
        Figures of what was done, as plain data.
    """
    import_keras("stn_keras")
    settings = Settings(
        NAME, MODEL, 0, epochs, BATCH_SIZE, "float32", DATA_SEED, None, DEFAULT_SCHEDULE
    )
    unbroken, broken = (run_of(folder / name, settings) for name in ("unbroken", "broken"))
    options = ("--models", MODEL, "--epochs", epochs, "--batch-size", BATCH_SIZE, "--resume")
    seconds, _ = finish("train.py", NAME, "--runs-dir", folder / "unbroken", *options)
    command = ("train.py", NAME, "--runs-dir", folder / "broken", *options)
    moments, done, writing, epochs_at, files = random.Random(seed), 0, 0, [], set()
    while done < kills:
        due = after(moments.uniform(0, seconds))
        if done % 2:
            due = writing_after(broken.last_state, broken.folder)
        process = start(*command)
        killed, left = kill(process, due, folder / "broken")
        files |= set(check_run(folder / "broken", broken))
        if not killed:
            assert process.returncode == 0, "a resumed run failed"
            broken.discard()  # it has come to its end: the kills go on over another
            continue
        done, writing = done + 1, writing + left
        epochs_at.append(broken.epochs_done)
    if broken.finished:
        broken.metrics.unlink()
    finish(*command)
    assert not partials(folder), partials(folder)
    assert outcome(unbroken) == outcome(broken)
    broken.metrics.unlink()
    finish(*command)
    assert outcome(unbroken) == outcome(broken)
    return {
        "kills": done,
        "kills_while_writing": writing,
        "epochs_done_at_kill": epochs_at,
        "files_read": sorted(files),
        "unbroken_seconds": round(seconds, 1),
    }


def end_training(folder, times, epochs, seed=0):
    """Send SIGTERM to one training run at random moments; each time it has to end by itself.

    Returns:
        Figures of what was done, as plain data.
    """
    options = ("--models", MODEL, "--epochs", epochs, "--batch-size", BATCH_SIZE)
    command = ("train.py", NAME, "--runs-dir", folder, *options)
    seconds, _ = finish(*command)
    moments, waited = random.Random(seed), []
    while len(waited) < times:
        process = start(*command, "--overwrite")
        time.sleep(moments.uniform(0, seconds))
        started = time.perf_counter()
        process.terminate()
        process.communicate()
        if process.returncode:  # Python itself ends by the signal until the program has begun
            assert process.returncode in (143, -signal.SIGTERM), process.returncode
            waited.append(time.perf_counter() - started)
    return {"times": times, "slowest_seconds": round(max(waited), 2)}


def survive_data_prep(folder, kills, seed=0):
    """Kill data preparation at random moments: each time there is the whole file or none.

    Every second kill comes while the file is being written.

    Returns:
        Figures of what was done, as plain data.
    """
    whole, broken = folder / "whole.npz", folder / "broken.npz"
    options = ("--copies", 8, "--workers", 2, "--no-preview")
    seconds, _ = finish("-m", "data_prep", NAME, "--out", whole, *options)
    command = ("-m", "data_prep", NAME, "--out", broken, *options)
    moments, done, writing, absent = random.Random(seed), 0, 0, 0
    while done < kills:
        broken.unlink(missing_ok=True)
        due = after(moments.uniform(0, seconds))
        if done % 2:
            due = functools.partial(partials, folder, time.time())
        process = start(*command)
        killed, left = kill(process, due, folder)
        assert not orphans(process.pid), "a worker has outlived its parent"
        if broken.exists():
            assert broken.read_bytes() == whole.read_bytes()
        done, writing, absent = done + killed, writing + left, absent + (not broken.exists())
    finish(*command)
    assert broken.read_bytes() == whole.read_bytes()
    assert sorted(path.name for path in folder.iterdir()) == ["broken.npz", "whole.npz"]
    return {
        "kills": done,
        "kills_while_writing": writing,
        "no_file_after": absent,
        "unbroken_seconds": round(seconds, 1),
    }


def main():
    """Kill, compare, write the results."""
    parser = OneLineParser(prog="python -m tests.support.survival", description=__doc__)
    parser.add_argument("--kills", type=int, default=20, metavar="N", help="default: %(default)s")
    parser.add_argument("--epochs", type=int, default=12, metavar="N", help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="default: %(default)s")
    parser.add_argument("--out", type=Path, default=Path("results/benchmarks"), metavar="DIR")
    arguments = parser.parse_args()
    writable_folder(arguments.out)
    results = {}
    kills, epochs = arguments.kills, arguments.epochs
    for name, survive, options in (
        ("data preparation", survive_data_prep, (kills,)),
        ("training", survive_training, (kills, epochs)),
        ("SIGTERM in training", end_training, (math.ceil(kills / 4), 2)),
    ):
        with tempfile.TemporaryDirectory() as folder:
            results[name] = survive(Path(folder), *options, arguments.seed)
        print(f"{name}: {results[name]}", flush=True)
    from experiments.environment import describe, device_slug

    path = arguments.out / f"survival-{device_slug()}.json"
    write_json(path, {"environment": describe(), "seed": arguments.seed, "results": results})
    print(path)


if __name__ == "__main__":
    run_command(main, "python -m tests.support.survival")
