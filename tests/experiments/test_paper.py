"""The paper's experiments: fixed sets, pairs of digits, networks, and an exact resume."""

from dataclasses import replace
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from PIL import Image

from cli.errors import UserError
from data_prep.distortions.paper import Placement
from data_prep.files import save_npz
from data_prep.sets import paper
from data_prep.sources import Source
from experiments import EXPERIMENTS
from experiments.catalogue.paper import COLUMNS
from experiments.data.batches import ShuffledBatches
from experiments.data.data import AddedDigits, Data, LabelledImages
from experiments.data.random_warp import RandomWarp
from experiments.experiment import Schedule
from experiments.reports.pictures import draw_transformer
from experiments.training import train as training
from stn_keras import ParallelSpatialTransformer
from tests.support.training import TINY, TINY_DATA, stopped, tiny_images, trained

NAMES = tuple(paper.RECIPES)


@pytest.fixture
def source(rng, monkeypatch):
    """Digits of one brightness each, of which the last eight of the training part are held out."""
    monkeypatch.setattr(paper, "VALIDATION", 8)
    monkeypatch.setattr(paper, "CHUNK", 10)
    labels = rng.integers(0, 10, 40)
    images = np.broadcast_to(100 + 3 * np.arange(40)[:, None, None, None], (40, 28, 28, 1))
    images = images.astype("uint8")
    return Source(images[:28], labels[:28], images[28:], labels[28:])


@pytest.mark.parametrize("name", NAMES)
def test_a_set_is_the_same_for_the_same_seed(source, tmp_path, name):
    files = []
    for seed in (1, 1, 2):
        made = paper.make_paper_set(name, seed, source, progress=False)
        save_npz(made, tmp_path / "set.npz")
        files.append((tmp_path / "set.npz").read_bytes())
    assert files[0] == files[1] != files[2]
    canvas, digits = made.parameters["distortion"]["canvas"], paper.RECIPES[name].digits
    assert made.validation_images.shape == (8, canvas, canvas, digits)
    assert made.test_images.shape == (12, canvas, canvas, digits)
    if digits == 1:
        np.testing.assert_array_equal(made.validation_labels, source.train_labels[20:])
        np.testing.assert_array_equal(made.test_labels, source.test_labels)


def test_the_sum_of_what_is_shown_is_the_label(source):
    made = paper.make_paper_set("paper-addition", 0, source, progress=False)
    brightest = made.test_images.max((1, 2)).astype(int)  # at most that of the digit
    number = np.ceil((brightest - 100) / 3).astype(int)
    all_labels = np.concatenate([source.train_labels, source.test_labels])
    np.testing.assert_array_equal(number[:, 0], np.arange(28, 40))
    np.testing.assert_array_equal(all_labels[number].sum(1), made.test_labels)


def test_too_few_digits_are_told(source):
    small = replace(source, train_images=source.train_images[:8], train_labels=np.zeros(8, int))
    with pytest.raises(UserError, match="more than 8 training images, got 8"):
        paper.training_count(small)


def test_pairs_depend_on_the_seed_and_the_batch_alone():
    numbers = np.arange(1, 11)
    images = np.broadcast_to(numbers[:, None, None, None], (10, 2, 2, 1)).astype("uint8")
    data = AddedDigits(images, numbers)
    batches = ShuffledBatches(data, 5, seed=3)
    shown, labels = zip(*(batches[i] for i in (0, 1)), strict=True)
    assert shown[0].shape[1:] == data.image_shape
    pairs = np.rint(255 * np.concatenate(shown)[:, 0, 0])
    np.testing.assert_array_equal(np.sort(pairs[:, 0]), numbers)
    np.testing.assert_array_equal(pairs.sum(1), np.concatenate(labels))
    resumed = ShuffledBatches(data, 5, seed=3, first_epoch=1)
    np.testing.assert_array_equal(resumed[0][0], batches[2][0])
    assert (resumed[0][0] != batches[0][0]).any()


@pytest.mark.parametrize("name", ["paper-r", "paper-rts", "paper-tc", "paper-addition"])
def test_networks_of_a_column_have_about_as_many_parameters(name):
    experiment = EXPERIMENTS[name]
    (column,) = (column for column in COLUMNS if column.recipe == name)
    canvas = paper.RECIPES[column.recipe].warp.canvas
    shape, classes = (canvas, canvas, column.digits), 9 * column.digits + 1
    counts = [
        experiment.build_model(name, shape, classes).count_params() for name in experiment.models
    ]
    assert max(counts) < 1.04 * min(counts)


@pytest.mark.parametrize("family", ["homography", "tps"])
def test_a_transformer_starts_with_the_whole_image(rng, family):
    model = EXPERIMENTS["paper-rts"].build_model("stn-cnn", (42, 42, 1), 10, family)
    images = rng.random((2, 42, 42, 1), "float32")
    halved = images.reshape(2, 21, 2, 21, 2, 1).mean((2, 4))
    np.testing.assert_allclose(model.get_layer("spatial_transformer")(images), halved, atol=1e-5)


@pytest.mark.parametrize("family", [None, "homography", "tps"])
def test_the_transformers_of_an_addition_start_where_its_curriculum_puts_the_digits(family):
    """Upright, a digit's 28 pixels a little smaller, one at the left edge and one at the right."""
    experiment = EXPERIMENTS["paper-addition"]
    model = experiment.build_model("stn-fcn", (42, 42, 2), 19, family)
    draw = experiment.distort(0)
    draw.strength.assign(0)
    drawn = draw(np.ones((3, 28, 28, 2), "float32"), training=True)
    read = np.array(model.get_layer("spatial_transformer")(drawn))
    assert read.shape == (3, 21, 21, 4)
    rows = read[0].mean(0)  # (21, 4): left transformer's two channels, then the right one's
    np.testing.assert_allclose(rows[:19, 0], rows[-19:, 3][::-1], atol=1e-5)
    assert rows[:19, 0].min() > 0.8
    assert rows[:9, 1].max() < 0.1
    assert rows[-9:, 2].max() < 0.1


def test_published_figures_are_accuracies():
    published = EXPERIMENTS["paper-e"].published
    assert published["stn-cnn-tps"] == {"test": 98.9}
    assert published["fcn"] == {"test": 96.8}
    assert EXPERIMENTS["paper-tc"].published["stn-cnn"] == {"test": 98.3}
    assert len(EXPERIMENTS["paper-addition"].published) == 5


def test_the_published_schedule_falls_after_each_third():
    schedule = EXPERIMENTS["paper-r"].schedules["published"]
    assert 55000 // schedule.batch_size * schedule.epochs == pytest.approx(150_000, rel=1e-3)
    rate = training.DECAYS[schedule.decay](schedule.learning_rate, 150_000)
    steps = [0, 49_999, 50_001, 99_999, 100_001]
    np.testing.assert_allclose([float(rate(s)) for s in steps], [1e-2, 1e-2, 1e-3, 1e-3, 1e-4])


def build_linear(name, input_shape, num_classes, transform=None):
    """A linear classifier."""
    return keras.Sequential(
        [
            keras.Input(input_shape),
            keras.layers.Flatten(),
            keras.layers.Dense(num_classes, activation="softmax"),
        ]
    )


def distorted_tiny(curriculum):
    """The tiny experiment on images drawn afresh, measured on larger ones."""
    warp = Placement(9, rotation=30, scale=(0.8, 1.2))
    images, labels = tiny_images(20, 1)
    on_canvas = LabelledImages(np.pad(images, ((0, 0), (1, 2), (1, 2), (0, 0))), labels)
    return {
        "data": replace(TINY_DATA, validation=on_canvas, test={"test": on_canvas}),
        "experiment": replace(
            TINY,
            build_model=build_linear,
            schedules={"best": Schedule(3, 10, "SGD", 0.1, "thirds", curriculum=curriculum)},
            distort=lambda seed: RandomWarp(warp, seed),
        ),
    }


def test_a_curriculum_begins_with_other_images(tmp_path, quiet_training):
    whole, growing = (
        trained(tmp_path / str(part), **distorted_tiny(part))[0].read_history()
        for part in (0.0, 1.0)
    )
    assert whole[0]["loss"] != growing[0]["loss"]


@pytest.mark.parametrize("curriculum", [0.0, 1.0])
def test_a_run_on_drawn_images_resumes_exactly_and_keeps_the_network_alone(
    tmp_path, quiet_training, curriculum
):
    tiny = distorted_tiny(curriculum)
    unbroken, metrics = trained(tmp_path / "unbroken", **tiny)
    stopped(tmp_path / "broken", **tiny)
    resumed, again = trained(tmp_path / "broken", **tiny)
    for column in ("loss", "val_loss"):
        one, other = ([row[column] for row in r.read_history()] for r in (unbroken, resumed))
        assert one == other
        assert len(one) == 3
    assert metrics["test_accuracy"] == again["test_accuracy"]
    models = [keras.models.load_model(run.best_model) for run in (unbroken, resumed)]
    for one, other in zip(*(model.get_weights() for model in models), strict=True):
        np.testing.assert_array_equal(one, other)
    assert models[0].input_shape == (None, 9, 9, 1)


def test_a_report_draws_a_row_for_each_transform(tmp_path):
    images = np.zeros((3, 12, 12, 2), "uint8")
    images[..., 0] = 255  # drawn in orange
    part = LabelledImages(images, np.arange(3))
    data = Data(None, None, {"test": part}, num_classes=3, parameters={}, shown="test")
    inputs = keras.Input((12, 12, 2))
    outputs = ParallelSpatialTransformer(count=2, output_size=(6, 6))(inputs)
    result = SimpleNamespace(predicted={"test": part.labels})
    draw_transformer(keras.Model(inputs, outputs), result, data, tmp_path / "drawn.png")
    with Image.open(tmp_path / "drawn.png") as drawn:
        orange = (np.abs(np.asarray(drawn.convert("RGB")).astype(int) - (255, 128, 0)) < 3).all(-1)
    rows = orange.any(axis=1).astype(int)
    assert (np.diff(rows) == 1).sum() == 3  # the images, and what either transform made of them
