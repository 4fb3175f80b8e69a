"""The paper's distortions: laws of each, and the layer that draws them while training."""

import keras
import numpy as np
import pytest
from keras import ops

from data_prep.distortions.paper import Cluttered, Elastic, Perspective, Placement
from data_prep.sets.paper import RECIPES
from experiments.data.random_warp import RandomWarp
from experiments.training.callbacks import GrowDistortion
from stn_keras.transforms import ThinPlateSpline
from tests.support.arrays import TOLERANCE

pytestmark = pytest.mark.backend

WARPS = {name: recipe.warp for name, recipe in RECIPES.items() if recipe.digits == 1}
ALMOST_ONE = np.nextafter(np.float32(1), np.float32(0))


def noise(warp, uniform, count=1):
    """Constant uniform noise, or a row of it; normal noise of zero."""
    rows = np.broadcast_to(np.float32(uniform), (count, warp.uniforms))
    return ops.convert_to_tensor(rows), ops.zeros((count, warp.normals))


def draw(warp, images, uniform):
    """What a warp makes of images by noise of those values, as NumPy."""
    drawn = warp(ops.convert_to_tensor(images), *noise(warp, uniform, len(images)))
    return ops.convert_to_numpy(drawn)


def random_noise(warp, rng, count):
    """Noise as data_prep draws it."""
    uniform = rng.random((count, warp.uniforms), "float32")
    return uniform, rng.standard_normal((count, warp.normals), "float32")


def theta_of(warp, uniform, normal, size=28):
    """Theta of NumPy noise, as NumPy."""
    theta = warp.theta(*map(ops.convert_to_tensor, (uniform, normal)), size)
    return ops.convert_to_numpy(theta)


@pytest.mark.parametrize(
    ("warp", "uniform"),
    [(Placement(28, 90), 0.5), (Perspective(), ALMOST_ONE), (Elastic(), ALMOST_ONE)],
    ids=["placement", "perspective", "elastic"],
)
def test_without_noise_at_full_scale_a_digit_stays_as_it_is(rng, warp, uniform):
    images = rng.random((2, 28, 28, 1), "float32")
    np.testing.assert_allclose(draw(warp, images, uniform), images, atol=1e-4)


@pytest.mark.parametrize("family", [Placement(28, 0, (0.5, 0.5)), Perspective(scale=(0.5, 0.5))])
def test_a_scale_of_one_half_draws_the_object_half_as_large(family):
    white = np.ones((1, 28, 28, 1), "float32")
    half = np.pad(np.ones((14, 14)), 7)
    np.testing.assert_allclose(draw(family, white, 0.5)[0, ..., 0], half, atol=1e-5)


def test_an_elastic_scale_of_one_half_draws_the_object_half_as_large():
    white = np.ones((1, 28, 28, 1), "float32")
    drawn = draw(Elastic(scale=(0.5, 0.5)), white, 0.5)[0, ..., 0]
    np.testing.assert_allclose(drawn, np.pad(np.ones((14, 14)), 7), atol=1e-4)


def test_a_positive_angle_turns_the_object_counter_clockwise_and_does_not_mirror_it(rng):
    images = rng.random((1, 28, 28, 1), "float32")
    turned = draw(Placement(28, rotation=90), images, [ALMOST_ONE, 0.5, 0.5, 0.5])
    np.testing.assert_allclose(turned, np.rot90(images, 1, (1, 2)), atol=1e-4)


@pytest.mark.parametrize(("place", "left", "top"), [((0, ALMOST_ONE), 0, 14), ((0.5, 0), 7, 0)])
def test_a_place_is_that_of_the_object(rng, place, left, top):
    images = rng.random((1, 28, 28, 1), "float32")
    expected = np.zeros((42, 42, 1))
    expected[top : top + 28, left : left + 28] = images[0]
    drawn = draw(Placement(42, rotation=45), images, [0.5, 0.5, *place])
    np.testing.assert_allclose(drawn[0], expected, atol=1e-4)


@pytest.mark.parametrize("scale", [0.7, 1.2])
@pytest.mark.parametrize("place", [0, ALMOST_ONE])
def test_the_unturned_frame_lies_wholly_on_the_canvas(scale, place):
    white = np.ones((1, 28, 28, 1), "float32")
    drawn = draw(Placement(42, 45, (scale, scale)), white, [0.5, 0.5, place, place])
    np.testing.assert_allclose(
        drawn.sum(), (28 * scale) ** 2, rtol=0.01
    )  # its edge lies between pixels


def test_corners_land_on_their_diagonals_where_they_were_moved(rng):
    warp = Perspective(deviation=3, scale=(0.8, 0.8))
    uniform, normal = random_noise(warp, rng, 20)
    matrix = np.append(theta_of(warp, uniform, normal), np.ones((20, 1)), -1).reshape(-1, 3, 3)
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    outwards = corners / np.sqrt(2)  # of length one
    moved = corners + 3 / 14 * normal[..., None] * outwards
    read = np.concatenate([moved, np.ones((20, 4, 1))], -1) @ matrix.transpose(0, 2, 1)
    # The frame that is stretched shows the digit at 0.8 of its size.
    expected = np.broadcast_to(corners / 0.8, (20, 4, 2))
    np.testing.assert_allclose(read[..., :2] / read[..., 2:], expected, atol=1e-3)


def test_control_points_are_read_where_they_were_moved(rng):
    warp = Elastic(scale=(0.8, 0.8))
    uniform, normal = random_noise(warp, rng, 5)
    theta = ops.convert_to_tensor(theta_of(warp, uniform, normal))
    spline = ThinPlateSpline((4, 4), align_corners=True)  # an output of 4x4 is the points alone
    read = (
        ops.convert_to_numpy(
            spline.source_coordinates(theta, output_size=(4, 4), input_size=(28, 28))
        )
        / 13.5
        - 1
    )
    y, x = np.meshgrid(*[np.linspace(-1, 1, 4)] * 2, indexing="ij")
    moved = np.stack([x, y], -1) + 1.5 / 14 * normal.reshape(5, 4, 4, 2)
    np.testing.assert_allclose(read, moved / 0.8, atol=1e-4)


def test_ranges_are_the_published_ones(rng):
    theta = theta_of(WARPS["paper-rts"], *random_noise(WARPS["paper-rts"], rng, 4000))
    scale, angle = 42 / (28 * theta[:, 0]), np.rad2deg(theta[:, 1])
    np.testing.assert_allclose(np.percentile(scale, [0, 50, 100]), [0.7, 0.95, 1.2], atol=0.02)
    np.testing.assert_allclose(np.percentile(angle, [0, 50, 100]), [-45, 0, 45], atol=2)
    turned = theta_of(WARPS["paper-r"], *random_noise(WARPS["paper-r"], rng, 4000))
    np.testing.assert_allclose(
        np.rad2deg([turned[:, 1].min(), turned[:, 1].max()]), [-90, 90], 0.01
    )
    elastic = WARPS["paper-e"]
    points = theta_of(
        elastic,
        ALMOST_ONE * np.ones((4000, 1), "float32"),
        rng.standard_normal((4000, 32), "float32"),
    )
    np.testing.assert_allclose(14 * points.std(), 1.5, rtol=0.02)


def test_a_cluttered_digit_is_whole_and_among_scraps_of_the_others(rng):
    warp = Cluttered(40, patches=3, patch_size=3)
    values = np.float32([0.2, 0.4, 0.6, 0.8])
    digits = np.broadcast_to(values[:, None, None, None], (4, 8, 8, 1))
    images = np.tile(digits, (50, 1, 1, 1))[:, :, :, :]
    drawn = ops.convert_to_numpy(
        warp(*map(ops.convert_to_tensor, (images, *random_noise(warp, rng, len(images)))))
    )[..., 0]
    for picture, own in zip(drawn, np.tile(values, 50), strict=True):
        assert set(np.unique(picture)) <= {0, *values}
        brighter = (picture > own).sum()
        assert 64 - brighter <= (picture == own).sum() <= 64 + 3 * 9
        assert 64 <= (picture > 0).sum() <= 64 + 3 * 9
    places = {tuple(np.argwhere(picture >= 0.8)[0]) for picture in drawn[3::4]}
    assert len(places) > 30


@pytest.mark.parametrize("corner", [0, ALMOST_ONE])
def test_cluttered_digits_and_scraps_reach_the_edges_of_the_canvas(rng, corner):
    warp = Cluttered(20, patches=1, patch_size=3)
    images = np.stack([np.full((8, 8, 1), 0.5), rng.random((8, 8, 1)) / 4 + 0.75]).astype("float32")
    drawn = draw(warp, images, corner)[0, ..., 0]
    expected = np.zeros((20, 20), "float32")
    digit, scrap = (slice(8), slice(3)) if corner == 0 else (slice(-8, None), slice(-3, None))
    expected[digit, digit], expected[scrap, scrap] = 0.5, images[1, scrap, scrap, 0]
    np.testing.assert_array_equal(drawn, expected)


def test_each_channel_is_distorted_by_its_own_noise(rng):
    warp, images = WARPS["paper-rts"], rng.random((3, 28, 28, 2), "float32")
    uniform, normal = random_noise(warp, rng, 6)
    both = ops.convert_to_numpy(warp(*map(ops.convert_to_tensor, (images, uniform, normal))))
    for channel in (0, 1):
        arrays = images[..., channel, None], uniform[channel::2], normal[channel::2]
        alone = ops.convert_to_numpy(warp(*map(ops.convert_to_tensor, arrays)))
        np.testing.assert_allclose(both[..., channel, None], alone, atol=TOLERANCE["float32"])


@pytest.mark.parametrize("warp", WARPS.values(), ids=WARPS)
def test_the_layer_draws_by_its_seed_and_only_while_training(rng, warp):
    images = rng.random((4, 28, 28, 1), "float32")
    layer, same, other = (RandomWarp(warp, seed) for seed in (1, 1, 2))
    one, again = (ops.convert_to_numpy(each(images, training=True)) for each in (layer, same))
    np.testing.assert_array_equal(one, again)
    assert (one != ops.convert_to_numpy(layer(images, training=True))).any()
    assert (one != ops.convert_to_numpy(other(images, training=True))).any()
    # With the same noise, it is what data_prep writes.
    drawn = warp(ops.convert_to_tensor(images), *RandomWarp(warp, 1).noise(4))
    np.testing.assert_allclose(one, ops.convert_to_numpy(drawn), atol=1e-5)
    on_canvas = rng.random((4, warp.canvas, warp.canvas, 1), "float32")
    np.testing.assert_array_equal(ops.convert_to_numpy(layer(on_canvas)), on_canvas)


def test_a_network_trains_on_drawn_images_and_is_measured_on_fixed_ones(rng):
    inputs = keras.Input((None, None, 1))
    network = keras.Sequential(
        [keras.Input((42, 42, 1)), keras.layers.Flatten(), keras.layers.Dense(2)]
    )
    model = keras.Model(inputs, network(RandomWarp(WARPS["paper-rts"], 0)(inputs)))
    model.compile("sgd", "mse")
    targets = np.zeros((8, 2))
    small, large = (rng.random((8, size, size, 1), "float32") for size in (28, 42))
    history = model.fit(small, targets, validation_data=(large, targets), epochs=2, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    expected = np.square(network.predict(large, verbose=0)).mean()
    np.testing.assert_allclose(history.history["val_loss"][-1], expected, rtol=1e-4)


@pytest.mark.parametrize("warp", WARPS.values(), ids=WARPS)
def test_without_strength_every_draw_is_the_middle_of_the_ranges(rng, warp):
    images = np.repeat(rng.random((1, 28, 28, 1), "float32"), 4, axis=0)
    layer = RandomWarp(warp, 0)
    layer.strength.assign(0)
    drawn = layer(images, training=True)
    middle = np.full((4, warp.uniforms), 0.5, "float32"), np.zeros((4, warp.normals), "float32")
    expected = warp(*map(ops.convert_to_tensor, (images, *middle)))
    np.testing.assert_allclose(*map(ops.convert_to_numpy, (drawn, expected)), atol=1e-5)


def test_each_channel_starts_at_a_place_of_its_own(rng):
    images = rng.random((3, 28, 28, 2), "float32")
    start = [[0.5, 0.5, 0.0, 0.5], [0.5, 0.5, 1.0, 0.5]]
    layer = RandomWarp(Placement(42, rotation=90), 0, start)
    layer = RandomWarp.from_config(layer.get_config())
    layer.strength.assign(0)
    drawn = ops.convert_to_numpy(layer(images, training=True))
    np.testing.assert_allclose(drawn[:, 7:35, :28, 0], images[..., 0], atol=1e-5)
    np.testing.assert_allclose(drawn[:, 7:35, 14:, 1], images[..., 1], atol=1e-5)
    assert not drawn[:, :, 28:, 0].any()


def test_a_distortion_grows_epoch_by_epoch_within_the_training_graph(rng):
    warp, images = WARPS["paper-r"], rng.random((16, 28, 28, 1), "float32")
    inputs = keras.Input((28, 28, 1))
    layer = RandomWarp(warp, 0)
    same = keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")
    model = keras.Model(inputs, same(layer(inputs)))
    model.compile(keras.optimizers.SGD(0.0), "mse")
    history = model.fit(
        images, images, epochs=4, callbacks=[GrowDistortion(2)], shuffle=False, verbose=0
    )
    # Not turned at all, by at most 45 degrees, by at most 90 as from then on.
    upright, half, whole, _ = history.history["loss"]
    assert upright < 1e-8
    assert half > 0.01
    assert float(layer.strength) == 1
    assert whole > 0.01


@pytest.mark.parametrize("warp", WARPS.values(), ids=WARPS)
def test_a_model_that_draws_is_remade_from_json(rng, warp):
    inputs = keras.Input((28, 28, 1))
    model = keras.Model(inputs, RandomWarp(warp, 3)(inputs))
    remade = keras.models.model_from_json(model.to_json())
    assert remade.layers[-1].warp == warp
    images = rng.random((4, 28, 28, 1), "float32")
    drawn, again = (ops.convert_to_numpy(each(images, training=True)) for each in (model, remade))
    np.testing.assert_array_equal(drawn, again)
