"""Averaged weights, which are validated and kept while the weights themselves are trained on."""

import contextlib

import keras
import numpy as np

from experiments.training.callbacks import random_states

# With a momentum of 0.9 less than 1 % of earlier statistics is left.
BATCHES = 45


class AveragedWeights(keras.callbacks.Callback):
    """Puts the moving averages that the optimizer keeps (`use_ema`) in place of the weights.

    BatchNormalization's statistics are estimated anew for them, on training batches: those at hand
    are of other weights. Training goes on as it would without.

    Args:
        batches: `experiments.data.batches.ShuffledBatches`.
    """

    def __init__(self, batches):
        super().__init__()
        self.batches, self._statistics, self._test = batches, None, None

    def on_epoch_begin(self, epoch, logs=None):
        self._statistics = None

    def on_test_begin(self, logs=None):
        self._test = self.in_place()
        self._test.__enter__()

    def on_test_end(self, logs=None):
        self._test.__exit__(None, None, None)

    def on_epoch_end(self, epoch, logs=None):
        if epoch + 1 == self.params["epochs"]:
            # Keras puts the averages into the model as `fit` ends.
            for weight, average in _averages(self.model.optimizer):
                average.assign(weight)

    @contextlib.contextmanager
    def in_place(self):
        """Here the model has the averages."""
        held = [*_statistics(self.model), *random_states(self.model)]
        before = [_copy(variable) for variable in held]
        self._swap()
        self._estimate()
        try:
            yield
        finally:
            self._swap()
            _assign(held, before)

    def _swap(self):
        for weight, average in _averages(self.model.optimizer):
            value = _copy(weight)
            weight.assign(average)
            average.assign(value)

    def _estimate(self):
        """Statistics of the averages, once an epoch."""
        statistics = _statistics(self.model)
        if self._statistics is not None:
            _assign(statistics, self._statistics)
            return
        if statistics:
            for index in range(BATCHES):
                self.model(self.batches[index][0], training=True)
        self._statistics = [_copy(variable) for variable in statistics]


def _statistics(model):
    return [
        variable
        for layer in model._flatten_layers()
        if isinstance(layer, keras.layers.BatchNormalization)
        for variable in (layer.moving_mean, layer.moving_variance)
    ]


def _averages(optimizer):
    """Pairs of a trained variable and its average, of an optimizer and those that it wraps."""
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)  # that of mixed precision
    for each in getattr(optimizer, "optimizers", [optimizer]):
        pairs = zip(each._trainable_variables, each._model_variables_moving_average, strict=True)
        yield from (pair for pair in pairs if pair[1] is not None)


def _copy(variable):
    """Its value; of torch Keras gives a view, which would change with the variable."""
    return np.array(keras.ops.convert_to_numpy(variable))


def _assign(variables, values):
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
