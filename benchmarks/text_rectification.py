"""python -m benchmarks.text_rectification: words read, alone and behind a spline.

Runs examples/text_rectification.py and notes what came of it.
"""

import time
from pathlib import Path
from shutil import copyfile

from benchmarks.command_line import results_folder
from cli.files import write_json
from cli.run import run_command
from examples import text_rectification
from experiments.environment import describe, device_slug
from experiments.training.malloc import keep_freed_pages


def main():
    """Train both, write the errors and the picture of straightened lines."""
    folder = results_folder("text_rectification", __doc__.splitlines()[0])
    keep_freed_pages()
    out, started = Path("text"), time.perf_counter()
    wrong = text_rectification.compare(out)
    path = folder / f"text-rectification-{device_slug()}.json"
    measured = {
        "words_wrong_in_percent": {name: round(percent, 2) for name, percent in wrong.items()},
        "fonts": len(text_rectification.find_fonts()),
        "seed": 0,
        "seconds": round(time.perf_counter() - started),
        "environment": describe(),
    }
    write_json(path, measured)
    copyfile(out / "lines.png", path.with_suffix(".png"))
    print(path)


if __name__ == "__main__":
    run_command(main, "python -m benchmarks.text_rectification")
