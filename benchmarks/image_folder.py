"""python -m benchmarks.image_folder: where to put a transformer, on a folder of pictures.

Writes traffic signs moved onto photographs as a folder, trains MobileNetV3Small on it from scratch
by `train.py`: alone, behind a transformer, with one on its maps, and on a window that one cuts out
of the picture; then measures what a training step costs.
"""

import json
import subprocess
import sys
from pathlib import Path

from benchmarks import picture_sizes
from benchmarks.command_line import writable_folder
from cli.errors import UserError
from cli.files import read_text, write_json
from cli.parser import OneLineParser
from cli.run import run_command
from data_prep.sets.moved_signs import write_moved_signs
from data_prep.sources import data_folder
from data_prep.sources.gtsrb import read_gtsrb
from experiments.arguments import TRANSFORMERS
from experiments.environment import describe, device_slug
from experiments.reports.markdown import markdown_table

ROOT = Path(__file__).parent.parent
SEED, FRAMES, SIDE, WINDOW = 42, 10, 64, 48


def parse_arguments():
    """The command line."""
    parser = OneLineParser(prog="python -m benchmarks.image_folder", description=__doc__)
    parser.add_argument("--pictures", type=Path, required=True, help="where the folder is kept")
    parser.add_argument("--epochs", type=int, default=30, help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="of training (default: %(default)s)")
    parser.add_argument(
        "--transformer",
        nargs="+",
        choices=tuple(TRANSFORMERS),
        default=tuple(TRANSFORMERS),
        help="train these, keep the accuracy of the others (default: all)",
    )
    parser.add_argument("--out", type=Path, default=Path("results/benchmarks"))
    return parser.parse_args()


def train(pictures, places, epochs, seed, runs):
    """Train with the transformer in these places, going on where an earlier call was stopped."""
    command = ["train.py", "image-folder", "--data-dir", pictures, "--runs-dir", runs]
    command += ["--backbone", picture_sizes.BACKBONE, "--window", WINDOW, "--image-size", SIDE]
    command += ["--transformer", *places, "--epochs", epochs, "--seeds", seed, "--resume"]
    done = subprocess.run([sys.executable, *map(str, command)], cwd=ROOT)
    if done.returncode:
        raise UserError(f"expected train.py to train on {pictures}, it failed")


def accuracies(runs, places, seed):
    """What was reached in each of these places."""
    for place in places:
        name = TRANSFORMERS[place].replace("cnn", picture_sizes.BACKBONE)
        folder = runs / "image-folder" / name / f"seed-{seed}"
        metrics = json.loads(read_text(folder / "metrics.json"))
        yield {
            "place": place,
            "accuracy": round(100 * metrics["test_accuracy"]["test"], 2),
            "epochs": metrics["epochs"],
            "seed": seed,
            "trained": metrics["environment"],
        }


def table(rows):
    """The four ways."""
    lines = [["transformer", "accuracy", "pictures/s", "MiB a picture"]]
    for row in rows:
        speed, memory = row["pictures_per_second"], row["mebibytes_a_picture"]
        lines.append([row["place"], f"{row['accuracy']:.2f}", f"{speed:,.0f}", f"{memory:.1f}"])
    return markdown_table(lines)


def main():
    """Write the folder if it is not there yet, train, print the table, write the results."""
    arguments = parse_arguments()
    out = writable_folder(arguments.out)
    pictures = (arguments.pictures / "signs").resolve()
    if not pictures.exists():
        signs = read_gtsrb(data_folder(None))
        write_moved_signs(pictures, signs, SEED, SIDE, FRAMES)
    runs = (arguments.pictures / "runs").resolve()
    train(pictures, arguments.transformer, arguments.epochs, arguments.seed, runs)
    path = out / f"image-folder-{device_slug()}.json"
    known = json.loads(read_text(path))["rows"] if path.exists() else []
    trained = accuracies(runs, arguments.transformer, arguments.seed)
    places = {row["place"]: row for row in [*known, *trained]}
    # What a step costs is measured anew for all, on one machine.
    rows = [row | picture_sizes.measure(place, SIDE, WINDOW) for place, row in places.items()]
    print(table(rows))
    setting = {"backbone": picture_sizes.BACKBONE, "frames": FRAMES, "side": SIDE, "seed": SEED}
    write_json(path, {**setting, "rows": rows, "environment": describe("tensorflow")})
    print(path)


if __name__ == "__main__":
    run_command(main, "python -m benchmarks.image_folder")
