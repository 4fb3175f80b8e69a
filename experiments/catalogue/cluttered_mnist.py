"""Cluttered MNIST, 40x40: digits among scraps of others, from a file with a validation part."""

from dataclasses import dataclass, replace

import numpy as np

from data_prep.distortions.clutter import add_scraps
from data_prep.sources import load_source
from experiments.data.data import Data, LabelledImages, TrainingImages
from experiments.experiment import (
    WITH_TRANSFORMER,
    Experiment,
    JitterRanges,
    Schedule,
    has_transformer,
)

SOURCE = "cluttered-mnist-40x40"
# The transformer's output; it starts with the image's middle at its own resolution.
WINDOW = 28


def load_data(folder, data_dir=None):
    """The three parts of the file, as they are.

    Raises:
        UserError: the file is missing or damaged.
    """
    source = load_source(SOURCE, data_dir)
    return Data(
        training=TrainingImages(source.train_images, source.train_labels),
        validation=LabelledImages(source.validation_images, source.validation_labels),
        test={"test": LabelledImages(source.test_images, source.test_labels)},
        num_classes=10,
        parameters={"source": SOURCE, "source_sha256": source.fingerprint()},
        shown="test",
    )


@dataclass(frozen=True)
class NewClutter:
    """Moves the images of a batch and puts scraps of its others on them: new clutter every epoch.

    The digits are known with their clutter alone, which a network soon knows by heart.

    Attributes:
        jitter: how far they are moved.
        scraps: how many each image gets.
        size: height and width of a scrap.
    """

    jitter: JitterRanges
    scraps: int
    size: int

    def __call__(self, image_shape):
        """The function (images, rng) -> images."""
        jitter = self.jitter(image_shape)

        def move_and_clutter(images, rng):
            moved = jitter(images, rng)
            return add_scraps(moved, moved, np.arange(len(moved)), self.scraps, self.size, rng)

        return move_and_clutter


def build_model(name, input_shape, num_classes, transform=None):
    """A CNN on the whole image; the same layers, or the post's dense network, on the window that a
    transformer cuts out of it.
    """
    from experiments.networks.cluttered_mnist import cnn, localization
    from experiments.networks.keras_post import dense_net
    from stn_keras import SpatialTransformer, models, transforms

    classifier = {"dense": dense_net, "cnn": cnn}[name.removeprefix(WITH_TRANSFORMER)]
    if not has_transformer(name):
        return classifier(input_shape, num_classes)
    family = transforms.get(transform or "affine")
    height, width, channels = input_shape
    network = classifier((WINDOW, WINDOW, channels), num_classes)
    transformer = SpatialTransformer(
        localization(input_shape),
        family,
        initial_theta=family.window(extent=(WINDOW / width, WINDOW / height)),
        name="spatial_transformer",
    )
    return models.with_spatial_transformer(network, transformer, input_shape=input_shape)


BEST = Schedule(
    epochs=60,
    batch_size=64,
    optimizer="AdamW",
    learning_rate=2e-3,
    decay="cosine",
    optimizer_arguments={"weight_decay": 0.1},
    augment=NewClutter(JitterRanges(rotation=15, scale=0.15, shift=0.2), scraps=6, size=6),
    per_model={"stn-dense": {"epochs": 180}},
)

EXPERIMENT = Experiment(
    name="cluttered-mnist",
    title="Cluttered MNIST, 40x40",
    models=("cnn", "stn-dense", "stn-cnn"),
    build_model=build_model,
    load_data=load_data,
    schedules={"best": BEST, "quick": replace(BEST, epochs=12, per_model={})},
    published={"cnn": {"test": 92.1}, "stn-dense": {"test": 91.4}, "stn-cnn": {"test": 97.6}},
    source="AlexHex7's Spatial-Transformer-Networks_pytorch, the best of its last epochs, and, of "
    'stn-dense, of the repository of the "Hands-on" Keras post',
)
