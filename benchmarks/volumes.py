"""python -m benchmarks.volumes: our grid and sampler of volumes against torch's own."""

import importlib.util

from benchmarks.command_line import rounds_and_folder
from benchmarks.sampler import BACKENDS, measure, paths_table, summary
from benchmarks.sampler_cells import BASELINE, OURS
from cli.files import write_json
from cli.run import run_command
from experiments.environment import describe, device_slug
from experiments.reports.markdown import markdown_table


def memory_table(backends):
    """MiB of a full gradient."""
    rows = [["memory of a full gradient, MiB", *backends]]
    for name in (OURS, BASELINE):
        used = [f"{content['mebibytes'][name]:.1f}" for content in backends.values()]
        rows.append([name, *used])
    return markdown_table(rows)


def main():
    """Measure, print, write JSON."""
    rounds, out = rounds_and_folder("volumes", __doc__, rounds=7)
    backends = {}
    for backend in filter(importlib.util.find_spec, BACKENDS):
        content = measure(backend, rounds, "--volumes")
        backends[backend] = {**content, "summary": summary(content["cells"])}
    print(f"{paths_table(backends)}\n\n{memory_table(backends)}")
    path = out / f"volumes-{device_slug()}.json"
    write_json(path, {"rounds": rounds, "backends": backends, "environment": describe(*backends)})
    print(path)


if __name__ == "__main__":
    run_command(main, "python -m benchmarks.volumes")
