"""python -m benchmarks.processor: training the paper's ST-CNN on a CPU with TensorFlow unmodified,
with the memory kept that a step frees, and with oneDNN too, as train.py does.
"""

import functools
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor

import numpy as np

from benchmarks.command_line import rounds_and_folder
from benchmarks.timing import compare_steps, side_by_side
from cli.files import write_json
from cli.run import run_command
from experiments.data.data import DATA_SEED, TrainingImages
from experiments.training.malloc import keep_freed_pages
from experiments.training.run_folder import Settings

STEPS, SEED = 60, 0
AS_IT_COMES, KEPT, WITH_ONEDNN = "as it comes", "freed memory kept", "and oneDNN"
SETTINGS = Settings("paper-r", "stn-cnn", SEED, 1, 64, "float32", DATA_SEED)


@functools.cache
def started():
    """The model of this process as train.py trains it, and its batches of random digits."""
    from experiments import EXPERIMENTS
    from experiments.data.batches import ShuffledBatches
    from experiments.training.train import compile_model, make_reproducible

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


def start(keep, onednn):
    """What a process sets before TensorFlow is imported."""
    if keep:
        keep_freed_pages()
    if not onednn:
        del os.environ["TF_ENABLE_ONEDNN_OPTS"]


def main():
    """Measure, print, write the results."""
    rounds, out = rounds_and_folder("processor", __doc__, rounds=10)
    # These settings hold for a process, so each contestant has one.
    process = functools.partial(
        ProcessPoolExecutor, 1, multiprocessing.get_context("spawn"), initializer=start
    )
    with (
        process(initargs=(False, False)) as as_it_comes,
        process(initargs=(True, False)) as kept,
        process(initargs=(True, True)) as with_onednn,
    ):
        processes = {AS_IT_COMES: as_it_comes, KEPT: kept, WITH_ONEDNN: with_onednn}
        functions = {
            name: lambda process=process: process.submit(epoch).result()
            for name, process in processes.items()
        }
        side_by_side(functions, rounds=1)  # compiles
        seconds = side_by_side(functions, rounds)
    rows, faster = compare_steps(seconds, STEPS, WITH_ONEDNN, AS_IT_COMES)
    content = {"batch": SETTINGS.batch_size, "rounds": rounds, "rows": rows}
    from experiments.environment import describe, device_slug

    path = out / f"processor-{device_slug()}.json"
    write_json(path, {**content, "times_as_it_comes": faster, "environment": describe()})
    print(path)


if __name__ == "__main__":
    run_command(main, "python -m benchmarks.processor")
