"""digits-3d: what is turned, and that both models read it."""

import keras
import numpy as np
import pytest
from keras import ops

from experiments import EXPERIMENTS
from experiments.data import turned_digits
from experiments.data.turned_digits import CANVAS, RandomTurns, fixed_set, turned
from stn_keras.monitor import middle_slices


def digits(rng, count=2):
    images = np.zeros((count, 28, 28, 1), "uint8")
    images[:, 6:22, 8:20] = rng.integers(100, 255, (count, 16, 12, 1))
    return images


def test_an_unturned_digit_is_seen_along_the_depth(rng):
    images = digits(rng)
    uniform = np.tile([0, 0.5, 0.5, 0.5], (2, 1)).astype("float32")
    bodies = turned(images[:, None].astype("float32"), uniform, np.ones((2, 3), "float32"))
    bodies = ops.convert_to_numpy(bodies)
    assert bodies.shape == (2, CANVAS, CANVAS, CANVAS, 1)
    line = bodies[0, :, CANVAS // 2, CANVAS // 2, 0]
    filled = line > line.max() / 2  # its surface is soft
    assert abs(filled.sum() - turned_digits.THICKNESS) <= 2
    flat = bodies[0, CANVAS // 2, ..., 0]
    size = turned_digits.WIDTH * 16 / 28, turned_digits.WIDTH * 12 / 28
    rows, columns = np.nonzero(flat > 50)
    assert abs(np.ptp(rows) + 1 - size[0]) <= 2
    assert abs(np.ptp(columns) + 1 - size[1]) <= 2


def test_fixed_sets_are_of_their_seed(rng):
    images = digits(rng, 3)
    first, again, other = (fixed_set(images, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert first.dtype == np.uint8


def test_bodies_pass_while_nothing_is_trained(rng):
    layer = RandomTurns(seed=0)
    bodies = rng.random((2, CANVAS, CANVAS, CANVAS, 1), "float32")
    np.testing.assert_array_equal(ops.convert_to_numpy(layer(bodies)), bodies)
    drawn = layer(digits(rng)[:, None].astype("float32"), training=True)
    assert tuple(drawn.shape) == bodies.shape


@pytest.mark.parametrize("name", EXPERIMENTS["digits-3d"].models)
def test_models_learn_from_digits_and_read_bodies(name, rng):
    experiment = EXPERIMENTS["digits-3d"]
    shape = (CANVAS, CANVAS, CANVAS, 1)
    network = experiment.build_model(name, shape, 10)
    images = keras.Input((None, None, None, 1))
    model = keras.Model(images, network(experiment.distort(0)(images)))
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(digits(rng)[:, None] / 255, np.array([1, 2]), verbose=0)
    bodies = rng.random((2, *shape), "float32")
    assert network.predict(bodies, verbose=0).shape == (2, 10)


def test_middle_slices_are_those_of_the_volume(rng):
    volume = rng.random((1, 4, 5, 6, 1))
    slices = middle_slices(volume)
    np.testing.assert_array_equal(slices[0, :5, :6], volume[0, 2])
    np.testing.assert_array_equal(slices[0, :4, 6:12], volume[0, :, 2])
    np.testing.assert_array_equal(slices[0, :4, 12:17], volume[0, :, :, 3])
    assert slices[0, 4, 6:].max() == volume.min()
