"""Transformers that look again, stand side by side, learn slowly, or pay for looking outside."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from stn_keras import (
    IterativeSpatialTransformer,
    ParallelSpatialTransformer,
    SpatialTransformer,
    with_spatial_transformer,
)
from stn_keras.layers.parallel import windows
from stn_keras.ops import compose, out_of_bounds_distance
from stn_keras.optimizers import localization_variables, with_localization_rate
from stn_keras.transforms import Affine, Attention, Homography, Rotation, Similarity
from tests.support.arrays import TOLERANCE
from tests.support.gradients import value_and_gradients

pytestmark = pytest.mark.backend

ITERATIVE = ("affine", "similarity", "homography")


def numpy(tensor):
    return ops.convert_to_numpy(tensor)


def tilted(layer, images):
    """The layer with a regressor that answers to the image."""
    layer(images)
    rng = np.random.default_rng(0)
    layer.regressor.kernel.assign(rng.normal(0, 0.02, layer.regressor.kernel.shape))
    return layer


def saved_and_loaded(layer, shape, path):
    inputs = keras.Input(shape)
    model = keras.Model(inputs, layer(inputs))
    model.save(path / "model.keras")
    return model, keras.models.load_model(path / "model.keras")


@pytest.mark.parametrize("transform", ITERATIVE)
def test_iterative_starts_as_the_identity(rng, transform):
    images = rng.normal(size=(2, 11, 8, 2)).astype("float32")
    layer = IterativeSpatialTransformer(transform=transform, steps=3)
    np.testing.assert_array_equal(numpy(layer(images)), images)


@pytest.mark.parametrize("transform", ITERATIVE)
def test_iterative_composes_and_reads_the_original_once(rng, transform):
    images = rng.random((2, 9, 9, 1), "float32")
    layer = tilted(IterativeSpatialTransformer(layers.Flatten(), transform, steps=3), images)
    once = SpatialTransformer(layer.localization, transform)
    once(images)
    once.regressor.set_weights(layer.regressor.get_weights())
    matrix = getattr(once.transform, "to_affine", lambda theta: theta)
    theta, seen = None, images
    for _ in range(3):
        change = matrix(once.predict_theta(seen))
        theta = change if theta is None else compose(theta, change)
        seen = layer.warp(images, theta)
    np.testing.assert_allclose(numpy(layer(images)), numpy(seen), atol=TOLERANCE["float32"])
    parameters = 8 if transform == "homography" else 6
    flat = numpy(theta).reshape(2, parameters)
    np.testing.assert_allclose(numpy(layer.predict_theta(images)), flat, atol=1e-5)


def test_one_step_is_a_spatial_transformer(rng):
    images = rng.random((2, 9, 9, 1), "float32")
    layer = tilted(IterativeSpatialTransformer(layers.Flatten(), steps=1), images)
    plain = SpatialTransformer(layer.localization)
    plain(images)
    plain.set_weights(layer.get_weights())
    np.testing.assert_array_equal(numpy(layer(images)), numpy(plain(images)))


def test_iterative_refuses_what_does_not_compose():
    with pytest.raises(ValueError, match="compositions"):
        IterativeSpatialTransformer(transform="tps")
    with pytest.raises(ValueError, match="steps"):
        IterativeSpatialTransformer(steps=0)


def test_iterative_learns_saves_and_loads(rng, tmp_path):
    images = rng.random((8, 12, 12, 1), "float32")
    layer = IterativeSpatialTransformer(
        layers.Flatten(), "similarity", steps=2, output_size=(6, 5), supersample=2
    )
    model, _ = saved_and_loaded(layer, (12, 12, 1), tmp_path)
    model.compile("adam", "mse")
    model.fit(images, rng.random((8, 6, 5, 1), "float32"), epochs=2, verbose=0)
    assert (numpy(layer.predict_theta(images)) != Affine().identity).any()
    model.save(tmp_path / "trained.keras")
    loaded = keras.models.load_model(tmp_path / "trained.keras")
    np.testing.assert_array_equal(
        loaded.predict(images, verbose=0), model.predict(images, verbose=0)
    )
    assert loaded.layers[-1].transform.parameter_names == Similarity().parameter_names


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_parallel_is_transformers_side_by_side(rng, tmp_path, data_format):
    shape = (10, 12, 2) if data_format == "channels_last" else (2, 10, 12)
    images = rng.random((3, *shape), "float32")
    starts = [[0.5, -0.3, 0.1], [0.8, 0.2, -0.1], [1.0, 0.0, 0.0]]
    layer = ParallelSpatialTransformer(
        layers.Flatten(),
        "attention",
        count=3,
        initial_theta=starts,
        output_size=(5, 4),
        data_format=data_format,
    )
    tilted(layer, images)
    theta = numpy(layer.predict_theta(images))
    assert theta.shape == (3, 3, 3)
    alone = SpatialTransformer(transform="attention", output_size=(5, 4), data_format=data_format)
    expected = [numpy(alone.warp(images, theta[:, i])) for i in range(3)]
    axis = 3 if data_format == "channels_last" else 1
    np.testing.assert_allclose(
        numpy(layer(images)), np.concatenate(expected, axis), atol=TOLERANCE["float32"]
    )
    model, loaded = saved_and_loaded(layer, shape, tmp_path)
    assert model.output_shape == (
        None,
        *expected[0].shape[1:axis],
        6,
        *expected[0].shape[axis + 1 :],
    )
    np.testing.assert_array_equal(
        loaded.predict(images, verbose=0), model.predict(images, verbose=0)
    )


def test_parallel_starts_at_windows_that_fill_the_image():
    images = np.arange(64, dtype="float32").reshape(1, 8, 8, 1)
    layer = ParallelSpatialTransformer(layers.Flatten(), count=4, output_size=(4, 4))
    top_left, top_right, low_left, low_right = np.moveaxis(numpy(layer(images))[0], -1, 0)
    expected = images[0, ..., 0]
    np.testing.assert_allclose(np.block([[top_left, top_right], [low_left, low_right]]), expected)


def test_windows():
    np.testing.assert_allclose(windows(Attention(), 4)[:, 0], 0.5)
    np.testing.assert_allclose(
        windows(Homography(), 2)[:, [0, 2, 4]], [[0.5, -0.5, 1], [0.5, 0.5, 1]]
    )
    with pytest.raises(ValueError, match="can shift"):
        windows(Rotation(), 2)
    with pytest.raises(ValueError, match="count"):
        ParallelSpatialTransformer(count=0)
    with pytest.raises(ValueError, match="initial_theta"):
        ParallelSpatialTransformer(count=2, initial_theta=[[1, 0, 0, 0, 1, 0]])


def mean_distance(transform, theta, size=(8, 8)):
    theta = ops.reshape(theta, (-1, transform.num_parameters))
    xy = transform.source_coordinates(theta, output_size=size, input_size=size)
    return ops.mean(out_of_bounds_distance(xy, input_size=size))


@pytest.mark.parametrize("parallel", [False, True])
def test_outside_penalty_counts_while_training_and_draws_back(rng, parallel):
    images = rng.random((2, 8, 8, 1), "float32")
    kind = ParallelSpatialTransformer if parallel else SpatialTransformer
    start = [[0.0, 0.0], [2.0, 0.0]] if parallel else [1.0, 0.0]
    layer = kind(layers.Flatten(), "translation", initial_theta=start, outside_penalty=10.0)
    layer(images)
    assert layer.losses == []
    layer(images, training=True)
    beyond = [2 * (i + 0.5) / 8 for i in range(8)]
    shift = 1.0 if not parallel else 2.0
    expected = np.mean([max(0, shift - 2 + d) for d in beyond]) / (2 if parallel else 1)
    np.testing.assert_allclose(float(layer.losses[0]), 10 * expected, rtol=1e-5)
    _, (slope,) = value_and_gradients(
        lambda theta: mean_distance(layer.transform, theta), np.float32([start, start])
    )
    assert (slope.reshape(-1, 2)[:, 0] >= 0).all()
    assert slope.max() > 0


def test_outside_penalty_keeps_gradients_finite_behind_the_camera():
    theta = Homography().identity[None].copy()
    theta[0, 6] = 2.0
    value, (slope,) = value_and_gradients(lambda t: mean_distance(Homography(), t), theta)
    assert np.isfinite(value)
    assert np.isfinite(slope).all()
    with pytest.raises(ValueError, match="outside_penalty"):
        SpatialTransformer(outside_penalty=-1)


def small_classifier():
    inputs = keras.Input((8, 8, 1))
    return keras.Model(inputs, layers.Dense(3)(layers.Flatten()(inputs)))


def test_any_transformer_goes_in_front_of_a_classifier(rng):
    model = with_spatial_transformer(
        small_classifier(), IterativeSpatialTransformer(steps=2), input_shape=(12, 12, 1)
    )
    assert model.predict(rng.random((2, 12, 12, 1), "float32"), verbose=0).shape == (2, 3)


@pytest.mark.parametrize("schedule", [False, True])
def test_the_localization_rate_is_real_under_adam(rng, schedule):
    images, targets = rng.random((4, 8, 8, 1), "float32"), rng.random((4, 3), "float32")
    rate = keras.optimizers.schedules.CosineDecay(1e-3, 100) if schedule else 1e-3

    def change_of_theta_bias(localization_rate):
        keras.utils.set_random_seed(0)
        model = with_spatial_transformer(
            small_classifier(), SpatialTransformer(layers.Flatten(), name="spatial_transformer")
        )
        optimizer = keras.optimizers.Adam(rate)
        if localization_rate:
            optimizer = with_localization_rate(optimizer, model, localization_rate)
        model.compile(optimizer, "mse")
        before = model.get_weights()
        model.train_on_batch(images, targets)
        moved = [b - a for a, b in zip(before, model.get_weights(), strict=True)]
        theta = len(localization_variables(model))
        return moved[:theta], moved[theta:]

    slow, rest = change_of_theta_bias(0.01)
    full, same_rest = change_of_theta_bias(None)
    for one, other in zip(slow, full, strict=True):
        np.testing.assert_allclose(one, 0.01 * other, atol=2e-7)
    assert any(np.abs(other).max() > 1e-4 for other in full)
    for one, other in zip(rest, same_rest, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_model_with_a_localization_rate_is_saved_and_goes_on(rng, tmp_path):
    images, targets = rng.random((4, 8, 8, 1), "float32"), rng.random((4, 3), "float32")
    model = with_spatial_transformer(small_classifier())
    rate = keras.optimizers.schedules.CosineDecay(1e-2, 10)
    model.compile(with_localization_rate(keras.optimizers.AdamW(rate), model, 0.1), "mse")
    model.fit(images, targets, epochs=2, verbose=0, shuffle=False)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    for each in (model, loaded):
        each.fit(images, targets, epochs=2, verbose=0, shuffle=False)
    for one, other in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_a_callback_sets_both_rates(rng):
    images, targets = rng.random((4, 8, 8, 1), "float32"), rng.random((4, 3), "float32")
    model = with_spatial_transformer(
        small_classifier(), SpatialTransformer(layers.Flatten(), name="spatial_transformer")
    )
    optimizer = with_localization_rate(keras.optimizers.Adam(1e-3), model, 0.1)
    model.compile(optimizer, "mse")
    rates, set_by_callback = [], [0.0, 5e-4, 2e-4]
    model.fit(
        images,
        targets,
        epochs=3,
        verbose=0,
        callbacks=[
            keras.callbacks.LearningRateScheduler(lambda epoch: set_by_callback[epoch]),
            keras.callbacks.LambdaCallback(
                on_epoch_end=lambda epoch, logs: rates.append(
                    [float(each.learning_rate) for each in optimizer.optimizers]
                )
            ),
        ],
    )
    np.testing.assert_allclose(rates, [[0.1 * rate, rate] for rate in set_by_callback], rtol=1e-6)


def test_the_slower_optimizer_decays_no_more_weights():
    model = with_spatial_transformer(
        small_classifier(), SpatialTransformer(layers.Flatten(), name="spatial_transformer")
    )
    adam = keras.optimizers.AdamW(1e-3)
    adam.exclude_from_weight_decay(var_names=["bias"])
    slower, rest = with_localization_rate(adam, model, 0.1).optimizers
    for variable in model.trainable_variables:
        assert slower._use_weight_decay(variable) == rest._use_weight_decay(variable)
    np.testing.assert_allclose(float(slower.learning_rate), 1e-4, rtol=1e-6)


def test_what_is_slower_is_decided_before_layers_are_frozen(rng):
    images, targets = rng.random((4, 8, 8, 1), "float32"), rng.random((4, 3), "float32")
    model = with_spatial_transformer(small_classifier())
    optimizer = with_localization_rate(keras.optimizers.Adam(), model, 0.1)
    model.get_layer("spatial_transformer").localization.trainable = False
    model.compile(optimizer, "mse")
    with pytest.raises(ValueError, match="freeze layers before"):
        model.train_on_batch(images, targets)


def test_iterative_theta_of_a_symbolic_tensor_makes_a_model(rng):
    inputs = keras.Input((12, 12, 1))
    layer = IterativeSpatialTransformer(layers.Flatten(), steps=3)
    assert layer.predict_theta(np.zeros((2, 12, 12, 1), "float32")).shape == (2, 6)
    layer(inputs)
    layer.regressor.kernel.assign(rng.normal(0, 1e-3, layer.regressor.kernel.shape))
    model = keras.Model(inputs, layer.predict_theta(inputs))
    images = rng.random((2, 12, 12, 1), "float32")
    theta = ops.convert_to_numpy(layer.predict_theta(images))
    np.testing.assert_allclose(model.predict(images, verbose=0), theta, atol=1e-6)
    assert model.output_shape == (None, 6)


@pytest.mark.parametrize(
    "kind", [SpatialTransformer, IterativeSpatialTransformer, ParallelSpatialTransformer]
)
def test_a_model_of_images_and_theta_saves_and_loads(rng, tmp_path, kind):
    inputs, other = keras.Input((8, 8, 1)), keras.Input((8, 8, 1))
    layer = kind(layers.Flatten(), "affine")
    outputs = [layer(inputs), layer.predict_theta(inputs), layer.predict_theta(other)]
    layer.regressor.kernel.assign(rng.normal(0, 1e-2, layer.regressor.kernel.shape))
    model = keras.Model([inputs, other], outputs)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    images = [rng.random((2, 8, 8, 1), "float32") for _ in range(2)]
    for before, now in zip(model(images), loaded(images), strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(now), ops.convert_to_numpy(before))
    assert len(loaded.weights) == len(model.weights) == 2


def test_iterative_takes_images_of_any_size(rng):
    inputs = keras.Input((None, None, 1))
    layer = IterativeSpatialTransformer(steps=2, output_size=8)
    model = keras.Model(inputs, layer(inputs))
    for size in (20, 33):
        images = rng.random((2, size, size + 1, 1), "float32")
        assert model.predict(images, verbose=0).shape == (2, 8, 8, 1)
    with pytest.raises(ValueError, match=r"localization_inputs.*\(2, 5\)"):
        IterativeSpatialTransformer(layers.Dense(4)).build((2, 8, 8, 1), (2, 5))


def test_a_classifier_of_any_size_gets_images_of_their_own_size():
    inputs = keras.Input((None, None, 1))
    features = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3)(inputs))
    classifier = keras.Model(inputs, layers.Dense(2)(features))
    model = with_spatial_transformer(classifier, input_shape=(28, 20, 1))
    assert model.get_layer("spatial_transformer").output.shape == (None, 28, 20, 1)


def test_a_localization_rate_needs_a_transformer_and_a_positive_rate():
    adam = keras.optimizers.Adam()
    with pytest.raises(ValueError, match="SpatialTransformer"):
        with_localization_rate(adam, small_classifier(), 0.1)
    model = with_spatial_transformer(small_classifier())
    with pytest.raises(ValueError, match="rate"):
        with_localization_rate(adam, model, 0)
    with pytest.raises(ValueError, match="global_clipnorm"):
        with_localization_rate(keras.optimizers.SGD(global_clipnorm=1.0), model, 0.1)
    with pytest.raises(ValueError, match="LossScaleOptimizer"):
        with_localization_rate(keras.optimizers.LossScaleOptimizer(adam), model, 0.1)
