"""Folders of pictures as people have them: nested, with other files, broken, in parts, small."""

import os
import re
import zlib

import numpy as np
import pytest
from PIL import ExifTags, Image

from cli.errors import UserError
from data_prep.sources.image_folder import ImageFiles, find_images, guess_shape
from data_prep.sources.picture_files import find_broken
from experiments import EXPERIMENTS
from experiments.arguments import data_arguments, evaluation_arguments, training_arguments
from experiments.training.cluster import Cluster
from experiments.training.plan import fit_batches
from experiments.training.run_folder import Settings, run_of
from tests.support.commands import refused, run
from tests.support.pictures import write_folder

FOLDER = EXPERIMENTS["image-folder"]


def load(root, **options):
    """The data of a folder."""
    return FOLDER.load_data(None, root, **options)


def header_of_png(side):
    """The start of a PNG that says it has so many rows and columns."""
    body = b"IHDR" + np.array([side, side], ">u4").tobytes() + bytes([8, 2, 0, 0, 0])
    checksum = np.array(zlib.crc32(body), ">u4").tobytes()
    return b"\x89PNG\r\n\x1a\n" + bytes([0, 0, 0, 13]) + body + checksum + b"\0\0\1\0IDAT"


def break_pictures(root):
    """One picture that is none, one cut off, one far too large."""
    cut = root / "cat" / "cut.jpg"
    noise = np.random.default_rng(0).integers(0, 256, (99, 99, 3), "uint8")
    Image.fromarray(noise).save(cut)
    cut.write_bytes(cut.read_bytes()[:-1000])
    (root / "dog" / "huge.png").write_bytes(header_of_png(60000))
    (root / "dog" / "text.png").write_text("no picture")


def test_broken_pictures_are_told_in_one_line_before_training(rng, tmp_path):
    write_folder(tmp_path, rng)
    break_pictures(tmp_path)
    with pytest.raises(UserError) as error:
        load(tmp_path)
    assert re.fullmatch(
        r"expected whole pictures in \S+, got broken ones: 3 \(cat/cut\.jpg: .*truncated.*; "
        r"dog/huge\.png: more than 50,000,000 pixels; dog/text\.png: not a PNG, .*\); "
        r"--skip-broken leaves them out",
        str(error.value),
    )


def test_broken_pictures_are_left_out_of_training_and_evaluation_alike(rng, tmp_path, capsys):
    write_folder(tmp_path, rng)
    whole = load(tmp_path)
    break_pictures(tmp_path)
    data = load(tmp_path, skip_broken=True)
    line = "left out broken pictures: 3 (cat/cut.jpg, dog/huge.png, dog/text.png)\n"
    assert capsys.readouterr().out == line
    assert data.parameters == whole.parameters
    assert (data.test["test"].images.paths == whole.test["test"].images.paths).all()
    for path in (tmp_path / "dog").iterdir():
        path.write_text("no picture")
    with pytest.raises(UserError, match=r"whole picture in .*dog, got broken ones alone"):
        load(tmp_path, skip_broken=True)


@pytest.mark.parametrize("parsed", [training_arguments, evaluation_arguments])
def test_both_commands_skip_broken_pictures(parsed):
    arguments = parsed(["image-folder", "--skip-broken"])
    assert data_arguments(FOLDER, arguments)["skip_broken"]


def test_pictures_in_folders_in_folders_are_read_once_and_in_order(rng, tmp_path):
    write_folder(tmp_path, rng, count=3)
    cat = tmp_path / "cat"
    before = find_images(tmp_path).fingerprint()
    (cat / "sub" / "deep").mkdir(parents=True)
    (cat / "00.png").rename(cat / "sub" / "deep" / "nested.png")
    (cat / ".hidden").mkdir()
    (cat / ".hidden" / "a.png").write_text("not read")
    (cat / "._02.png").write_text("not read")
    (cat / "sub" / "up").symlink_to(cat, target_is_directory=True)
    (cat / "sub" / "root").symlink_to(tmp_path, target_is_directory=True)
    found = find_images(tmp_path)
    names = [found.name(path) for path in found.paths]
    assert names[:3] == ["cat/01.png", "cat/02.png", "cat/sub/deep/nested.png"]
    assert np.bincount(found.training.labels).tolist() == [3, 3]
    nested = found.fingerprint()
    (cat / "sub" / "deep").rename(cat / "sub" / "other")
    assert len({before, nested, find_images(tmp_path).fingerprint()}) == 3


def test_what_is_not_read_is_told(rng, tmp_path, capsys):
    write_folder(tmp_path, rng)
    for name in ("read.me.txt", "cat/a.TXT", "cat/b.heic", "dog/label", "cat/Thumbs.db"):
        (tmp_path / name).touch()
    (tmp_path / "cat" / ".DS_Store").touch()
    (tmp_path / "cat" / "gone.png").symlink_to("nowhere")
    (tmp_path / "dog" / "00.png").rename(tmp_path / "stray.png")
    (tmp_path / "eel").mkdir()
    load(tmp_path)
    assert capsys.readouterr().out.splitlines() == [
        "ignored files that are not pictures: "
        "5 (.txt 2, .heic 1, broken links and the like 1, no ending 1)",
        "ignored pictures outside the folders of classes: 1 (stray.png)",
        "ignored folders without pictures: 1 (eel)",
    ]


def test_a_name_of_any_bytes_is_told(rng, tmp_path, capsys):
    write_folder(tmp_path, rng)
    with open(os.fsencode(tmp_path) + b"/\xff\n.png", "wb") as file:
        file.write((tmp_path / "cat" / "00.png").read_bytes())
    load(tmp_path)
    out = capsys.readouterr().out
    assert "1 (\\udcff .png)\n" in out
    out.encode()


def test_classes_of_any_alphabet_keep_their_names(rng, tmp_path):
    names = ("зебра", "árbol", "猫")
    write_folder(tmp_path, rng, classes=names)
    data = load(tmp_path)
    assert data.classes == tuple(sorted(names))
    assert len(data.training.images[np.arange(3)]) == 3


def test_tiff_and_webp_are_read(tmp_path):
    ramp = np.linspace(0, 65535, 300).astype("uint16").reshape(10, 30)
    Image.fromarray(ramp).save(tmp_path / "a.tif")
    Image.fromarray(ramp.astype(">u2")).save(tmp_path / "b.tiff")
    paths = np.array([tmp_path / "a.tif", tmp_path / "b.tiff"])
    assert guess_shape(paths) == (10, 30, 1)
    for image in ImageFiles(paths, (10, 30, 1))[:]:
        np.testing.assert_array_equal(image[..., 0], ramp >> 8)
    color = np.random.default_rng(0).integers(0, 256, (10, 30, 3), "uint8")
    Image.fromarray(color).save(tmp_path / "c.tif", compression="tiff_lzw")
    Image.fromarray(color).save(tmp_path / "d.webp", lossless=True)
    for image in ImageFiles(np.array([tmp_path / "c.tif", tmp_path / "d.webp"]), (10, 30, 3))[:]:
        np.testing.assert_array_equal(image, color)


def test_a_tiff_of_a_camera_held_upright_stands_upright(tmp_path):
    upright = np.zeros((40, 20, 3), "uint8")
    upright[:10] = 255
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    Image.fromarray(np.rot90(upright)).save(tmp_path / "lying.tif", exif=exif)
    paths = np.array([tmp_path / "lying.tif"])
    assert guess_shape(paths) == upright.shape
    np.testing.assert_array_equal(ImageFiles(paths, upright.shape)[:][0], upright)


@pytest.mark.parametrize(("dtype", "message"), [("int32", "more than 16"), ("float32", "floats")])
def test_a_tiff_whose_greys_would_be_lost_is_refused(dtype, message, tmp_path):
    Image.fromarray(np.full((9, 9), 2**20, dtype)).save(tmp_path / "a.tif")
    with pytest.raises(UserError, match=message):
        ImageFiles(np.array([tmp_path / "a.tif"]), (9, 9, 1))[:]


def test_a_broken_tiff_prints_nothing_of_its_own(tmp_path, capfd):
    path = tmp_path / "a.tif"
    Image.fromarray(np.zeros((99, 99), "uint8")).save(path, compression="packbits")
    whole = bytearray(path.read_bytes())
    whole[8:40] = b"\x05" * 32  # the start of what is packed
    path.write_bytes(whole)
    assert find_broken(np.array([path]), 96)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("names", [("train", "validation", "test"), ("Train", "val", "testing")])
def test_a_part_for_validation_is_kept_as_it_is(names, rng, tmp_path):
    images = [write_folder(tmp_path / name, rng, count=i + 3) for i, name in enumerate(names)]
    data = load(tmp_path)
    parts = (data.training, data.validation, data.test["test"])
    for part, expected in zip(parts, images, strict=True):
        np.testing.assert_array_equal(part.images[:], expected)
    with_parts = data.parameters
    (tmp_path / names[2]).rename(tmp_path / "unused")
    assert load(tmp_path).parameters["source_sha256"] != with_parts["source_sha256"]


def test_a_missing_part_for_testing_is_split_off_training(rng, tmp_path, capsys):
    write_folder(tmp_path / "train", rng, count=20)
    validation = write_folder(tmp_path / "valid", rng, count=4)
    write_folder(tmp_path / "extra", rng, count=1)
    data = load(tmp_path)
    np.testing.assert_array_equal(data.validation.images[:], validation)
    parts = (data.training, data.test["test"])
    assert [np.bincount(part.labels).tolist() for part in parts] == [[17, 17], [3, 3]]
    assert capsys.readouterr().out.splitlines() == [
        "ignored pictures outside the folders of classes: 2 (extra/cat/00.png, extra/dog/00.png)",
        "no test part: 15 % of train are kept for testing",
    ]
    as_validation = find_images(tmp_path).fingerprint()
    (tmp_path / "valid").rename(tmp_path / "test")
    assert find_images(tmp_path).fingerprint() != as_validation


def test_two_folders_for_one_part_are_refused(rng, tmp_path):
    for name in ("train", "val", "valid"):
        write_folder(tmp_path / name, rng, count=1)
    with pytest.raises(UserError, match=r"one folder for the validation part .* got valid, val"):
        find_images(tmp_path)


@pytest.mark.parametrize(("parts", "needed"), [(("",), 3), (("train", "test"), 2)])
def test_too_few_pictures_to_split_are_told(parts, needed, rng, tmp_path):
    for part in parts:
        write_folder(tmp_path / part, rng, count=needed - 1)
    expected = rf"at least {needed} pictures to split in .*cat, got {needed - 1}"
    with pytest.raises(UserError, match=expected):
        load(tmp_path)


def settings(batch_size):
    """Settings of a run by default."""
    return Settings("image-folder", "cnn", 0, 30, batch_size, "float32", 42)


def test_batches_are_as_small_as_the_pictures_are_few(capsys):
    asked = [settings(32), settings(8)]
    fitted = fit_batches(asked, 11, Cluster())
    assert [each.batch_size for each in fitted] == [11, 8]
    assert capsys.readouterr().out == "batches of 11 images: there are only 11 to train on\n"
    assert fit_batches(asked, 11, Cluster(devices=4))[0].batch_size == 8
    capsys.readouterr()
    assert fit_batches(asked, 32, Cluster()) == asked
    assert capsys.readouterr().out == ""


def test_a_run_of_few_pictures_is_recognized(rng, tmp_path):
    write_folder(tmp_path / "in", rng, count=4)  # two of each class are left to train on
    options = ("--data-dir", tmp_path / "in", "--runs-dir", tmp_path / "runs", "--models", "cnn")
    made = run_of(tmp_path / "runs", settings(4))
    made.start(settings(4), {"device": "none"}, load(tmp_path / "in").parameters)
    code, out, err = run("train.py", "image-folder", *options, "--resume", "--dry-run")
    assert code == 0, err
    said = "batches of 4 images: there are only 4 to train on\nresume "
    assert out.startswith(said), out
    assert "expected --batch-size of at most 4, got 5" in refused(
        "train.py", "image-folder", *options, "--overwrite", "--batch-size", "5"
    )
    made.metrics.write_text('{"best_epoch": 1}')
    code, out, err = run("train.py", "image-folder", *options)
    assert code == 0, err
    assert "already trained" in out
