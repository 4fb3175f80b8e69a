"""Bounds on theta: kept everywhere, smooth, and nothing at the start."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import ops

from stn_keras import SpatialTransformer, ThetaRegressor, transforms
from stn_keras.transforms.bounds import Bounds, positions
from tests.support.gradients import value_and_gradients

pytestmark = pytest.mark.backend

LIMITS = {"scale": (0.5, 2.0), "rotation_degrees": (-90, 30), "shift": (None, 0.25), "shear": 0.1}


def constrained(limits=None, start=None, name="decomposed_affine"):
    transform = transforms.get(name)
    return Bounds(transform, transform.identity if start is None else start, limits or LIMITS)


def theta_of(constraints, move):
    return ops.convert_to_numpy(constraints(ops.convert_to_tensor(np.float32(move))))


@given(st.lists(st.floats(-1e6, 1e6, width=32, allow_subnormal=False), min_size=6, max_size=6))
def test_bounds_are_kept_whatever_the_move(move):
    sx, sy, angle, shear, tx, ty = theta_of(constrained(), [move])[0]
    assert 0.5 <= min(sx, sy) <= max(sx, sy) <= 2
    assert -np.pi / 2 - 1e-6 <= angle <= np.pi / 6 + 1e-6
    assert shear == np.float32(0.1)
    assert max(tx, ty) <= 0.25
    free = np.array(move[4:]) < 0
    np.testing.assert_array_equal(np.array([tx, ty])[free], np.float32(move[4:])[free])


def test_every_move_has_its_own_theta():
    constraints = constrained({"rotation_degrees": (-90, 30)}, name="rotation")
    theta = theta_of(constraints, np.linspace(-3, 1, 101)[:, None])[:, 0]
    assert (np.diff(theta) > 0).all()


def test_no_move_is_the_start_bit_for_bit_with_slope_one():
    constraints, zero = constrained(), np.zeros((1, 6), "float32")
    np.testing.assert_array_equal(theta_of(constraints, zero), np.float32([[1, 1, 0, 0.1, 0, 0]]))
    for side in (-1e-6, 0, 1e-6):
        move = np.full((1, 6), side, "float32")
        _, (slope,) = value_and_gradients(lambda move: ops.sum(constraints(move)), move)
        np.testing.assert_allclose(slope[0], [1, 1, 1, 0, 1, 1], atol=1e-4)


def test_gradients_stay_finite_far_out():
    move = np.float32([[1e30, -1e30, 1e30, 1, -1e30, 50]])
    _, (slope,) = value_and_gradients(lambda move: ops.sum(constrained()(move)), move)
    assert np.isfinite(slope).all()


def test_groups_stand_for_their_parameters():
    assert positions(transforms.Affine(), "tx") == [2]
    assert positions(transforms.Affine(), "shift") == [2, 5]
    assert positions(transforms.Similarity(), "scale") == [0]
    assert positions(transforms.ThinPlateSpline((2, 3)), "offset") == list(range(12))
    assert positions(transforms.ThinPlateSpline((2, 3)), "dy1_0") == [7]


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"scale": (0.5, 2)}, "Affine has shift, a, b, tx"),
        ({"a": (1.5, 2)}, "both sides"),
        ({"a": (0, 1)}, "both sides"),
        ({"a": (2, 0)}, "low <= high"),
        ({"tx": float("nan")}, "low <= high"),
        ({"a": (0, 1, 2)}, "Expected \\(low, high\\)"),
        ({"a": "free"}, "Expected \\(low, high\\)"),
        ([("a", 1)], "dictionary"),
    ],
)
def test_bad_constraints_are_refused(limits, message):
    with pytest.raises(ValueError, match=message):
        SpatialTransformer(bounds=limits)


def test_a_constrained_transformer_starts_exact_learns_within_bounds_and_is_saved(rng, tmp_path):
    bounds = {"scale": (0.9, 1.1), "rotation_degrees": (-5, 5), "tx": 0.0}
    inputs = keras.Input((9, 9, 1))
    layer = SpatialTransformer(
        keras.layers.Flatten(), "similarity", bounds=bounds, outside_penalty=0.5
    )
    model = keras.Model(inputs, keras.layers.Flatten()(layer(inputs)))
    images = rng.random((6, 9, 9, 1), "float32")
    np.testing.assert_array_equal(model.predict(images, verbose=0), images.reshape(6, -1))
    model.compile(keras.optimizers.SGD(1e3), "mse")
    model.fit(images, rng.random((6, 81), "float32"), epochs=3, verbose=0)
    s, angle, tx, ty = ops.convert_to_numpy(layer.predict_theta(images)).T
    assert (abs(s - 1) <= 0.1 + 1e-6).all()
    assert (abs(angle) <= np.radians(5) + 1e-6).all()
    assert (tx == 0).all()
    assert (ty != 0).all()
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(
        loaded.predict(images, verbose=0), model.predict(images, verbose=0)
    )
    config = loaded.get_layer(layer.name).get_config()
    assert {name: np.ravel(v).tolist() for name, v in config["bounds"].items()} == {
        name: np.ravel(v).tolist() for name, v in bounds.items()
    }


def test_initial_theta_is_where_training_starts():
    start = [0.5, 0.2, 0.3]
    regressor = ThetaRegressor("attention", bounds={"s": (0.3, 1.0)}, initial_theta=start)
    theta = ops.convert_to_numpy(regressor(np.ones((2, 4), "float32")))
    np.testing.assert_array_equal(theta, np.float32([start, start]))
    with pytest.raises(ValueError, match="initial_theta"):
        ThetaRegressor("attention", initial_theta=[1, 0])
    with pytest.raises(ValueError, match="initial_theta"):
        SpatialTransformer(transform="attention", initial_theta=[start, start])
