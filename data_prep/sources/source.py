"""What a source gives, and where its files lie."""

import hashlib
import os
from dataclasses import dataclass, field, fields
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Source:
    """Images (N, H, W, C) with labels (N,) int64, for training and testing.

    Images are uint8, or float32 in [0, 1] where the source's file keeps them so. The note says what
    is special about this copy of the data, or is empty.
    """

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    note: str = field(default="", kw_only=True)

    @property
    def parts(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Images and labels of each part, training first."""
        return [
            (self.train_images, self.train_labels),
            (self.test_images, self.test_labels),
        ]

    def contiguous(self) -> "Source":
        """The same with its arrays in one piece each and labels int64."""
        arrays = (
            array
            for images, labels in self.parts
            for array in (np.ascontiguousarray(images), np.ascontiguousarray(labels, "int64"))
        )
        return type(self)(*arrays, note=self.note)

    def fingerprint(self) -> str:
        """SHA-256 of all images and labels."""
        digest = hashlib.sha256()
        for member in fields(self):
            if member.name != "note":
                digest.update(np.ascontiguousarray(getattr(self, member.name)))
        return digest.hexdigest()


@dataclass(frozen=True)
class SourceWithValidation(Source):
    """A source with its own validation part."""

    validation_images: np.ndarray
    validation_labels: np.ndarray

    @property
    def parts(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Images and labels of each part, training first and validation last."""
        return [*super().parts, (self.validation_images, self.validation_labels)]


def named_folder(data_dir):
    """The folder of data files that an argument or STN_DATA_DIR names, or None."""
    return data_dir or os.environ.get("STN_DATA_DIR") or None


def data_folder(data_dir):
    """Where data files lie: `named_folder`, else Keras's cache."""
    return Path(named_folder(data_dir) or keras_cache())


def keras_cache():
    """Where Keras keeps what it has downloaded."""
    return Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras") / "datasets"
