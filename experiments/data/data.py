"""What training, evaluation and report know of an experiment's data."""

from dataclasses import dataclass, field

import numpy as np

from data_prep.sets.paper import show_together

DATA_SEED = 42


@dataclass(frozen=True)
class TrainingImages:
    """Images of training, alone or followed by copy after distorted copy of all of them.

    Attributes:
        images: ((1 + copies) * N, H, W, C) as `as_input` takes them, or what can be indexed like
            it; image i shows original i modulo N.
        labels: (N,), of the originals.
    """

    images: np.ndarray
    labels: np.ndarray

    @property
    def copies(self):
        """How many distorted copies of each original there are."""
        return len(self.images) // len(self.labels) - 1

    @property
    def per_epoch(self):
        """Images of an epoch: every original and, where there are copies, one of each."""
        return len(self.labels) * (2 if self.copies else 1)

    @property
    def image_shape(self):
        """(H, W, C) of the images of a batch."""
        return self.images.shape[1:]

    def label(self, index):
        """Labels of the images at those indices."""
        return self.labels[index % len(self.labels)]

    def batch(self, indices, rng):
        """Images and labels at those indices, as models take them; what else it takes is drawn."""
        return as_input(self.images[indices]), self.label(indices)


@dataclass(frozen=True)
class AddedDigits(TrainingImages):
    """Digits that are shown with another one, drawn at random, in a second channel.

    The label of an image is the sum of both.
    """

    @property
    def image_shape(self):
        """(H, W, 2)."""
        return (*self.images.shape[1:3], 2)

    def batch(self, indices, rng):
        pairs = np.stack([indices, rng.integers(len(self.labels), size=len(indices))], axis=-1)
        images, labels = show_together(self.images, self.labels, pairs)
        return as_input(images), labels


@dataclass(frozen=True)
class LabelledImages:
    """Images that models are measured on.

    Attributes:
        images: (N, H, W, C) as `as_input` takes them, or what can be indexed like it.
        labels: (N,) integers.
        groups: name -> (N,) bool, the images of a group that is also reported separately, such as
            those of one distortion.
        windows: (N, 6), theta of `Affine` that reads the object in an image, where that is known;
            only a transformer's window is compared with it.
    """

    images: np.ndarray
    labels: np.ndarray
    groups: dict = field(default_factory=dict)
    windows: np.ndarray | None = None

    def batch(self, indices):
        """Images and labels at those indices, as models take them."""
        return as_input(self.images[indices]), self.labels[indices]

    def examples(self, per_group, at_most):
        """Numbers of the images that pictures show.

        The first `per_group` of each group; without groups `at_most`, evenly spread: a folder's
        lie class after class.
        """
        if not self.groups:
            count = len(self.labels)
            return np.linspace(0, count - 1, min(at_most, count)).astype(int)
        return np.concatenate([mask.nonzero()[0][:per_group] for mask in self.groups.values()])


@dataclass(frozen=True)
class Data:
    """The data of an experiment, whatever its kind.

    Attributes:
        training: `TrainingImages`.
        validation: `LabelledImages` that choose the epoch; None: the last epoch is taken.
        test: name -> `LabelledImages`, in the order of the table.
        num_classes: number of classes.
        parameters: what the data were made from, as plain data; a run keeps them.
        shown: name of the test set that pictures show.
        swept: name of the test set of upright images that is rotated, scaled and shifted to see how
            accuracy falls; None: no such curves.
        classes: names of the classes; none where the label itself is the name.
        note: what is special about this copy of the data, or nothing.
    """

    training: TrainingImages
    validation: LabelledImages | None
    test: dict
    num_classes: int
    parameters: dict
    shown: str
    swept: str | None = None
    classes: tuple[str, ...] = ()
    note: str = ""

    @property
    def image_shape(self):
        """(H, W, C) of the images that models read."""
        return self.test[self.shown].images.shape[1:]

    def class_name(self, label):
        """What tables and pictures call a class."""
        return self.classes[label] if self.classes else str(label)

    def test_sets(self):
        """Name -> (name of the whole test set, mask): the whole sets, then the groups of each."""
        whole = {name: (name, np.ones(len(part.labels), bool)) for name, part in self.test.items()}
        groups = {
            group: (name, mask)
            for name, part in self.test.items()
            for group, mask in part.groups.items()
        }
        return {**whole, **groups}


def as_input(images):
    """uint8 images, or floats in [0, 1] -> float32 in [0, 1]."""
    if images.dtype.kind == "f":
        return images.astype("float32", copy=False)
    return images.astype("float32") / 255
