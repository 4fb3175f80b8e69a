"""python -m benchmarks.freed_memory: training the paper's ST-CNN with the memory that a step frees
given back to the system, and kept for the next one as train.py does.
"""

import functools
import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import numpy as np

from benchmarks.command_line import rounds_and_folder
from benchmarks.timing import compare_steps, side_by_side
from data_prep.errors import run_command
from data_prep.files import write_json
from experiments.data import DATA_SEED, TrainingImages
from experiments.freed_memory import keep_freed_memory
from experiments.runs import Settings

STEPS, SEED = 60, 0
GIVEN_BACK, KEPT = "given back", "kept"
SETTINGS = Settings("paper-r", "stn-cnn", SEED, 1, 64, "float32", DATA_SEED)


@functools.cache
def started():
    """The model of this process as train.py trains it, and its batches of random digits."""
    from experiments import EXPERIMENTS
    from experiments.batches import ShuffledBatches
    from experiments.training import compile_model, make_reproducible

    experiment = EXPERIMENTS[SETTINGS.experiment]
    shape = (28, 28, 1)
    rng = np.random.default_rng(SEED)
    images = rng.integers(0, 256, (STEPS * SETTINGS.batch_size, *shape), "uint8")
    digits = TrainingImages(images, rng.integers(0, 10, len(images)))
    make_reproducible(SETTINGS)
    network = experiment.build_model(SETTINGS.model, shape, 10)
    augment = experiment.schedules[SETTINGS.schedule].augment(shape)
    model = compile_model(experiment, SETTINGS, network, STEPS)
    return model, ShuffledBatches(digits, SETTINGS.batch_size, SEED, augment=augment)


def epoch():
    """Train for an epoch."""
    model, batches = started()
    model.fit(batches, steps_per_epoch=STEPS, verbose=0)


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
    rows, faster = compare_steps(seconds, STEPS, KEPT, GIVEN_BACK)
    content = {"batch": SETTINGS.batch_size, "rounds": rounds, "rows": rows}
    from experiments.environment import describe, device_slug

    path = out / f"freed-memory-{device_slug()}.json"
    write_json(path, {**content, "times_given_back": faster, "environment": describe()})
    print(path)


if __name__ == "__main__":
    run_command(main, "python -m benchmarks.freed_memory")
