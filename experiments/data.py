"""From a distorted set on disk to batches of training."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data_prep.distorted_set import expected_parameters, load, make_distorted_set, save
from data_prep.distortions import default_workers
from data_prep.errors import UserError
from data_prep.files import writable_folder

DATA_SEED = 42


@dataclass(frozen=True)
class Labelled:
    """Images (N, H, W, C) uint8 with labels (N,)."""

    images: np.ndarray
    labels: np.ndarray


def dataset_path(runs_dir, name):
    """Where an experiment keeps its data set."""
    return Path(runs_dir) / name / "data.npz"


def load_dataset(path, name):
    """The experiment's own data set.

    Raises:
        UserError: no file, a damaged one, or the data of another experiment.
    """
    dataset = load(path)
    if dataset.parameters != expected_parameters(name, DATA_SEED):
        raise UserError(
            f"expected the data set {name} of seed {DATA_SEED} at {path}, "
            f"got {dataset.parameters.get('set')} of seed {dataset.parameters.get('seed')}"
        )
    return dataset


def ensure_dataset(path, name, data_dir=None):
    """The experiment's data set, made on first use with a progress bar and kept."""
    if not path.exists():
        dataset = make_distorted_set(name, DATA_SEED, data_dir, workers=default_workers())
        writable_folder(path.parent)
        save(dataset, path)
    return load_dataset(path, name)


def training_parts(split, validation):
    """Training and validation images, originals mixed with distorted copies.

    The last `validation` originals and every distorted copy of them are held out, so no digit is
    seen in both parts.

    Returns:
        (training, validation), two `Labelled`.
    """
    count = len(split.originals)
    if not 0 < validation < count:
        raise UserError(f"expected 1 to {count - 1} validation images, got {validation}")
    number = np.concatenate([np.arange(count), np.arange(len(split.distorted)) % count])
    images = np.concatenate([split.originals, split.distorted])
    labels = np.concatenate([split.labels, split.distorted_labels])
    held_out = number >= count - validation
    return Labelled(images[~held_out], labels[~held_out]), Labelled(
        images[held_out], labels[held_out]
    )


def as_input(images):
    """uint8 images -> float32 in [0, 1]."""
    return images.astype("float32") / 255
