"""python -m benchmarks.transforms: what each family costs, against the affine one."""

import numpy as np

from benchmarks import contestants
from benchmarks.command_line import rounds_and_folder
from benchmarks.timing import medians, side_by_side, times_faster
from cli.files import write_json
from cli.run import run_command
from experiments.environment import describe, device_slug
from experiments.reports.markdown import markdown_table
from stn_keras import SpatialTransformer, transforms

SHAPE = (256, 28, 28, 1)
MODE = "full gradient"
BASELINE = "affine"
SEED = 0
SAMPLE = 0.01


def families(size):
    """name -> transform, the 4 x 4 spline and a flow among them."""
    named = {name: transforms.get(name) for name in transforms.FAMILIES}
    return {**named, "dense_flow": transforms.DenseFlow(size)}


def forward_and_backward(transform, shape):
    """A function of no arguments: what a training graph computes, and both gradients."""
    warp = SpatialTransformer(transform=transform).warp
    run, tensor = contestants.keras_run(warp, contestants.MODES[MODE])
    rng = np.random.default_rng(SEED)
    theta = transform.identity + rng.normal(0, 0.05, (shape[0], transform.num_parameters))
    arrays = rng.random(shape, "float32"), theta.astype("float32"), rng.random(shape, "float32")
    tensors = [tensor(array) for array in arrays]
    return lambda: run(*tensors)


def measure(rounds):
    """One row a family: milliseconds, and times as long as the affine one."""
    functions = {
        name: forward_and_backward(transform, SHAPE)
        for name, transform in families(SHAPE[1:3]).items()
    }
    seconds = side_by_side(functions, rounds, SAMPLE)
    return [
        {
            "family": name,
            "milliseconds": round(1e3 * taken, 3),
            "times_affine": round(times_faster(seconds, BASELINE, name), 2),
        }
        for name, taken in medians(seconds).items()
    ]


def report(content):
    """The results as Markdown."""
    rows = [["family", "ms", "times affine"]]
    rows += [
        [row["family"], f"{row['milliseconds']:.2f}", f"{row['times_affine']:.2f}"]
        for row in content["families"]
    ]
    return markdown_table(rows)


def main():
    """Measure, print, write JSON."""
    rounds, out = rounds_and_folder("transforms", __doc__)
    content = {
        "shape": SHAPE,
        "mode": MODE,
        "rounds": rounds,
        "seconds_a_sample": SAMPLE,
        "seed": SEED,
        "families": measure(rounds),
        "environment": describe(),
    }
    print(report(content))
    path = out / f"transforms-{device_slug()}.json"
    write_json(path, content)
    print(path)


if __name__ == "__main__":
    run_command(main, "python -m benchmarks.transforms")
