"""Distorted sets: the same bytes for any number of workers, whole files, clear errors."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from cli.errors import UserError
from cli.files import atomic_folder, atomic_path
from data_prep import sources
from data_prep.distortions.clutter import Clutter, draw_cluttered
from data_prep.distortions.imgaug_recipes import POST, RECIPES, STRONG
from data_prep.distortions.imgaug_runner import apply_family, distort
from data_prep.files import save_npz
from data_prep.preview import save_grid, save_preview
from data_prep.sets import cluttered as clutter
from data_prep.sets import distorted as distorted_set


@pytest.fixture
def images(rng):
    """2,300 noise images: more than two chunks."""
    return rng.integers(0, 256, (2300, 12, 12, 1), dtype="uint8")


@pytest.fixture
def mnist_dir(rng, tmp_path):
    """A folder with a small file of MNIST's layout."""
    arrays = {
        f"{kind}_{part}": rng.integers(0, high, shape, dtype="uint8")
        for part, count in (("train", 60), ("test", 20))
        for kind, high, shape in (("x", 256, (count, 28, 28)), ("y", 10, (count,)))
    }
    np.savez(tmp_path / "mnist.npz", **arrays)
    return tmp_path


def test_any_number_of_workers_gives_the_same_images(images):
    expected = distort(images, POST, seed=7)
    for workers in (2, 3):
        for one, other in zip(
            expected, distort(images, POST, seed=7, workers=workers), strict=True
        ):
            np.testing.assert_array_equal(one, other)
    assert not np.array_equal(expected[0], distort(images, POST, seed=8)[0])


def test_same_seed_writes_the_same_bytes(tmp_path):
    files = []
    for workers in (1, 2):
        dataset = distorted_set.make_distorted_set(
            "distorted-digits", 42, workers=workers, progress=False
        )
        distorted_set.save(dataset, tmp_path / f"{workers}.npz")
        files.append((tmp_path / f"{workers}.npz").read_bytes())
    assert files[0] == files[1]


@pytest.mark.parametrize("first", [0, 900, 1000, 2250])
def test_the_last_images_are_the_same_alone(images, first):
    for whole, last in zip(
        distort(images, POST, 7), distort(images, POST, 7, first=first), strict=True
    ):
        np.testing.assert_array_equal(last, whole[first:])


def test_the_test_split_is_the_same_alone():
    whole = distorted_set.make_distorted_set("distorted-digits", 42, copies=3, progress=False).test
    alone = distorted_set.make_test_split("distorted-digits", 42, copies=3, progress=False)
    for name, expected in vars(whole).items():
        np.testing.assert_array_equal(getattr(alone, name), expected)


def test_every_family_is_drawn_about_equally_often(images):
    _, family = distort(images, POST, seed=0)
    counts = np.bincount(family, minlength=len(POST))
    assert len(counts) == 5
    assert np.abs(counts - len(images) / 5).max() < 4 * np.sqrt(len(images) * 0.16)


@pytest.mark.parametrize("recipe", RECIPES)
def test_parameters_fill_their_ranges(recipe):
    # A disc off the centre shows every move; a choice between the ends would leave gaps.
    y, x = np.mgrid[:65, :65]
    disc = (255 * (np.hypot(x - 44, y - 32) < 6)).astype("uint8")
    for name, arguments in RECIPES[recipe].items():
        moved = apply_family(np.tile(disc[None, ..., None], (400, 1, 1, 1)), arguments, seed=1)
        mass = np.maximum(moved.sum((1, 2, 3), dtype=float), 1)
        centre = (moved[..., 0] * y).sum((1, 2)) / mass
        measured = mass if name == "scale" else centre
        low, middle, high = np.percentile(measured, [15, 50, 85])
        inside = np.mean(
            (measured > low + 0.2 * (high - low)) & (measured < high - 0.2 * (high - low))
        )
        assert low < middle < high, name
        assert inside > 0.2, name


def test_recipes_are_the_published_ones():
    assert POST["rotate"] == {"rotate": (-60, 60)}
    assert POST["scale"] == {"scale": (0.5, 1.3)}
    assert POST["shear"] == {"shear": (-40, 40)}
    assert set(POST["all"]) == {"scale", "translate_percent", "rotate", "shear"}
    assert STRONG["rotate"] == {"rotate": (-75, 75)}
    assert STRONG["shift"] == {"translate_percent": {"x": (-0.3, 0.3), "y": (-0.3, 0.3)}}


@pytest.mark.parametrize("angle", [-30, 0, 90])
def test_a_family_rotates_by_the_angle_it_says(angle):
    image = np.zeros((1, 29, 29, 1), "uint8")
    image[0, 12:17, 22:27] = 255
    rotated = apply_family(image, {"rotate": angle}, seed=0)[0, ..., 0].astype(float)
    y, x = np.mgrid[:29, :29] - 14
    centre = np.array([(rotated * x).sum(), (rotated * y).sum()]) / rotated.sum()
    expected = 10 * np.array([np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))])
    np.testing.assert_allclose(centre, expected, atol=0.3)


def test_set_is_saved_and_loaded_whole(tmp_path):
    made = distorted_set.make_distorted_set("distorted-digits", 3, copies=4, progress=False)
    distorted_set.save(made, tmp_path / "set.npz")
    loaded = distorted_set.load(tmp_path / "set.npz")
    assert loaded.parameters == made.parameters == json.loads(json.dumps(made.parameters))
    assert loaded.parameters["seed"] == 3
    assert loaded.distortions == list(POST)
    for part in ("train", "test"):
        for key in ("originals", "labels", "distorted", "distortion"):
            was, now = getattr(getattr(made, part), key), getattr(getattr(loaded, part), key)
            np.testing.assert_array_equal(was, now)
    train = loaded.train
    assert train.originals.shape == (1437, 28, 28, 1)
    assert len(train.distorted) == len(train.distorted_labels) == 4 * 1437
    np.testing.assert_array_equal(train.distorted_labels[1437 : 2 * 1437], train.labels)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["set.npz"]


def test_preview_is_drawn(tmp_path):
    dataset = distorted_set.make_distorted_set("distorted-digits", 3, progress=False)
    save_preview(dataset, tmp_path / "preview.png")
    assert (tmp_path / "preview.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "damage", ["missing", "truncated", "text", "another archive", "other shape", "scalar"]
)
def test_damaged_sets_are_refused_in_one_line(tmp_path, damage):
    path = tmp_path / "set.npz"
    dataset = distorted_set.make_distorted_set("distorted-digits", 3, progress=False)
    distorted_set.save(dataset, path)
    if damage == "missing":
        path.unlink()
    elif damage == "truncated":
        path.write_bytes(path.read_bytes()[:100_000])
    elif damage == "text":
        path.write_text("not a data set")
    elif damage == "another archive":
        np.savez(path, x=np.zeros(3))
    else:
        with np.load(path) as file:
            arrays = dict(file)
        labels = np.array(3) if damage == "scalar" else arrays["train_labels"][:-1]
        np.savez(path, **{**arrays, "train_labels": labels})
    with pytest.raises(UserError, match="expected") as error:
        distorted_set.load(path)
    assert "\n" not in str(error.value)
    assert str(path) in str(error.value)


def test_mnist_is_read_from_a_folder_and_from_the_environment(mnist_dir, monkeypatch):
    by_argument = sources.load_source("mnist", mnist_dir)
    monkeypatch.setenv("STN_DATA_DIR", str(mnist_dir))
    by_environment = sources.load_source("mnist")
    assert by_argument.train_images.shape == (60, 28, 28, 1)
    np.testing.assert_array_equal(by_argument.test_images, by_environment.test_images)


def test_sources_of_other_content_have_other_fingerprints(mnist_dir):
    source = sources.load_source("mnist", mnist_dir)
    assert source.fingerprint() == sources.load_source("mnist", mnist_dir).fingerprint()
    source.test_labels[0] += 1
    assert source.fingerprint() != sources.load_source("mnist", mnist_dir).fingerprint()


@pytest.mark.parametrize(
    "wrong",
    [
        {"x_train": np.zeros((9, 28), "uint8"), "y_train": np.zeros(9, "uint8")},
        {"x_test": np.zeros((5, 20, 20), "uint8"), "y_test": np.zeros(5, "uint8")},
        {"x_train": np.zeros((0, 28, 28), "uint8"), "y_train": np.zeros(0, "uint8")},
        {"y_train": np.full(60, "three")},
        {"y_train": np.full(60, 10)},
        {"x_train": np.zeros((60, 28, 28))},
    ],
    ids=["rank", "size", "empty", "text", "range", "dtype"],
)
def test_mnist_of_another_shape_is_refused_in_one_line(mnist_dir, wrong):
    with np.load(mnist_dir / "mnist.npz") as file:
        arrays = {**file, **wrong}
    np.savez(mnist_dir / "mnist.npz", **arrays)
    with pytest.raises(UserError, match="labels") as error:
        sources.load_source("mnist", mnist_dir)
    assert "\n" not in str(error.value)


def test_mnist_is_read_from_keras_cache(mnist_dir, monkeypatch):
    (mnist_dir / "datasets").mkdir()
    (mnist_dir / "mnist.npz").rename(mnist_dir / "datasets" / "mnist.npz")
    monkeypatch.delenv("STN_DATA_DIR", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(mnist_dir))
    assert len(sources.load_source("mnist").test_labels) == 20


def test_mnist_out_of_reach_names_the_embedded_set(tmp_path, monkeypatch):
    keras = pytest.importorskip("keras")
    monkeypatch.delenv("STN_DATA_DIR", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))

    def fail():
        raise OSError("URL fetch failure:\nno network")

    monkeypatch.setattr(keras.datasets.mnist, "load_data", fail)
    with pytest.raises(UserError, match="distorted-digits") as error:
        sources.load_source("mnist")
    assert "\n" not in str(error.value)
    with pytest.raises(UserError, match="distorted-digits"):
        sources.load_source("mnist", tmp_path)


@pytest.fixture
def cluttered_arrays(rng):
    """A small file of the 40x40 cluttered set's layout."""
    return {
        f"{kind}_{part}": rng.integers(0, 257, (count, 1600)).astype("float32") / 256
        if kind == "X"
        else rng.integers(0, 10, (count, 1), "int32")
        for part, count in (("train", 30), ("valid", 8), ("test", 6))
        for kind in "Xy"
    }


def test_the_cluttered_file_is_read_as_it_is(cluttered_arrays, tmp_path):
    np.savez(tmp_path / "cluttered_mnist_40x40.npz", **cluttered_arrays)
    source = sources.load_source("cluttered-mnist-40x40", tmp_path)
    for part, key in (("train", "train"), ("validation", "valid"), ("test", "test")):
        images, labels = getattr(source, f"{part}_images"), getattr(source, f"{part}_labels")
        assert images.shape == (len(labels), 40, 40, 1)
        assert images.dtype == "float32"
        np.testing.assert_array_equal(images.reshape(-1, 1600), cluttered_arrays[f"X_{key}"])
        np.testing.assert_array_equal(labels, cluttered_arrays[f"y_{key}"][:, 0])
    before = source.fingerprint()
    source.validation_images[0, 0, 0] += 1 / 256
    assert source.fingerprint() != before


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        (None, "cannot be downloaded"),
        (b"PK", "expected a whole .npz with X_train, y_train"),
        ({"X_test": np.zeros((6, 784), "float32")}, "got float32 (6, 784)"),
        ({"X_valid": np.full((8, 1600), np.nan, "float32")}, "in [0, 1]"),
        ({"X_valid": np.full((8, 1600), 255, "float32")}, "in [0, 1]"),
        ({"X_train": np.zeros((30, 1600), "uint8")}, "got uint8"),
        ({"y_train": np.zeros(30, "int32")}, "with int32 (30,)"),
        ({"y_train": np.full((30, 1), 10)}, "labels (N, 1) from 0 to 9"),
        ({"y_test": np.array([[None]] * 6)}, "expected a whole .npz"),
    ],
    ids=["missing", "damaged", "size", "nan", "range", "dtype", "rank", "labels", "pickled"],
)
def test_a_wrong_cluttered_file_is_refused_in_one_line(cluttered_arrays, tmp_path, wrong, expected):
    path = tmp_path / "cluttered_mnist_40x40.npz"
    if isinstance(wrong, bytes):
        path.write_bytes(wrong)
    elif wrong:
        np.savez(path, **{**cluttered_arrays, **wrong})
    with pytest.raises(UserError) as error:
        sources.load_source("cluttered-mnist-40x40", tmp_path)
    assert expected in str(error.value)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


COUNTS = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


def test_real_mnist_where_it_is_at_hand():
    try:
        mnist = sources.load_source("mnist", os.environ.get("STN_DATA_DIR", "absent"))
    except UserError:
        pytest.skip("no MNIST at hand; STN_DATA_DIR names its folder")
    assert mnist.train_images.shape == (60000, 28, 28, 1)
    assert np.bincount(mnist.test_labels).tolist() == COUNTS


def numbered_digits(count):
    """Digits 8x8 of one value each: 200 for the first, 10 more for every other one."""
    return np.broadcast_to(
        (200 + 10 * np.arange(count, dtype="uint8"))[:, None, None, None], (count, 8, 8, 1)
    )


def test_a_cluttered_image_shows_its_digit_whole(rng):
    shown = np.arange(500) % 3
    images = draw_cluttered(numbered_digits(3), shown, Clutter(20, patches=0), rng)
    assert images.shape == (500, 20, 20, 1)
    np.testing.assert_array_equal(images.max((1, 2, 3)), 200 + 10 * shown)
    for axis in (1, 2):
        seen = images.any((3, 3 - axis))
        first, last = seen.argmax(1), 19 - seen[:, ::-1].argmax(1)
        np.testing.assert_array_equal(last - first, 7)
        np.testing.assert_array_equal(np.unique(first), np.arange(13))
    assert (np.count_nonzero(images, (1, 2, 3)) == 64).all()


def test_scraps_are_of_other_digits_and_never_hide_the_digit(rng):
    shown = np.arange(200) % 2
    images = draw_cluttered(numbered_digits(2), shown, Clutter(40, patches=3, patch_size=3), rng)
    for image, digit in zip(images, shown, strict=True):
        own, other = 200 + 10 * digit, 210 - 10 * digit
        assert set(np.unique(image)) == {0, own, other}
        covered = (image == other).sum()
        assert 9 <= covered <= 27
        assert (image == own).sum() >= 64 - (covered if other > own else 0)


def test_a_cluttered_set_is_the_same_for_any_number_of_workers(mnist_dir, tmp_path, monkeypatch):
    monkeypatch.setattr(clutter, "CHUNK", 16)
    files = []
    for seed, workers in ((1, 1), (1, 3), (2, 1)):
        made = clutter.make_cluttered_set(Clutter(), 70, seed, mnist_dir, workers, progress=False)
        save_npz(made, tmp_path / "set.npz")
        files.append((tmp_path / "set.npz").read_bytes())
    assert files[0] == files[1] != files[2]
    mnist = sources.load_source("mnist", mnist_dir)
    with np.load(tmp_path / "set.npz", allow_pickle=False) as file:
        assert file["train_images"].shape == (70, 60, 60, 1)
        np.testing.assert_array_equal(file["train_labels"][60:], mnist.train_labels[:10])
        np.testing.assert_array_equal(file["test_labels"], mnist.test_labels)
        assert json.loads(str(file["parameters"]))["patch_size"] == 6
    save_grid(made.test_images, made.test_labels, tmp_path / "preview.png")
    assert (tmp_path / "preview.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("wrong", "expected"), [(Clutter(canvas=20), "--canvas"), (Clutter(patch_size=40), "--patch")]
)
def test_clutter_that_does_not_fit_is_refused(mnist_dir, wrong, expected):
    with pytest.raises(UserError, match=f"{expected}.* 28.*got"):
        clutter.make_cluttered_set(wrong, 10, 0, mnist_dir)


def test_two_writers_of_a_file_are_not_in_each_others_way(tmp_path, monkeypatch):
    path = tmp_path / "file.npz"
    with atomic_path(path) as first:
        first.write_text("first")
        with monkeypatch.context() as patch:
            patch.setattr(os, "getpid", lambda: 1)
            with atomic_path(path) as second:
                second.write_text("second")
            assert path.read_text() == "second"
    assert path.read_text() == "first"
    assert [child.name for child in tmp_path.iterdir()] == ["file.npz"]


@pytest.mark.skipif(os.name != "posix", reason="processes are told apart by signals")
def test_what_a_killed_writer_has_left_is_removed(tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    left, other = (tmp_path / f".file-partial-{number}.npz" for number in (ended.pid, 1))
    for partial in (left, other):
        partial.write_text("half")
    with atomic_path(tmp_path / "file.npz") as partial:
        partial.write_text("whole")
    assert sorted(child.name for child in tmp_path.iterdir()) == [other.name, "file.npz"]
    left, own = (tmp_path / f".folder-partial-{number}" for number in (ended.pid, os.getpid()))
    for partial in (left, own):
        partial.mkdir()
        (partial / "half").touch()
    with atomic_folder(tmp_path / "folder"):
        assert not left.exists()
        assert not any(own.iterdir())


def test_a_failed_write_leaves_the_old_file_alone(tmp_path):
    path = tmp_path / "file.npz"
    path.write_text("old")

    def fail_half_way():
        with atomic_path(path) as partial:
            partial.write_text("half")
            raise RuntimeError("disk full")

    with pytest.raises(RuntimeError, match="disk full"):
        fail_half_way()
    assert path.read_text() == "old"
    assert [child.name for child in tmp_path.iterdir()] == ["file.npz"]
