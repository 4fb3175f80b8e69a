"""Averaged weights: which are kept, and that training goes on as it would without."""

from dataclasses import replace

import h5py
import keras
import numpy as np
import pytest
from keras import layers

from experiments.data.batches import ShuffledBatches
from experiments.data.data import LabelledImages
from experiments.training.averaging import AveragedWeights
from tests.support.training import TINY, TINY_DATA, tiny_images, trained

MOMENTUM = 0.75
VALIDATED = replace(TINY_DATA, validation=LabelledImages(*tiny_images(20, 2)))


class Recorded(keras.callbacks.Callback):
    """The weights after each step, and those that an epoch's validation had."""

    def __init__(self):
        super().__init__()
        self.trained, self.validated = [], []

    def on_train_batch_end(self, batch, logs=None):
        self.trained.append(self.model.get_weights())

    def on_test_batch_begin(self, batch, logs=None):
        self.validated.append(self.model.get_weights())


def classifier():
    return keras.Sequential([keras.Input((6, 6, 1)), layers.Flatten(), layers.Dense(2)])


def fitted(model, optimizer, callbacks, batches):
    """Train two epochs of two steps, validating after each."""
    model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    validation = batches[0]
    options = {"steps_per_epoch": 2, "epochs": 2, "shuffle": False, "verbose": 0}
    model.fit(batches, validation_data=validation, callbacks=callbacks, **options)
    return model


@pytest.fixture
def batches():
    return ShuffledBatches(TINY_DATA.training, 20, seed=0)


def test_the_moving_averages_are_validated(batches):
    seen = Recorded()
    optimizer = keras.optimizers.SGD(0.5, use_ema=True, ema_momentum=MOMENTUM)
    fitted(classifier(), optimizer, [AveragedWeights(batches), seen], batches)
    expected = seen.trained[0]
    for step, weights in enumerate(seen.trained[1:], 2):
        expected = [
            MOMENTUM * a + (1 - MOMENTUM) * w for a, w in zip(expected, weights, strict=True)
        ]
        if step % 2 == 0:
            for one, other in zip(expected, seen.validated[step // 2 - 1], strict=True):
                np.testing.assert_allclose(one, other, atol=1e-6)


def test_training_goes_on_as_it_would_without(batches):
    weights = []
    for averaged in (False, True):
        keras.utils.set_random_seed(0)
        model = keras.Sequential(
            [
                keras.Input((6, 6, 1)),
                layers.Flatten(),
                layers.BatchNormalization(),
                layers.Dropout(0.5, seed=1),  # unseeded, torch draws from its global generator
                layers.Dense(2),
            ]
        )
        optimizer = keras.optimizers.Adam(0.1, use_ema=averaged, ema_momentum=MOMENTUM)
        fitted(model, optimizer, [AveragedWeights(batches)] if averaged else [], batches)
        weights.append(model.get_weights())
    for one, other in zip(*weights, strict=True):
        np.testing.assert_array_equal(one, other)


def test_statistics_are_those_of_the_averaged_weights(batches):
    """Of what BatchNormalization reads, which the layer before it, averaged, has made."""
    model = keras.Sequential(
        [
            keras.Input((6, 6, 1)),
            layers.Flatten(),
            layers.Dense(3, name="before"),
            layers.BatchNormalization(momentum=0.9, name="normalized"),
            layers.Dense(2),
        ]
    )
    averaged = AveragedWeights(batches)
    optimizer = keras.optimizers.SGD(1.0, use_ema=True, ema_momentum=MOMENTUM)

    class Checked(keras.callbacks.Callback):
        def on_test_batch_begin(self, batch, logs=None):
            images = np.concatenate([batches[0][0], batches[1][0]])
            read = keras.ops.convert_to_numpy(model.get_layer("before")(images.reshape(40, 36)))
            layer = model.get_layer("normalized")
            mean, variance = map(
                keras.ops.convert_to_numpy, (layer.moving_mean, layer.moving_variance)
            )
            np.testing.assert_allclose(mean, read.mean(0), atol=0.1 * read.std())
            np.testing.assert_allclose(variance, read.var(0), rtol=0.2)

    fitted(model, optimizer, [averaged, Checked()], batches)


def test_a_run_keeps_the_averages_and_resumes_from_the_weights(
    tmp_path, monkeypatch, quiet_training
):
    runs = []
    for momentum in (0.0, MOMENTUM):
        schedule = replace(TINY.schedules["best"], averaged=momentum)
        monkeypatch.setitem(TINY.schedules, "best", schedule)
        runs.append(trained(tmp_path / str(momentum), data=VALIDATED)[0])
    kernels = [keras.models.load_model(run.best_model).get_weights()[0] for run in runs]
    assert np.abs(kernels[0] - kernels[1]).max() > 1e-5
    states = []
    for run in runs:
        with h5py.File(run.last_state) as file:
            names = [f"layers/dense/vars/{number}" for number in (0, 1)]
            states.append([file[name][()] for name in names])
    for one, other in zip(*states, strict=True):
        np.testing.assert_array_equal(one, other)
