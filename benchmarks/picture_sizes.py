"""python -m benchmarks.picture_sizes: what a transformer of pictures costs, by place and size.

A training step of MobileNetV3Small: alone, behind a transformer, with one on its maps, and on a
window that one cuts out of the picture. Each cell is measured in a process of its own.
"""

import json
import subprocess
import sys
import time

import numpy as np

from benchmarks.command_line import results_folder
from benchmarks.peak_memory import forget_peak, peak
from cli.files import write_json
from cli.run import run_command
from experiments.environment import describe, device_slug
from experiments.reports.markdown import markdown_table

BACKBONE, WINDOW, CLASSES, SEED = "MobileNetV3Small", 96, 10, 0
SIDES = (96, 192, 384, 512)
WAYS = {
    "none": "cnn",
    "input": "stn-cnn",
    "features": "stn-cnn-features",
    "crop": "stn-cnn-crop",
}
# Of two batches: compiling and importing take memory too, so the difference counts.
BATCHES, STEPS, WARM_UP = (16, 48), 8, 2
LEAST_SECONDS = 5  # of small pictures there are more steps: a few are over before speed is even


def measure(way, side, window=WINDOW):
    """Pictures a second of a training step of 16, and MiB that each picture of a step takes."""
    small, large = (_run_cell(way, side, window, batch) for batch in BATCHES)
    return {
        "place": way,
        "side": side,
        "window": window if way == "crop" else None,
        "pictures_per_second": round(small["pictures_per_second"], 1),
        "mebibytes_a_picture": round((large["peak"] - small["peak"]) / np.diff(BATCHES).item(), 2),
    }


def _run_cell(way, side, window, batch):
    command = [sys.executable, "-m", "benchmarks.picture_sizes", "--cell", way]
    command += map(str, (side, window, batch))
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def cell(way, side, window, batch):
    """Train a few steps on random pictures; pictures a second and peak memory in MiB."""
    import keras

    from experiments.catalogue.image_folder import build_model

    keras.utils.set_random_seed(SEED)
    options = {"backbone": BACKBONE, "weights": "none"}
    if way == "crop":
        options["window"] = window
    model = build_model(WAYS[way], (side, side, 3), CLASSES, **options)
    model.compile("adam", "sparse_categorical_crossentropy")
    rng = np.random.default_rng(SEED)
    pictures = rng.random((batch, side, side, 3), "float32")
    labels = rng.integers(0, CLASSES, batch)
    forget_peak()
    seconds = []
    while len(seconds) < WARM_UP + STEPS or sum(seconds[WARM_UP:]) < LEAST_SECONDS:
        started = time.perf_counter()
        model.train_on_batch(pictures, labels)
        seconds.append(time.perf_counter() - started)
    speed = batch / float(np.median(seconds[WARM_UP:]))
    return {"pictures_per_second": speed, "peak": peak()}


def table(rows):
    """Both figures by place and side."""
    cells = {(row["place"], row["side"]): row for row in rows}
    places = list(dict.fromkeys(row["place"] for row in rows))
    sides = list(dict.fromkeys(row["side"] for row in rows))
    lines = [["a training step", *(f"{side}x{side}" for side in sides)]]
    for name, unit in (("pictures_per_second", "pictures/s"), ("mebibytes_a_picture", "MiB")):
        for place in places:
            values = [f"{cells[place, side][name]:,.1f}" for side in sides]
            lines.append([f"{place}, {unit}", *values])
    return markdown_table(lines)


def main():
    """Measure, print, write JSON; or measure one cell."""
    if sys.argv[1:2] == ["--cell"]:
        way, *numbers = sys.argv[2:]
        return print(json.dumps(cell(way, *map(int, numbers))))
    out = results_folder("picture_sizes", __doc__)
    rows = [measure(way, side) for side in SIDES for way in WAYS]
    print(table(rows))
    path = out / f"picture-sizes-{device_slug()}.json"
    environment = describe("tensorflow")
    write_json(path, {"backbone": BACKBONE, "rows": rows, "environment": environment})
    print(path)


if __name__ == "__main__":
    run_command(main, "python -m benchmarks.picture_sizes")
