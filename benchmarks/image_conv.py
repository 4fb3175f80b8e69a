"""python -m benchmarks.image_conv: training the paper's ST-CNN with Keras's first convolution and
with ours, whose gradient to images is fast.
"""

import keras
import numpy as np

from benchmarks.command_line import rounds_and_folder
from benchmarks.timing import compare_steps, side_by_side
from cli.files import write_json
from cli.run import run_command
from experiments.environment import describe, device_slug
from experiments.networks.paper import paper_cnn, paper_cnn_localization_net
from stn_keras import SpatialTransformer, with_spatial_transformer
from stn_keras.layers import ImageConv2D

BATCH, STEPS, SEED = 128, 40, 0
SHAPE, FILTERS = (28, 28, 1), 62  # of `paper-r`
OURS, KERAS, ALONE = "ImageConv2D", "keras.layers.Conv2D", "classifier alone"


def classifier(convolution):
    """The paper's CNN with a first convolution of that kind."""
    first, *others = paper_cnn(SHAPE, filters=FILTERS).layers
    first = convolution.from_config(first.get_config())
    return keras.Sequential([keras.Input(SHAPE), first, *others])


def behind_transformer(network):
    """The paper's ST-CNN with that classifier."""
    localization = paper_cnn_localization_net(SHAPE)
    return with_spatial_transformer(network, SpatialTransformer(localization))


def epoch(model, images, labels):
    """A function that trains a model for an epoch."""
    model.compile(keras.optimizers.Adam(), "sparse_categorical_crossentropy")
    return lambda: model.fit(images, labels, batch_size=BATCH, verbose=0)


def main():
    """Measure, print, write the results."""
    rounds, out = rounds_and_folder("image_conv", __doc__, rounds=10)
    rng = np.random.default_rng(SEED)
    images = rng.random((BATCH * STEPS, *SHAPE), "float32")
    labels = rng.integers(0, 10, len(images))
    networks = {
        OURS: behind_transformer(classifier(ImageConv2D)),
        KERAS: behind_transformer(classifier(keras.layers.Conv2D)),
        ALONE: classifier(keras.layers.Conv2D),
    }
    functions = {name: epoch(model, images, labels) for name, model in networks.items()}
    side_by_side(functions, rounds=1)  # compiles
    seconds = side_by_side(functions, rounds)
    rows, faster = compare_steps(seconds, STEPS, OURS, KERAS)
    content = {"batch": BATCH, "rounds": rounds, "rows": rows, "times_keras": faster}
    path = out / f"image-conv-{device_slug()}.json"
    write_json(path, {**content, "environment": describe()})
    print(path)


if __name__ == "__main__":
    run_command(main, "python -m benchmarks.image_conv")
