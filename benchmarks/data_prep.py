"""python -m benchmarks.data_prep: distorting 70,000 digits against imgaug used plainly."""

import functools
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.command_line import rounds_and_folder
from benchmarks.timing import medians, side_by_side
from cli.files import write_json
from cli.run import run_command
from cli.startup import import_keras
from data_prep.distortions.imgaug_compat import iaa
from data_prep.distortions.imgaug_recipes import POST
from data_prep.distortions.imgaug_runner import distort
from data_prep.parallel import default_workers
from data_prep.sets.distorted import SETS, make_distorted_set, save
from data_prep.sources import load_source
from experiments.environment import describe, device_slug

NAME = "distorted-mnist"
SEED = 42


def plain_imgaug(images):
    """The recipe as imgaug's documentation would write it, in one process."""
    families = [iaa.Affine(**arguments) for arguments in POST.values()]
    return iaa.OneOf(families, seed=SEED)(images=images)


def plain_set(name):
    """Read, distort and write a set with imgaug alone."""
    source = load_source(SETS[name][0])
    images = np.concatenate([source.train_images, source.test_images])
    labels = np.concatenate([source.train_labels, source.test_labels])
    with tempfile.TemporaryDirectory() as folder:
        distorted = plain_imgaug(images)
        np.savez(Path(folder) / "set.npz", originals=images, labels=labels, distorted=distorted)


def whole_set(name, workers):
    """All that python -m data_prep does: read, distort, write."""
    dataset = make_distorted_set(name, SEED, workers=workers, progress=False)
    with tempfile.TemporaryDirectory() as folder:
        save(dataset, Path(folder) / "set.npz")


def contestants(images):
    """name -> function, in two groups: distorting alone, and the whole set from file to file."""
    distorting = {"imgaug, one process": lambda: plain_imgaug(images)}
    whole = {"imgaug, one process, file to file": lambda: plain_set(NAME)}
    for workers in sorted({1, 2, default_workers()}):
        label = f"data_prep, {workers} worker{'s' if workers > 1 else ''}"
        distorting[label] = functools.partial(distort, images, POST, SEED, workers)
        whole[f"{label}, file to file"] = functools.partial(whole_set, NAME, workers)
    return distorting, whole


def main():
    """Measure, print the table, write the results."""
    rounds, folder = rounds_and_folder("data_prep", __doc__, rounds=5)
    source = load_source(SETS[NAME][0])
    images = np.concatenate([source.train_images, source.test_images])
    rows = []
    for group in contestants(images):
        seconds = medians(side_by_side(group, rounds))
        baseline = next(iter(seconds.values()))
        rows += [
            {"name": name, "seconds": round(taken, 3), "times_faster": round(baseline / taken, 2)}
            for name, taken in seconds.items()
        ]
    print(f"{len(images):,} images of {NAME}, median of {rounds} rounds")
    for row in rows:
        print(f"{row['name']:36} {row['seconds']:7.2f} s {row['times_faster']:6.2f} x")
    import_keras("stn_keras")
    path = folder / f"data-prep-{device_slug()}.json"
    content = {"set": NAME, "images": len(images), "rounds": rounds, "seed": SEED}
    write_json(path, {**content, "rows": rows, "environment": describe()})
    print(path)


if __name__ == "__main__":
    run_command(main, "python -m benchmarks.data_prep")
