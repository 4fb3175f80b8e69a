"""Several devices, and several processes, learn what one device learns."""

import importlib.util
import subprocess
import sys

import keras
import numpy as np
import pytest

from cli.errors import UserError
from data_prep.distortions.clutter import add_scraps
from experiments.arguments import cluster_of, training_arguments
from experiments.data.batches import InOrderFilled, RowsOfDraws, ShuffledBatches
from experiments.data.data import LabelledImages, TrainingImages
from experiments.experiment import JitterRanges
from experiments.training.cluster import Cluster
from experiments.training.devices import start
from experiments.training.processes import check_address, leaving_at_once, wait_for_first
from experiments.training.run_folder import Settings, run_of
from tests.support.cluster import ROOT, environment, write_mnist

# On TensorFlow without dropout: there each device draws its own.
TWO_DEVICES = """
import sys
from pathlib import Path
import keras
import numpy as np
from experiments.experiment import Experiment
from experiments.experiment import JitterRanges
from experiments.experiment import Schedule
from experiments.data.data import Data
from experiments.data.data import LabelledImages
from experiments.data.data import TrainingImages
from experiments.training.cluster import Cluster
from experiments.training.devices import start
from experiments.training.run_folder import Settings
from experiments.training.run_folder import run_of
from experiments.training.train import train
from stn_keras import SpatialTransformer

cluster = Cluster(devices=2)
start(cluster)
rng = np.random.default_rng(0)
images, labels = rng.integers(0, 256, (43, 6, 6, 1)).astype("uint8"), np.arange(43) % 2
part = LabelledImages(images[:23], labels[:23])
data = Data(TrainingImages(images, labels), part, {"test": part}, 2, {}, shown="test")

def build(name, input_shape, num_classes, transform):
    layers = keras.layers
    dropout = layers.Dropout(0.5 if keras.backend.backend() == "jax" else 0)
    head = [layers.Flatten(), dropout, layers.Dense(num_classes, activation="softmax")]
    transformer = SpatialTransformer(layers.Flatten(), "translation")
    return keras.Sequential([keras.Input(input_shape), transformer, *head])

schedule = Schedule(2, 10, "SGD", 0.1, "cosine", {"momentum": 0.9}, JitterRanges(10, 0.1, 0.1))
experiment = Experiment("tiny", "", ("stn",), build, None, {"best": schedule})
trained = []
for name, where in (("one", Cluster()), ("two", cluster), ("two again", cluster)):
    settings = Settings("tiny", "stn", 0, 2, 10, "float32", 42)
    run = run_of(Path(sys.argv[1], name), settings)
    run.start(settings, {})
    train(experiment, run, settings, data, cluster=where)
    history = [{**row, "seconds": 0} for row in run.read_history()]
    weights = keras.models.load_model(run.best_model).get_weights()
    trained.append([np.array([list(row.values()) for row in history]), *weights])
for other in trained[1:]:
    for mine, theirs in zip(trained[0], other, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-5)
"""


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_two_devices_learn_what_one_does(tmp_path, backend):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    done = subprocess.run(
        [sys.executable, "-c", TWO_DEVICES, tmp_path],
        env=environment(backend),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_two_processes_learn_what_one_does(tmp_path):
    if importlib.util.find_spec("jax") is None:
        pytest.skip("jax is not installed")
    # What the processes say to each other stays in a network of their own.
    alone = ["unshare", "--map-root-user", "--net", "sh", "-c", 'ip link set lo up && "$@"', "sh"]
    try:
        subprocess.run([*alone, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no network namespace of its own: {error}")
    write_mnist(tmp_path)
    train = f"{sys.executable} train.py mnist-1000 --models cnn --epochs 2 --batch-size 200"
    train = f"{train} --data-dir {tmp_path} --runs-dir {tmp_path}"
    shared = "--coordinator 127.0.0.1:12345 --num-processes 2 --devices 2"
    script = f"""
{train}/two {shared} --process-id 1 > {tmp_path}/second.txt & second=$!
{train}/two {shared} && wait $second && {train}/one
"""
    done = subprocess.run(
        [*alone, "sh", "-c", script],
        cwd=ROOT,
        env=environment("jax"),
        capture_output=True,
        text=True,
        timeout=540,
    )
    assert done.returncode == 0, done.stderr
    assert "Epoch" not in (tmp_path / "second.txt").read_text()
    settings = Settings("mnist-1000", "cnn", 0, 2, 200, "float32", 42)
    one, two = (run_of(tmp_path / name, settings) for name in ("one", "two"))
    for mine, theirs in zip(one.read_history(), two.read_history(), strict=True):
        assert mine["loss"] == pytest.approx(theirs["loss"], abs=1e-5)
        assert mine["accuracy"] == pytest.approx(theirs["accuracy"])
    weights = [
        keras.models.load_model(run.best_model, compile=False).get_weights() for run in (one, two)
    ]
    for mine, theirs in zip(*weights, strict=True):
        # Sums of two parts are rounded otherwise, which grows with the steps.
        np.testing.assert_allclose(mine, theirs, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_images_drawn_while_training_are_drawn_on_two_devices(tmp_path, backend):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    write_mnist(tmp_path, 510)
    train = [sys.executable, "train.py", "paper-r", "--models", "fcn", "--epochs", "1"]
    where = ["--data-dir", tmp_path, "--runs-dir", tmp_path]
    done = subprocess.run(
        [*train, "--batch-size", "50", "--devices", "2", *where],
        cwd=ROOT,
        env=environment(backend),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "fcn: epoch 1, test accuracy" in done.stdout


def test_parts_of_a_batch_are_the_batch(rng):
    data = TrainingImages(rng.integers(0, 256, (20, 6, 6, 1)).astype("uint8"), np.arange(20))
    augment = JitterRanges(10, 0.1, 0.1, bend=0.1, flip=True)((6, 6, 1))
    whole = ShuffledBatches(data, 12, seed=3, augment=augment)
    parts = [ShuffledBatches(data, 12, seed=3, augment=augment, part=(i, 3)) for i in range(3)]
    for index in (0, 1):
        images, labels = zip(*(part[index] for part in parts), strict=True)
        np.testing.assert_allclose(np.concatenate(images), whole[index][0], atol=1e-5)
        np.testing.assert_array_equal(np.concatenate(labels), whole[index][1])


@pytest.mark.parametrize("rows", [slice(0, 2), slice(2, 4)])
def test_two_rows_of_a_batch_get_the_scraps_of_the_whole(rows):
    images = np.random.default_rng(1).random((4, 12, 12, 1), "float32")
    whole = add_scraps(images, images, np.arange(4), 3, 4, np.random.default_rng(2))
    draws = RowsOfDraws(np.random.default_rng(2), rows, 4)
    part = add_scraps(images[rows], images, np.arange(4)[rows], 3, 4, draws)
    np.testing.assert_array_equal(part, whole[rows])


def test_draws_whose_first_axis_is_not_that_of_the_rows_are_refused():
    draws = RowsOfDraws(np.random.default_rng(0), slice(2, 4), 4)
    with pytest.raises(ValueError, match=r"first axis .* \(3, 2\)"):
        draws.uniform(0, 1, (3, 2))


def test_images_that_fill_up_a_batch_do_not_count(rng):
    part = LabelledImages(rng.random((11, 2, 2, 1), "float32"), np.arange(11))
    shares = [InOrderFilled(part, 4, (i, 2)) for i in range(2)]
    batches = [share[index] for index in range(3) for share in shares]
    labels, weights = (np.concatenate([batch[i] for batch in batches]) for i in (1, 2))
    np.testing.assert_array_equal(labels[weights > 0], part.labels)
    assert np.mean(labels * weights) == pytest.approx(np.mean(part.labels))
    assert {len(batch[0]) for batch in batches} == {2}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("--devices 0", "--devices of at least 1, got 0"),
        ("--num-processes 2", "--coordinator and --num-processes"),
        ("--coordinator here:1", "--coordinator and --num-processes"),
        ("--num-processes 2 --coordinator here", "HOST:PORT, got here"),
        ("--num-processes 2 --process-id 2 --coordinator here:1", "from 0 to 1, got 2"),
    ],
)
def test_clusters_that_cannot_be_are_refused(arguments, expected):
    with pytest.raises(UserError, match=expected):
        cluster_of(training_arguments(arguments.split()))


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (UserError("the disk is full"), 2, "train.py: error: the disk is full\n"),
        (ValueError("Gloo: Connection reset by peer"), 2, "another process has ended or cannot be"),
        (ValueError("a mistake"), 1, "Traceback"),
    ],
)
def test_a_process_that_cannot_go_on_ends_at_once(monkeypatch, capsys, error, code, line):
    def leave(code):
        raise SystemExit(code)

    monkeypatch.setattr("os._exit", leave)
    together = Cluster(processes=2, coordinator="here:1")
    with pytest.raises(SystemExit, match=str(code)), leaving_at_once(together):
        raise error
    assert line in capsys.readouterr().err
    with pytest.raises(type(error)), leaving_at_once(Cluster()):
        raise error


def test_a_process_names_the_first_one_that_it_misses(monkeypatch):
    monkeypatch.setattr("experiments.training.processes.PATIENCE", -1)
    cluster = Cluster(processes=2, process=1, coordinator="127.0.0.1:1")
    with pytest.raises(UserError, match=r"expected process 0 at 127.0.0.1:1 within"):
        wait_for_first(cluster)


@pytest.mark.parametrize("address", ["192.0.2.1:12345", "127.0.0.1:99999"])
def test_the_first_process_needs_an_address_of_its_own(address):
    with pytest.raises(UserError, match=f"an address of this machine, got {address}"):
        check_address(Cluster(processes=2, coordinator=address))


def test_more_devices_than_accelerators_are_refused(monkeypatch):
    if keras.backend.backend() != "tensorflow":
        pytest.skip("asks TensorFlow for its devices")
    import tensorflow as tf

    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: ["first", "second"])
    start(Cluster(devices=2))
    with pytest.raises(UserError, match="--devices of at most 2, got 3"):
        start(Cluster(devices=3))
