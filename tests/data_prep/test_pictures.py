"""Pictures in files: CIFAR-10 in its forms, and a user's own folder."""

import io
import json
import os
import pickle
import sys
import zipfile

import numpy as np
import pytest
from PIL import ExifTags, Image

import evaluate as evaluate_command
from cli.errors import UserError
from data_prep.sources.cifar10 import CLASSES, read_cifar10
from data_prep.sources.image_folder import ImageFiles, find_images, guess_shape
from experiments import EXPERIMENTS
from experiments.data.batches import InOrder
from experiments.data.data import as_input
from experiments.reports.overview import write_overview
from tests.support.pictures import cifar10_arrays, save_batches, write_folder


def test_files_read_like_an_array(rng, tmp_path):
    images = write_folder(tmp_path, rng)
    found = find_images(tmp_path)
    files = ImageFiles(found.training.paths, images.shape[1:])
    assert (files.shape, files.dtype, len(files)) == (images.shape, images.dtype, len(images))
    assert found.classes == ("cat", "dog")
    np.testing.assert_array_equal(files[:], images)
    np.testing.assert_array_equal(files[[3, 1, 12]], images[[3, 1, 12]])
    np.testing.assert_array_equal(found.training.labels, np.repeat([0, 1], 8))


def test_pictures_of_any_size_and_color_become_alike(rng, tmp_path):
    write_folder(tmp_path / "a", rng, shape=(20, 30, 3))
    write_folder(tmp_path / "b", rng, shape=(50, 10, 1))
    paths = np.concatenate([find_images(tmp_path / n).training.paths for n in "ab"])
    assert ImageFiles(paths, (16, 24, 3))[:].shape == (32, 16, 24, 3)
    assert ImageFiles(paths, (16, 24, 1))[:].shape == (32, 16, 24, 1)
    assert guess_shape(paths[:16]) == (20, 30, 3)
    assert guess_shape(paths[16:]) == (50, 10, 1)
    assert guess_shape(paths, 64) == (64, 64, 3)
    write_folder(tmp_path / "c", rng, count=2, shape=(100, 200, 3))
    assert guess_shape(find_images(tmp_path / "c").training.paths) == (48, 96, 3)


def test_pictures_of_16_bits_keep_their_greys(tmp_path):
    ramp = np.linspace(0, 65535, 300).astype("uint16").reshape(10, 30)
    Image.fromarray(ramp).save(tmp_path / "ramp.png")
    paths = np.array([tmp_path / "ramp.png"])
    assert guess_shape(paths) == (10, 30, 1)
    for channels in (1, 3):
        image = ImageFiles(paths, (10, 30, channels))[:][0]
        np.testing.assert_array_equal(image, np.repeat(ramp[..., None] >> 8, channels, axis=-1))


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_pictures_of_a_camera_held_upright_stand_upright(suffix, tmp_path):
    upright = np.zeros((40, 20, 3), "uint8")
    upright[:10] = 255  # white above
    lying = Image.fromarray(np.rot90(upright))
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6  # a quarter of a turn clockwise shows it upright
    lying.save(tmp_path / f"lying.{suffix}", exif=exif, quality=95)
    paths = np.array([tmp_path / f"lying.{suffix}"])
    shape = guess_shape(paths)
    assert shape == (40, 20, 3)
    error = np.abs(ImageFiles(paths, shape)[:][0].astype(int) - upright)
    assert error.mean() < 2


def test_a_damaged_picture_is_named(rng, tmp_path):
    write_folder(tmp_path, rng)
    damaged = tmp_path / "dog" / "03.png"
    damaged.write_bytes(damaged.read_bytes()[:200])
    files = ImageFiles(find_images(tmp_path).training.paths, (20, 30, 3))
    with pytest.raises(UserError, match=r"expected a picture at .*dog/03\.png"):
        files[:]
    damaged.write_text("no picture")
    with pytest.raises(UserError, match=r"expected a picture at .*dog/03\.png"):
        guess_shape(files.paths)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda root: None, "expected a folder of pictures"),
        (lambda root: (root / "cat").mkdir(parents=True), "two classes, got none"),
        (lambda root: write_folder(root, np.random.default_rng(0), ("cat",)), "got cat"),
        (
            lambda root: [
                write_folder(root / part, np.random.default_rng(0), classes)
                for part, classes in (("train", ("cat", "dog")), ("test", ("cat", "eel")))
            ],
            "got dog, eel in some",
        ),
    ],
)
def test_a_folder_that_cannot_be_used_is_told(make, message, tmp_path):
    root = tmp_path / "root"
    make(root)
    with pytest.raises(UserError, match=message):
        find_images(root)


def test_image_folder_splits_every_class_and_keeps_the_parts_apart(rng, tmp_path, monkeypatch):
    write_folder(tmp_path, rng, count=20)
    load = EXPERIMENTS["image-folder"].load_data
    data, again = load(None, tmp_path), load(None, tmp_path)
    parts = [data.training, data.validation, data.test["test"]]
    assert [np.bincount(part.labels).tolist() for part in parts] == [[14, 14], [3, 3], [3, 3]]
    paths = [str(path) for part in parts for path in part.images.paths]
    assert len(set(paths)) == 40
    assert (again.test["test"].images.paths == data.test["test"].images.paths).all()
    assert (data.image_shape, data.classes) == ((20, 30, 3), ("cat", "dog"))
    assert load(None, tmp_path, image_size=16).image_shape == (16, 16, 3)
    elsewhere = tmp_path.with_name("elsewhere")
    tmp_path.rename(elsewhere)  # the same pictures, so a run of them goes on
    assert load(None, elsewhere).parameters == data.parameters
    monkeypatch.delenv("STN_DATA_DIR", raising=False)
    with pytest.raises(UserError, match="expected --data-dir ROOT"):
        load(None)


def test_a_part_for_testing_is_kept_as_it_is(rng, tmp_path):
    write_folder(tmp_path / "train", rng, count=10)
    test = write_folder(tmp_path / "test", rng, count=4)
    data = EXPERIMENTS["image-folder"].load_data(None, tmp_path)
    np.testing.assert_array_equal(data.test["test"].images[:], test)
    assert len(data.training.labels) + len(data.validation.labels) == 20
    batches = InOrder(data.test["test"], 3)
    images, labels = zip(*(batches[i] for i in range(batches.num_batches)), strict=True)
    np.testing.assert_array_equal(np.concatenate(images), as_input(test))
    np.testing.assert_array_equal(np.concatenate(labels), np.repeat([0, 1], 4))


def save_pictures(folder, arrays):
    """train|test/<class>/<number>.png."""
    for part in ("train", "test"):
        for name in CLASSES:
            (folder / part / name).mkdir(parents=True)
        for number, (image, (label,)) in enumerate(
            zip(arrays[f"x_{part}"], arrays[f"y_{part}"], strict=True)
        ):
            path = folder / part / CLASSES[label] / f"{number}.png"
            Image.fromarray(image).save(path)


@pytest.mark.parametrize("form", ["cifar10.npz", "cifar-10-batches-py", "cifar10"])
def test_cifar10_is_read_in_every_form(form, rng, tmp_path):
    arrays = cifar10_arrays(rng)
    if form == "cifar10.npz":
        np.savez(tmp_path / form, **arrays)
    elif form == "cifar10":
        save_pictures(tmp_path / form, arrays)
    else:
        save_batches(tmp_path / form, arrays)
    source = read_cifar10(tmp_path)
    read, note = [array for part in source.parts for array in part], source.note
    assert note == ""
    for array, expected in zip(read, arrays.values(), strict=True):
        np.testing.assert_array_equal(array, expected.squeeze())


def test_cifar10_as_jpegs_is_marked(rng, tmp_path):
    with zipfile.ZipFile(tmp_path / "cifar10_jpeg.zip", "w") as archive:
        for part in ("train", "test"):
            for label, name in enumerate(CLASSES):
                file = io.BytesIO()
                Image.fromarray(np.full((32, 32, 3), 20 * label, "uint8")).save(file, "JPEG")
                archive.writestr(f"{part}/{name}/0000.jpg", file.getvalue())
    source = read_cifar10(tmp_path)
    images, labels, note = source.train_images, source.train_labels, source.note
    assert note == "JPEG copy"
    order = np.argsort(labels)
    np.testing.assert_allclose(images[order].mean((1, 2, 3)), 20 * np.arange(10), atol=2)


def test_a_pickle_that_would_run_something_is_refused(rng, tmp_path):
    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "made"),)

    save_batches(tmp_path / "cifar-10-batches-py", cifar10_arrays(rng))
    (tmp_path / "cifar-10-batches-py" / "data_batch_3").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(UserError, match=r"mkdir is not allowed"):
        read_cifar10(tmp_path)
    assert not (tmp_path / "made").exists()


def test_cifar10_that_is_not_there_or_damaged_is_told(tmp_path):
    with pytest.raises(UserError, match=r"as one of cifar10\.npz, .*found none"):
        read_cifar10(tmp_path)
    (tmp_path / "cifar10.npz").write_bytes(b"PK")
    with pytest.raises(UserError, match=r"expected a whole copy of CIFAR-10 at .*cifar10\.npz"):
        read_cifar10(tmp_path)


def test_the_overview_stands_on_the_reports_alone(tmp_path, monkeypatch, capsys):
    accuracy = {"mean": 0.955, "standard_error": 0.001, "seeds": 3}
    run = {"settings": {"schedule": "best", "epochs": 7}, "environment": {"device": "abacus"}}
    model = {"model": "stn-cnn", "network": "stn-cnn", "accuracy": {"test": accuracy}}
    model |= {"published": {"test": 93.4}, "training_seconds": 90, "runs": [run]}
    paired = {"model": "stn-cnn", "test_set": "test", "p_value": 0.0123}
    summary = {"experiment": "mnist", "title": "MNIST", "note": "fax copy", "models": [model]}
    summary |= {"test_images": {"test": 10}, "paired_tests": [paired]}
    (tmp_path / "mnist").mkdir()
    (tmp_path / "mnist" / "report.json").write_text(json.dumps(summary))
    arguments = ["--all", "--runs-dir", str(tmp_path / "none"), "--out", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", ["evaluate.py", *arguments])
    evaluate_command.main()
    text = (tmp_path / "README.md").read_text()
    (row,) = (line for line in text.splitlines() if "stn-cnn |" in line)
    assert [cell.strip() for cell in row.strip("|").split("|")] == [
        "[mnist](mnist/report.md) (fax copy)",
        *(
            "stn-cnn",
            "test",
            "93.4",
            "",
            "95.50 ± 0.10 (3)",
            "+2.10",
            "0.012",
            "7",
            "1.5",
            "abacus",
        ),
    ]
    assert capsys.readouterr().out.strip().endswith("README.md")
    del summary["test_images"]
    (tmp_path / "mnist" / "report.json").write_text(json.dumps(summary))
    with pytest.raises(UserError, match=r"expected a report of evaluate\.py at .*mnist"):
        write_overview(tmp_path)
    assert (tmp_path / "README.md").read_text() == text
