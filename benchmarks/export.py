"""python -m benchmarks.export RUN: size, operations, speed and accuracy of each format."""

import functools
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.timing import medians, side_by_side
from cli.errors import UserError
from cli.files import writable_folder, write_json
from cli.parser import OneLineParser
from cli.run import run_command
from experiments import EXPERIMENTS
from experiments.data.data import as_input
from experiments.environment import describe, device_slug
from experiments.reports.markdown import markdown_table
from experiments.training.checkpoint import load_model
from experiments.training.run_folder import Run
from stn_keras.export import FORMATS, QUANTIZATIONS, ExportError, export, in_float32

KERAS = "Keras predict"
BATCHES = (1, 32)
SAMPLE = 0.01
CALIBRATION = 100
PACKAGES = ("onnx", "tf2onnx", "onnxruntime", "ai-edge-litert", "openvino")


def exports(model, images, folder):
    """name -> `Exported` of each format, and of each quantization of LiteRT."""
    wanted = [(name, None) for name in FORMATS]
    wanted += [("litert", quantize) for quantize in QUANTIZATIONS]
    made = {}
    for format, quantize in wanted:
        name = f"{format}, int8 {quantize}" if quantize else format
        path = folder / f"model-{quantize}{FORMATS[format].suffix or f'-{format}'}"
        made[name] = export(model, path, format, images, quantize=quantize)
    return made


def keras_runner(model):
    """`predict` of whole batches, as the formats run."""
    return lambda images: {
        "scores": model.predict(images, batch_size=len(images), verbose=0),
    }


def milliseconds(runners, images, rounds):
    """Batch size -> name -> milliseconds of a batch."""
    measured = {}
    for batch in BATCHES:
        functions = {name: functools.partial(run, images[:batch]) for name, run in runners.items()}
        seconds = medians(side_by_side(functions, rounds, SAMPLE))
        measured[batch] = {name: round(1e3 * taken, 3) for name, taken in seconds.items()}
    return measured


def accuracy(run, part):
    """Share of right answers."""
    batches = np.array_split(as_input(part.images), -(-len(part.labels) // 500))
    predicted = np.concatenate([run(batch)["scores"].argmax(-1) for batch in batches])
    return round(float(np.mean(predicted == part.labels)), 4)


def kilobytes(path):
    """Size of a file, or of all in a folder."""
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return round(sum(file.stat().st_size for file in files) / 1e3)


def measure(model, data, rounds):
    """One row a format, Keras first."""
    part = data.test[data.shown]
    images = as_input(part.images)
    calibration = as_input(data.training.images[:CALIBRATION])
    with tempfile.TemporaryDirectory() as folder:
        made = exports(model, calibration, Path(folder))
        runners = {KERAS: keras_runner(model)}
        runners |= {name: exported.load() for name, exported in made.items()}
        timed = milliseconds(runners, images, rounds)
        rows = []
        for name, run in runners.items():
            row = {"name": name, "accuracy": accuracy(run, part)}
            row |= {f"milliseconds_batch_{batch}": timed[batch][name] for batch in BATCHES}
            if name in made:
                exported = made[name]
                row["kilobytes"] = kilobytes(exported.path)
                row["operations"] = FORMATS[exported.format].count_operations(exported.path)
                row["largest_difference"] = exported.differences["scores"]
            rows.append(row)
    return rows


def report(rows):
    """The rows as Markdown."""
    batches = (f"ms, batch {batch}" for batch in BATCHES)
    return markdown_table(
        [["format", "kB", "operations", *batches, "accuracy", "off Keras"], *map(_cells, rows)]
    )


def _cells(row):
    times = (f"{row[f'milliseconds_batch_{batch}']:.2f}" for batch in BATCHES)
    off = f"{row['largest_difference']:.0e}" if "largest_difference" in row else ""
    counts = (str(row.get(name, "")) for name in ("kilobytes", "operations"))
    return [row["name"], *counts, *times, f"{100 * row['accuracy']:.2f}", off]


def main():
    """Measure, print, write the results."""
    parser = OneLineParser(prog="python -m benchmarks.export", description=__doc__)
    parser.add_argument("run", type=Path, metavar="RUN", help="folder of a run of train.py")
    parser.add_argument("--data-dir", metavar="DIR", help="as of train.py")
    parser.add_argument("--rounds", type=int, default=15, help="default: %(default)s")
    parser.add_argument("--out", type=Path, default=Path("results/benchmarks"))
    arguments = parser.parse_args()
    out = writable_folder(arguments.out)
    run = Run(arguments.run.resolve())
    settings = run.settings()
    data = EXPERIMENTS[settings.experiment].load_data(run.folder.parents[1], arguments.data_dir)
    model = in_float32(load_model(run.best_model, data.image_shape))
    try:
        rows = measure(model, data, arguments.rounds)
    except ExportError as error:
        raise UserError(str(error)) from None
    content = {
        "experiment": settings.experiment,
        "model": settings.name,
        "test_set": data.shown,
        "rounds": arguments.rounds,
        "seconds_a_sample": SAMPLE,
        "rows": rows,
        "environment": describe(*PACKAGES),
    }
    print(report(rows))
    path = out / f"export-{device_slug()}.json"
    write_json(path, content)
    print(path)


if __name__ == "__main__":
    run_command(main, "python -m benchmarks.export")
