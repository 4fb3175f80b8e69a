"""A set in shards is the set in one file, and a batch reads its own images alone."""

import sys

import numpy as np
import pytest

from cli.errors import UserError
from data_prep import __main__ as command
from data_prep.sets.distorted import make_distorted_set
from data_prep.sets.shards import ShardedImages, load_shards, make_shards
from experiments import EXPERIMENTS
from experiments.data.distorted import DistortedData

DIGITS = "distorted-digits"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The embedded digits in seven shards."""
    folder = tmp_path_factory.mktemp("sets") / "digits"
    make_shards(DIGITS, 42, folder, 7, copies=2)
    return folder


def test_shards_hold_the_images_of_the_set_in_its_order(folder, tmp_path):
    whole = make_distorted_set(DIGITS, 42, copies=2, progress=False)
    make_shards(DIGITS, 42, tmp_path / "three", 3, workers=2, copies=2)
    for dataset in (load_shards(folder), load_shards(tmp_path / "three")):
        images = np.concatenate([whole.train.originals, whole.train.distorted])
        np.testing.assert_array_equal(dataset.images[:], images)
        mixed = np.random.default_rng(0).permutation(len(images))[:100]
        np.testing.assert_array_equal(dataset.images[mixed], images[mixed])
        np.testing.assert_array_equal(dataset.labels, whole.train.labels)
        for name, array in vars(whole.test).items():
            np.testing.assert_array_equal(getattr(dataset.test, name), array)
        assert dataset.parameters == whole.parameters


def test_an_experiment_trains_on_the_same_images_from_shards(folder, tmp_path):
    data = DistortedData(DIGITS, copies=2, validation=100)
    plain, sharded = data.load(tmp_path), data.load(tmp_path, folder)
    for part in ("training", "validation"):
        mine, theirs = getattr(plain, part), getattr(sharded, part)
        assert mine.images.shape == theirs.images.shape
        np.testing.assert_array_equal(mine.images, theirs.images[:])
        np.testing.assert_array_equal(mine.labels, theirs.labels)
    assert plain.parameters == sharded.parameters
    with pytest.raises(UserError, match="expected shards of distorted-mnist in"):
        EXPERIMENTS["distorted-mnist"].load_data(tmp_path, folder)


def test_a_batch_opens_its_own_shards_alone(folder):
    dataset = load_shards(folder)
    paths = [dataset.images.paths[0], *("absent" for _ in range(6))]
    first = len(np.load(paths[0]))
    images = ShardedImages(paths, np.diff(dataset.images.starts), dataset.images.shape[1:])
    np.testing.assert_array_equal(images[first - 3 : first], dataset.images[first - 3 : first])


@pytest.mark.parametrize("damage", ["missing", "changed", "manifest"])
def test_a_damaged_shard_is_named(folder, tmp_path, damage):
    make_shards(DIGITS, 42, tmp_path / "set", 2)
    path = tmp_path / "set" / ("manifest.json" if damage == "manifest" else "train-00001.npy")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.unlink()
    if damage != "missing":
        path.write_bytes(content[:-2] if damage == "manifest" else content)
    with pytest.raises(UserError, match=path.name):
        load_shards(tmp_path / "set")


def test_the_command_writes_a_new_folder(tmp_path, monkeypatch, capsys):
    out = tmp_path / "new"
    arguments = ["data_prep", DIGITS, "--shards", "2", "--workers", "1", "--out", str(out)]
    monkeypatch.setattr(sys, "argv", arguments)
    command.main()
    assert "1,437 training and 360 test images" in capsys.readouterr().out
    assert {path.name for path in out.glob("*.npy")} >= {"train-00000.npy", "train-00001.npy"}
    with pytest.raises(UserError, match="new folder"):
        command.main()
