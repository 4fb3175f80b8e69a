"""Batches for training, shuffled, and for measuring, in order; no more than these in memory."""

import functools
import math

import keras
import numpy as np


class ShuffledBatches(keras.utils.PyDataset):
    """An endless stream of full batches, shuffled: an epoch is every original and, where there are
    copies, one of each.

    Batch i is a pure function of the seed and i, so a resumed run sees what the unbroken one
    saw; Keras's hooks at an epoch's end come after it has begun to read the next one.

    Args:
        data: `experiments.data.data.TrainingImages`.
        batch_size: images a batch; what is left over at the end of an epoch waits for another one.
        seed: integer.
        first_epoch: index of the epoch that batch 0 belongs to.
        augment: function (images, rng) -> images, or None.
        part: (index, count): of each batch only this one of `count` equal parts.
    """

    def __init__(self, data, batch_size, seed, first_epoch=0, augment=None, part=(0, 1)):
        super().__init__()
        self.data, self.batch_size, self.seed = data, batch_size, seed
        self.first_epoch, self.augment = first_epoch, augment
        self.rows = rows_of(part, batch_size)
        self.steps_per_epoch = data.per_epoch // batch_size
        self._order = functools.lru_cache(maxsize=1)(self._shuffled)

    @property
    def num_batches(self):
        return None

    def __getitem__(self, index):
        epoch, step = divmod(index, self.steps_per_epoch)
        epoch += self.first_epoch
        batch = self._order(epoch)[step * self.batch_size : (step + 1) * self.batch_size]
        rng = RowsOfDraws(np.random.default_rng((self.seed, epoch, step)), self.rows, len(batch))
        images, labels = self.data.batch(batch[self.rows], rng)
        return (self.augment(images, rng) if self.augment else images), labels

    def _shuffled(self, epoch):
        rng = np.random.default_rng((self.seed, epoch))
        originals = np.arange(len(self.data.labels))
        if not self.data.copies:
            return rng.permutation(originals)
        copy = rng.integers(1, self.data.copies + 1, len(originals))
        return rng.permutation(np.concatenate([originals, originals + len(originals) * copy]))


def rows_of(part, batch_size):
    """The rows of a batch that belong to a part (index, count) of it."""
    index, count = part
    return slice(index * batch_size // count, (index + 1) * batch_size // count)


class RowsOfDraws:
    """Random numbers for some rows of a batch: those rows of what is drawn for all of it.

    So the images of a batch are moved alike however many processes share it. What is drawn has its
    rows along the first axis.

    Args:
        rng: `numpy.random.Generator`.
        rows: a slice.
        count: rows of the whole batch.

    Example:
        >>> whole = np.random.default_rng(0).uniform(0, 1, (6, 2))
        >>> draws = RowsOfDraws(np.random.default_rng(0), slice(2, 4), 6)
        >>> bool((draws.uniform(0, 1, (2, 2)) == whole[2:4]).all())
        True
    """

    def __init__(self, rng, rows, count):
        self.rng, self.rows, self.count = rng, rows, count

    def uniform(self, low, high, size):
        """As NumPy's; the first axis of `size` is that of the rows."""
        return self._drawn(lambda whole: self.rng.uniform(low, high, whole), size)

    def normal(self, mean, deviation, size):
        """As NumPy's; the first axis of `size` is that of the rows."""
        return self._drawn(lambda whole: self.rng.normal(mean, deviation, whole), size)

    def integers(self, low, high=None, size=None):
        """As NumPy's; the first axis of `size` is that of the rows."""
        return self._drawn(lambda whole: self.rng.integers(low, high, whole), size)

    def choice(self, values, size):
        """As NumPy's; the first axis of `size` is that of the rows."""
        return self._drawn(lambda whole: self.rng.choice(values, whole), size)

    def _drawn(self, draw, size):
        rows, *others = np.atleast_1d(size).tolist()
        if rows != self.rows.stop - self.rows.start:
            raise ValueError(f"Expected the first axis of `size` to be the rows. Received: {size}")
        return draw((self.count, *others))[self.rows]


class InOrder(keras.utils.PyDataset):
    """Images as models read them, with their labels, in order.

    Args:
        part: `experiments.data.data.LabelledImages`.
        batch_size: images a batch; the last one may have fewer.
    """

    def __init__(self, part, batch_size):
        super().__init__()
        self.part, self.batch_size = part, batch_size

    @property
    def num_batches(self):
        return math.ceil(len(self.part.labels) / self.batch_size)

    def __getitem__(self, index):
        batch = slice(index * self.batch_size, (index + 1) * self.batch_size)
        return self.part.batch(batch)


class InOrderFilled(keras.utils.PyDataset):
    """The same in batches of one size, so that several devices share each evenly.

    The last batch is filled up with images that weigh nothing; the others weigh as much more as
    makes the mean over the batches that over the images.

    Args:
        part: `experiments.data.data.LabelledImages`.
        batch_size: images a batch.
        share: (index, count): of each batch only this one of `count` equal parts.
    """

    def __init__(self, part, batch_size, share):
        super().__init__()
        self.part, self.batch_size, self.rows = part, batch_size, rows_of(share, batch_size)

    @property
    def num_batches(self):
        return math.ceil(len(self.part.labels) / self.batch_size)

    def __getitem__(self, index):
        count = len(self.part.labels)
        indices = index * self.batch_size + np.arange(self.batch_size)[self.rows]
        weights = (indices < count) * (self.num_batches * self.batch_size / count)
        images, labels = self.part.batch(np.minimum(indices, count - 1))
        return images, labels, weights.astype("float32")
