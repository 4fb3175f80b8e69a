"""Traffic signs: one benchmark in two forms, whole tracks held out, and signs moved on a canvas."""

import dataclasses
import itertools
import os
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from keras import ops
from PIL import Image

from cli.errors import UserError
from data_prep import __main__ as command
from data_prep.distortions.signs import (
    BOX,
    GROWN,
    SHAPE_OF,
    MovedSign,
    read_windows,
    silhouettes,
)
from data_prep.sets.moved_signs import (
    example_pictures,
    framed,
    make_moved_signs,
    write_moved_signs,
)
from data_prep.sources import gtsrb, photographs
from data_prep.sources.gtsrb import CLASSES, read_gtsrb, split_by_track, spread_over_tracks
from data_prep.sources.image_folder import find_images
from experiments import EXPERIMENTS
from experiments.evaluation import windows
from stn_keras.transforms import Affine
from tests.support.corruptions import archive
from tests.support.gtsrb import FRAMES, TRACKS, small_gtsrb, strip_members, write_original


@pytest.fixture
def archive_dir(rng, tmp_path):
    """A folder with a small gtsrb32.zip."""
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "gtsrb32.zip").write_bytes(archive(strip_members(*small_gtsrb(rng))))
    return folder


@pytest.mark.parametrize("below", ["GTSRB", "."])
def test_both_forms_read_alike(rng, tmp_path, below):
    columns, photographs = small_gtsrb(rng)
    (tmp_path / "zip").mkdir()
    (tmp_path / "zip/gtsrb32.zip").write_bytes(archive(strip_members(columns, photographs)))
    write_original(tmp_path / "original" / below, columns, photographs)
    read = read_gtsrb(tmp_path / "zip"), read_gtsrb(tmp_path / "original", progress=False)
    for part, more in (("training", ("tracks", "frames")), ("test", ())):
        one, other = (getattr(signs, part) for signs in read)
        assert one.images.dtype == "uint8"
        assert one.labels.dtype == "int64"
        for name in ("images", "labels", "boxes", "sizes", *more):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name), name)
    training = read[0].training
    assert training.images.shape == (43 * TRACKS * FRAMES, 32, 32, 3)
    np.testing.assert_array_equal(training.tracks, columns["track_train"])
    np.testing.assert_array_equal(training.frames, columns["frame_train"])
    np.testing.assert_array_equal(training.sizes, columns["meta_train"][:, :2])
    np.testing.assert_array_equal(training.boxes, columns["meta_train"][:, 2:])


def test_the_tests_classes_may_lie_beside_its_folder(rng, tmp_path):
    write_original(tmp_path / "GTSRB", *small_gtsrb(rng))
    expected = read_gtsrb(tmp_path).test.labels
    (tmp_path / "GTSRB/Final_Test/Images/GT-final_test.csv").rename(tmp_path / "GT-final_test.csv")
    np.testing.assert_array_equal(read_gtsrb(tmp_path).test.labels, expected)


def test_gtsrb_out_of_reach_says_where_it_comes_from(tmp_path):
    with pytest.raises(UserError, match="cannot be downloaded automatically") as error:
        read_gtsrb(tmp_path)
    for word in (str(tmp_path), "gtsrb32.zip", "Final_Training", "Ruhr-Uni", "STN_DATA_DIR"):
        assert word in str(error.value)
    assert "\n" not in str(error.value)


def test_a_split_keeps_tracks_whole(rng):
    labels, tracks = np.repeat([0, 1, 4], [40, 200, 1000]), rng.integers(0, 20, 1240)
    labels, tracks = np.append(labels, [7, 7]), np.append(tracks, [0, 1])
    order = rng.permutation(len(labels))
    labels, tracks = labels[order], tracks[order]
    kept, held_out = split_by_track(labels, tracks, 0.15, seed=1)
    np.testing.assert_array_equal(np.sort(np.append(kept, held_out)), np.arange(len(labels)))
    parts = [set(zip(labels[part], tracks[part], strict=True)) for part in (kept, held_out)]
    assert not parts[0] & parts[1]
    assert {label for label, _ in parts[0]} == {label for label, _ in parts[1]} == {0, 1, 4, 7}
    assert sum(label == 4 for label, _ in parts[1]) == 3
    np.testing.assert_array_equal(split_by_track(labels, tracks, 0.15, seed=1)[1], held_out)
    assert not np.array_equal(split_by_track(labels, tracks, 0.15, seed=2)[1], held_out)


@pytest.mark.parametrize(("share", "expected"), [(0, "a share"), (1, "a share"), (0.5, "two tr")])
def test_a_split_that_cannot_be_is_refused(share, expected):
    with pytest.raises(ValueError, match=expected):
        split_by_track(np.array([0, 0, 1]), np.array([0, 1, 0]), share, seed=0)


def test_frames_are_spread_over_each_track(rng):
    labels, tracks = np.repeat([0, 0, 1], [30, 3, 30]), np.repeat([0, 1, 0], [30, 3, 30])
    frames = np.concatenate([np.arange(30), np.arange(3), rng.permutation(30)])
    chosen = spread_over_tracks(labels, tracks, frames, 10)
    for label, track, expected in (
        (0, 0, range(1, 30, 3)),
        (0, 1, range(3)),
        (1, 0, range(1, 30, 3)),
    ):
        mine = chosen[(labels[chosen] == label) & (tracks[chosen] == track)]
        assert sorted(frames[mine]) == list(expected)
    np.testing.assert_array_equal(spread_over_tracks(labels, tracks, frames, 99), np.arange(63))


@pytest.fixture
def signs(rng, archive_dir):
    return read_gtsrb(archive_dir, progress=False)


def test_a_sign_in_its_frame_fills_the_middle(signs):
    chosen = np.arange(40)
    images = np.full((len(signs.test.images), 32, 32, 3), 50, "uint8")
    boxes = np.rint(signs.test.boxes / np.tile(signs.test.sizes, 2) * 32).astype(int)
    for image, (left, top, right, bottom) in zip(images, boxes, strict=True):
        image[top:bottom, left:right] = 200
    pixels = np.full_like(signs.test.sizes, 32)
    boxed = dataclasses.replace(signs.test, images=images, boxes=boxes, sizes=pixels)
    read = framed(boxed, chosen)
    assert read.shape == (40, 32, 32, 4)
    assert (read[:, 5:-5, 5:-5, :3] == 200).all()
    assert (read[:, 16, [0, -1], :3] < 200).all(-1).mean() > 0.5  # where the image is large enough
    assert (read[:, 16, 16, 3] == 255).all()
    assert (read[:, 0, 0, 3] == 0).all()


@given(noise=arrays("float32", (3, 8), elements=st.floats(0, 0.984375, width=32)))
def test_a_window_reads_its_sign_upright_and_alone(noise):
    """A white sign on a photograph: its window is white, the picture outside of it is not moved."""
    warp = MovedSign("test")
    white = np.ones((3, 32, 32, 4), "float32")
    white[..., 3] = silhouettes(32)["disc"] / 255
    pictures = ops.convert_to_numpy(warp(*map(ops.convert_to_tensor, (white, noise)), None))
    theta = warp.theta(ops.convert_to_tensor(noise), 32)
    read = ops.convert_to_numpy(read_windows(pictures, theta, 33))
    assert pictures.shape == (3, 64, 64, 3)
    assert read[:, 8:-8, 8:-8].min() > 0.98
    background = ops.convert_to_numpy(warp.background(ops.convert_to_tensor(noise[:, 4:])))
    same = (np.abs(pictures - background) < 1e-6).all(-1)
    assert same.mean() > 0.7
    corners = windows.read_at(Affine(), theta, windows.CORNERS, (64, 64))
    sides = np.linalg.norm(np.diff(corners, axis=1), axis=-1)
    np.testing.assert_allclose(sides, 24 * (0.35 + 0.65 * noise[:, 1:2]).repeat(3, 1), rtol=1e-4)


def test_other_light_and_photographs_move_no_sign(rng):
    noise, signs = rng.random((4, 14), "float32"), rng.random((4, 32, 32, 4), "float32")
    plain, varied = MovedSign("training"), MovedSign("training", varied=True)
    pictures = [
        ops.convert_to_numpy(warp(*map(ops.convert_to_tensor, (signs, noise[:, :uniforms])), None))
        for warp, uniforms in ((plain, 8), (varied, 14))
    ]
    assert 0 <= pictures[1].min() < pictures[1].max() <= 1
    assert (np.abs(np.subtract(*pictures)).mean((1, 2, 3)) > 0.01).all()
    windows_of = [warp.theta(ops.convert_to_tensor(noise), 32) for warp in (plain, varied)]
    np.testing.assert_array_equal(*map(ops.convert_to_numpy, windows_of))


def test_a_photograph_is_turned_about_the_square_s_middle():
    """Without zoom, a quarter turn of each square of photographs is that square turned."""
    plain, varied = MovedSign("test"), MovedSign("test", varied=True)
    # Places far from the photographs' edges.
    uniform = np.array([[0.1, 0.4, 0.5, 0.2], [0.5, 0.6, 0.3, 0.8]], "float32")
    as_it_is = ops.convert_to_numpy(plain.background(ops.convert_to_tensor(uniform)))
    for turns in range(4):
        motion = np.array([[turns / 4, 0.5]] * 2, "float32")
        turned = varied.background(*map(ops.convert_to_tensor, (uniform, motion)))
        expected = np.stack([np.rot90(as_it_is[0], -turns), np.rot90(as_it_is[1], turns)])
        np.testing.assert_array_equal(ops.convert_to_numpy(turned), expected)


def test_shapes_are_those_of_the_signs():
    masks = silhouettes(64)
    assert {SHAPE_OF.get(label, "disc") for label in range(43)} == set(masks)
    triangle, yielding = masks["triangle"] / 255, masks["yield"] / 255
    np.testing.assert_allclose(triangle, yielding[::-1], atol=0.01)
    for name, share in (("disc", np.pi / 4), ("triangle", 0.5), ("diamond", 0.5)):
        box = (BOX * GROWN) ** 2
        assert abs((masks[name] / 255).mean() - share * box) < 0.01
    assert (masks["octagon"] >= masks["disc"]).mean() > 0.99


@pytest.mark.parametrize(("one", "other"), list(itertools.combinations(photographs.PARTS, 2)))
def test_no_photograph_is_in_two_parts(one, other):
    assert not set(photographs.PARTS[one]) & set(photographs.PARTS[other])
    known = photographs.backgrounds(one, 64)
    assert known.first[0] == 0
    assert known.first[-1] + known.sizes[-1].prod() == len(known.pixels)
    assert known.sizes.min() >= 64


def files_of(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.png")}


def test_moved_signs_are_the_same_for_one_seed(signs, tmp_path):
    made = [make_moved_signs(signs, seed, side=40, progress=False) for seed in (1, 1, 2)]
    for name in ("validation", "test"):
        first, same, other = (getattr(one, f"{name}_images") for one in made)
        np.testing.assert_array_equal(first, same)
        assert (first != other).any()
        assert getattr(made[0], f"{name}_windows").shape == (len(first), 6)
    np.testing.assert_array_equal(made[0].test_labels, signs.test.labels)
    counts = write_moved_signs(tmp_path / "signs", signs, 1, side=40, progress=False)
    assert counts == {"train": 43 * 2 * FRAMES, "validation": 43 * FRAMES, "test": 86}
    found = find_images(tmp_path / "signs")
    assert found.classes == tuple(f"{label:02}" for label in range(43))
    for path in (tmp_path / "signs/test").rglob("*.png"):
        number = int(path.stem)
        assert signs.test.labels[number] == int(path.parent.name)
        np.testing.assert_array_equal(np.asarray(Image.open(path)), made[0].test_images[number])
    pictures, labels = example_pictures(tmp_path / "signs")
    assert pictures.shape == (24, 40, 40, 3)
    assert labels[0] == 0
    assert labels[-1] == 42


def test_fewer_frames_leave_what_is_held_out_as_it_is(signs, tmp_path):
    for frames in (None, 2):
        out = tmp_path / f"{frames}"
        write_moved_signs(out, signs, 5, frames=frames, progress=False)
    few, all_frames = files_of(tmp_path / "2"), files_of(tmp_path / "None")
    for part, count in (("train", 43 * 2 * 2), ("validation", 43 * FRAMES), ("test", 86)):
        chosen = {path for path in few if path.parts[0] == part}
        assert len(chosen) == count
        assert chosen <= all_frames.keys()


def test_true_windows_are_those_of_the_same_pictures(archive_dir):
    pictures, windows_alone = (
        EXPERIMENTS[name].load_data(None, archive_dir)
        for name in ("gtsrb-moved", "gtsrb-moved-windows")
    )
    test, cut = pictures.test["test"], windows_alone.test["test"]
    assert pictures.image_shape == (64, 64, 3)
    size = windows_alone.image_shape[0]
    assert windows_alone.image_shape == (size, size, 3)
    np.testing.assert_array_equal(test.labels, cut.labels)
    theta = test.windows.astype("float32")
    read = read_windows(test.images.astype("float32"), theta, size)
    # The last bit of a place may be another in a batch of another size.
    np.testing.assert_allclose(ops.convert_to_numpy(read), cut.images, atol=0.51)


def call(monkeypatch, *arguments):
    """Run python -m data_prep in this process."""
    monkeypatch.setattr(sys, "argv", ["data_prep", *map(str, arguments)])
    command.main()


def test_the_command_writes_a_set_or_a_folder_and_its_preview(
    archive_dir, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("STN_DATA_DIR", str(archive_dir))
    out = tmp_path / "signs.new"
    call(monkeypatch, "gtsrb-moved", "--out", out, "--frames", "1")
    said = capsys.readouterr().out.splitlines()
    counts = "86 train, 172 validation, 86 test"
    assert said[0] == f"{out}: {counts} pictures of 64x64 pixels, seed 42"
    assert (tmp_path / "signs.new.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(UserError, match=r"--out to name an \.npz or a new folder"):
        call(monkeypatch, "gtsrb-moved", "--out", out)
    other = tmp_path / "other.npz"
    call(monkeypatch, "gtsrb-moved", "--out", other, "--no-preview", "--side", "40")
    with np.load(other) as file:
        assert file["test_images"].shape == (86, 40, 40, 3)
    assert {path.name for path in tmp_path.iterdir()} == {
        "data",
        "signs.new",
        "signs.new.png",
        "other.npz",
    }


@pytest.mark.parametrize(
    ("option", "value", "least"), [("--side", 31, 32), ("--frames", 0, 1), ("--seed", -1, 0)]
)
def test_options_below_their_least_are_refused(
    archive_dir, tmp_path, monkeypatch, option, value, least
):
    out = tmp_path / "signs"
    arguments = ("--out", out, "--data-dir", archive_dir, option, value)
    with pytest.raises(UserError, match=f"expected {option} of at least {least}, got {value}"):
        call(monkeypatch, "gtsrb-moved", *arguments)
    assert not out.exists()


def test_frames_of_an_npz_are_refused(tmp_path, monkeypatch):
    with pytest.raises(UserError, match="expected --frames with a folder"):
        call(monkeypatch, "gtsrb-moved", "--out", tmp_path / "a.npz", "--frames", "3")


def test_real_gtsrb_where_it_is_at_hand():
    folder = os.environ.get("STN_DATA_DIR", "absent")
    if not any(os.path.exists(os.path.join(folder, name)) for name in gtsrb.FORMS):
        pytest.skip("no GTSRB at hand; STN_DATA_DIR names its folder")
    signs = read_gtsrb(folder, progress=False)
    training, test = signs.training, signs.test
    assert training.images.shape == (39_209, 32, 32, 3)
    assert test.images.shape == (12_630, 32, 32, 3)
    assert len(np.unique(training.labels)) == len(CLASSES) == len(set(CLASSES)) == 43
    np.testing.assert_array_equal(np.bincount(test.labels)[:5], [60, 720, 750, 450, 660])
    assert len(np.unique(np.stack([training.labels, training.tracks]), axis=1).T) == 1307
    assert training.images.std() > 20
