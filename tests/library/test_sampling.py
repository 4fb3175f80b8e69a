"""`ops.sample`: laws, odd places, dtypes, and the same values however it is compiled."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import ops

from stn_keras.core.fill_modes import FILL_MODES
from stn_keras.core.kernels import INTERPOLATIONS
from stn_keras.ops import sample
from tests.support.arrays import EQUAL_NEIGHBORS, EXACT, NUMPY_PAD, TOLERANCE
from tests.support.arrays import sample as quick_sample
from tests.support.gradients import value_and_gradients

pytestmark = pytest.mark.backend

SIDES = st.integers(1, 12)


@given(
    size=st.tuples(SIDES, SIDES),
    shift=st.tuples(st.integers(-14, 14), st.integers(-14, 14)),
    fill_mode=st.sampled_from(FILL_MODES),
    interpolation=st.sampled_from(INTERPOLATIONS),
)
def test_whole_pixel_shift_is_bit_exact(size, shift, fill_mode, interpolation):
    height, width = size
    down, right = shift
    images = np.random.default_rng(0).normal(size=(1, height, width, 2)).astype("float32")
    y, x = np.mgrid[:height, :width].astype("float32")
    coordinates = np.stack([x + right, y + down], axis=-1)[None]
    padded = np.pad(images, ((0, 0), (14, 14), (14, 14), (0, 0)), **NUMPY_PAD[fill_mode])
    expected = padded[:, 14 + down :, 14 + right :][:, :height, :width]
    shifted = quick_sample(images, coordinates, interpolation, fill_mode, fill_value=0.25)
    np.testing.assert_array_equal(ops.convert_to_numpy(shifted), expected)


@pytest.mark.parametrize("fill_mode", FILL_MODES)
@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_sampling_is_linear_in_the_images(rng, fill_mode, interpolation):
    first, second = rng.normal(size=(2, 3, 6, 5, 2))
    coordinates = rng.uniform(-3, 8, (3, 4, 7, 2))
    both, one, other = (
        ops.convert_to_numpy(quick_sample(images, coordinates, interpolation, fill_mode))
        for images in (2 * first - 3 * second, first, second)
    )
    np.testing.assert_allclose(both, 2 * one - 3 * other, atol=TOLERANCE[EXACT])


@pytest.mark.parametrize("fill_mode", FILL_MODES)
@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_one_image_at_many_grids_equals_its_copies(rng, fill_mode, interpolation):
    image, coordinates = rng.normal(size=(1, 6, 5, 2)), rng.uniform(-9, 15, (4, 3, 7, 2))
    copies = quick_sample(np.tile(image, (4, 1, 1, 1)), coordinates, interpolation, fill_mode)
    shared = quick_sample(image, coordinates, interpolation, fill_mode)
    np.testing.assert_array_equal(ops.convert_to_numpy(shared), ops.convert_to_numpy(copies))


@pytest.mark.parametrize(
    ("fill_mode", "fill_value"), [("constant", np.array([0.5, 1.0])), ("mirror", 0.0)]
)
def test_sample_of_symbolic_tensors_makes_a_model(rng, tmp_path, fill_mode, fill_value):
    images = rng.integers(0, 255, (3, 5, 4, 2)).astype("uint8")
    coordinates = rng.uniform(-3, 7, (3, 6, 2, 2)).astype("float32")
    inputs = [keras.Input((None, None, 2), dtype="uint8"), keras.Input((6, 2, 2))]
    read = sample(*inputs, "bicubic", fill_mode, fill_value)
    assert (read.shape, read.dtype) == ((None, 6, 2, 2), "float32")
    model = keras.Model(inputs, read)
    model.save(tmp_path / "model.keras")
    expected = sample(images, coordinates, "bicubic", fill_mode, fill_value)
    for each in (model, keras.saving.load_model(tmp_path / "model.keras")):
        np.testing.assert_allclose(each([images, coordinates]), expected, rtol=1e-6)
    with pytest.raises(ValueError, match="one image, or one per coordinate grid"):
        sample(keras.Input((5, 4, 2), batch_size=2), keras.Input((6, 2, 2), batch_size=3))


def compiled(function):
    """The function as it is, and in the ways the backend can compile it."""
    yield function
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        yield tf.function(function)
        yield tf.function(function, jit_compile=True)
    elif keras.backend.backend() == "jax":
        import jax

        yield jax.jit(function)


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize("fill_mode", ["constant", "nearest"])
def test_odd_coordinates_are_defined_however_compiled(rng, interpolation, fill_mode):
    images = rng.normal(size=(1, 3, 4, 2)).astype("float32")
    odd = np.array([np.nan, np.inf, -np.inf, 1e30, -1e30], "float32")
    coordinates = np.stack([odd, np.ones(5, "float32")], -1)[None, :, None]
    edges = {"constant": [7.0, 7.0], "nearest": [images[0, 1, -1], images[0, 1, 0]]}[fill_mode]

    def read(images, coordinates):
        return sample(images, coordinates, interpolation, fill_mode, fill_value=7.0)

    for function in compiled(read):
        values = ops.convert_to_numpy(function(ops.array(images), ops.array(coordinates)))
        assert np.isnan(values[0, 0]).all()
        for index, edge in zip((1, 2, 3, 4), edges * 2, strict=True):
            np.testing.assert_allclose(values[0, index, 0], edge, rtol=EQUAL_NEIGHBORS)


@pytest.mark.parametrize("fill_mode", FILL_MODES)
@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_compiling_changes_nothing(rng, fill_mode, interpolation):
    images = rng.normal(size=(2, 5, 7, 3)).astype("float32")
    coordinates = rng.uniform(-20, 25, size=(2, 4, 6, 2)).astype("float32")
    first, *others = (
        ops.convert_to_numpy(function(ops.array(images), ops.array(coordinates)))
        for function in compiled(lambda i, c: sample(i, c, interpolation, fill_mode))
    )
    for other in others:
        np.testing.assert_allclose(other, first, atol=1e-5)


@pytest.mark.parametrize("size", [(30, 34), (9, 8, 11)])
@pytest.mark.parametrize("fill_value", [0.0, 7.0, (0.5, -1.0)])
@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_few_places_are_read_as_among_many(rng, interpolation, fill_value, size):
    images = rng.normal(size=(2, *size, 2)).astype("float32")
    few = rng.uniform(-4, np.add(size[::-1], 4), (2, *(3,) * len(size), len(size)))
    few = few.astype("float32")
    many = np.concatenate([few] * 300, axis=1)
    weights = rng.normal(size=(*few.shape[:-1], 2)).astype("float32")

    def results(places):
        def loss(images, places):
            read = sample(images, places, interpolation, fill_value=fill_value)[:, :3]
            return ops.sum(read * ops.array(weights))

        value, (to_images, to_places) = value_and_gradients(loss, images, places)
        return value, to_images, to_places[:, :3]

    for ours, expected in zip(results(few), results(many), strict=True):
        np.testing.assert_allclose(ours, expected, atol=1e-4)


@pytest.mark.parametrize(
    ("dtype", "read_as"),
    [
        ("uint8", "float32"),
        ("int32", "float32"),
        ("float16", "float16"),
        ("bfloat16", "bfloat16"),
        ("float64", "float64"),
    ],
)
def test_image_dtypes(rng, dtype, read_as):
    images = ops.cast(rng.integers(0, 100, (1, 4, 4, 1)), dtype)
    coordinates = np.stack(np.meshgrid(*[np.arange(4, dtype="float32")] * 2), -1)[None]
    read = sample(images, coordinates)
    assert keras.backend.standardize_dtype(read.dtype) == read_as
    np.testing.assert_array_equal(ops.cast(read, "float64"), ops.cast(images, "float64"))


def test_empty_batch_and_single_pixels():
    assert sample(np.zeros((0, 4, 4, 1)), np.zeros((0, 2, 3, 2))).shape == (0, 2, 3, 1)
    assert float(sample(np.ones((1, 1, 1, 1)), np.zeros((1, 1, 1, 2)))[0, 0, 0, 0]) == 1
