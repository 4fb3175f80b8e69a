"""What the monitor promises: pictures, columns, warnings, and a training that does not notice."""

import csv
import importlib.util
import sys
import warnings

import keras
import numpy as np
import pytest
from keras import layers, ops

import stn_keras
from stn_keras import ParallelSpatialTransformer, SpatialTransformer
from stn_keras.callbacks import TransformerMonitor
from stn_keras.monitor import callback, pictures
from stn_keras.transforms import (
    Affine,
    Attention,
    AxisAligned,
    DenseFlow,
    Homography,
    Rotation,
    Similarity,
    ThinPlateSpline,
    Translation,
)
from stn_keras.transforms.thin_plate_spline import control_points
from tests.support.arrays import COMPILES_EACH_SHAPE

pytestmark = pytest.mark.backend

pytest.importorskip("matplotlib", reason="the optional matplotlib draws the pictures")
Image = pytest.importorskip("PIL.Image", reason="the optional Pillow writes the GIF")

SIZE, OUTPUT_SIZE = (9, 13), (6, 7)
SCALE, DEGREES, SHIFT = 0.5, 30, (0.2, -0.1)


def similarity(align_corners=False):
    """The affine theta, in normalized coordinates, that turns and scales pixels of the input."""
    cosine, sine = SCALE * np.cos(np.radians(DEGREES)), SCALE * np.sin(np.radians(DEGREES))
    height, width = np.array(SIZE) - align_corners
    x, y = SHIFT
    return np.array([[cosine, -sine * height / width, x], [sine * width / height, cosine, y]])


MATRIX = similarity()


def transformer(bias, size=SIZE, channels=1, **arguments):
    """A model that is one transformer whose theta is `bias`, plus what a kernel adds to it."""
    layer = SpatialTransformer(layers.Flatten(), name="transformer", **arguments)
    model = keras.Sequential([keras.Input((*size, channels)), layer])
    layer.regressor.bias.assign(np.asarray(bias, "float32"))
    return model


def driven(model, parameter):
    """The model, its first pixel now added to a parameter of theta."""
    kernel = model.layers[0].regressor.kernel
    kernel.assign(np.eye(kernel.shape[0], kernel.shape[1], parameter))
    return model


def images_of(first_pixels):
    """Images, black but for the first pixel."""
    images = np.zeros((len(first_pixels), *SIZE, 1), "float32")
    images[:, 0, 0, 0] = first_pixels
    return images


def run(monitor, model, first=0, epochs=1):
    """The calls of a training without a step; the logs of its epochs."""
    monitor.set_model(model)
    monitor.on_train_begin()
    history = [{} for _ in range(first, epochs)]
    for epoch, logs in enumerate(history, first):
        monitor.on_epoch_begin(epoch)
        monitor.on_epoch_end(epoch, logs)
    monitor.on_train_end()
    return history


def watch(model, folder, images=None, **arguments):
    """The columns of one epoch, without their prefix."""
    images = images_of([0]) if images is None else images
    (logs,) = run(TransformerMonitor(images, folder, shown=1, **arguments), model)
    return {name.removeprefix("theta_"): value for name, value in logs.items()}


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def flow_of_the_similarity(size):
    coordinates = ops.convert_to_numpy(
        Affine().source_coordinates(MATRIX[None], output_size=size, input_size=SIZE)
    )
    start = ops.convert_to_numpy(
        DenseFlow(size).source_coordinates(
            np.zeros((1, *size, 2)), output_size=size, input_size=SIZE
        )
    )
    return (coordinates - start).ravel()


def moves_of_the_similarity(matrix):
    points = control_points((4, 4))
    return (points @ matrix[:, :2].T + matrix[:, 2] - points).ravel()


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize(
    ("family", "theta"),
    [
        (Similarity, lambda matrix: [SCALE, np.radians(DEGREES), *SHIFT]),
        (Affine, np.ravel),
        (Homography, lambda matrix: [*matrix.ravel(), 0, 0]),
        (ThinPlateSpline, moves_of_the_similarity),
    ],
)
def test_columns_say_what_a_similarity_does_whatever_the_family(
    tmp_path, family, theta, align_corners
):
    transform = family(align_corners=align_corners)
    arguments = {"transform": transform, "align_corners": align_corners}
    bias = theta(similarity(align_corners))
    columns = watch(transformer(bias, output_size=OUTPUT_SIZE, **arguments), tmp_path)
    expected = {"scale": SCALE, "rotation": DEGREES, "shift_x": SHIFT[0], "shift_y": SHIFT[1]}
    for name, value in expected.items():
        assert columns[name] == pytest.approx(value, abs=1e-4)
    for name in ("scale_std", "rotation_std", "shift_std"):
        assert columns[name] == pytest.approx(0, abs=1e-4)
    assert columns["nan"] == 0


@pytest.mark.parametrize(
    ("transform", "theta", "expected"),
    [
        (Translation(), [1, 0], {"scale": 1, "shift_x": 1, "outside": 6 / 13}),
        (Attention(), [2, 0, 0.5], {"scale": 2, "rotation": 0, "shift_y": 0.5}),
        (AxisAligned(), [0.5, -2, 0, 0], {"scale": 1, "rotation": 0}),
        (Rotation(), [-np.pi / 3], {"scale": 1, "rotation": -60}),
        (DenseFlow(SIZE), flow_of_the_similarity(SIZE), {"scale": SCALE, "rotation": DEGREES}),
        (Affine(), [0] * 6, {"scale": 0, "shift_x": 0, "outside": 0}),
    ],
    ids=lambda value: type(value).__name__ if hasattr(value, "theta_shape") else "",
)
@pytest.mark.filterwarnings("ignore:After epoch")
def test_columns_of_other_families(tmp_path, transform, theta, expected):
    columns = watch(transformer(theta, transform=transform), tmp_path)
    for name, value in expected.items():
        assert columns[name] == pytest.approx(value, abs=1e-4)


@pytest.mark.parametrize("align_corners", [False, True])
def test_columns_of_the_identity_with_one_pixel_along_an_axis(tmp_path, align_corners):
    model = transformer(Affine().identity, (1, 8), align_corners=align_corners)
    columns = watch(model, tmp_path, np.zeros((1, 1, 8, 1)))
    assert columns["scale"] == pytest.approx(1)
    assert columns["rotation"] == columns["outside"] == 0


def test_spread_is_over_the_images_and_angles_go_round(tmp_path):
    model = driven(transformer([0], transform="rotation"), 0)
    columns = watch(model, tmp_path, images_of(np.radians([170, -170])))
    assert abs(columns["rotation"]) == pytest.approx(180, abs=1e-3)
    assert columns["rotation_std"] == pytest.approx(10, abs=1e-3)
    model = driven(transformer([1, 0, 0], transform="attention"), 0)
    columns = watch(model, tmp_path, images_of([0, 0.2]))
    assert columns["scale"] == pytest.approx(1.1)
    assert columns["scale_std"] == pytest.approx(0.1)
    model = driven(transformer([0, 0.5], transform="translation"), 0)
    columns = watch(model, tmp_path, images_of([0.3, -0.3]))
    assert columns["shift_x"] == pytest.approx(0, abs=1e-6)
    assert columns["shift_std"] == pytest.approx(0.3)


def test_behind_the_camera_counts_as_outside_alone(tmp_path):
    model = driven(transformer(Homography().identity, transform="homography"), 6)
    columns = watch(model, tmp_path, images_of([0, 2]))
    assert (columns["scale"], columns["rotation"], columns["nan"]) == (1, 0, 0)
    assert 0.25 / 2 < columns["outside"] < 0.5
    columns = watch(model, tmp_path, images_of([2]))
    assert np.isnan(columns["scale"])
    assert columns["outside"] > 0.25


def test_theta_that_is_not_a_number_is_counted_by_itself(tmp_path):
    model = driven(transformer([1, 0, 1, 0, 1, 0]), 0)
    with pytest.warns(UserWarning, match="not finite for 1 of the images"):
        columns = watch(model, tmp_path, images_of([0, np.nan, 0]))
    assert columns["nan"] == 1
    assert (columns["scale"], columns["outside"]) == pytest.approx((1, 6 / 13))


@pytest.mark.parametrize(
    ("theta", "text"),
    [
        ([0.03, 0, 0, 0, 0.03, 0], "a scale of 0.030"),
        ([1, 0, 3, 0, 1, 0], "outside the images: 100%"),
        ([np.nan] * 6, "not finite for 2 of the images"),
    ],
)
def test_one_warning_for_each_trouble(tmp_path, theta, text):
    monitor = TransformerMonitor(images_of([0, 0]), tmp_path, shown=1)
    model = transformer(theta)
    for _ in range(2):  # each training warns anew
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)
            run(monitor, model, epochs=2)
        (warning,) = (one for one in caught if one.category is UserWarning)
        message = str(warning.message)
        assert message.startswith("After epoch 1 'transformer' ")
        assert text in message
        assert "with_localization_rate" in message
        assert "\n" not in message


@pytest.mark.parametrize(
    ("threshold", "pixels", "warned"),
    [(9, [0, 1], True), (0, [0, 1], False), (9, [1, 1], False), (9, [1], False)],
)
def test_a_localization_network_that_has_died_is_told_of(tmp_path, threshold, pixels, warned):
    relu = layers.ReLU(threshold=threshold)  # no pixel reaches 9
    layer = SpatialTransformer(keras.Sequential([layers.Flatten(), relu]))
    model = keras.Sequential([keras.Input((*SIZE, 1)), layer])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        watch(model, tmp_path, images_of(pixels))
    assert any("sees no difference" in str(one.message) for one in caught) == warned


def classifier(channels=1):
    """A transformer inside a nested model; the same weights and dropout each time."""
    keras.utils.set_random_seed(1)
    inputs = keras.Input((*SIZE, channels))
    layer = SpatialTransformer(
        keras.Sequential([layers.Flatten(), layers.Dropout(0.5)]), name="transformer"
    )
    nested = keras.Model(inputs, layers.Dense(2)(layers.Flatten()(layer(inputs))))
    return keras.Sequential([keras.Input((*SIZE, channels)), nested])


def fit(model, images, *callbacks, epochs=2, **arguments):
    """A short training to a fixed answer, the same each time."""
    keras.utils.set_random_seed(0)
    # Two steps: on JAX alone they are faster compiled.
    model.compile(keras.optimizers.SGD(0.001), "mse", run_eagerly=not COMPILES_EACH_SHAPE)
    targets = np.tile(np.float32([1, -1]), (len(images), 1))
    callbacks = list(callbacks)
    return model.fit(
        images, targets, callbacks=callbacks, epochs=epochs, verbose=0, batch_size=4, **arguments
    )


def test_a_training_leaves_pictures_and_columns_and_is_not_changed(rng, tmp_path):
    images = rng.random((8, *SIZE, 3)).astype("float32")
    pictures, table = tmp_path / "new" / "pictures", tmp_path / "history.csv"
    model = classifier(3)
    monitor = TransformerMonitor(images, pictures, labels="abcdefgh", shown=4)
    history = fit(model, images, monitor, keras.callbacks.CSVLogger(table)).history
    assert names(pictures) == ["epoch-000.png", "epoch-001.png", "epoch-002.png", "epochs.gif"]
    with Image.open(pictures / "epochs.gif") as gif:
        assert gif.n_frames == 3
        sizes = {gif.size} | {Image.open(path).size for path in pictures.glob("*.png")}
    assert len(sizes) == 1

    with table.open() as file:
        rows = list(csv.DictReader(file))
    columns = [name for name in history if name.startswith("theta_")]
    assert columns == [
        "theta_scale",
        "theta_scale_std",
        "theta_rotation",
        "theta_rotation_std",
        "theta_shift_x",
        "theta_shift_y",
        "theta_shift_std",
        "theta_outside",
        "theta_nan",
    ]
    for name in columns:
        assert [float(row[name]) for row in rows] == pytest.approx(history[name])

    # What was logged is what the weights at the end of the epoch do.
    again = watch(model, tmp_path / "again", images)
    for name in ("scale", "rotation", "shift_x"):
        assert history[f"theta_{name}"][1] == pytest.approx(again[name], rel=1e-4)
        assert history[f"theta_{name}"][0] != pytest.approx(again[name], rel=1e-3)

    unwatched = classifier(3)
    fit(unwatched, images)
    for after, expected in zip(model.get_weights(), unwatched.get_weights(), strict=True):
        np.testing.assert_allclose(after, expected, atol=1e-6)


def test_columns_reach_tensorboard(tmp_path):
    accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator",
        reason="the optional tensorboard reads and writes event files",
    )
    pytest.importorskip("tensorflow", reason="Keras writes event files with TensorFlow")
    board = keras.callbacks.TensorBoard(tmp_path / "board", write_graph=False)
    monitor = TransformerMonitor(images_of([0]), tmp_path / "pictures", prefix="stn")
    fit(classifier(), images_of(range(4)), monitor, board, epochs=1)
    events = accumulator.EventAccumulator(str(tmp_path / "board" / "train"))
    events.Reload()
    written = {tag for kind in ("tensors", "scalars") for tag in events.Tags()[kind]}
    assert {"epoch_stn_scale", "epoch_stn_outside", "epoch_stn_nan"} <= written


def test_pictures_of_an_abandoned_training_are_removed(tmp_path):
    model, images = transformer(Affine().identity), images_of([0])
    other = tmp_path / "epoch-final.png"
    other.write_bytes(b"of somebody else")
    run(TransformerMonitor(images, tmp_path), model, epochs=4)
    before = (tmp_path / "epoch-001.png").read_bytes()
    run(TransformerMonitor(images, tmp_path), model, first=2, epochs=3)
    drawn = [f"epoch-00{number}.png" for number in range(4)]
    assert names(tmp_path) == [*drawn, other.name, "epochs.gif"]
    assert (tmp_path / "epoch-001.png").read_bytes() == before
    with Image.open(tmp_path / "epochs.gif") as gif:
        assert gif.n_frames == 4
    run(TransformerMonitor(images, tmp_path), model, epochs=1)
    assert names(tmp_path) == [*drawn[:2], other.name, "epochs.gif"]


def test_the_film_has_pictures_of_one_size(tmp_path):
    model = transformer(Affine().identity)
    run(TransformerMonitor(images_of([0, 0]), tmp_path), model)
    run(TransformerMonitor(images_of([0]), tmp_path), model, first=1, epochs=2)
    assert len(names(tmp_path)) == 4
    with Image.open(tmp_path / "epochs.gif") as gif:
        assert gif.n_frames == 2


def test_the_film_follows_the_numbers_beyond_999(tmp_path):
    for number in (998, 1000, 999):
        Image.new("L", (4, 4), number - 900).save(tmp_path / f"epoch-{number}.png")
    assert list(pictures.epoch_pictures(tmp_path)) == [998, 999, 1000]


def test_nothing_happens_where_there_is_no_epoch(tmp_path):
    run(TransformerMonitor(images_of([0]), tmp_path), transformer(Affine().identity), epochs=0)
    assert names(tmp_path) == []


def test_a_picture_is_whole_or_absent(tmp_path, monkeypatch):
    def break_off(figure, path, **_):
        path.write_text("ha")
        raise KeyboardInterrupt

    path = tmp_path / "epoch-000.png"
    path.write_text("whole")
    monkeypatch.setattr("matplotlib.figure.Figure.savefig", break_off)
    with pytest.raises(KeyboardInterrupt):
        watch(transformer(Affine().identity), tmp_path)
    assert names(tmp_path) == [path.name]
    assert path.read_text() == "whole"


def test_the_frame_is_the_output_s_outline():
    theta = MATRIX[None].astype("float32")
    coordinates = ops.convert_to_numpy(
        Affine().source_coordinates(theta, output_size=OUTPUT_SIZE, input_size=SIZE)
    )[0]
    points = pictures.with_border(coordinates)
    corners = np.array([[-1, -1, 1], [1, -1, 1], [-1, 1, 1], [1, 1, 1]]) @ MATRIX.T
    height, width = SIZE
    pixels = corners * (width / 2, height / 2) + ((width - 1) / 2, (height - 1) / 2)
    seen = points[[0, 0, -1, -1], [0, -1, 0, -1]]
    np.testing.assert_allclose(seen, pixels, atol=1e-5)
    assert pictures.with_border(coordinates[:1, :1]).shape == (3, 3, 2)


def test_a_frame_larger_than_what_is_seen_stays_in_its_window(tmp_path):
    watch(transformer([1.6, 0, 0], transform="attention"), tmp_path)
    colour = [int(pictures.FRAME_COLORS[0][i : i + 2], 16) for i in (1, 3, 5)]
    picture = np.asarray(Image.open(tmp_path / "epoch-001.png").convert("RGB"))
    rows = (picture == colour).all(-1).any(1).nonzero()[0]
    # Of the input's row nothing is seen, and the output's begins below it.
    assert rows.min() > pictures.DPI * (pictures.TOP + 0.5)


def colours_of(folder):
    """The colours in the picture of the first epoch."""
    with Image.open(folder / "epoch-001.png") as image:
        return {colour for _, colour in image.convert("RGB").getcolors(1 << 20)}


def test_pictures_are_gray_or_in_colour(rng, tmp_path):
    for channels, coloured in ((1, False), (3, True)):
        images = rng.uniform(-5, 5, (1, *SIZE, channels))
        watch(transformer(Affine().identity, channels=channels), tmp_path / str(channels), images)
        drawn = np.array(sorted(colours_of(tmp_path / str(channels))))
        greens = (drawn[:, 1] > drawn[:, 0] + 60) & (drawn[:, 1] > drawn[:, 2] + 60)
        assert greens.any() == coloured


@pytest.mark.parametrize(
    ("pixel", "colour"),
    [
        ([0.4], (0.4, 0.4, 0.4)),
        ([1, 0], (1, 0.5, 0)),
        ([0, 1], (0, 0.5, 1)),
        ([1, 1], (1, 1, 1)),
        ([0.2, 0.4, 0.6], (0.2, 0.4, 0.6)),
        ([0.2, 0.4, 0.6, 0.8], (0.5, 0.5, 0.5)),
        ([0.2, np.nan], pictures.NAN_COLOR),
    ],
)
def test_channels_have_colours_of_their_own(pixel, colour):
    drawn = pictures.to_rgb(np.full((2, 3, len(pixel)), pixel), (0, 1))
    np.testing.assert_allclose(drawn, np.broadcast_to(colour, (2, 3, 3)))


def test_what_is_not_a_number_is_seen(tmp_path):
    with pytest.warns(UserWarning, match="not finite"):
        watch(transformer([np.nan] * 6), tmp_path)
    assert tuple(round(255 * shade) for shade in pictures.NAN_COLOR) in colours_of(tmp_path)


def test_channels_first_is_channels_last_transposed(rng, tmp_path):
    images = rng.random((2, *SIZE, 3)).astype("float32")
    last = transformer(MATRIX.ravel(), channels=3, output_size=OUTPUT_SIZE)
    layer = SpatialTransformer(
        layers.Flatten(), data_format="channels_first", output_size=OUTPUT_SIZE
    )
    first = keras.Sequential([keras.Input((3, *SIZE)), layer])
    layer.regressor.bias.assign(MATRIX.ravel())
    expected = watch(last, tmp_path / "last", images)
    assert watch(first, tmp_path / "first", images.transpose(0, 3, 1, 2)) == expected
    for name in ("epoch-000.png", "epoch-001.png"):
        pictures = [
            np.asarray(Image.open(tmp_path / folder / name)) for folder in ("last", "first")
        ]
        np.testing.assert_array_equal(*pictures)


@pytest.mark.parametrize("stack", [False, True])
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_several_transforms_of_an_image_have_a_row_each(rng, tmp_path, stack, data_format):
    images = rng.random((2, *SIZE, 3)).astype("float32")
    identity = Affine().identity
    layer = ParallelSpatialTransformer(
        layers.Flatten(),
        initial_theta=[identity, 0.5 * identity],
        stack=stack,
        data_format=data_format,
    )
    ordered = images if data_format == "channels_last" else images.transpose(0, 3, 1, 2)
    model = keras.Sequential([keras.Input(ordered.shape[1:]), layer])
    columns = watch(model, tmp_path / "pair", ordered)
    assert columns["scale"] == pytest.approx(0.75)
    assert columns["scale_std"] == pytest.approx(0.25)
    watch(transformer(Affine().identity, channels=3), tmp_path / "one", images)
    heights = [Image.open(tmp_path / name / "epoch-001.png").height for name in ("one", "pair")]
    assert heights[1] > 1.3 * heights[0]
    orange, blue = ([int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in pictures.FRAME_COLORS[:2])
    assert {tuple(orange), tuple(blue)} <= colours_of(tmp_path / "pair")


def test_what_is_looked_at_may_be_something_else(tmp_path):
    picture, maps = keras.Input((3,)), keras.Input((*SIZE, 2))
    layer = SpatialTransformer(layers.Flatten(), transform="translation")
    model = keras.Model([picture, maps], layer(maps, localization_inputs=picture))
    layer.regressor.kernel.assign(np.eye(3, 2))
    seen = np.array([[0.5, 0, 0], [0.5, 0, 0]], "float32")
    columns = watch(model, tmp_path, np.zeros((2, *SIZE, 2)), localization_inputs=seen)
    assert (columns["shift_x"], columns["shift_y"]) == pytest.approx((0.5, 0))


def test_the_transformer_is_found_or_named(tmp_path):
    inputs = keras.Input((*SIZE, 1))
    first = SpatialTransformer(layers.Flatten(), transform="rotation", name="first")
    second = SpatialTransformer(layers.Flatten(), transform="rotation", name="second")
    both = keras.Model(inputs, second(first(inputs)))
    second.regressor.bias.assign([np.pi / 2])
    for layer in ("second", second):
        assert watch(both, tmp_path, layer=layer)["rotation"] == pytest.approx(90)
    for model, layer, has in (
        (both, None, "'first', 'second'"),
        (both, "third", "'first', 'second'"),
        (keras.Sequential([keras.Input((3,)), layers.Dense(2)]), None, "none"),
    ):
        monitor = TransformerMonitor(images_of([0]), tmp_path, layer=layer)
        monitor.set_model(model)
        with pytest.raises(ValueError, match=f"The model has: {has}"):
            monitor.on_train_begin()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"images": np.zeros((4, 4, 1))}, r"images.shape=\(4, 4, 1\)"),
        ({"images": np.zeros((0, 4, 4, 1))}, "at least one image"),
        ({"labels": [1, 2]}, "`labels` for 3 images. Received: 2"),
        ({"localization_inputs": np.zeros((2, 4))}, "`localization_inputs` for 3 images"),
        ({"layer": 7}, "layer=7"),
        ({"layer": layers.Dense(2)}, "Dense"),
        ({"shown": 0}, "shown=0"),
    ],
)
def test_bad_arguments_say_what_was_expected_and_what_came(tmp_path, arguments, expected):
    with pytest.raises(ValueError, match=expected) as error:
        TransformerMonitor(**{"images": np.zeros((3, 4, 4, 1)), "folder": tmp_path, **arguments})
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("missing", ["matplotlib", "PIL"])
def test_the_library_is_imported_without_what_draws_and_says_what_is_missing(
    monkeypatch, tmp_path, missing
):
    monkeypatch.setitem(sys.modules, missing, None)
    for module in (stn_keras.callbacks, stn_keras.monitor, callback, pictures):
        spec = importlib.util.spec_from_file_location("a_fresh_copy", module.__file__)
        spec.loader.exec_module(importlib.util.module_from_spec(spec))
    with pytest.raises(ImportError, match="pip install matplotlib pillow"):
        TransformerMonitor(images_of([0]), tmp_path)


def test_volumes_show_their_middle_slices(rng, tmp_path):
    """Columns of a turn and a shift in space, and pictures without frames."""
    theta = [0.5, 0, 0, np.radians(30), 0.2, -0.1, 0.3]
    model = transformer(theta, (6, 8, 10), transform=Similarity(rank=3))
    found = watch(model, tmp_path, rng.random((2, 6, 8, 10, 1), "float32"))
    expected = {"scale": 0.5, "rotation": 30, "shift_x": 0.2, "shift_y": -0.1, "shift_z": 0.3}
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-3)
    assert names(tmp_path) == ["epoch-000.png", "epoch-001.png", "epochs.gif"]
