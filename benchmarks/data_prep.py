"""python -m benchmarks.data_prep: distorting 70,000 digits against imgaug used plainly."""

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from data_prep import distorted_set
from data_prep.distortions import default_workers, distort
from data_prep.errors import UserError
from data_prep.imgaug_compat import iaa
from data_prep.recipes import POST
from data_prep.sources import load_source
from experiments.environment import commit

COUNT = 70_000
SEED = 42


def images_to_distort():
    """(name, images): MNIST where it is at hand, else the embedded digits over and over."""
    for name in ("mnist", "digits"):
        try:
            source = load_source(name)
        except UserError:
            continue
        images = np.concatenate([source.train_images, source.test_images])
        return name, np.resize(images, (COUNT, *images.shape[1:]))
    raise UserError("expected a source of images, found none")


def plain_imgaug(images):
    """The recipe as imgaug's documentation would write it, in one process."""
    return iaa.OneOf([iaa.Affine(**arguments) for arguments in POST.values()], seed=SEED)(
        images=images
    )


def whole_set(workers):
    """Everything python -m data_prep does: read, distort, write."""
    dataset = distorted_set.make_distorted_set("distorted-mnist", SEED, None, workers, False)
    with tempfile.TemporaryDirectory() as folder:
        distorted_set.save(dataset, Path(folder) / "set.npz")


def measure(functions, rounds):
    """Median seconds of each function; one run of each a round, so that all meet the same machine."""
    seconds = {name: [] for name in functions}
    for _ in range(rounds):
        for name, function in functions.items():
            started = time.perf_counter()
            function()
            seconds[name].append(time.perf_counter() - started)
    return {name: statistics.median(times) for name, times in seconds.items()}


def main():
    """Measure, print the table, write the results."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.data_prep", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="default: %(default)s")
    parser.add_argument("--out", type=Path, default=Path("results/benchmarks"))
    arguments = parser.parse_args()
    source, images = images_to_distort()
    functions = {"imgaug, one process": lambda: plain_imgaug(images)}
    for workers in sorted({1, 2, default_workers()}):
        functions[f"data_prep, {workers} worker{'s' * (workers > 1)}"] = lambda workers=workers: (
            distort(images, POST, SEED, workers)
        )
    if source == "mnist":
        functions["whole set written, 2 workers"] = lambda: whole_set(2)
    seconds = measure(functions, arguments.rounds)
    plain = seconds["imgaug, one process"]
    rows = {
        name: {"seconds": round(taken, 3), "times_faster": round(plain / taken, 2)}
        for name, taken in seconds.items()
    }
    print(f"{COUNT:,} images of {source}, the post's five distortions, {arguments.rounds} rounds")
    for name, row in rows.items():
        print(f"{name:32} {row['seconds']:7.2f} s {row['times_faster']:6.2f} x")
    arguments.out.mkdir(parents=True, exist_ok=True)
    path = arguments.out / f"data-prep-cpu{default_workers()}.json"
    made = {"commit": commit(), "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
    versions = {"numpy": np.__version__, "imgaug": "0.4.0"}
    content = {"source": source, "images": COUNT, "rounds": arguments.rounds, "rows": rows}
    path.write_text(
        json.dumps(
            {
                **content,
                "device": f"CPU, {default_workers()} cores",
                "seed": SEED,
                "versions": versions,
                **made,
            },
            indent=2,
        )
        + "\n"
    )
    print(path)


if __name__ == "__main__":
    main()
