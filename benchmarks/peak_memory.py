"""python -m benchmarks.peak_memory {ours,torch} SHAPE: peak memory of full gradients in a process.

Compiling and importing take memory too, so what counts is how the peak grows with the batch, from
batches that take more than a compiler does. Linux alone tells a process's own peak.
"""

import ctypes
import re
import subprocess
import sys
from pathlib import Path

SHAPE = (8, 256, 256, 3)
_BATCHES = (128, 256)


def growth(name, shape=SHAPE):
    """MiB that a full gradient at a shape takes, its inputs and results included."""
    small, large = (_peak_of_process(name, (batch, *shape[1:])) for batch in _BATCHES)
    return round((large - small) * shape[0] / (_BATCHES[1] - _BATCHES[0]), 1)


def _peak_of_process(name, shape):
    command = [sys.executable, "-m", "benchmarks.peak_memory", name, *map(str, shape)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def main():
    """Take full gradients, print the peak in MiB."""
    from benchmarks.contestants import MODES, inputs, keras_run, ours, torch_run

    name, shape = sys.argv[1], tuple(map(int, sys.argv[2:]))
    mode = "full gradient"
    run, tensor = torch_run(MODES[mode]) if name == "torch" else keras_run(ours, MODES[mode])
    tensors = [tensor(array) for array in inputs(shape)]
    forget_peak()
    for _ in range(3):
        run(*tensors)
    print(peak())


def peak():
    """MiB that this process has had at most."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s*(\d+)", status).group(1)) / 1024


def forget_peak():
    """Give freed memory back and begin the peak anew, without what making the inputs took."""
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")


if __name__ == "__main__":
    main()
