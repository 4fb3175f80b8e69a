"""Traffic signs: one benchmark in two forms, whole tracks held out, and signs moved on a canvas."""

import os
import sys

import numpy as np
import pytest

from cli.errors import UserError
from data_prep import __main__ as command
from data_prep.distortions.imgaug_recipes import moved
from data_prep.distortions.imgaug_runner import distort
from data_prep.sets import moved_signs
from data_prep.sets.moved_signs import example_pictures, make_moved_signs
from data_prep.sources import gtsrb
from data_prep.sources.gtsrb import CLASSES, read_gtsrb, split_by_track, spread_over_tracks
from data_prep.sources.image_folder import find_images
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


def test_a_moved_sign_stays_in_view_on_its_own_background():
    y, x = np.mgrid[:32, :32] - 15.5
    images = np.full((300, 32, 32, 3), 100, "uint8")
    images[:, np.hypot(x, y) < 12] = 250
    canvas = moved_signs._on_canvas(images, 48)
    pictures, _ = distort(canvas, moved(0.5 - moved_signs.MARGIN / 48), seed=0)
    assert pictures.shape == (300, 48, 48, 3)
    assert pictures.min() >= 100
    shown = (pictures[..., 0] > 175).sum((1, 2)) / (np.pi * 12**2)
    assert 0.2 < shown.min() < 0.3
    assert 0.9 < shown.max() <= 1.05
    middles = [(pictures[..., 0] > 175).any(axis).argmax(1) for axis in (1, 2)]
    assert max(map(np.ptp, middles)) > 20


def files_of(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.png")}


def test_moved_signs_are_the_same_for_any_number_of_workers(archive_dir, tmp_path, monkeypatch):
    monkeypatch.setattr(moved_signs, "CHUNK", 100)
    made = []
    for seed, workers in ((1, 1), (1, 2), (2, 1)):
        out = tmp_path / f"{seed}-{workers}"
        counts = make_moved_signs(out, 40, None, seed, archive_dir, workers, progress=False)
        made.append(files_of(out))
    assert made[0] == made[1] != made[2]
    assert counts == {"train": 43 * 2 * FRAMES, "validation": 43 * FRAMES, "test": 86}
    assert len(made[0]) == sum(counts.values())
    found = find_images(out)
    assert found.classes == tuple(f"{label:02}" for label in range(43))
    signs = read_gtsrb(archive_dir)
    for part, expected in ((out / "validation", signs.training), (out / "test", signs.test)):
        for path in part.rglob("*.png"):
            assert expected.labels[int(path.stem)] == int(path.parent.name)
    pictures, labels = example_pictures(out)
    assert pictures.shape == (24, 40, 40, 3)
    assert labels[0] == 0
    assert labels[-1] == 42


def test_fewer_frames_leave_the_tracks_and_the_test_as_they_are(archive_dir, tmp_path):
    for frames in (None, 2):
        make_moved_signs(tmp_path / f"{frames}", 48, frames, 5, archive_dir, progress=False)
    few, all_frames = files_of(tmp_path / "2"), files_of(tmp_path / "None")
    for part, count in (("train", 43 * 2 * 2), ("validation", 43 * 2), ("test", 86)):
        chosen = {path for path in few if path.parts[0] == part}
        assert len(chosen) == count
        assert chosen <= all_frames.keys()


def call(monkeypatch, *arguments):
    """Run python -m data_prep in this process."""
    monkeypatch.setattr(sys, "argv", ["data_prep", *map(str, arguments)])
    command.main()


def test_the_command_writes_a_folder_and_its_preview(archive_dir, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("STN_DATA_DIR", str(archive_dir))
    out = tmp_path / "signs.new"
    call(monkeypatch, "moved-signs", "--out", out, "--frames", "1", "--workers", "1")
    said = capsys.readouterr().out.splitlines()
    assert said[0] == (f"{out}: 86 train, 43 validation, 86 test pictures of 48x48 pixels, seed 42")
    assert (tmp_path / "signs.new.png").read_bytes().startswith(b"\x89PNG")
    assert {path.name for path in tmp_path.iterdir()} == {"data", "signs.new", "signs.new.png"}
    with pytest.raises(UserError, match="expected --out to name a new folder"):
        call(monkeypatch, "moved-signs", "--out", out)
    other = tmp_path / "other"
    call(monkeypatch, "moved-signs", "--out", other, "--frames", "1", "--no-preview")
    assert not (tmp_path / "other.png").exists()


@pytest.mark.parametrize("option", ["--canvas", "--frames", "--seed", "--workers"])
def test_options_below_their_least_are_refused(archive_dir, tmp_path, monkeypatch, option):
    value = {"--canvas": 31, "--seed": -1}.get(option, 0)
    out = tmp_path / "signs"
    arguments = ("--out", out, "--data-dir", archive_dir, option, value)
    with pytest.raises(UserError, match=f"expected {option} of at least .* got {value}"):
        call(monkeypatch, "moved-signs", *arguments)
    assert not out.exists()


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
