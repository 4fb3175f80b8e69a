"""python -m benchmarks.distortion: drawing training images in the graph against imgaug."""

import keras
import numpy as np

from benchmarks.command_line import rounds_and_folder
from benchmarks.timing import medians, side_by_side, times_faster
from cli.files import write_json
from cli.run import run_command
from data_prep.distortions.imgaug_compat import iaa
from data_prep.sets.paper import RTS
from experiments.data.random_warp import RandomWarp
from experiments.environment import describe, device_slug

BATCH, DIGIT, SEED, SAMPLE = 256, 28, 0, 0.5
OURS, IMGAUG = "stn-keras", "imgaug"


class Drawing(RandomWarp):
    """Distorts whatever the model does, so that `predict_on_batch` compiles it on every backend."""

    def call(self, images):
        return super().call(images, training=True)


def ours(digits):
    """A function that turns, scales and places the digits on the canvas."""
    inputs = keras.Input(digits.shape[1:])
    model = keras.Model(inputs, Drawing(RTS, SEED)(inputs))
    return lambda: model.predict_on_batch(digits)


def imgaug(digits):
    """The same ranges, as imgaug's documentation would write it, of digits on their canvas."""
    margin = (RTS.canvas - DIGIT) // 2
    on_canvas = np.pad(digits, ((0, 0), (margin, margin), (margin, margin), (0, 0)))
    images = np.rint(255 * on_canvas).astype("uint8")
    affine = iaa.Affine(
        rotate=(-RTS.rotation, RTS.rotation),
        scale=RTS.scale,
        translate_px=dict.fromkeys("xy", (-margin, margin)),
        seed=SEED,
    )
    return lambda: affine(images=images).astype("float32") / 255


def main():
    """Measure, print, write the results."""
    rounds, out = rounds_and_folder("distortion", __doc__)
    digits = np.random.default_rng(SEED).random((BATCH, DIGIT, DIGIT, 1), "float32")
    seconds = side_by_side({IMGAUG: imgaug(digits), OURS: ours(digits)}, rounds, SAMPLE)
    rows = [
        {
            "name": name,
            "milliseconds_a_batch": round(1e3 * taken, 2),
            "images_a_second": round(BATCH / taken),
        }
        for name, taken in medians(seconds).items()
    ]
    times_imgaug = round(times_faster(seconds, OURS, IMGAUG), 1)
    print(f"batches of {BATCH} digits, median of {rounds} rounds")
    for row in rows:
        print(
            f"{row['name']:12} {row['milliseconds_a_batch']:8.2f} ms a batch "
            f"{row['images_a_second']:10,} images a second"
        )
    print(f"times as fast as imgaug: {times_imgaug}")
    path = out / f"distortion-{device_slug()}.json"
    content = {"batch": BATCH, "rounds": rounds, "distortion": vars(RTS)}
    content |= {"rows": rows, "times_imgaug": times_imgaug, "environment": describe()}
    write_json(path, content)
    print(path)


if __name__ == "__main__":
    run_command(main, "python -m benchmarks.distortion")
