"""python docs/draw_monitor.py: train on the embedded digits, draw monitor.gif and -collapse.png."""

import shutil
import tempfile
from pathlib import Path

import keras
import numpy as np

from data_prep.parallel import default_workers
from data_prep.sets.distorted import make_distorted_set
from experiments.data.data import DATA_SEED, as_input
from experiments.networks.keras_post import cnn, localization_net
from stn_keras import SpatialTransformer, with_spatial_transformer
from stn_keras.monitor import TransformerMonitor

EPOCHS, SHOWN = 12, 8
DOCS = Path(__file__).parent


def train(dataset, learning_rate, folder):
    """Train a CNN behind a transformer, monitored on test images; returns the logs."""
    keras.utils.set_random_seed(0)
    model = with_spatial_transformer(cnn(), SpatialTransformer(localization_net()))
    model.compile(keras.optimizers.Adam(learning_rate), "sparse_categorical_crossentropy")
    chosen = np.random.default_rng(1).permutation(len(dataset.test.distorted))[:100]
    monitor = TransformerMonitor(
        as_input(dataset.test.distorted[chosen]),
        folder,
        labels=dataset.test.distorted_labels[chosen],
        shown=SHOWN,
    )
    images, labels = as_input(dataset.train.distorted), dataset.train.labels
    return model.fit(
        images, labels, batch_size=64, epochs=EPOCHS, verbose=0, callbacks=[monitor]
    ).history


def main():
    """Train once well, once to a transformer that ignores the images, once to a collapse."""
    dataset = make_distorted_set("distorted-digits", DATA_SEED, workers=default_workers())
    # Learning rate -> pictures to keep, and their names here.
    kept = {
        0.001: {"epochs.gif": "monitor.gif"},
        0.01: {},
        0.02: {f"epoch-{EPOCHS:03d}.png": "monitor-collapse.png"},
    }
    for learning_rate, pictures in kept.items():
        with tempfile.TemporaryDirectory() as folder:
            history = train(dataset, learning_rate, folder)
            for drawn, name in pictures.items():
                print(shutil.copyfile(Path(folder) / drawn, DOCS / name))
        print(f"learning rate {learning_rate}, after epoch {EPOCHS}:")
        for column, values in history.items():
            print(f"  {column:20} {values[-1]:.3f}")


if __name__ == "__main__":
    main()
