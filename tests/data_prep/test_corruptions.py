"""Damaged and malicious files: one clear line, no harm done, or read where the damage is none."""

import io
import json
import os
import pickle
import zipfile
import zlib

import h5py
import keras
import numpy as np
import pytest
from PIL import Image

from cli.errors import UserError
from data_prep import sources
from data_prep.distortions.imgaug_recipes import POST
from data_prep.sets import distorted as distorted_set
from data_prep.sources.cifar10 import CLASSES, read_cifar10
from data_prep.sources.gtsrb import read_gtsrb
from experiments import EXPERIMENTS
from experiments.training import checkpoint as saved
from experiments.training import train as training
from experiments.training.callbacks import SaveBestAndLast, WriteHistory
from experiments.training.run_folder import VALIDATED_HISTORY, Settings, next_step, run_of
from stn_keras.export import ExportError
from stn_keras.export.images import read_images
from tests.support.corruptions import (
    GIGABYTE,
    Trap,
    archive,
    bad_npz,
    bomb,
    by_chance,
    claim,
    npz,
    within_limits,
)
from tests.support.gtsrb import small_gtsrb, strip_members, write_original
from tests.support.pictures import cifar10_arrays, save_batches, write_folder
from tests.support.training import TINY

pytestmark = pytest.mark.everything

SETTINGS = Settings("mnist", "cnn", 0, 3, 10, "float32", 42)


def check(path, load, corruptions, may_be_read=True):
    """Write each (name, content) to the path and load it: a line or, where it may be, a success."""
    whole, folder = path.read_bytes(), path.parent
    load()
    files = {file for file in folder.parent.rglob("*") if file.is_file()}
    for name, content in corruptions:
        path.write_bytes(content)
        try:
            with within_limits():
                refused = refusal(load)
        except BaseException as error:
            error.add_note(f"{path.name}: {name}")
            raise
        assert refused or may_be_read, f"{path.name}: {name} was read"
        assert "\n" not in (refused or ""), refused
        assert {file for file in folder.parent.rglob("*") if file.is_file()} == files, name
        assert not (folder / "made").exists(), name
    path.write_bytes(whole)


def refusal(load):
    """The line in which it refuses, or None."""
    try:
        load()
    except UserError as error:
        return str(error)


def labelled(rng, shape, count=10):
    """Noise images and labels of both parts in MNIST's layout."""
    arrays = {}
    for part in ("train", "test"):
        arrays[f"x_{part}"] = rng.integers(0, 256, (count, *shape), "uint8")
        arrays[f"y_{part}"] = np.arange(count, dtype="uint8") % 10
    return arrays


def test_mnist(rng, tmp_path):
    path, arrays = tmp_path / "in" / "mnist.npz", labelled(rng, (28, 28))
    path.parent.mkdir()
    np.savez_compressed(path, **arrays)

    def load():
        sources.load_source("mnist", path.parent)

    check(path, load, by_chance(path))
    made = path.parent / "made"
    check(path, load, bad_npz(arrays, "x_train", "y_train", Trap(made)), may_be_read=False)
    escaping = archive({"../escaped.npy": b"", "/tmp/escaped.npy": b""})
    check(path, load, [("escaping", escaping)], may_be_read=False)


def test_images_to_compare_an_export_on(rng, tmp_path):
    path, arrays = tmp_path / "in" / "mnist.npz", labelled(rng, (28, 28))
    path.parent.mkdir()
    np.savez_compressed(path, **arrays)

    def load():
        try:
            read_images(path, (14, 14, 3))
        except ExportError as error:
            raise UserError(str(error)) from None

    check(path, load, by_chance(path))
    check(path, load, bad_npz(arrays, "x_test", "y_test", Trap(path.parent / "made")))


def test_a_distorted_set(rng, tmp_path):
    path = tmp_path / "in" / "data.npz"
    path.parent.mkdir()
    images, labels = rng.integers(0, 256, (10, 28, 28, 1), "uint8"), np.arange(10)
    split = distorted_set.Split(images, labels, np.tile(images, (2, 1, 1, 1)), np.zeros(20, "u1"))
    parameters = {"recipe": POST, "source_sha256": "0"}
    distorted_set.save(distorted_set.DistortedSet(split, split, parameters), path)
    with np.load(path) as file:
        arrays = dict(file)

    def load():
        distorted_set.load(path)

    check(path, load, by_chance(path))
    for kind in ("originals", "distorted"):
        wrong = bad_npz(arrays, f"train_{kind}", "test_labels", Trap(path.parent / "made"))
        check(path, load, wrong, may_be_read=False)
    for text in ("", "[]", "{}", '{"recipe": 3}', "[" * 100_000, '{"recipe": [], "a": "'):
        arrays["parameters"] = np.array(text)
        file = io.BytesIO()
        np.savez(file, **arrays)
        check(path, load, [(f"parameters {text[:9]}", file.getvalue())], may_be_read=False)


def test_the_cluttered_file(rng, tmp_path):
    path, arrays = tmp_path / "in" / "cluttered_mnist_40x40.npz", {}
    path.parent.mkdir()
    for part in ("train", "valid", "test"):
        arrays[f"X_{part}"] = (rng.integers(0, 257, (4, 1600)) / 256).astype("float32")
        arrays[f"y_{part}"] = np.arange(4)[:, None]
    np.savez(path, **arrays)

    def load():
        sources.load_source("cluttered-mnist-40x40", path.parent)

    check(path, load, by_chance(path))
    wrong = bad_npz(arrays, "X_valid", "y_valid", Trap(path.parent / "made"))
    # An image less and its label fit no more; a column less is another size.
    check(path, load, wrong, may_be_read=False)


def test_cifar10_as_npz(rng, tmp_path):
    path, arrays = tmp_path / "in" / "cifar10.npz", cifar10_arrays(rng)
    path.parent.mkdir()
    np.savez(path, **arrays)

    def load():
        read_cifar10(path.parent)

    check(path, load, by_chance(path))
    wrong = bad_npz(arrays, "x_test", "y_test", Trap(path.parent / "made"))
    check(path, load, wrong, may_be_read=False)


def test_cifar10_as_pickles(rng, tmp_path):
    save_batches(tmp_path / "cifar-10-batches-py", cifar10_arrays(rng))
    path = tmp_path / "cifar-10-batches-py" / "data_batch_2"
    data, doubled, nested = np.zeros((2, 3072), "u1"), b"x" * 2**10, [0, 1]
    for _ in range(64):
        nested = [nested, nested]
    wrong = {
        "trap": Trap(path.parent / "made"),
        "trap inside": {b"data": data, b"labels": [Trap(path.parent / "made"), 0]},
        "endless array": {b"data": Endless(), b"labels": [0, 1]},
        "endless labels": {b"data": data, b"labels": Endless()},
        "lists in lists": {b"data": data, b"labels": nested},
        "doubled": {b"data": data, b"labels": Encoded(doubled, 22)},
        "no labels": {b"data": data},
        "a list": [data, [0, 1]],
        "text": {b"data": "data", b"labels": [0, 1]},
        "label of 10": {b"data": data, b"labels": [0, 10]},
        "label of 2**70": {b"data": data, b"labels": [0, 2**70]},
        "a label less": {b"data": data, b"labels": [0]},
        "float": {b"data": data + np.nan, b"labels": [0, 1]},
        "another size": {b"data": data[:, 1:], b"labels": [0, 1]},
        "objects": {b"data": data.astype(object), b"labels": [0, 1]},
    }

    def load():
        read_cifar10(tmp_path)

    check(path, load, by_chance(path))
    contents = ((name, pickle.dumps(content, protocol=2)) for name, content in wrong.items())
    check(path, load, contents, may_be_read=False)


class Endless:
    """An array of 16 GiB in a few bytes of pickle."""

    def __reduce__(self):
        return np.ndarray, ((16 * GIGABYTE,), np.dtype("u1"))


class Encoded:
    """Bytes that double with each of so many calls of a codec."""

    def __init__(self, content, times):
        self.content, self.times = content, times

    def __reduce__(self):
        import codecs

        inner = Encoded(self.content, self.times - 1) if self.times else self.content
        return codecs.encode, (inner, "hex")


def jpeg(size=(32, 32)):
    """A grey picture."""
    file = io.BytesIO()
    Image.new("RGB", size, "grey").save(file, "JPEG")
    return file.getvalue()


def test_cifar10_as_jpegs(tmp_path):
    path = tmp_path / "in" / "cifar10_jpeg.zip"
    path.parent.mkdir()
    names = [f"{part}/{name}/0.jpg" for part in ("train", "test") for name in CLASSES]
    members = dict.fromkeys(names, jpeg())
    whole = archive(members)
    path.write_bytes(whole)

    def load():
        read_cifar10(path.parent)

    check(path, load, by_chance(path))
    wrong = {
        "another size": archive({**members, names[3]: jpeg((1, 1))}),
        "large": archive({**members, names[3]: jpeg((9000, 9000))}),
        "another class": archive({**members, "train/eel/0.jpg": jpeg()}),
        "no part": archive({**members, "0.jpg": jpeg()}),
        "a script": archive({**members, names[3]: b"%!PS-Adobe-3.0 EPSF-3.0\n"}),
        "no test part": archive(dict.fromkeys(names[:10], jpeg())),
        "bomb": bomb(whole, names[3], start=jpeg()),
        "claims": claim(whole, names[3], 2 * GIGABYTE),
    }
    check(path, load, wrong.items(), may_be_read=False)
    check(path, load, [("escaping", archive({**members, "../../train/cat/1.jpg": jpeg()}))])


def webp(size):
    """A grey picture without loss."""
    file = io.BytesIO()
    Image.new("RGB", size, "grey").save(file, "WEBP", lossless=True)
    return file.getvalue()


def test_gtsrb_as_an_archive(rng, tmp_path):
    path = tmp_path / "in" / "gtsrb32.zip"
    path.parent.mkdir()
    columns, photographs = small_gtsrb(rng)
    members = strip_members(columns, photographs)
    whole, first, last = archive(members), "train/00000.webp", "test/00060.webp"
    path.write_bytes(whole)

    def load():
        read_gtsrb(path.parent, progress=False)

    check(path, load, by_chance(path))
    trap = Trap(path.parent / "made")
    for part in ("train", "test"):
        bad = bad_npz(columns, f"meta_{part}", f"y_{part}", trap)
        # 16 bits are what the archive has.
        wrong = ((name, text) for name, text in bad if name != "images: int16")
        labels = ((name, archive({**members, "labels.npz": text})) for name, text in wrong)
        check(path, load, labels, may_be_read=False)
    meta = columns["meta_train"]
    changes = {
        "tracks below 0": {"track_train": columns["track_train"] - 1},
        "frames twice": {"frame_train": columns["frame_train"] // 2},
        "a frame less": {"frame_train": columns["frame_train"][1:]},
        "boxes outside": {"meta_train": np.add(meta, [0, 0, 0, 0, 9, 9])},
        "boxes below 0": {"meta_train": meta - [0, 0, 9, 0, 0, 0]},
        "empty boxes": {"meta_train": meta[:, [0, 1, 2, 3, 2, 3]]},
        "huge sizes": {"meta_train": np.add(meta, [2000, 0, 0, 0, 0, 0])},
    }
    wrong = {
        name: archive({**members, "labels.npz": npz(columns, **changed)})
        for name, changed in changes.items()
    }
    wrong |= {
        "no labels": archive({name: members[name] for name in members if name != "labels.npz"}),
        "no strip": archive({name: members[name] for name in members if name != first}),
        "no last strip": archive({name: members[name] for name in members if name != last}),
        "a strip more": archive({**members, "test/00086.webp": webp((32, 32))}),
        "a wide strip": archive({**members, first: webp((64, 32 * 60))}),
        "a high strip": archive({**members, last: webp((32, 32 * 500))}),
        "a strip cut": archive({**members, first: members[first][:500]}),
        "a jpeg": archive({**members, first: jpeg((32, 32 * 60))}),
        "a script": archive({**members, first: b"%!PS-Adobe-3.0 EPSF-3.0\n"}),
        "bomb": bomb(whole, first, start=members[first]),
        "bomb of labels": bomb(whole, "labels.npz"),
        "claims": claim(whole, first, 2 * GIGABYTE),
    }
    check(path, load, wrong.items(), may_be_read=False)
    check(path, load, [("escaping", archive({**members, "../train/00000.webp": b""}))])


def test_gtsrb_as_the_publishers_folders(rng, tmp_path):
    write_original(tmp_path / "GTSRB", *small_gtsrb(rng))
    folder = tmp_path / "GTSRB" / "Final_Training" / "Images" / "00007"
    table, photograph = folder / "GT-00007.csv", folder / "00001_00002.ppm"
    text = table.read_text()
    head, first, *_ = text.splitlines()
    name, width, *rest = first.split(";")

    def load():
        read_gtsrb(tmp_path, progress=False)

    def changed(*fields):
        return text.replace(first, ";".join(fields))

    check(table, load, by_chance(table, cuts=4, flips=5))
    wrong = {
        "nothing": "",
        "no rows": head,
        "no column": text.replace("Roi.X1", "X1"),
        "commas": text.replace(";", ","),
        "another class": changed(name, width, *rest[:-1], "8"),
        "text": changed(name, "wide", *rest),
        "many digits": changed(name, "9" * 5000, *rest),
        "a huge number": changed(name, str(2**70), *rest),
        "another size": changed(name, str(int(width) + 1), *rest),
        "a field less": changed(name, width, *rest[:-1]),
        "a row twice": text + first,
        "escaping": changed("../../../../secret.ppm", width, *rest),
        "absent": changed("00099_00000.ppm", width, *rest),
        "a long field": changed("9" * 200_000, width, *rest),
    }
    contents = ((name, content.encode()) for name, content in wrong.items())
    check(table, load, contents, may_be_read=False)
    check(photograph, load, by_chance(photograph, cuts=4, flips=5))
    wrong = {
        "nothing": b"",
        "another size": b"P6 2 2 255\n" + bytes(12),
        "a huge claim": b"P6 9000 9000 255\n" + bytes(100),
        "a script": b"%!PS-Adobe-3.0 EPSF-3.0\n",
        "a jpeg": jpeg(),
    }
    check(photograph, load, wrong.items(), may_be_read=False)


def large_png(side, channels=4):
    """A small file that says it has so many pixels, and has them."""
    row = bytes(1 + side * channels)
    packer = zlib.compressobj(9)
    data = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    head = np.array([side, side], ">u4").tobytes() + bytes([8, 6, 0, 0, 0])
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        np.array(len(body), ">u4").tobytes()
        + kind
        + body
        + np.array(zlib.crc32(kind + body), ">u4").tobytes()
        for kind, body in ((b"IHDR", head), (b"IDAT", data), (b"IEND", b""))
    )


@pytest.mark.parametrize("form", ["png", "jpg", "tif"])
def test_a_folder_of_pictures(form, rng, tmp_path):
    write_folder(tmp_path / "in", rng, count=6)
    path = tmp_path / "in" / "cat" / f"first.{form}"
    Image.fromarray(rng.integers(0, 256, (20, 30, 3), "uint8")).save(path)

    def load():
        data = EXPERIMENTS["image-folder"].load_data(None, tmp_path / "in")
        for part in (data.training, data.validation, data.test["test"]):
            part.images[:]

    check(path, load, by_chance(path))
    wrong = {
        "many pixels": large_png(8000),
        "a script": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n",
        "nothing": b"",
    }
    check(path, load, wrong.items(), may_be_read=False)
    os.mkfifo(path.with_name("pipe.png"))
    (path.with_name("folder.png")).mkdir()
    (path.with_name("gone.png")).symlink_to("nowhere")
    with open(os.fsencode(path.parent) + b"/\xff.png", "wb") as file:
        file.write(path.read_bytes())
    with within_limits():
        assert refusal(load) is None


def tiny_model(units=2):
    """A classifier with dropout of images (2, 2, 1)."""
    layers = [keras.layers.Flatten(), keras.layers.Dropout(0.5), keras.layers.Dense(units)]
    model = keras.Sequential([keras.Input((2, 2, 1)), *layers])
    model.compile("adam", "mse")
    return model


@pytest.fixture
def unfinished(tmp_path):
    """A run folder with one epoch of a tiny model, and the model."""
    run, model = run_of(tmp_path / "in", SETTINGS), tiny_model()
    run.start(SETTINGS, {"device": "none"}, {"seed": 42})
    row = {name: 0.5 for name in VALIDATED_HISTORY if name != "epoch"}
    WriteHistory(run, []).on_epoch_end(0, dict(row))
    callback = SaveBestAndLast(run, [], model, TINY.schedules["best"].rank)
    callback.set_model(model)
    model.optimizer.build(model.trainable_variables)
    callback.on_epoch_end(0, dict(row))
    run.metrics.write_text('{"best_epoch": 1, "epochs": 1}\n')
    return run, model


@pytest.mark.parametrize("file", ["config", "history", "metrics"])
def test_the_texts_of_a_run(file, unfinished):
    run, _ = unfinished
    path = getattr(run, file)
    values = json.loads(run.config.read_text())["settings"]

    def load():
        next_step(run, SETTINGS, resume=True, overwrite=False)
        run.check_data({"seed": 42})
        EXPERIMENTS["mnist"].schedules.get(run.settings().schedule)
        run.read_history(VALIDATED_HISTORY)

    check(path, load, by_chance(path))
    wrong = {
        "config": [
            *(json.dumps({"settings": {**values, name: []}}) for name in values),
            *(json.dumps({"settings": {**values, "seed": seed}}) for seed in (1.5, "0", None)),
            '{"settings": []}',
            "[" * 100_000,
        ],
        "history": [
            *(run.history.read_text().replace("\n0,", f"\n{n},") for n in ("nan", "1e999", "7")),
            "epoch\n" + "9" * 200_000,
            run.history.read_text().replace("0.5", "0.5,0.5"),
        ],
        "metrics": ["[]", "3", "[" * 100_000, "9" * 10_000],
    }[file]
    check(path, load, ((text[:40], text.encode()) for text in wrong), may_be_read=False)
    with path.open("r+b") as sparse:
        sparse.truncate(2 * GIGABYTE)
    with within_limits():
        assert refusal(load)


def sealed(path, change):
    """The content of an HDF5 file after a change, with a seal of its own."""
    with h5py.File(path, "r+") as file:
        change(file)
    path.write_bytes(path.read_bytes())
    saved.seal(path)
    return path.read_bytes()


def test_the_state_of_a_run(unfinished, tmp_path):
    run, model = unfinished
    path, other = run.last_state, tmp_path / "other.weights.h5"
    outside = tmp_path / "outside.bin"
    outside.write_bytes(bytes(1000))

    def load():
        training._restore(model, run, VALIDATED_HISTORY)

    check(path, load, by_chance(path, cuts=8, flips=14))
    find = {}

    def find_kernel(name, item):
        if getattr(item, "shape", None) == (4, 2):
            find.setdefault("kernel", name)

    def replaced(**options):
        def change(file):
            file.visititems(find_kernel)
            del file[find["kernel"]]
            file.create_dataset(find["kernel"], **options)

        return change

    def attribute(name, value):
        return lambda file: file.attrs.__setitem__(name, value)

    wrong = {
        "bomb": replaced(shape=(2**29,), dtype="f4", chunks=(2**20,)),
        "elsewhere": replaced(shape=(4, 2), dtype="f4", external=[(str(outside), 0, 32)]),
        "another shape": replaced(data=np.zeros((2, 4), "f4")),
        "text": replaced(data=["a", "b"]),
        "no epochs": lambda file: file.attrs.__delitem__("epochs"),
        "epochs of text": attribute("epochs", "many"),
        "epochs of an array": attribute("epochs", [1, 2]),
        "-1 epochs": attribute("epochs", -1),
        "5 epochs": attribute("epochs", 5),
        "NaN": replaced(data=np.full((4, 2), np.nan, "f4")),
        "random states": attribute("random_states", [[1, 2, 3]]),
        "no random states": attribute("random_states", np.zeros((0, 2))),
    }
    for name, change in wrong.items():
        other.write_bytes(path.read_bytes())
        content = sealed(other, change)
        other.unlink()
        check(path, load, [(name, content)], may_be_read=False)


def test_a_saved_model(unfinished, tmp_path):
    run, _ = unfinished
    path = run.best_model
    whole = path.read_bytes()
    with zipfile.ZipFile(path) as file:
        members = {name: file.read(name) for name in file.namelist()}
    config = json.loads(members["config.json"])

    def load():
        saved.load_model(run.best_model, (2, 2, 1))

    check(path, load, by_chance(path, cuts=8, flips=14))
    tiny_model(3).save(tmp_path / "other.keras")
    with zipfile.ZipFile(tmp_path / "other.keras") as file:
        larger = file.read("model.weights.h5")
    (tmp_path / "other.keras").unlink()
    trap = {"module": "os", "class_name": "mkdir", "config": {"path": str(path.parent / "made")}}
    code = keras.layers.Lambda(lambda x: [x, os.mkdir("made")][0])
    wrong = {
        "bomb": bomb(whole, "model.weights.h5"),
        "bomb of text": bomb(whole, "config.json"),
        "claims": claim(whole, "config.json", 2 * GIGABYTE),
        "escaping": archive({**members, "../escaped.txt": b""}),
        "more": archive({**members, "assets/x": b""}),
        "no weights": archive({**members, "model.weights.h5": b""}),
        "weights of another": archive({**members, "model.weights.h5": larger}),
        "no model": archive({**members, "config.json": b"{}"}),
        "a list": archive({**members, "config.json": b"[]"}),
        "deep": archive({**members, "config.json": b"[" * 100_000}),
        "a call": archive({**members, "config.json": json.dumps(trap).encode()}),
        "a layer": archive(
            {
                **members,
                "config.json": json.dumps(
                    keras.saving.serialize_keras_object(keras.layers.Flatten())
                ).encode(),
            }
        ),
    }
    config["config"]["layers"].append(keras.saving.serialize_keras_object(code))
    wrong["code"] = archive({**members, "config.json": json.dumps(config).encode()})
    check(path, load, wrong.items(), may_be_read=False)
