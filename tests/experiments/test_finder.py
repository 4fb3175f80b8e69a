"""A transformer that learns to follow: its loss knows windows that do from those that do not."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from experiments.networks.finder import NEAR, FollowingTransformer, finder
from stn_keras import models

SIDE = 48


def blobs(count, rng):
    """Bright, longish blobs (N, SIDE, SIDE, 1) at random places, turned by up to 20 degrees."""
    y, x = np.mgrid[:SIDE, :SIDE] * 2 / SIDE - 1
    center = rng.uniform(-0.2, 0.2, (count, 2, 1, 1))
    x, y = x - center[:, 0], y - center[:, 1]
    angle = np.radians(rng.uniform(-20, 20, (count, 1, 1)))
    along, across = np.cos(angle) * x + np.sin(angle) * y, np.cos(angle) * y - np.sin(angle) * x
    size = rng.uniform(0.06, 0.1, (count, 1, 1))
    return np.exp(-((along / (2 * size)) ** 2) - (across / size) ** 2)[..., None].astype("float32")


class Moments(layers.Layer):
    """theta of the similarity that reads a bright blob, upright."""

    def call(self, images):
        weights = ops.reshape(images, (-1, SIDE * SIDE))
        weights = weights / ops.sum(weights, axis=1, keepdims=True)
        y, x = (np.mgrid[:SIDE, :SIDE].reshape(2, -1) * 2 + 1) / SIDE - 1

        def mean(values):
            values = ops.convert_to_tensor(values.astype("float32"))
            return ops.sum(weights * values, axis=1)

        mean_x, mean_y = mean(x), mean(y)
        xx, yy = mean(x * x) - mean_x**2, mean(y * y) - mean_y**2
        xy = mean(x * y) - mean_x * mean_y
        scale = 3 * ops.sqrt(ops.sqrt(xx * yy - xy**2))
        angle = ops.arctan2(2 * xy, xx - yy) / 2
        return ops.stack([scale, angle, mean_x, mean_y], axis=1)


class Same(layers.Layer):
    """The same window in every picture."""

    def call(self, images):
        return ops.tile(ops.convert_to_tensor([[0.3, 0.0, 0.0, 0.0]]), (ops.shape(images)[0], 1))


def transformer(localization, **kwargs):
    """One whose theta is what the localization network says."""
    layer = FollowingTransformer(localization, "similarity", **{"following": 1.0, **kwargs})
    layer.build((None, SIDE, SIDE, 1))
    layer.regressor.kernel.assign(np.eye(4))
    layer.regressor.bias.assign(np.zeros(4))
    return layer


def loss_of(layer, images):
    layer(images, training=True)
    (loss,) = layer.losses
    return float(loss)


@pytest.mark.backend
def test_a_window_that_follows_loses_nearly_nothing_and_one_that_stays_loses(rng):
    images = blobs(64, rng)
    assert 2 * NEAR <= loss_of(transformer(Moments()), images) < 2.4 * NEAR
    assert loss_of(transformer(Same()), images) > 5 * NEAR


@pytest.mark.backend
def test_the_loss_is_asked_for_and_of_training_alone(rng):
    images = blobs(4, rng)
    once, twice = (loss_of(transformer(Same(), following=weight), images) for weight in (1, 2))
    assert twice == pytest.approx(2 * once, rel=1e-5)  # the same motions: a seed of its own
    for layer, training in ((transformer(Same()), False), (transformer(Same(), following=0), True)):
        layer(images, training=training)
        assert not layer.losses


@pytest.mark.backend
def test_pictures_are_moved_within_their_edges():
    layer = FollowingTransformer(transform="similarity", rotation=30.0, zoom=3.0)
    scale, angle, *shift = ops.convert_to_numpy(layer._motion(500)).T
    reach = scale * (np.abs(np.cos(angle)) + np.abs(np.sin(angle))) + np.abs(shift)
    assert reach.max() <= 1 + 1e-5
    assert np.degrees(np.abs(angle)).max() <= 30 + 1e-3
    assert scale.min() >= 1 / 3 - 1e-5


def test_the_window_learns_to_follow_from_the_loss_alone(rng):
    images = blobs(64, rng)
    keras.utils.set_random_seed(1)
    layer = FollowingTransformer(
        finder((SIDE, SIDE, 1)),
        "similarity",
        bounds={"scale": (0.2, 0.5)},
        initial_theta=[0.3, 0, 0, 0],
        following=1.0,
    )
    classifier = keras.Sequential([keras.Input((SIDE, SIDE, 1)), layers.Flatten()])
    model = models.with_spatial_transformer(classifier, layer)
    model.compile(keras.optimizers.Adam(3e-3), loss=lambda _, scores: 0.0 * ops.sum(scores))
    history = model.fit(images, np.zeros(64), batch_size=16, epochs=40, verbose=0)
    losses = history.history["loss"]  # of other motions each time
    assert np.mean(losses[-10:]) < 0.75 * losses[0]


def test_a_file_keeps_how_it_follows():
    layer = FollowingTransformer(
        transform="similarity", following=0.3, every=3, rotation=10.0, zoom=1.2
    )
    config = layer.get_config()
    again = FollowingTransformer.from_config(config)
    assert again.get_config() == config
    assert (again.following, again.every, again.rotation, again.zoom) == (0.3, 3, 10.0, 1.2)
