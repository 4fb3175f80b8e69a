"""python -m benchmarks.sampler_cells FILE: what `benchmarks.sampler` measures on one backend."""

import argparse
import itertools
import time
from pathlib import Path

import keras
import numpy as np
from tqdm import tqdm

from benchmarks import contestants, peak_memory
from benchmarks.timing import medians, side_by_side, times_faster
from cli.files import write_json
from cli.run import run_command
from stn_keras.core.fill_modes import FILL_MODES
from stn_keras.core.kernels import INTERPOLATIONS
from stn_keras.ops import warp

SHAPES = ((256, 28, 28, 1), (64, 32, 32, 3), (32, 64, 64, 16), (8, 256, 256, 3))
VOLUME_SHAPES = ((4, 64, 64, 64, 1), (1, 160, 192, 224, 1))
GPU_SHAPES = ((64, 224, 224, 3), (32, 512, 512, 3))
MORE_PIXELS = ((8, 64, 64, 3), (8, 128, 128, 3), (8, 256, 256, 3))
LARGER_BATCHES = ((8, 64, 64, 3), (32, 64, 64, 3), (128, 64, 64, 3))
MODES_SHAPE = (32, 64, 64, 3)
FULL = "full gradient"
BASELINE, OURS = "torch", "ours"
SAMPLE = 0.01


def on_gpu():
    """Whether the backend computes on a GPU."""
    if keras.backend.backend() == "jax":
        import jax

        return jax.default_backend() == "gpu"
    if keras.backend.backend() == "torch":
        import torch

        return torch.cuda.is_available()
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))


def contestants_of(mode):
    """name -> (run, function that makes its tensors), for the backend and the device."""
    wrt, run = contestants.MODES[mode], contestants.keras_run
    runs = {BASELINE: contestants.torch_run(wrt), OURS: run(contestants.ours, wrt)}
    backend = keras.backend.backend()
    if backend == "torch":
        if on_gpu():
            runs["torch, compiled"] = contestants.torch_run(wrt, compiled=True)
            runs["ours, compiled"] = run(contestants.ours, wrt, "compiled")
        return runs
    runs["ours, eager"] = run(contestants.ours, wrt, "eager")
    runs["ours, plain operations"] = run(contestants.ours_plain, wrt)
    if backend == "tensorflow":
        runs["ours, within one XLA program"] = run(contestants.ours, wrt, "xla")
        runs["textbook"] = run(contestants.textbook, wrt)
        runs["Keras map_coordinates"] = run(contestants.keras_map_coordinates, wrt)
        if not wrt:
            runs["Keras affine_transform"] = run(contestants.keras_affine_transform, wrt)
    return runs


def bound(run, tensor, arrays):
    """A function of no arguments."""
    tensors = [tensor(array) for array in arrays]
    if hasattr(run, "get_concrete_function"):
        # A tf.function looks its trace up at each call; a model's layers are within one call.
        run = run.get_concrete_function(*tensors)
    return lambda: run(*tensors)


def measure_cells(rounds, shapes, names=None):
    """One row a shape and mode: milliseconds and times faster than torch, of each contestant.

    Args:
        rounds: as in `side_by_side`.
        shapes: of the images.
        names: contestants; None: all.
    """
    cells = [(shape, mode) for shape in shapes for mode in contestants.MODES]
    rows = []
    for shape, mode in tqdm(cells, unit="cell", desc=keras.backend.backend()):
        arrays, runs = contestants.inputs(shape), {}
        for name, run in contestants_of(mode).items():
            if names is None or name in names:
                runs[name] = bound(*run, arrays)
        seconds = side_by_side(runs, rounds, SAMPLE)
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
                "times_textbook": round(times_faster(seconds, OURS, "textbook"), 2)
                if "textbook" in seconds
                else None,
            }
        )
    return rows


def measure_thetas(rounds, shapes=GPU_SHAPES):
    """One row a shape, theta and mode: times faster than torch, and part of a copy's speed."""
    rows = []
    for shape, theta, mode in itertools.product(shapes, contestants.THETAS, ("forward", FULL)):
        arrays = contestants.inputs_at(shape, theta)
        runs = {**contestants_of(mode), "copy": contestants.keras_run(contestants.copy, ())}
        functions = {name: bound(*run, arrays) for name, run in runs.items()}
        seconds = side_by_side(functions, rounds, SAMPLE)
        names = [name for name in seconds if name not in (BASELINE, "copy")]
        rows.append(
            {
                "shape": shape,
                "theta": theta,
                "mode": mode,
                "milliseconds": {n: round(1e3 * s, 3) for n, s in medians(seconds).items()},
                "times_torch": {n: round(times_faster(seconds, n, BASELINE), 3) for n in names},
                "part_of_copy": {n: round(times_faster(seconds, n, "copy"), 3) for n in names},
            }
        )
    return rows


def count_launches(shapes=SHAPES[:2]):
    """One row a shape, mode and contestant of torch: kernels that a call starts on the GPU."""
    from torch.autograd import DeviceType
    from torch.profiler import ProfilerActivity, profile

    rows = []
    for shape, mode in itertools.product(shapes, ("forward", FULL)):
        for name, run in contestants_of(mode).items():
            call = bound(*run, contestants.inputs(shape))
            call()  # compiles
            with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as profiler:
                call()
            launches = sum(event.device_type == DeviceType.CUDA for event in profiler.events())
            rows.append({"shape": shape, "mode": mode, "contestant": name, "launches": launches})
    return rows


def measure_growth(shapes, rounds):
    """Milliseconds of a full gradient, sizes side by side."""
    run = contestants.keras_run(contestants.ours, contestants.MODES[FULL])
    functions = {shape: bound(*run, contestants.inputs(shape)) for shape in shapes}
    times = medians(side_by_side(functions, rounds, SAMPLE))
    return [
        {
            "shape": shape,
            "milliseconds": round(1e3 * seconds, 3),
            "nanoseconds_a_pixel": round(1e9 * seconds / np.prod(shape[:3]), 2),
        }
        for shape, seconds in times.items()
    ]


def measure_modes(rounds):
    """One row an interpolation and fill mode: how many times a bilinear constant one takes."""
    names = [(kernel, mode) for kernel in INTERPOLATIONS for mode in FILL_MODES]
    functions = {}
    for interpolation, fill_mode in names:
        settings = {"interpolation": interpolation, "fill_mode": fill_mode}

        def ours(images, theta, settings=settings):
            return warp(images, theta, **settings)

        wrt = ("images",) if interpolation == "nearest" else contestants.MODES[FULL]
        run = contestants.keras_run(ours, wrt)
        functions[interpolation, fill_mode] = bound(*run, contestants.inputs(MODES_SHAPE))
    seconds = side_by_side(functions, rounds, SAMPLE)
    usual = "bilinear", "constant"
    return [
        {
            "interpolation": name[0],
            "fill_mode": name[1],
            "milliseconds": round(1e3 * taken, 3),
            "times_usual": round(times_faster(seconds, usual, name), 2),
        }
        for name, taken in medians(seconds).items()
    ]


def measure_first_calls():
    """Seconds of the first calls of a process: a first batch, another shape, a shape seen before.

    Each makes a function anew, as each model does.
    """
    rows = []
    small, large = (8, 40, 40, 3), (8, 56, 48, 3)
    for what, shape in (("first batch", small), ("new shape", large), ("seen before", small)):
        row = {"what": what, "shape": shape}
        for mode in ("forward", FULL):
            run, tensor = contestants.keras_run(contestants.ours, contestants.MODES[mode])
            tensors = [tensor(array) for array in contestants.inputs(shape)]
            started = time.perf_counter()
            run(*tensors)
            row[mode] = round(time.perf_counter() - started, 3)
        rows.append(row)
    return rows


def main():
    """Measure on the backend of this process, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--rounds", type=int, required=True)
    parser.add_argument("--volumes", action="store_true")
    arguments = parser.parse_args()
    write_json(arguments.file, measure(arguments.rounds, arguments.volumes))


def measure(rounds, volumes):
    """Everything, or what there is of volumes."""
    if volumes:
        shape = VOLUME_SHAPES[0]
        return {
            "cells": measure_cells(rounds, VOLUME_SHAPES, (BASELINE, OURS)),
            "mebibytes": measure_memory(shape),
        }
    content = {
        "first_calls": measure_first_calls(),
        "cells": measure_cells(rounds, (*SHAPES, *GPU_SHAPES) if on_gpu() else SHAPES),
        "more_pixels": measure_growth(MORE_PIXELS, rounds),
        "larger_batches": measure_growth(LARGER_BATCHES, rounds),
        "modes": {"shape": MODES_SHAPE, "rows": measure_modes(rounds)},
        "mebibytes": measure_memory(peak_memory.SHAPE),
    }
    if on_gpu():
        content["thetas"] = measure_thetas(rounds)
        content["launches"] = count_launches() if keras.backend.backend() == "torch" else []
    return content


def measure_memory(shape):
    """MiB of a full gradient at a shape."""
    return {
        "shape": shape,
        **{name: peak_memory.growth(name, shape) for name in (OURS, BASELINE)},
    }


if __name__ == "__main__":
    run_command(main, "python -m benchmarks.sampler_cells")
