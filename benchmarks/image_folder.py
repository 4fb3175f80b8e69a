"""python -m benchmarks.image_folder: what the defaults of `image-folder` reach on three folders.

Writes digits, CIFAR-10 and moved traffic signs as folders of pictures, trains the experiment's
models on each by `train.py`, of this checkout or of another one, and adds a row a model to the
results.
"""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from benchmarks.command_line import writable_folder
from cli.errors import UserError
from cli.files import atomic_folder, read_text, write_json
from cli.parser import OneLineParser
from cli.run import run_command
from cli.startup import import_keras
from data_prep.parallel import default_workers
from data_prep.sets.distorted import make_distorted_set
from data_prep.sets.moved_signs import make_moved_signs
from data_prep.sources import load_source
from data_prep.sources.image_folder import write_images
from experiments.environment import device_slug

ROOT = Path(__file__).parent.parent
SEED = 42
# Pictures of each class of digits and CIFAR-10: as few as a folder of one's own has.
TRAINING, TEST = 1000, 300
COLUMNS = ("label", "folder", "model", "epochs", "seconds", "accuracy", "seed")


def write_digits(folder):
    """MNIST turned, scaled, sheared and moved as the post's repository does it."""
    made = make_distorted_set("distorted-mnist-strong", SEED, workers=default_workers())
    for name, part, count in (("train", made.train, TRAINING), ("test", made.test, TEST)):
        write_few(part.distorted, part.distorted_labels, count, folder / name)


def write_cifar10(folder):
    """CIFAR-10 as it is."""
    source = load_source("cifar10")
    write_few(source.train_images, source.train_labels, TRAINING, folder / "train")
    write_few(source.test_images, source.test_labels, TEST, folder / "test")


def write_few(images, labels, count, folder):
    """Write the first images of each class."""
    chosen = np.concatenate([(labels == label).nonzero()[0][:count] for label in np.unique(labels)])
    write_images(images[chosen], labels[chosen], folder, f"writing {folder.name}")


def make_signs(out):
    """GTSRB's signs at random places; validation by track."""
    make_moved_signs(out, canvas=40, frames=10, seed=SEED, workers=default_workers())


def make_folder(name, out):
    """Write one of the folders, whole or not at all."""
    if name == "signs":
        return make_signs(out)
    with atomic_folder(out) as folder:
        {"digits": write_digits, "cifar10": write_cifar10}[name](folder)


FOLDERS = ("digits", "cifar10", "signs")


def parse_arguments():
    """The command line."""
    parser = OneLineParser(prog="python -m benchmarks.image_folder", description=__doc__)
    parser.add_argument("--pictures", type=Path, required=True, help="where the folders are kept")
    parser.add_argument("--folders", nargs="+", choices=FOLDERS, default=FOLDERS)
    parser.add_argument("--epochs", type=int, default=6, help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="of training (default: %(default)s)")
    parser.add_argument("--label", default="now", help="of the rows (default: %(default)s)")
    parser.add_argument(
        "--checkout", type=Path, default=ROOT, help="whose train.py runs (default: this one)"
    )
    parser.add_argument("--out", type=Path, default=Path("results/benchmarks"))
    return parser.parse_args()


def train(checkout, pictures, epochs, seed, runs):
    """Train both models on a folder of pictures; a row for each."""
    command = ["train.py", "image-folder", "--data-dir", pictures, "--runs-dir", runs]
    command += ["--epochs", epochs, "--seeds", seed, "--overwrite"]
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    done = subprocess.run([sys.executable, *map(str, command)], cwd=checkout, env=environment)
    if done.returncode:
        raise UserError(f"expected {checkout}/train.py to train on {pictures}, it failed")
    for folder in sorted((runs / "image-folder").glob(f"*/seed-{seed}")):
        metrics = json.loads(read_text(folder / "metrics.json"))
        history = csv.DictReader(read_text(folder / "history.csv").splitlines())
        yield {
            "folder": pictures.name,
            "model": folder.parent.name,
            "epochs": epochs,
            "seconds": round(sum(float(epoch["seconds"]) for epoch in history)),
            "accuracy": round(100 * metrics["test_accuracy"]["test"], 2),
            "seed": seed,
            "environment": metrics["environment"],
        }


def add_rows(path, rows):
    """The rows in the file, with these in place of those they measure anew."""
    kept = json.loads(read_text(path))["rows"] if path.exists() else []
    measured = set(map(identity, rows))
    rows = [*(row for row in kept if identity(row) not in measured), *rows]
    write_json(path, {"seed": SEED, "training": TRAINING, "test": TEST, "rows": rows})
    return rows


def identity(row):
    """What tells a row from others."""
    return tuple(row[name] for name in ("label", "folder", "model", "seed"))


def main():
    """Write folders that are not there yet, train, print the table, write the results."""
    arguments = parse_arguments()
    out = writable_folder(arguments.out)
    import_keras("stn_keras")
    path = out / f"image-folder-{device_slug()}.json"
    for name in arguments.folders:
        pictures = (arguments.pictures / name).resolve()
        if not pictures.exists():
            make_folder(name, pictures)
        runs = (arguments.pictures / "runs" / arguments.label / name).resolve()
        rows = train(arguments.checkout.resolve(), pictures, arguments.epochs, arguments.seed, runs)
        rows = add_rows(path, [{"label": arguments.label, **row} for row in rows])
    print("  ".join(f"{name:8}" for name in COLUMNS))
    for row in rows:
        print("  ".join(f"{row[name]!s:8}" for name in COLUMNS))
    print(path)


if __name__ == "__main__":
    run_command(main, "python -m benchmarks.image_folder")
