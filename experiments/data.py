"""From a distorted set on disk to batches of training."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data_prep.distorted_set import expected_parameters, load, make_distorted_set, save
from data_prep.distortions import default_workers
from data_prep.errors import UserError
from data_prep.files import writable_folder
from data_prep.sources import load_source

DATA_SEED = 42


@dataclass(frozen=True)
class WithCopies:
    """Originals followed by copy after copy of all of them.

    Attributes:
        images: (M * N, H, W, C) uint8; number i shows original i modulo N.
        labels: (N,), of the originals.
    """

    images: np.ndarray
    labels: np.ndarray

    def label(self, number):
        """Labels of the images of those numbers."""
        return self.labels[number % len(self.labels)]


def dataset_path(runs_dir, name):
    """Where an experiment keeps its data set."""
    return Path(runs_dir) / name / "data.npz"


def load_dataset(path, experiment):
    """The experiment's own data set.

    Raises:
        UserError: no file, a damaged one, or the data of another experiment.
    """
    if not path.exists():
        raise UserError(
            f"expected a data set at {path}; python train.py {experiment.name} makes it"
        )
    dataset = load(path)
    expected = expected_parameters(experiment.name, DATA_SEED, experiment.copies)
    different = [
        f"{key}={dataset.parameters.get(key)} instead of {expected[key]}"
        for key in expected
        if dataset.parameters.get(key) != expected[key]
    ]
    if different:
        raise UserError(f"expected the data of {experiment.name} at {path}: {'; '.join(different)}")
    return dataset


def ensure_dataset(path, experiment, data_dir=None):
    """The experiment's data set, made on first use with a progress bar and kept.

    Raises:
        UserError: the source cannot be read, or is not the one the kept set was made from.
    """
    if not path.exists():
        dataset = make_distorted_set(
            experiment.name, DATA_SEED, data_dir, default_workers(), experiment.copies
        )
        writable_folder(path.parent)
        save(dataset, path)
        return dataset
    dataset = load_dataset(path, experiment)
    made_from, source = dataset.parameters["source_sha256"], dataset.parameters["source"]
    if data_dir and load_source(source, data_dir).fingerprint() != made_from:
        raise UserError(f"{path} was made from another {source} than that in {data_dir}; remove it")
    print(f"data: {path}, made earlier")
    return dataset


def images_per_epoch(dataset, experiment):
    """Every training original and one copy of it."""
    count = len(dataset.train.originals)
    if experiment.validation >= count:
        raise UserError(f"expected more than {experiment.validation} training images, got {count}")
    return 2 * (count - experiment.validation)


def training_parts(split, validation):
    """Training and validation images, originals followed by copy after copy.

    The last `validation` originals and every distorted copy of them are held out, so no digit is
    seen in both parts.

    Returns:
        (training, validation), two `WithCopies`.
    """
    count = len(split.originals)
    number = np.arange(count + len(split.distorted)) % count
    images = np.concatenate([split.originals, split.distorted])
    held_out = number >= count - validation
    return (
        WithCopies(images[~held_out], split.labels[:-validation]),
        WithCopies(images[held_out], split.labels[-validation:]),
    )


def as_input(images):
    """uint8 images -> float32 in [0, 1]."""
    return images.astype("float32") / 255
