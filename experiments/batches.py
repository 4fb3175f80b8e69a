"""Batches for training, shuffled, and for measuring, in order; no more than these in memory."""

import functools
import math

import keras
import numpy as np


class ShuffledBatches(keras.utils.PyDataset):
    """An endless stream of full batches, shuffled: an epoch is every original and, where there are
    copies, one of each.

    Batch number i is a pure function of the seed and i, so a resumed run sees what the unbroken one
    saw; Keras's hooks at an epoch's end come after it has begun to read the next one.

    Args:
        data: `experiments.data.TrainingImages`.
        batch_size: images a batch; what is left over at the end of an epoch waits for another one.
        seed: integer.
        first_epoch: number of the epoch that batch 0 belongs to.
        augment: function (images, rng) -> images, or None.
    """

    def __init__(self, data, batch_size, seed, first_epoch=0, augment=None):
        super().__init__()
        self.data, self.batch_size, self.seed = data, batch_size, seed
        self.first_epoch, self.augment = first_epoch, augment
        self.steps_per_epoch = data.per_epoch // batch_size
        self._order = functools.lru_cache(maxsize=1)(self._shuffled)

    @property
    def num_batches(self):
        return None

    def __getitem__(self, index):
        epoch, step = divmod(index, self.steps_per_epoch)
        epoch += self.first_epoch
        batch = self._order(epoch)[step * self.batch_size : (step + 1) * self.batch_size]
        rng = np.random.default_rng((self.seed, epoch, step))
        images, labels = self.data.batch(batch, rng)
        return (self.augment(images, rng) if self.augment else images), labels

    def _shuffled(self, epoch):
        rng = np.random.default_rng((self.seed, epoch))
        originals = np.arange(len(self.data.labels))
        if not self.data.copies:
            return rng.permutation(originals)
        copy = rng.integers(1, self.data.copies + 1, len(originals))
        return rng.permutation(np.concatenate([originals, originals + len(originals) * copy]))


class InOrder(keras.utils.PyDataset):
    """Images as models read them, with their labels, in order.

    Args:
        part: `experiments.data.LabelledImages`.
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
