"""Shuffled batches whose order depends on the seed and the epoch alone."""

import keras
import numpy as np

from experiments.data import as_input


class ShuffledBatches(keras.utils.PyDataset):
    """Full batches in a fresh order every epoch; a resumed run sees the order of the unbroken one.

    Args:
        data: `experiments.data.Labelled`.
        batch_size: images a batch; what is left over at the end of an epoch waits for another
            epoch.
        seed: integer.
        first_epoch: number of the epoch that `fit` starts with.
    """

    def __init__(self, data, batch_size, seed, first_epoch=0):
        super().__init__()
        self.data, self.batch_size, self.seed, self.epoch = data, batch_size, seed, first_epoch
        self._shuffle()

    def __len__(self):
        return len(self.data.images) // self.batch_size

    def __getitem__(self, index):
        batch = self.order[index * self.batch_size : (index + 1) * self.batch_size]
        return as_input(self.data.images[batch]), self.data.labels[batch]

    def on_epoch_end(self):
        self.epoch += 1
        self._shuffle()

    def _shuffle(self):
        rng = np.random.default_rng((self.seed, self.epoch))
        self.order = rng.permutation(len(self.data.images))
