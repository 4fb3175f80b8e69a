"""python -m benchmarks.training_profile: which operations a training step of the post's STN takes.

Milliseconds of processor time a step: operations run side by side, so they add up to more than the
step takes.
"""

import collections
import re
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.command_line import results_folder
from benchmarks.training_step import BATCH, SEED, STEPS, keras_epoch, torch_epoch
from cli.files import write_json
from cli.run import run_command
from experiments.environment import describe, device_slug
from experiments.reports.markdown import markdown_table
from experiments.training.malloc import keep_freed_pages
from stn_keras import SpatialTransformer

SHOWN = 12
# Grid and sampler are kernels of XLA, whose events have names of their own.
KERNEL = "XLA: grid and sampler"


def tensorflow_profile(epoch):
    """Operation -> milliseconds a step, by TensorFlow's profiler."""
    import tensorflow as tf
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    with tempfile.TemporaryDirectory() as folder:
        tf.profiler.experimental.start(folder)
        epoch()
        tf.profiler.experimental.stop()
        (file,) = Path(folder).rglob("*.xplane.pb")
        space = xplane_pb2.XSpace.FromString(file.read_bytes())
    taken = collections.Counter()
    for plane in space.planes:
        for line in plane.lines:
            for event in line.events:
                name = plane.event_metadata[event.metadata_id].name
                operation = _operation(name)
                if operation:
                    taken[operation] += event.duration_ps / 1e9 / STEPS
    return taken


def _operation(name):
    """The operation of an event of TensorFlow's profiler, if it is one of a step."""
    if name == "CpuExecutable::ExecuteAsyncOnStream":
        return KERNEL
    match = re.fullmatch(r".*/[^:]*:_?(?:Mkl)?(?:Native)?(\w+)", name)
    return match and match.group(1)


def torch_profile(epoch):
    """Operation -> milliseconds a step, by torch's profiler."""
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        epoch()
    return collections.Counter(
        {event.key: event.self_cpu_time_total / 1e3 / STEPS for event in profiler.key_averages()}
    )


def main():
    """Profile an epoch of each, print the longest operations, write the results."""
    out = results_folder("training_profile", __doc__)
    keep_freed_pages()
    rng = np.random.default_rng(SEED)
    images = rng.random((BATCH * STEPS, 28, 28, 1), "float32")
    labels = rng.integers(0, 10, len(images))
    ours = keras_epoch(SpatialTransformer, images, labels)
    theirs = torch_epoch(images, labels, channels_last=True)
    for epoch in (ours, ours, theirs):  # compiles
        epoch()
    profiles = {
        "stn-keras": tensorflow_profile(ours),
        "torch, channels last": torch_profile(theirs),
    }
    content = {"batch": BATCH, "steps": STEPS}
    for name, taken in profiles.items():
        longest = taken.most_common(SHOWN)
        print(markdown_table([[name, "ms a step"], *([n, f"{ms:.2f}"] for n, ms in longest)]))
        content[name] = {operation: round(ms, 3) for operation, ms in longest}
    path = out / f"training-profile-{device_slug()}.json"
    write_json(path, {**content, "environment": describe("torch")})
    print(path)


if __name__ == "__main__":
    run_command(main, "python -m benchmarks.training_profile")
