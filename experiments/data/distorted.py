"""The data of a distorted set: originals mixed with distorted copies, made once and kept."""

from dataclasses import dataclass

import numpy as np

from cli.errors import UserError
from cli.files import writable_folder
from data_prep.distortions.imgaug_recipes import RECIPES
from data_prep.parallel import default_workers
from data_prep.sets.distorted import (
    SETS,
    expected_parameters,
    load,
    make_distorted_set,
    make_test_split,
    save,
)
from data_prep.sets.shards import WithCopies, has_shards, load_shards
from data_prep.sources import load_source, named_folder
from experiments.data.data import DATA_SEED, Data, LabelledImages, TrainingImages


@dataclass(frozen=True)
class DistortedData:
    """Loads a set of `data_prep` for an experiment.

    Attributes:
        name: a key of `data_prep.sets.distorted.SETS`.
        copies: how many distorted copies of each training image there are; an epoch shows every
            original and one of its copies, drawn at random.
        validation: how many original training images, with their distorted copies, choose the
            epoch.
    """

    name: str
    copies: int
    validation: int

    def load(self, folder, data_dir=None):
        """The data, made on first use with a progress bar and kept in the experiment's folder;
        where `data_dir`, or STN_DATA_DIR, has shards of the set, from there.

        Raises:
            UserError: the source cannot be read or is too small, or the kept set was made from
                another one.
        """
        data_dir = named_folder(data_dir)
        if has_shards(data_dir):
            dataset = self._check_name(load_shards(data_dir), data_dir)
            labels, parts = dataset.labels, self._split_shards(dataset)
        else:
            dataset = self._ensure(dataset_path(folder), data_dir)
            labels, parts = dataset.train.labels, self._split(dataset.train)
        training, validation = parts
        return Data(
            training=training,
            validation=validation,
            test=_test_sets(dataset.test, dataset.distortions),
            num_classes=int(labels.max()) + 1,
            parameters=dataset.parameters,
            shown="distorted",
            swept="original",
        )

    def load_test(self, folder, data_dir=None):
        """Name -> test images, as `load` gives them; training images are not made.

        Raises:
            UserError: as `load`.
        """
        if has_shards(named_folder(data_dir)) or dataset_path(folder).exists():
            return self.load(folder, data_dir).test
        split = make_test_split(self.name, DATA_SEED, data_dir, default_workers(), self.copies)
        return _test_sets(split, list(RECIPES[SETS[self.name][1]]))

    def images_per_epoch(self, folder, data_dir=None):
        """Images of an epoch, without making the set."""
        if has_shards(named_folder(data_dir)) or dataset_path(folder).exists():
            return self.load(folder, data_dir).training.per_epoch
        return 2 * self._training(len(load_source(SETS[self.name][0], data_dir).train_labels))

    def _ensure(self, path, data_dir):
        if not path.exists():
            dataset = make_distorted_set(
                self.name, DATA_SEED, data_dir, default_workers(), self.copies
            )
            writable_folder(path.parent)
            save(dataset, path)
            return dataset
        dataset = self._load(path)
        made_from, source = dataset.parameters["source_sha256"], dataset.parameters["source"]
        if data_dir and load_source(source, data_dir).fingerprint() != made_from:
            raise UserError(
                f"{path} was made from another {source} than that in {data_dir}; remove it"
            )
        print(f"data: {path}, made earlier")
        return dataset

    def _load(self, path):
        dataset = load(path)
        expected = expected_parameters(self.name, DATA_SEED, self.copies)
        different = [
            f"{key}={dataset.parameters.get(key)} instead of {expected[key]}"
            for key in expected
            if dataset.parameters.get(key) != expected[key]
        ]
        if different:
            raise UserError(f"expected the data of {self.name} at {path}: {'; '.join(different)}")
        return dataset

    def _split(self, split):
        """The last originals and every copy of them held out: no digit is in both parts."""
        kept = self._training(len(split.originals))
        images = np.concatenate([split.originals, split.distorted])
        original = np.arange(len(images)) % len(split.originals)
        held_out = images[original >= kept]
        return (
            TrainingImages(images[original < kept], split.labels[:kept]),
            LabelledImages(held_out, np.tile(split.labels[kept:], 1 + self.copies)),
        )

    def _split_shards(self, dataset):
        """The same, without reading the images."""
        count, labels = len(dataset.labels), dataset.labels
        kept = self._training(count)
        held_out = WithCopies(dataset.images, count, kept, self.validation)
        copies = len(held_out) // self.validation
        return (
            TrainingImages(WithCopies(dataset.images, count, 0, kept), labels[:kept]),
            LabelledImages(held_out, np.tile(labels[kept:], copies)),
        )

    def _check_name(self, dataset, folder):
        made = dataset.parameters["set"]
        if made != self.name:
            raise UserError(f"expected shards of {self.name} in {folder}, got {made}")
        return dataset

    def _training(self, count):
        if self.validation >= count:
            raise UserError(f"expected more than {self.validation} training images, got {count}")
        return count - self.validation


def _test_sets(split, distortions):
    """Name -> images of a `Split`, with the families of the distorted ones as groups."""
    families = {name: split.distortion == index for index, name in enumerate(distortions)}
    return {
        "original": LabelledImages(split.originals, split.labels),
        "distorted": LabelledImages(split.distorted, split.distorted_labels, families),
    }


def dataset_path(folder):
    """Where an experiment's folder keeps its data set."""
    return folder / "data.npz"
