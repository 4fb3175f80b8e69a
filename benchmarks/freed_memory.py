"""python -m benchmarks.freed_memory: training the paper's ST-CNN with the memory that a step frees
given back to the system, and kept for the next one as train.py does.
"""

import functools
import multiprocessing
from concurrent.futures import ProcessPoolExecutor

from benchmarks.command_line import rounds_and_folder
from benchmarks.timing import medians, side_by_side, times_faster
from data_prep.errors import run_command
from data_prep.files import write_json
from experiments.freed_memory import keep_freed_memory

BATCH, STEPS, SEED = 64, 60, 0
SHAPE = (28, 28, 1)  # of `paper-r`
GIVEN_BACK, KEPT = "given back", "kept"


@functools.cache
def trained():
    """The model of this process, and what it is trained on."""
    import keras
    import numpy as np

    from experiments import EXPERIMENTS

    model = EXPERIMENTS["paper-r"].build_model("stn-cnn", SHAPE, 10)
    model.compile(keras.optimizers.AdamW(), "sparse_categorical_crossentropy")
    rng = np.random.default_rng(SEED)
    return model, rng.random((BATCH * STEPS, *SHAPE), "float32"), rng.integers(0, 10, BATCH * STEPS)


def epoch():
    """Train for an epoch."""
    model, images, labels = trained()
    model.fit(images, labels, batch_size=BATCH, verbose=0)


def main():
    """Measure, print, write the results."""
    rounds, out = rounds_and_folder("freed_memory", __doc__, rounds=10)
    # malloc's settings hold for a process, so each contestant has one.
    fresh = {"max_workers": 1, "mp_context": multiprocessing.get_context("spawn")}
    with (
        ProcessPoolExecutor(**fresh) as given_back,
        ProcessPoolExecutor(**fresh, initializer=keep_freed_memory) as kept,
    ):
        processes = {GIVEN_BACK: given_back, KEPT: kept}
        functions = {
            name: lambda process=process: process.submit(epoch).result()
            for name, process in processes.items()
        }
        side_by_side(functions, rounds=1)  # compiles
        seconds = side_by_side(functions, rounds)
    content = {
        "batch": BATCH,
        "rounds": rounds,
        "milliseconds_a_step": {
            name: round(1e3 * taken / STEPS, 1) for name, taken in medians(seconds).items()
        },
        "times_faster": round(times_faster(seconds, KEPT, GIVEN_BACK), 2),
    }
    for name, taken in content["milliseconds_a_step"].items():
        print(f"{name:12} {taken:7.1f} ms a step")
    print(f"times faster: {content['times_faster']}")
    from experiments.environment import describe, device_slug

    path = out / f"freed-memory-{device_slug()}.json"
    write_json(path, {**content, "environment": describe()})
    print(path)


if __name__ == "__main__":
    run_command(main, "python -m benchmarks.freed_memory")
