"""Networks of keras.applications for a user's own pictures, with a transformer in three places."""

import re
import sys
from dataclasses import replace

import keras
import numpy as np
import pytest
from keras import ops

from cli.errors import UserError
from experiments import EXPERIMENTS
from experiments.arguments import training_arguments
from experiments.data.loading import DataOnDemand
from experiments.experiment import Schedule
from experiments.networks import backbones
from experiments.training import train as training
from experiments.training.plan import plan, settings_of
from experiments.training.run_folder import run_of
from stn_keras.layers import find_transformers
from tests.support.commands import refused
from tests.support.pictures import write_folder

FOLDER = EXPERIMENTS["image-folder"]
SMALL = "MobileNetV3Small"


def build(model, shape=(64, 64, 3), **options):
    """A model of image-folder with a small backbone from scratch."""
    return FOLDER.build_model(model, shape, 3, **{"backbone": SMALL, "weights": "none"} | options)


@pytest.mark.parametrize("name", [SMALL, "MobileNetV2", "ResNet50", "DenseNet121", "VGG16"])
def test_colors_are_those_of_the_backbone_s_own_preprocessing(rng, name):
    images = rng.random((2, 4, 4, 3), "float32")
    module = sys.modules[getattr(keras.applications, name).__module__]
    expected = module.preprocess_input(255 * images, data_format="channels_last")
    layer = backbones.AffineColors(*backbones.preprocessing(name))
    np.testing.assert_allclose(ops.convert_to_numpy(layer(images)), expected, atol=1e-4)
    again = backbones.AffineColors.from_config(layer.get_config())
    np.testing.assert_array_equal(again(images), layer(images))


@pytest.mark.parametrize("name", [SMALL, "ResNet50V2", "EfficientNetV2B0", "DenseNet121"])
def test_two_halves_are_the_whole(rng, name):
    backbone = backbones.load(name, "none", (64, 64, 3))
    before, behind = backbones.split(backbone)
    assert before.output_shape[1:3] == (8, 8)
    images = rng.random((2, 64, 64, 3), "float32")
    np.testing.assert_allclose(behind(before(images)), backbone(images), rtol=1e-4, atol=1e-5)


def by_name(weights):
    """Weights in the order of their layers' names."""
    return sorted(weights, key=lambda weight: natural(weight.path.split("/")[-2:]))


def natural(names):
    """Names without what Keras counts up: "conv2d_7" is "conv2d" as the eighth of its kind."""
    return [
        [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]
        for name in names
    ]


@pytest.mark.parametrize("backbone", [None, SMALL])
@pytest.mark.parametrize("model", ["stn-cnn", "stn-cnn-features"])
def test_before_training_a_transformer_changes_nothing(rng, model, backbone):
    plain, with_transformer = (build(name, backbone=backbone) for name in ("cnn", model))
    assert len(find_transformers(with_transformer)) == 1
    of_transformer = set(map(id, find_transformers(with_transformer)[0].weights))
    theirs = [weight for weight in with_transformer.weights if id(weight) not in of_transformer]
    for weight, own in zip(by_name(theirs), by_name(plain.weights), strict=True):
        weight.assign(own)
    images = rng.random((2, 64, 64, 3), "float32")
    np.testing.assert_allclose(with_transformer(images), plain(images), atol=1e-5)


def test_a_window_is_the_whole_picture_at_first(rng):
    model = build("stn-cnn-crop", (96, 96, 3), window=48)
    (transformer,) = find_transformers(model)
    images = rng.random((2, 96, 96, 3), "float32")
    read = keras.Model(model.inputs, transformer.output)(images)
    expected = images.reshape(2, 48, 2, 48, 2, 3).mean((2, 4))
    np.testing.assert_allclose(read, expected, atol=1e-5)
    with pytest.raises(UserError, match="expected --window of at most 96, got 97"):
        build("stn-cnn-crop", (96, 128, 3), window=97)


def test_gray_pictures_are_colored_gray(rng):
    model = build("cnn", (32, 32, 1))
    assert model.predict(rng.random((2, 32, 32, 1)), verbose=0).shape == (2, 3)


def test_weights_come_from_a_file_or_are_refused(tmp_path):
    backbone = backbones.load(SMALL, "none", (32, 32, 3))
    backbone.save_weights(tmp_path / "own.weights.h5")
    again = backbones.load(SMALL, str(tmp_path / "own.weights.h5"), (32, 32, 3))
    for mine, theirs in zip(again.get_weights(), backbone.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    (tmp_path / "none.weights.h5").write_bytes(b"no weights")
    for path, expected in (("absent", "imagenet or a file"), ("none.weights.h5", f"{SMALL} for")):
        with pytest.raises(UserError, match=expected):
            backbones.load(SMALL, str(tmp_path / path), (32, 32, 3))
    with pytest.raises(UserError, match="expected InceptionV3 for images"):
        backbones.load("InceptionV3", "none", (32, 32, 3))


def test_weights_that_cannot_be_downloaded_are_told_in_one_line(monkeypatch):
    def offline(*args, **kwargs):
        raise Exception("URL fetch failure on somewhere: no network")

    monkeypatch.setattr(keras.applications, SMALL, offline)
    with pytest.raises(UserError, match=r"could not download .* --weights none") as error:
        backbones.load(SMALL, "imagenet", (32, 32, 3))
    assert "\n" not in str(error.value)


def tiny_backbone(include_top, input_shape, weights):
    """What stands in for a network of keras.applications, to train in moments."""
    layers = [
        keras.Input(input_shape),
        keras.layers.Conv2D(4, 3, strides=2),
        keras.layers.BatchNormalization(),
        keras.layers.ReLU(),
    ]
    model = keras.Sequential(layers)
    if weights:
        model.load_weights(weights)
    return model


def test_a_pretrained_backbone_is_frozen_then_thawed_and_resumes(
    rng, tmp_path, quiet_training, monkeypatch
):
    """Stopped within either phase, or between them, a run ends where the unbroken one does."""
    tiny_backbone.__module__ = getattr(keras.applications, SMALL).__module__
    monkeypatch.setattr(keras.applications, SMALL, tiny_backbone)
    write_folder(tmp_path / "pictures", rng, count=10, shape=(32, 32, 3))
    backbones.load(SMALL, "none", (32, 32, 3)).save_weights(tmp_path / "own.weights.h5")
    schedule = replace(FOLDER.schedules["best"], augment=None, pretrained={"frozen": 0.5})
    experiment = replace(FOLDER, schedules={"best": schedule})
    data = experiment.load_data(None, tmp_path / "pictures")
    options = ["image-folder", "--backbone", SMALL, "--transformer", "none", "--epochs", "4"]
    options += ["--weights", str(tmp_path / "own.weights.h5"), "--batch-size", "7"]
    (settings,) = settings_of(training_arguments(options), experiment)
    assert settings.name == f"{SMALL}-own.weights"
    finished = {}
    for stops in ((), (1,), (2,), (3,)):
        run = run_of(tmp_path / str(stops), settings)
        run.start(settings, {"device": "none"}, data.parameters)
        for epochs in (*stops, 4):
            stop_after(experiment, run, settings, data, epochs)
        finished[stops] = keras.models.load_model(run.best_model).get_weights()
        assert run.epochs_done == 4
    for stopped, weights in finished.items():
        for one, other in zip(weights, finished[()], strict=True):
            np.testing.assert_allclose(one, other, atol=1e-6, err_msg=str(stopped))


def stop_after(experiment, run, settings, data, epochs):
    """Train until so many epochs are done."""

    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch + 1 == epochs < settings.epochs:
                raise KeyboardInterrupt

    original = training._callbacks

    def with_stop(*arguments):
        return [*original(*arguments), Stop()]

    training._callbacks = with_stop
    try:
        training.train(experiment, run, settings, data)
    except KeyboardInterrupt:
        pass
    finally:
        training._callbacks = original


def test_frozen_layers_do_not_learn():
    network = build("stn-cnn-features", weights="none")
    counted = len(network.trainable_weights)
    backbones.freeze(network, True)
    assert 0 < len(network.trainable_weights) < 20 < counted
    assert any("spatial_transformer" in weight.path for weight in network.trainable_weights)
    backbones.freeze(network, False)
    assert len(network.trainable_weights) == counted


def test_phases_follow_the_share_of_frozen_epochs():
    schedule = Schedule(10, 8, "SGD", 0.1, "constant", frozen=0.3, thawed_rate=0.01)
    assert [(p.first, p.end, p.frozen, p.rate) for p in schedule.phases(10)] == [
        (0, 3, True, 1.0),
        (3, 10, False, 0.01),
    ]
    assert schedule.phases(1) == replace(schedule, frozen=0.0).phases(1)
    best = FOLDER.schedules["best"]
    assert best.of("cnn").optimizer == "ConvMuon"
    assert best.of("cnn", backbone=True).frozen == 0
    assert best.of("stn-cnn", backbone=True, pretrained=True).frozen > 0
    assert best.of("stn-cnn", backbone=True).localization_rate == 0.2


def test_names_of_runs_say_what_they_are():
    def named(*options):
        arguments = training_arguments(["image-folder", *options])
        return [settings.name for settings in settings_of(arguments, FOLDER)]

    assert named() == ["cnn", "stn-cnn"]
    ways = ["--transformer", "none", "input", "features", "crop"]
    assert named(*ways) == ["cnn", "stn-cnn", "stn-cnn-features", "stn-cnn-crop"]
    assert named("--backbone", SMALL, "--weights", "imagenet", "--transformer", "features") == [
        f"stn-{SMALL}-features-imagenet"
    ]
    assert named("--models", "cnn", "--class-weights") == ["cnn-weighted"]
    with pytest.raises(UserError, match="either --models or --transformer"):
        named("--models", "cnn", "--transformer", "crop")


def test_every_class_counts_alike_by_its_weight():
    class Few:
        training = type("Training", (), {"labels": np.repeat([0, 1, 2], [8, 1, 3])})
        num_classes = 3

    weights = training.class_weights(Few)
    counts = np.array([8, 1, 3])
    np.testing.assert_allclose([weights[label] * n for label, n in enumerate(counts)], 4)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("mnist", "--backbone", SMALL), "only image-folder has it"),
        (("image-folder", "--weights", "imagenet"), "--weights with a --backbone, got none"),
        (("image-folder", "--window", "3"), "--window from 16 to 1024, got 3"),
        (("image-folder", "--transformer", "behind"), "'behind'"),
        (("image-folder", "--backbone", "LeNet"), "--backbone from ConvNeXtBase, "),
    ],
)
def test_bad_options_are_refused_in_one_line(rng, tmp_path, options, expected):
    write_folder(tmp_path / "pictures", rng)
    runs = ("--runs-dir", tmp_path / "runs", "--data-dir", tmp_path / "pictures")
    assert expected in refused("train.py", *options, *runs)


def test_a_dry_run_knows_a_backbone(rng, tmp_path):
    write_folder(tmp_path, rng)
    options = ["image-folder", "--backbone", SMALL, "--data-dir", str(tmp_path)]
    arguments = training_arguments([*options, "--runs-dir", str(tmp_path / "runs")])
    jobs = plan(arguments, FOLDER, DataOnDemand(FOLDER, folder=None, data_dir=str(tmp_path)))
    assert [job.settings.backbone for job in jobs] == [SMALL, SMALL]
    assert jobs[0].schedule["optimizer"] == "AdamW"
