"""python -m benchmarks.sampler: our grid and sampler against torch, Keras and the textbook."""

import statistics

import keras
import numpy as np
from tqdm import tqdm

from benchmarks import contestants, peak_memory
from benchmarks.charts import bar_chart
from benchmarks.command_line import rounds_and_folder
from benchmarks.timing import medians, side_by_side, times_faster
from cli.files import write_json
from cli.run import run_command
from experiments.environment import describe, device_slug
from experiments.reports.markdown import markdown_table

SHAPES = ((256, 28, 28, 1), (64, 32, 32, 3), (32, 64, 64, 16), (8, 256, 256, 3))
MORE_PIXELS = ((8, 64, 64, 3), (8, 128, 128, 3), (8, 256, 256, 3))
LARGER_BATCHES = ((8, 64, 64, 3), (32, 64, 64, 3), (128, 64, 64, 3))
BASELINE = "torch"
FUSED = "ours, fused"
SAMPLE = 0.01


def calls(shape, mode):
    """name -> function of no arguments."""
    wrt = contestants.MODES[mode]
    functions = {"Keras map_coordinates": contestants.keras_map_coordinates}
    if not wrt:
        functions["Keras affine_transform"] = contestants.keras_affine_transform
    if keras.backend.backend() == "tensorflow":
        functions |= {"textbook": contestants.textbook, "ours, plain graph": contestants.ours}
    runs = {
        BASELINE: contestants.torch_run(wrt),
        **{name: contestants.keras_run(function, wrt) for name, function in functions.items()},
        FUSED: contestants.fused_run(mode),
    }
    return {name: _bound(run, tensor, shape) for name, (run, tensor) in runs.items()}


def _bound(run, tensor, shape):
    tensors = [tensor(array) for array in contestants.inputs(shape)]
    if hasattr(run, "get_concrete_function"):
        # A tf.function looks its trace up at each call; a model's layers are within one call.
        run = run.get_concrete_function(*tensors)
    return lambda: run(*tensors)


def measure_cells(rounds):
    """One row a shape and mode: milliseconds and times faster than torch, of each contestant."""
    cells = [(shape, mode) for shape in SHAPES for mode in contestants.MODES]
    rows = []
    for shape, mode in tqdm(cells, unit="cell"):
        seconds = side_by_side(calls(shape, mode), rounds, SAMPLE)
        rows.append(
            {
                "shape": shape,
                "mode": mode,
                "milliseconds": {n: round(1e3 * s, 3) for n, s in medians(seconds).items()},
                "times_torch": {
                    n: round(times_faster(seconds, n, BASELINE), 4)
                    for n in seconds
                    if n != BASELINE
                },
                "times_textbook": round(times_faster(seconds, FUSED, "textbook"), 2)
                if "textbook" in seconds
                else None,
            }
        )
    return rows


def measure_growth(shapes, rounds):
    """Milliseconds of the fused full gradient, sizes side by side."""
    run, tensor = contestants.fused_run("full gradient")
    functions = {shape: _bound(run, tensor, shape) for shape in shapes}
    times = medians(side_by_side(functions, rounds, SAMPLE))
    return [
        {
            "shape": shape,
            "milliseconds": round(1e3 * seconds, 3),
            "nanoseconds_a_pixel": round(1e9 * seconds / np.prod(shape[:3]), 2),
        }
        for shape, seconds in times.items()
    ]


def summary(rows):
    """name -> least and geometric mean of times faster than torch, over the cells that have it."""
    names = {name: None for row in rows for name in row["times_torch"]}
    ratios = {n: [r["times_torch"][n] for r in rows if n in r["times_torch"]] for n in names}
    return {
        name: {"least": min(values), "geometric_mean": round(statistics.geometric_mean(values), 4)}
        for name, values in ratios.items()
    }


def report(content):
    """The results as Markdown."""
    names = [BASELINE, *content["summary"]]
    rows = [["shape, what", f"{BASELINE}, ms", *(f"{name}, ms (x)" for name in names[1:])]]
    for row in content["cells"]:
        times = [_time(row, name) for name in names]
        rows.append(["x".join(map(str, row["shape"])) + ", " + row["mode"], *times])
    for what in ("least", "geometric_mean"):
        ratios = [f"({values[what]:.2f})" for values in content["summary"].values()]
        rows.append([f"{what.replace('_', ' ')} ratio", "", *ratios])
    lines = [markdown_table(rows), ""]
    textbook = [row["times_textbook"] for row in content["cells"] if row["times_textbook"]]
    if textbook:
        span = f"{min(textbook):.1f} to {max(textbook):.1f}"
        mean = statistics.geometric_mean(textbook)
        lines.append(f"- {FUSED}, against textbook: {span} times, geometric mean {mean:.1f}")
    for name in ("more_pixels", "larger_batches"):
        steps = ", ".join(
            f"{row['milliseconds']:.2f} ms ({row['nanoseconds_a_pixel']:.1f} ns a pixel)"
            for row in content[name]
        )
        start = "x".join(map(str, content[name][0]["shape"]))
        lines.append(
            f"- {name.replace('_', ' ')}, full gradient, 1, 4 and 16 times {start}: {steps}"
        )
    used = content["mebibytes"]
    shape = "x".join(map(str, used["shape"]))
    lines.append(
        f"- memory of a full gradient at {shape}, inputs and results included: "
        f"ours {used['ours']} MiB, torch {used['torch']} MiB"
    )
    return "\n".join(lines)


def _time(row, name):
    if name not in row["milliseconds"]:
        return ""
    ratio = f" ({row['times_torch'][name]:.2f})" if name in row["times_torch"] else ""
    return f"{row['milliseconds'][name]:.2f}{ratio}"


def main():
    """Measure, print, write JSON and chart."""
    rounds, out = rounds_and_folder("sampler", __doc__)
    rows = measure_cells(rounds)
    content = {
        "rounds": rounds,
        "seconds_a_sample": SAMPLE,
        "seed": contestants.SEED,
        "cells": rows,
        "summary": summary(rows),
        "more_pixels": measure_growth(MORE_PIXELS, rounds),
        "larger_batches": measure_growth(LARGER_BATCHES, rounds),
        "mebibytes": {
            "shape": peak_memory.SHAPE,
            **{n: peak_memory.growth(n) for n in ("ours", "torch")},
        },
        "environment": describe("torch"),
    }
    print(report(content))
    path = out / f"sampler-{device_slug()}.json"
    write_json(path, content)
    bar_chart(rows, path.with_suffix(".png"))
    print(f"{path}\n{path.with_suffix('.png')}")


if __name__ == "__main__":
    run_command(main, "python -m benchmarks.sampler")
