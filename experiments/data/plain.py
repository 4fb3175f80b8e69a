"""The data of a source as it is, less the training images held out."""

from dataclasses import dataclass

import numpy as np

from cli.errors import UserError
from data_prep.sources import load_source
from experiments.data.data import DATA_SEED, Data, LabelledImages, TrainingImages


@dataclass(frozen=True)
class PlainData:
    """Loads a source of `data_prep` for an experiment.

    Attributes:
        name: a key of `data_prep.sources.SOURCES`.
        validation: how many training images, drawn by the data seed, choose the epoch.
        swept: whether its test images are upright, and turned to see how accuracy falls.
        classes: names of the classes; none where they are the digits.
    """

    name: str
    validation: int
    swept: bool = False
    classes: tuple[str, ...] = ()

    def load(self, folder, data_dir=None):
        """The data.

        Raises:
            UserError: the source cannot be read or has too few training images.
        """
        source = load_source(self.name, data_dir)
        kept, held_out = hold_out(len(source.train_labels), self.validation)
        images, labels = source.train_images, source.train_labels
        return Data(
            training=TrainingImages(images[kept], labels[kept]),
            validation=LabelledImages(images[held_out], labels[held_out]),
            test={"test": LabelledImages(source.test_images, source.test_labels)},
            num_classes=int(labels.max()) + 1,
            parameters={
                "source": self.name,
                "seed": DATA_SEED,
                "validation": self.validation,
                "source_sha256": source.fingerprint(),
            },
            shown="test",
            swept="test" if self.swept else None,
            classes=self.classes,
            note=source.note,
        )


def hold_out(count, validation):
    """Numbers of the training images that are learned from, and of those held out; both sorted.

    Raises:
        UserError: none would be left to learn from.
    """
    if validation >= count:
        raise UserError(f"expected more than {validation} training images, got {count}")
    order = np.random.default_rng(DATA_SEED).permutation(count)
    return np.sort(order[validation:]), np.sort(order[:validation])
