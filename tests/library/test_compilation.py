"""Nothing is traced or compiled twice: equal layers share programs, and sizes come back."""

import keras
import numpy as np
import pytest

from stn_keras import SpatialTransformer
from stn_keras.ops import warp
from stn_keras.transforms import Affine
from tests.support.gradients import value_and_gradients

pytestmark = [
    pytest.mark.backend,
    pytest.mark.skipif(keras.backend.backend() == "torch", reason="torch traces nothing"),
]


class Counting(Affine):
    """An affine transform that counts how often it is traced."""

    traces = 0

    def map_points(self, theta, points):
        Counting.traces += 1
        return super().map_points(theta, points)


@pytest.fixture
def traces():
    """A function that says how many traces there were since it was called last."""
    last = Counting.traces

    def since():
        nonlocal last
        count, last = Counting.traces - last, Counting.traces
        return count

    return since


def inputs(size=(6, 7), count=2):
    images = np.random.default_rng(0).random((count, *size, 1), "float32")
    return images, np.tile(Affine().identity, (count, 1))


def test_equal_layers_share_what_is_traced(traces):
    images, theta = inputs()
    for trial in range(20):
        layer = SpatialTransformer(transform=Counting())
        np.testing.assert_array_equal(layer.warp(images, theta), images)
        assert traces() > 0 if trial == 0 else traces() == 0


def test_a_size_that_was_seen_is_not_traced_again(traces):
    sizes = [(5 + n, 9) for n in range(20)]
    for size in sizes:
        warp(*inputs(size), Counting())
        assert 0 < traces() <= 4  # JAX traces for the shape of the result first
    for size in sizes:
        warp(*inputs(size), Counting())
    assert traces() == 0


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="JAX has a program a batch")
def test_batches_of_any_size_share_a_graph(traces):
    for count in (2, 5, 3):
        warp(*inputs(count=count), Counting())
        assert traces() <= (1 if count == 2 else 0)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="JAX's user compiles a step")
def test_eager_gradients_are_traced_once(traces):
    def loss(images, theta):
        return keras.ops.sum(warp(images, theta, Counting()) ** 2)

    value_and_gradients(loss, *inputs())
    assert traces() > 0
    value_and_gradients(loss, *inputs())
    assert traces() == 0
