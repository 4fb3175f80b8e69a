"""python -m benchmarks.sampler: our grid and sampler on each backend against torch's own."""

import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks import contestants
from benchmarks.charts import bar_chart
from benchmarks.command_line import rounds_and_folder
from benchmarks.sampler_cells import BASELINE, FULL, OURS, SAMPLE
from cli.files import write_json
from cli.run import run_command
from experiments.environment import describe, device_slug
from experiments.reports.markdown import markdown_table

BACKENDS = ("tensorflow", "jax", "torch")


def measure(backend, rounds, *options):
    """What `benchmarks.sampler_cells` measures in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "cells.json")
        command = [sys.executable, "-m", "benchmarks.sampler_cells", str(file)]
        environment = {**os.environ, "KERAS_BACKEND": backend}
        subprocess.run([*command, "--rounds", str(rounds), *options], env=environment, check=True)
        return json.loads(file.read_text())


def summary(cells):
    """name -> least and geometric mean of times faster than torch, over the cells that have it."""
    names = {name: None for row in cells for name in row["times_torch"]}
    ratios = {n: [r["times_torch"][n] for r in cells if n in r["times_torch"]] for n in names}
    return {
        name: {"least": min(values), "geometric_mean": round(statistics.geometric_mean(values), 4)}
        for name, values in ratios.items()
    }


def paths(backends):
    """Name of a way a user calls the warp -> (backend, contestant)."""
    return {
        f"{backend}{name.removeprefix(OURS)}": (backend, name)
        for backend, content in backends.items()
        for name in (OURS, "ours, eager", "ours, compiled")
        if name in content["summary"]
    }


def paths_table(backends):
    """How many times as fast as torch each path is, cell by cell."""
    columns = paths(backends)
    rows = [["shape, what", *columns]]
    for index, cell in enumerate(next(iter(backends.values()))["cells"]):
        cells = [backends[b]["cells"][index]["times_torch"][name] for b, name in columns.values()]
        rows.append([_cell_name(cell), *(f"{ratio:.2f}" for ratio in cells)])
    for what in ("least", "geometric_mean"):
        ratios = [backends[b]["summary"][name][what] for b, name in columns.values()]
        rows.append([what.replace("_", " "), *(f"{ratio:.2f}" for ratio in ratios)])
    return markdown_table(rows)


def contestants_table(content):
    """Milliseconds, and times as fast as torch, of all contestants on one backend."""
    names = [BASELINE, *content["summary"]]
    rows = [["shape, what", f"{BASELINE}, ms", *(f"{name}, ms (x)" for name in names[1:])]]
    for row in content["cells"]:
        rows.append([_cell_name(row), *(_time(row, name) for name in names)])
    for what in ("least", "geometric_mean"):
        ratios = [f"({values[what]:.2f})" for values in content["summary"].values()]
        rows.append([f"{what.replace('_', ' ')} ratio", "", *ratios])
    return markdown_table(rows)


def modes_table(backends):
    """What each kernel and fill mode takes, in times of the bilinear constant one."""
    rows = [["kernel, fill mode", *backends]]
    columns = [content["modes"]["rows"] for content in backends.values()]
    for cells in zip(*columns, strict=True):
        name = f"{cells[0]['interpolation']}, {cells[0]['fill_mode']}"
        rows.append([name, *(f"{cell['times_usual']:.2f}" for cell in cells)])
    return markdown_table(rows)


def costs_table(backends):
    """Memory, growth and first calls of each backend."""
    rows = [["", *backends]]
    contents = list(backends.values())
    for name in (OURS, BASELINE):
        used = [f"{content['mebibytes'][name]:.1f}" for content in contents]
        rows.append([f"memory of a full gradient, MiB: {name}", *used])
    for name in ("more_pixels", "larger_batches"):
        for index, row in enumerate(contents[0][name]):
            times = [f"{c[name][index]['nanoseconds_a_pixel']:.0f}" for c in contents]
            rows.append([f"{name.replace('_', ' ')}, ns a pixel: {_size(row['shape'])}", *times])
    for index, row in enumerate(contents[0]["first_calls"]):
        for mode in ("forward", FULL):
            seconds = [f"{c['first_calls'][index][mode]:.2f}" for c in contents]
            rows.append([f"first call, s: {row['what']}, {mode}", *seconds])
    return markdown_table(rows)


def thetas_table(content):
    """On a GPU: times as fast as torch, and as a copy of the images, theta by theta."""
    names = list(content["thetas"][0]["times_torch"])
    rows = [["shape, what, theta", *(f"{name}, x (of copy)" for name in names)]]
    for row in content["thetas"]:
        cells = [
            f"{row['times_torch'][n]:.2f} ({row['part_of_copy'][n]:.2f})"
            if n in row["times_torch"]
            else ""
            for n in names
        ]
        rows.append([f"{_cell_name(row)}, {row['theta']}", *cells])
    return markdown_table(rows)


def launches_table(content):
    """On a GPU: how many kernels a call starts."""
    rows = [["shape, what", "contestant", "launches"]]
    rows += [[_cell_name(r), r["contestant"], str(r["launches"])] for r in content["launches"]]
    return markdown_table(rows)


def chart_rows(backends):
    """One row a cell, with the ratio of every path."""
    rows = [dict(row) for row in next(iter(backends.values()))["cells"]]
    for index, row in enumerate(rows):
        row["times_torch"] = {
            path: backends[backend]["cells"][index]["times_torch"][name]
            for path, (backend, name) in paths(backends).items()
        }
    return rows


def report(backends):
    """The results as Markdown."""
    tables = [contestants_table(content) for content in backends.values()]
    tables += [thetas_table(content) for content in backends.values() if "thetas" in content]
    tables += [launches_table(content) for content in backends.values() if content.get("launches")]
    textbook = [row["times_textbook"] for c in backends.values() for row in c["cells"]]
    textbook = [ratio for ratio in textbook if ratio]
    lines = [paths_table(backends), *tables]
    if textbook:
        span = f"{min(textbook):.1f} to {max(textbook):.1f}"
        mean = statistics.geometric_mean(textbook)
        lines.append(f"- ours, against textbook: {span} times, geometric mean {mean:.1f}")
    return "\n\n".join([*lines, modes_table(backends), costs_table(backends)])


def _size(shape):
    return "x".join(map(str, shape))


def _cell_name(row):
    return f"{_size(row['shape'])}, {row['mode']}"


def _time(row, name):
    if name not in row["milliseconds"]:
        return ""
    ratio = f" ({row['times_torch'][name]:.2f})" if name in row["times_torch"] else ""
    return f"{row['milliseconds'][name]:.2f}{ratio}"


def main():
    """Measure, print, write JSON and chart."""
    rounds, out = rounds_and_folder("sampler", __doc__)
    backends = {}
    for backend in filter(importlib.util.find_spec, BACKENDS):
        content = measure(backend, rounds)
        backends[backend] = {**content, "summary": summary(content["cells"])}
    content = {
        "rounds": rounds,
        "seconds_a_sample": SAMPLE,
        "seed": contestants.SEED,
        "backends": backends,
        "environment": describe(*backends),
    }
    print(report(backends))
    path = out / f"sampler-{device_slug()}.json"
    write_json(path, content)
    bar_chart(chart_rows(backends), path.with_suffix(".png"))
    print(f"{path}\n{path.with_suffix('.png')}")


if __name__ == "__main__":
    run_command(main, "python -m benchmarks.sampler")
