"""Polar coordinates: scikit-image's; turns and zooms become shifts; a center that learns."""

import keras
import numpy as np
import pytest
from keras import ops
from scipy import ndimage

from stn_keras import PolarTransformer
from stn_keras.ops import polar_coordinates, sample
from tests.support.gradients import value_and_gradients

pytestmark = pytest.mark.backend

SIZE = (41, 47)


def numpy(tensor):
    return ops.convert_to_numpy(tensor)


def polar(image, center=((0.0, 0.0),), output_size=(36, 24), **settings):
    places = polar_coordinates(center, output_size=output_size, input_size=SIZE, **settings)
    return numpy(sample(image[None, ..., None].astype("float32"), places))[0, ..., 0]


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("center", [None, (17.5, 29.0)])
def test_it_is_scikit_images_warp_polar(log, center, rng):
    warp_polar = pytest.importorskip("skimage.transform").warp_polar
    image = rng.random(SIZE)
    scaling = "log" if log else "linear"
    expected = warp_polar(image, center, radius=15, output_shape=(36, 24), scaling=scaling)
    row, column = center or [(length - 1) / 2 for length in SIZE]
    normalized = [[(2 * column + 1) / SIZE[1] - 1, (2 * row + 1) / SIZE[0] - 1]]
    found = polar(image, normalized, radius=15, log=log)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_a_turn_is_a_shift_of_rows(rng):
    """A smooth picture and the same a quarter of the circle further."""
    image = ndimage.gaussian_filter(rng.normal(size=(41, 41)), 2.0)
    turned = np.rot90(image)  # counter-clockwise, and rows run clockwise
    rows = 40
    settings = {"output_size": (rows, 16), "input_size": (41, 41), "radius": 18}
    places = polar_coordinates([[0.0, 0.0]], **settings)
    images = np.stack([image, turned])[..., None].astype("float32")
    before, after = numpy(sample(images, ops.repeat(places, 2, axis=0)))
    np.testing.assert_allclose(np.roll(before, -rows // 4, axis=0), after, atol=1e-4)


def test_a_zoom_is_a_shift_of_columns_in_log(rng):
    """Reading at distances twice as large, log 2 further right."""
    settings = {"output_size": (8, 32), "input_size": (129, 129), "log": True}
    near = numpy(polar_coordinates([[0.0, 0.0]], radius=2.0**4, **settings))
    step = 32 // 4  # columns for a factor of 2
    middle = (129 - 1) / 2
    np.testing.assert_allclose(
        near[:, :, step:] - middle, 2 * (near[:, :, :-step] - middle), atol=1e-3
    )


def test_the_center_moves_all_places_alike(rng):
    """By half the image's width and height for each unit."""
    weights = rng.normal(size=(1, 12, 10, 2)).astype("float32")

    def loss(center):
        sizes = {"output_size": (12, 10), "input_size": SIZE}
        places = polar_coordinates(center, log=True, **sizes)
        return ops.sum(places * ops.convert_to_tensor(weights))

    _, (gradient,) = value_and_gradients(loss, np.array([[0.1, -0.05]], "float32"))
    halves = np.array([SIZE[1] / 2, SIZE[0] / 2])
    np.testing.assert_allclose(gradient[0], weights.sum((0, 1, 2)) * halves, rtol=1e-4)


def test_the_layer_starts_at_the_middle(rng, tmp_path):
    images = rng.random((2, *SIZE, 3)).astype("float32")
    layer = PolarTransformer(output_size=(24, 16), radius=15, log=False)
    sizes = {"output_size": (24, 16), "input_size": SIZE}
    places = polar_coordinates(np.zeros((2, 2)), radius=15, log=False, **sizes)
    np.testing.assert_allclose(numpy(layer(images)), numpy(sample(images, places)), atol=1e-5)
    np.testing.assert_array_equal(numpy(layer.predict_center(images)), np.zeros((2, 2)))


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_the_layer_is_saved_and_loaded(data_format, rng, tmp_path):
    shape = (*SIZE, 3) if data_format == "channels_last" else (3, *SIZE)
    inputs = keras.Input(shape)
    layer = PolarTransformer(output_size=(8, 6), data_format=data_format)
    model = keras.Model(inputs, layer(inputs))
    layer.regressor.kernel.assign(rng.normal(0, 0.05, layer.regressor.kernel.shape))
    images = rng.random((2, *shape)).astype("float32")
    expected = model.predict(images, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.predict(images, verbose=0), expected)


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_the_output_has_the_policy_s_precision(dtype):
    layer = PolarTransformer(output_size=(8, 6), dtype="mixed_float16")
    symbolic = layer(keras.Input((*SIZE, 1), dtype=dtype))
    real = layer(np.zeros((1, *SIZE, 1), dtype))
    assert symbolic.dtype == keras.backend.standardize_dtype(real.dtype) == "float16"


def test_a_frozen_layer_stays_frozen(tmp_path):
    layer = PolarTransformer(output_size=(8, 6))
    layer.trainable = False
    model = keras.Sequential([keras.Input((*SIZE, 1)), layer])
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    for each in (model, loaded, keras.models.clone_model(model)):
        assert not each.trainable_variables


@pytest.mark.slow
def test_the_layer_learns_to_find_the_center(rng):
    """Rings of which only the columns' mean is seen: bright in one column where centered."""
    places = rng.uniform(-0.4, 0.4, (256, 2))
    rows, columns = np.mgrid[:32, :32]
    x, y = (16 * place[:, None, None] + 15.5 for place in places.T)
    distance = np.hypot(columns - x, rows - y)
    images = np.exp(-((distance - 6) ** 2) / 4)[..., None].astype("float32")
    layer = PolarTransformer(output_size=(24, 12), radius=12, log=False)
    inputs = keras.Input((32, 32, 1))
    profile = keras.layers.Lambda(lambda polar: ops.mean(polar, axis=(1, 3)), output_shape=(12,))
    model = keras.Model(inputs, profile(layer(inputs)))
    model.compile(keras.optimizers.Adam(3e-3), "mse")
    target = np.exp(-((np.arange(12) - 6) ** 2) / 4).astype("float32")
    model.fit(images, np.tile(target, (256, 1)), batch_size=32, epochs=20, verbose=0)
    found = numpy(layer.predict_center(images))
    assert np.abs(found - places).mean() < 0.05


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"center": [0.0, 0.0]}, "center"),
        ({"radius": 0.5, "log": True}, "radius"),
        ({"radius": -1, "log": False}, "radius"),
        ({"output_size": 0}, "output_size"),
    ],
)
def test_bad_arguments_are_refused(changed, message):
    arguments = {"center": [[0.0, 0.0]], "output_size": (8, 8), "input_size": SIZE, **changed}
    with pytest.raises(ValueError, match=message):
        polar_coordinates(**arguments)
