"""python -m benchmarks.scaling: time and memory against the number of images, workers, devices."""

import functools
import importlib.util
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.timing import medians, side_by_side
from cli.errors import UserError
from cli.files import writable_folder, write_json
from cli.parser import OneLineParser
from cli.run import run_command
from cli.startup import import_keras
from data_prep.sets.shards import load_shards, make_shards
from experiments.environment import describe, device_slug
from experiments.training.cluster import Cluster
from experiments.training.devices import scope, start, variable_scope

NAME, SEED, SHARDS, BATCH = "distorted-digits", 42, 8, 128
# Copies of each digit: the set has this many and its originals, 1, 4 and 16 times the first.
COPIES = {1: 4, 4: 19, 16: 79}
WORKERS = DEVICES = (1, 2)
STEPS = 60


def images_of(folder):
    """All training images of a sharded set, each as a separate original."""
    from experiments.data.data import TrainingImages

    dataset = load_shards(folder)
    times = len(dataset.images) // len(dataset.labels)
    return TrainingImages(dataset.images, np.tile(dataset.labels, times))


def read(folder):
    """Go through an epoch of batches: images a second, and the memory that is not the system's."""
    from experiments.data.batches import ShuffledBatches

    data = images_of(folder)
    before = _anonymous_mib()
    batches = ShuffledBatches(data, BATCH, SEED)
    started, most = time.perf_counter(), before
    for index in range(batches.steps_per_epoch):
        batches[index]
        most = max(most, _anonymous_mib())
    seconds = time.perf_counter() - started
    return {
        "images": data.per_epoch,
        "images_a_second": round(batches.steps_per_epoch * BATCH / seconds),
        "anonymous_mib": round(most, 1),
        "anonymous_mib_before": round(before, 1),
    }


def _anonymous_mib():
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"RssAnon:\s*(\d+)", status).group(1)) / 1024


def train(folder, devices, processes=1, process=0, port=None):
    """Milliseconds of a training step of the post's STN, the same batch on that many devices.

    Args:
        folder: a sharded set.
        devices: of each process.
        processes: how many train together.
        process: number of this one.
        port: of this machine, where the first process can be reached.
    """
    cluster = Cluster(devices, processes, process, f"127.0.0.1:{port}" if port else None)
    start(cluster)
    import_keras("stn_keras")
    import keras

    from experiments import EXPERIMENTS
    from experiments.data.batches import ShuffledBatches

    data = images_of(folder)
    keras.utils.set_random_seed(SEED)
    with scope(cluster):
        with variable_scope(cluster):
            model = EXPERIMENTS[NAME].build_model("stn-cnn", data.images.shape[1:], 10)
            model.compile("adam", "sparse_categorical_crossentropy")
        batches = ShuffledBatches(data, BATCH, SEED, part=cluster.part)
        fit = functools.partial(model.fit, batches, shuffle=False, verbose=0)
        fit(steps_per_epoch=5)  # compiles
        seconds = medians(side_by_side({"fit": lambda: fit(steps_per_epoch=STEPS)}, 3))["fit"]
    return {
        "images": data.per_epoch,
        "backend": keras.backend.backend(),
        "processes": processes,
        "devices": devices,
        "milliseconds_a_step": round(1e3 * seconds / STEPS, 2),
        "images_a_second": round(STEPS * BATCH / seconds),
        "gradient_bytes": 4 * model.count_params(),
    }


def _start(*arguments, backend="tensorflow"):
    """This module in a separate process."""
    return subprocess.Popen(
        [sys.executable, "-m", "benchmarks.scaling", *map(str, arguments)],
        env={**os.environ, "KERAS_BACKEND": backend},
        stdout=subprocess.PIPE,
        text=True,
    )


def _result(*processes):
    """What the first of them prints; all have to succeed."""
    printed = [process.communicate()[0] for process in processes]
    if any(process.returncode for process in processes):
        raise UserError("expected a measurement, got an error in its process")
    return json.loads(printed[0].splitlines()[-1])


def train_on_tensorflow(sets):
    """Rows of `train` for each of these {times: folder}, then for the largest on more devices."""
    cells = [(times, 1) for times in sets]
    cells += [(max(sets), devices) for devices in DEVICES if devices > 1]
    return [
        {"times": times, **_result(_start("train", sets[times], devices))}
        for times, devices in cells
    ]


def train_on_jax(times, folder):
    """Rows of `train` for one, and for two processes; none without JAX."""
    if importlib.util.find_spec("jax") is None:
        return []
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    alone = _result(_start("train", folder, 1, backend="jax"))
    together = [_start("train", folder, 1, 2, number, port, backend="jax") for number in range(2)]
    return [{"times": times, **row} for row in (alone, _result(*together))]


def prepare(folder):
    """Seconds of making a set in shards, by size and workers; the sets stay in the folder."""
    rows = []
    for times, copies in COPIES.items():
        for workers in WORKERS:
            made = folder / f"{times}-{workers}"
            started = time.perf_counter()
            shape = {"workers": workers, "copies": copies}
            make_shards(NAME, SEED, made, SHARDS, **shape, progress=False)
            seconds = time.perf_counter() - started
            size = sum(path.stat().st_size for path in made.iterdir())
            images = len(load_shards(made).images)
            rate = {"seconds": round(seconds, 2), "images_a_second": round(images / seconds)}
            rows.append(
                {"times": times, "workers": workers, "images": images, "bytes": size, **rate}
            )
    return rows


def check(folder):
    """Bytes a second of opening a set, which reads and checks all of its files."""
    started = time.perf_counter()
    load_shards(folder)
    size = sum(path.stat().st_size for path in folder.iterdir())
    return round(size / (time.perf_counter() - started))


def measure():
    """All figures, as plain data."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        preparation = prepare(folder)
        made = {times: folder / f"{times}-{WORKERS[0]}" for times in COPIES}
        reading = [{"times": times, **_result(_start("read", made[times]))} for times in made]
        largest = max(made)
        training = train_on_tensorflow(made) + train_on_jax(largest, made[largest])
        checked = check(made[largest])
    return {
        "set": NAME,
        "shards": SHARDS,
        "batch": BATCH,
        "preparation": preparation,
        "reading": reading,
        "training": training,
        "bytes_a_second_checked": checked,
    }


def print_table(rows):
    """Rows of the same keys, right-aligned under them."""
    columns = {key: [key, *(_text(row[key]) for row in rows)] for key in rows[0]}
    widths = [max(map(len, column)) for column in columns.values()]
    for line in zip(*columns.values(), strict=True):
        print("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)))


def _text(value):
    return value if isinstance(value, str) else f"{value:,}"


def main():
    """Measure, print the tables, write the results."""
    parser = OneLineParser(prog="python -m benchmarks.scaling", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("results/benchmarks"))
    out = writable_folder(parser.parse_args().out)
    content = measure()
    for name in ("preparation", "reading", "training"):
        print(name)
        print_table(content[name])
    print(f"checking: {content['bytes_a_second_checked']:,} bytes a second")
    import_keras("stn_keras")
    path = out / f"scaling-{device_slug()}.json"
    write_json(path, {**content, "environment": describe()})
    print(path)


if __name__ == "__main__":
    measured = {"read": read, "train": train}
    if sys.argv[1:2] and sys.argv[1] in measured:
        name, folder, *numbers = sys.argv[1:]
        print(json.dumps(measured[name](Path(folder), *map(int, numbers))))
    else:
        run_command(main, "python -m benchmarks.scaling")
