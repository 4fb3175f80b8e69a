"""What the layers promise: shapes, precision, saving, errors."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import stn_keras
from experiments.networks.keras_post import cnn, dense_net, localization_net
from stn_keras import (
    BilinearSampler,
    GridGenerator,
    ParallelSpatialTransformer,
    SpatialTransformer,
    ThetaRegressor,
)
from stn_keras.models import with_spatial_transformer
from stn_keras.ops import sample
from stn_keras.transforms import Affine
from tests.support.arrays import EXACT

pytestmark = pytest.mark.backend


def transformer_model(input_shape=(28, 28, 1), **arguments):
    """A model that is nothing but a spatial transformer."""
    inputs = keras.Input(input_shape)
    return keras.Model(inputs, SpatialTransformer(name="transformer", **arguments)(inputs))


def perturb(model, rng):
    """Give every weight a random value, so that theta is far from the identity."""
    model.set_weights([rng.normal(0, 0.1, w.shape) for w in model.get_weights()])
    return model


def theta_of(layer, images):
    """The transform a layer chooses, as NumPy."""
    return ops.convert_to_numpy(layer.predict_theta(images))


def test_public_names():
    assert stn_keras.__all__ == [
        "BilinearSampler",
        "GridGenerator",
        "IterativeSpatialTransformer",
        "ParallelSpatialTransformer",
        "PolarTransformer",
        "Sampler",
        "SpatialTransformer",
        "ThetaRegressor",
        "__version__",
        "callbacks",
        "layers",
        "models",
        "ops",
        "optimizers",
        "register",
        "registration",
        "transforms",
        "with_spatial_transformer",
    ]
    assert all(hasattr(stn_keras, name) for name in stn_keras.__all__)


def test_untrained_transformer_returns_its_input(rng):
    images = rng.normal(size=(3, 28, 28, 1)).astype("float32")
    np.testing.assert_array_equal(transformer_model().predict(images, verbose=0), images)


@pytest.mark.parametrize("input_shape", [(28, 28, 1), (40, 20, 3), (1, 9, 2), (5, 1, 1)])
@pytest.mark.parametrize("output_size", [None, (7, 5), (60, 33), 4])
def test_output_shape_and_dynamic_batch(rng, input_shape, output_size):
    model = transformer_model(input_shape, output_size=output_size)
    size = (output_size, output_size) if isinstance(output_size, int) else output_size
    expected = (*(size or input_shape[:2]), input_shape[2])
    assert model.output_shape == (None, *expected)
    for batch in (1, 3):
        images = rng.normal(size=(batch, *input_shape)).astype("float32")
        assert model.predict(images, verbose=0).shape == (batch, *expected)


def test_images_of_any_size_with_a_fixed_output_size(rng):
    model = perturb(transformer_model((None, None, 3), output_size=(8, 6)), rng)
    for size in [(9, 5), (31, 40)]:
        images = rng.normal(size=(2, *size, 3)).astype("float32")
        assert model.predict(images, verbose=0).shape == (2, 8, 6, 3)
        layer = model.get_layer("transformer")
        static = layer.transform.source_coordinates(
            theta_of(layer, images), output_size=(8, 6), input_size=size
        )
        expected = ops.convert_to_numpy(sample(images, static))
        np.testing.assert_allclose(model.predict(images, verbose=0), expected, atol=1e-5)


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"output_size": (9, 14), "fill_mode": "nearest", "align_corners": True},
        {"localization": "model", "fill_value": -1.5, "interpolation": "bicubic"},
        {"fill_mode": "reflect", "fill_value": (0.5,), "data_format": "channels_last"},
        {"localization": "layer", "transform": Affine(align_corners=True), "align_corners": True},
    ],
    ids=["default", "arguments", "model", "fill", "layer"],
)
def test_saved_model_predicts_the_same_bits(rng, tmp_path, arguments):
    localizations = {"model": localization_net, "layer": layers.Flatten}
    if "localization" in arguments:
        arguments = {**arguments, "localization": localizations[arguments["localization"]]()}
    model = perturb(transformer_model(**arguments), rng)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    images = rng.normal(size=(5, 28, 28, 1)).astype("float32")
    before = model.predict(images, verbose=0)
    np.testing.assert_array_equal(loaded.predict(images, verbose=0), before)
    was, now = model.get_layer("transformer"), loaded.get_layer("transformer")
    assert np.abs(theta_of(was, images) - Affine().identity).max() > 1e-3
    for name in set(now.get_config()) - {"localization", "dtype"}:
        assert now.get_config()[name] == was.get_config()[name]
    np.testing.assert_array_equal(theta_of(now, images), theta_of(was, images))


def test_grid_sampler_and_regressor_save_and_load(rng, tmp_path):
    features, images = keras.Input((12,)), keras.Input((10, 8, 2))
    theta = ThetaRegressor()(features)
    coordinates = GridGenerator(output_size=(6, 5), input_size=(10, 8), align_corners=True)(theta)
    sampled = BilinearSampler(fill_mode="nearest")(images, coordinates)
    model = perturb(keras.Model([features, images], sampled), rng)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    inputs = [rng.normal(size=(3, *shape)).astype("float32") for shape in ((12,), (10, 8, 2))]
    before = model.predict(inputs, verbose=0)
    np.testing.assert_array_equal(loaded.predict(inputs, verbose=0), before)


@pytest.mark.parametrize("localization", [None, localization_net])
def test_every_part_learns_and_theta_leaves_the_identity(rng, localization):
    keras.utils.set_random_seed(0)
    transformer = SpatialTransformer(
        localization and localization(), fill_mode="nearest", name="spatial_transformer"
    )
    model = with_spatial_transformer(cnn(), transformer)
    model.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy")
    images = rng.uniform(size=(64, 28, 28, 1)).astype("float32")
    labels = rng.integers(10, size=64)
    before = model.get_weights()
    model.fit(images, labels, batch_size=16, epochs=2, verbose=0)
    moved = [not np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True)]
    assert all(moved)
    theta = theta_of(model.get_layer("spatial_transformer"), images)
    assert np.abs(theta - Affine().identity).max() > 1e-4


class Thumbnail(keras.layers.Layer):
    """A user's own localization layer, as tutorials write them: no `compute_output_shape`."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.flatten, self.dense = layers.Flatten(), layers.Dense(3)

    def call(self, images):
        return self.dense(self.flatten(images))


class ThumbnailModel(keras.Model):
    """A user's own localization model."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.pool, self.dense = layers.GlobalAveragePooling2D(), layers.Dense(3)

    def call(self, images):
        return self.dense(self.pool(images))


@pytest.mark.parametrize("localization", [Thumbnail, ThumbnailModel])
def test_any_layer_or_model_can_be_the_localization(rng, tmp_path, localization):
    model = perturb(transformer_model((9, 7, 2), localization=localization()), rng)
    assert len(model.get_weights()) == 4
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(
        tmp_path / "model.keras", custom_objects={localization.__name__: localization}
    )
    images = rng.normal(size=(3, 9, 7, 2)).astype("float32")
    before = model.predict(images, verbose=0)
    np.testing.assert_array_equal(loaded.predict(images, verbose=0), before)


def test_theta_may_be_asked_for_before_anything_else(rng):
    images = rng.normal(size=(2, 9, 7, 1)).astype("float32")
    layer = SpatialTransformer()
    np.testing.assert_array_equal(theta_of(layer, images), np.tile(Affine().identity, (2, 1)))
    np.testing.assert_array_equal(ops.convert_to_numpy(layer(images)), images)
    assert len(layer.get_weights()) == 14


def test_theta_of_a_symbolic_tensor_makes_a_model(rng):
    model = perturb(transformer_model(), rng)
    layer = model.get_layer("transformer")
    theta = keras.Model(model.inputs, layer.predict_theta(model.inputs[0]))
    images = rng.normal(size=(2, 28, 28, 1)).astype("float32")
    predicted = theta.predict(images, verbose=0)
    np.testing.assert_allclose(predicted, theta_of(layer, images), atol=1e-6)


def test_the_classifier_behind_a_transformer_is_unmodified():
    for classifier in (dense_net(), cnn()):
        count = classifier.count_params()
        model = with_spatial_transformer(classifier, SpatialTransformer(localization_net()))
        assert model.layers[-1] is classifier
        assert classifier.count_params() == count
        assert model.output_shape == classifier.output_shape


def test_a_channels_first_classifier_behind_a_transformer():
    inputs = keras.Input((3, 20, 16))
    classifier = keras.Model(inputs, layers.Dense(5)(layers.Flatten()(inputs)))
    transformer = SpatialTransformer(data_format="channels_first")
    model = with_spatial_transformer(classifier, transformer, input_shape=(3, 40, 30))
    assert transformer.output_size == (20, 16)
    assert model.output_shape == (None, 5)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_theta_and_coordinates_stay_float32_in_mixed_precision(rng, policy):
    images = rng.uniform(size=(2, 512, 512, 1)).astype("float32")
    theta = Affine().identity + rng.normal(0, 0.05, (2, 6)).astype("float32")
    exact = ops.convert_to_numpy(
        Affine().source_coordinates(
            theta.astype("float64"), output_size=(512, 512), input_size=(512, 512)
        )
    )
    keras.config.set_dtype_policy(policy)
    coordinates = GridGenerator(output_size=(512, 512))(ops.array(theta))
    assert np.abs(ops.convert_to_numpy(coordinates) - exact).max() < 1e-3
    read = ops.convert_to_numpy(BilinearSampler()(images, coordinates))
    expected = ops.convert_to_numpy(sample(images, coordinates))
    np.testing.assert_allclose(read, expected, atol=1e-6)
    layer = SpatialTransformer()
    warped = layer(images)
    assert keras.backend.standardize_dtype(layer.predict_theta(images).dtype) == "float32"
    assert keras.backend.standardize_dtype(warped.dtype) == policy.removeprefix("mixed_")
    as_read = ops.cast(ops.cast(images, warped.dtype), "float32")
    np.testing.assert_array_equal(
        ops.convert_to_numpy(ops.cast(warped, "float32")), ops.convert_to_numpy(as_read)
    )


def test_mixed_precision_model_trains_saves_and_loads(rng, tmp_path):
    keras.config.set_dtype_policy("mixed_bfloat16")
    model = with_spatial_transformer(cnn(), SpatialTransformer(localization_net()))
    model.compile("adam", "sparse_categorical_crossentropy")
    images = rng.uniform(size=(32, 28, 28, 1)).astype("float32")
    history = model.fit(images, rng.integers(10, size=32), verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    before = model.predict(images, verbose=0)
    np.testing.assert_array_equal(loaded.predict(images, verbose=0), before)


@pytest.mark.parametrize("output_size", [None, (5, 9)])
def test_channels_first_is_channels_last_transposed(rng, output_size):
    images = rng.normal(size=(2, 8, 6, 3)).astype("float32")
    theta = Affine().identity + rng.normal(0, 0.2, (2, 6)).astype("float32")
    last = SpatialTransformer(
        layers.Flatten(), output_size=output_size, data_format="channels_last"
    )
    first = SpatialTransformer(
        layers.Flatten(), output_size=output_size, data_format="channels_first"
    )
    expected = ops.convert_to_numpy(last.warp(ops.array(images), theta)).transpose(0, 3, 1, 2)
    transposed = images.transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(
        ops.convert_to_numpy(first.warp(ops.array(transposed), theta)), expected
    )
    height, width = output_size or (8, 6)
    assert first.compute_output_shape((None, 3, 8, 6)) == (None, 3, height, width)
    by_default = SpatialTransformer(output_size=output_size, data_format="channels_first")
    for layer in (first, by_default):
        assert tuple(layer(ops.array(transposed)).shape) == (2, 3, height, width)


def test_float64_throughout(rng):
    floatx = keras.config.floatx()
    keras.config.set_floatx(EXACT)
    try:
        images = rng.random((2, 8, 8, 1))
        layer = SpatialTransformer(dtype=EXACT)
        np.testing.assert_array_equal(ops.convert_to_numpy(layer(images)), images.astype(EXACT))
        limits = {"scale": (0.5, 2.0), "angle": 0.0}
        regressor = ThetaRegressor("similarity", bounds=limits, dtype=EXACT)
        theta = ops.convert_to_numpy(regressor(images))
        np.testing.assert_array_equal(theta, np.tile([1.0, 0, 0, 0], (2, 1)))
    finally:
        keras.config.set_floatx(floatx)


def test_the_symbolic_dtype_is_that_of_the_result(rng):
    coordinates = keras.Input((4, 4, 2))
    for dtype, policy in (("float32", "mixed_float16"), ("uint8", "mixed_float16")):
        images = keras.Input((4, 4, 1), dtype=dtype)
        values = rng.integers(0, 9, (1, 4, 4, 1)).astype(dtype)
        read = BilinearSampler(dtype=policy)(images, coordinates)
        assert read.dtype == "float32"
        layer = SpatialTransformer(dtype=policy)
        assert layer(images).dtype == "float16"
        assert keras.backend.standardize_dtype(layer(values).dtype) == "float16"


def test_a_frozen_transformer_stays_frozen(rng, tmp_path):
    frozen = transformer_model((8, 8, 1), trainable=False)
    thawed = transformer_model((8, 8, 1))
    thawed.get_layer("transformer").trainable = False
    thawed.save(tmp_path / "model.keras")
    for model in (frozen, thawed, keras.models.load_model(tmp_path / "model.keras")):
        assert not model.trainable_variables
        assert not model.get_layer("transformer").regressor.trainable


def test_whole_numbers_reach_any_localization_as_floats(rng):
    images = rng.integers(0, 256, (2, 8, 8, 1)).astype("uint8")
    layer = SpatialTransformer(Thumbnail(), dtype="mixed_bfloat16")
    assert keras.backend.standardize_dtype(layer(images).dtype) == "bfloat16"
    np.testing.assert_array_equal(theta_of(layer, images), np.tile(Affine().identity, (2, 1)))


@pytest.mark.parametrize(("images", "coordinates"), [((8, 8), (2, 2, 2)), ((8, 8, 1), (2, 2, 3))])
def test_a_sampler_in_a_model_checks_its_shapes(images, coordinates):
    with pytest.raises(ValueError, match="Expected images"):
        BilinearSampler()(keras.Input(images), keras.Input(coordinates))
    with pytest.raises(ValueError, match=r"one per channel \(1\)"):
        sample(keras.Input((8, 8, 1)), keras.Input((2, 2, 2)), fill_value=(1, 2))


def test_features_of_another_size_are_refused(rng):
    regressor = ThetaRegressor()
    regressor(rng.random((2, 8)))
    with pytest.raises(ValueError, match="expected axis 1"):
        regressor(rng.random((2, 16)))
    layer = SpatialTransformer(layers.Flatten(), output_size=8)
    assert layer(rng.random((2, 8, 8, 1))).shape == (2, 8, 8, 1)
    with pytest.raises(ValueError, match="expected axis 1"):
        layer(rng.random((2, 16, 16, 1)))


def test_images_are_read_at_a_theta_each_or_one_at_all(rng):
    layer = SpatialTransformer()
    images, theta = rng.random((5, 8, 8, 1)), np.tile(Affine().identity, (5, 1))
    layer(images)
    read = ops.convert_to_numpy(layer.warp(ops.convert_to_tensor(images[:1]), theta))
    np.testing.assert_array_equal(read, np.tile(images[:1].astype(read.dtype), (5, 1, 1, 1)))
    with pytest.raises(ValueError, match=r"theta.shape=\(7, 6\)"):
        layer.warp(images, np.tile(Affine().identity, (7, 1)))


@pytest.mark.parametrize(
    "theta", [[1, 0, 0.25, 0, 1, 0], [[1, 0, 0.25, 0, 1, 0]], [[1, 0, 0.25], [0, 1, 0]]]
)
def test_one_theta_is_applied_to_every_image(rng, theta):
    layer, images = SpatialTransformer(), rng.random((5, 8, 8, 1)).astype("float32")
    once = ops.convert_to_numpy(layer.warp(images, theta))
    assert np.any(once != images)
    for given in (np.array(theta, "float32"), np.tile(np.reshape(theta, (1, 6)), (5, 1)).tolist()):
        np.testing.assert_array_equal(ops.convert_to_numpy(layer.warp(images, given)), once)


def test_one_theta_of_parallel_transformers_is_applied_to_every_image(rng):
    layer, images = ParallelSpatialTransformer(count=2), rng.random((5, 8, 8, 1)).astype("float32")
    layer(images)
    one = layer.transform.identity + rng.normal(0, 0.1, (2, 6)).astype("float32")
    once, each = layer.warp(images, one), layer.warp(images, np.tile(one, (5, 1, 1)))
    np.testing.assert_array_equal(ops.convert_to_numpy(once), ops.convert_to_numpy(each))


@pytest.mark.parametrize("setting", ["mixed_bfloat16", "channels_first"])
def test_the_default_localization_outlives_keras_settings(rng, tmp_path, setting):
    data_format = keras.config.image_data_format()
    try:
        if setting == "channels_first":
            keras.config.set_image_data_format(setting)
        else:
            keras.config.set_dtype_policy(setting)
        inputs = keras.Input((40, 40, 3))
        model = keras.Model(inputs, SpatialTransformer(data_format="channels_last")(inputs))
        model.set_weights([rng.normal(0, 0.05, weight.shape) for weight in model.get_weights()])
        model.save(tmp_path / "model.keras")
        images = rng.random((2, 40, 40, 3), "float32")
        before = model.predict(images, verbose=0)
    finally:
        keras.config.set_image_data_format(data_format)
    keras.config.set_dtype_policy("float32")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.predict(images, verbose=0), before)
    localization = loaded.layers[-1].localization
    policies = {layer.dtype_policy.name for layer in localization.layers}
    assert policies == {loaded.layers[-1].dtype_policy.name}


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (
            lambda: SpatialTransformer(fill_mode="zeros"),
            "one of {'constant', ",
        ),
        (lambda: SpatialTransformer(fill_value="white"), "a finite number or one per channel"),
        (lambda: SpatialTransformer(interpolation="cubic"), "'bicubic'"),
        (lambda: SpatialTransformer(data_format="NCHW"), "'channels_first'"),
        (
            lambda: sample(np.zeros((1, 4, 4, 3)), np.zeros((1, 2, 2, 2)), fill_value=(1, 2)),
            r"one per channel \(3\)",
        ),
        (lambda: SpatialTransformer(transform="spline"), "Expected one of {'affine', 'attention'"),
        (lambda: SpatialTransformer(output_size=(0, 4)), "positive integers"),
        (lambda: SpatialTransformer(output_size=(4, 4, 1)), "positive integers"),
        (lambda: SpatialTransformer(localization="cnn"), "Keras layer"),
        (
            lambda: SpatialTransformer(transform=Affine(align_corners=True), align_corners=False),
            "the transform's own",
        ),
        (lambda: SpatialTransformer().build((None, 28, 28)), "Expected images"),
        (lambda: transformer_model((None, None, 1)), "output_size"),
        (
            lambda: SpatialTransformer(layers.Flatten(), output_size=4).build((1, None, None, 1)),
            "global or adaptive pooling",
        ),
        (lambda: Affine(align_corners="yes"), "True or False"),
        (
            lambda: Affine().source_coordinates(
                np.zeros((2, 5)), output_size=(2, 2), input_size=(2, 2)
            ),
            r"\(2, 5\)",
        ),
        (
            lambda: sample(np.zeros((1, 4, 4, 1)), np.zeros((1, 2, 2, 2)), interpolation="cubic"),
            "bilinear",
        ),
        (lambda: sample(np.zeros((4, 4, 1)), np.zeros((1, 2, 2, 2))), r"images.shape=\(4, 4, 1\)"),
        (lambda: sample(np.zeros((2, 4, 4, 1)), np.zeros((3, 2, 2, 2))), "one per coordinate grid"),
        (
            lambda: sample(np.zeros((1, 4, 4, 1)), np.zeros((1, 2, 2, 2), "float16")),
            "coordinates.dtype=float16",
        ),
    ],
)
def test_bad_arguments_say_what_was_expected_and_what_came(make, expected):
    with pytest.raises(ValueError, match=expected) as error:
        make()
    assert "\n" not in str(error.value).split("\n\nArguments received")[0]


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_supersampling_a_shrunken_image_is_area_averaging(rng, data_format):
    images = rng.random((2, 12, 18, 3), "float32")
    averages = images.reshape(2, 4, 3, 6, 3, 3).mean((2, 4))
    if data_format == "channels_first":
        images, averages = images.transpose(0, 3, 1, 2), averages.transpose(0, 3, 1, 2)
    layer = SpatialTransformer(output_size=(4, 6), supersample=3, data_format=data_format)
    shrunken = ops.convert_to_numpy(layer(images))
    np.testing.assert_allclose(shrunken, averages, atol=1e-6)
    assert SpatialTransformer.from_config(layer.get_config()).get_config()["supersample"] == 3


@pytest.mark.parametrize(
    "arguments", [{"supersample": 0}, {"supersample": 2, "align_corners": True}]
)
def test_bad_supersampling_is_refused(arguments):
    with pytest.raises(ValueError, match="supersample"):
        SpatialTransformer(**arguments)


def test_theta_from_one_tensor_transforms_another(rng, tmp_path):
    picture, maps = keras.Input((28, 28, 1)), keras.Input((14, 10, 8))
    layer = SpatialTransformer(output_size=7)
    model = keras.Model([picture, maps], layer(maps, localization_inputs=picture))
    assert model.output_shape == (None, 7, 7, 8)
    model.compile("sgd", "mse")
    data = [rng.random((3, 28, 28, 1), "float32"), rng.random((3, 14, 10, 8), "float32")]
    model.fit(data, rng.random((3, 7, 7, 8), "float32"), verbose=0)
    thetas = ops.convert_to_numpy(layer.predict_theta(data[0]))
    assert len(np.unique(thetas[:, 0])) == 3
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    expected = model.predict(data, verbose=0)
    np.testing.assert_array_equal(loaded.predict(data, verbose=0), expected)


def test_each_frame_of_a_video_is_warped_as_an_image(rng, tmp_path):
    layer = SpatialTransformer(layers.Flatten(), output_size=(5, 4))
    inputs = keras.Input((3, 8, 6, 2))
    model = perturb(keras.Model(inputs, layers.TimeDistributed(layer)(inputs)), rng)
    video = rng.random((2, 3, 8, 6, 2)).astype("float32")
    frames = model.predict(video, verbose=0)
    expected = ops.convert_to_numpy(layer(video.reshape(6, 8, 6, 2)))
    assert frames.shape == (2, 3, 5, 4, 2)
    np.testing.assert_allclose(frames.reshape(expected.shape), expected, atol=1e-5)
    assert np.abs(theta_of(layer, video[:, 0]) - Affine().identity).max() > 1e-2
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.predict(video, verbose=0), frames)


def test_a_transformer_in_a_nested_model_learns_as_in_a_flat_one(rng):
    images, targets = rng.random((8, 6, 6, 1), "float32"), rng.random((8, 2), "float32")
    learned = []
    for nested in (False, True):
        keras.utils.set_random_seed(0)
        inputs = keras.Input((6, 6, 1))
        outputs = layers.Flatten()(SpatialTransformer(layers.Flatten())(inputs))
        if nested:
            outputs = keras.Model(inputs, outputs)(inputs)
        model = keras.Model(inputs, layers.Dense(2)(outputs))
        model.compile(keras.optimizers.SGD(0.1), "mse")
        model.fit(images, targets, batch_size=4, epochs=2, shuffle=False, verbose=0)
        learned.append([*model.get_weights(), model.predict(images, verbose=0)])
    for ours, expected in zip(*learned, strict=True):
        np.testing.assert_allclose(ours, expected, atol=1e-5)
