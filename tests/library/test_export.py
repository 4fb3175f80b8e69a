"""What is exported computes what Keras computes, in its own runtime; what does not is not kept."""

import ast
import importlib.util
import json
import signal
import sys
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest

from experiments.networks.keras_post import cnn, dense_net
from stn_keras import SpatialTransformer
from stn_keras.export import (
    FORMATS,
    ExportError,
    __main__,
    export,
    in_float32,
    load_model,
    with_named_outputs,
)
from stn_keras.export.formats import Format
from stn_keras.export.images import fit_images, noise_images, read_images
from tests.support.exported_models import digits, tilted_model
from tests.support.graphs import marked_operations

if keras.backend.backend() != "tensorflow":
    pytest.skip("models are exported from TensorFlow", allow_module_level=True)

PACKAGE = Path(__file__).parents[2] / "stn_keras"
SUFFIXES = {name: format.suffix for name, format in FORMATS.items()}


def need(format):
    """Skip where a package of the format is missing."""
    for package in FORMATS[format].packages:
        pytest.importorskip(package)


@pytest.fixture(scope="module")
def images():
    return digits(60)


@pytest.mark.parametrize(
    ("format", "arguments"),
    [
        ("saved_model", {}),
        ("onnx", {}),
        ("litert", {}),
        ("openvino", {"transform": "tps", "fill_mode": "wrap"}),
    ],
)
def test_every_format_gives_what_keras_gives(tmp_path, images, format, arguments):
    need(format)
    model = tilted_model(**arguments)
    layer = model.get_layer("spatial_transformer")
    theta = keras.ops.convert_to_numpy(layer.predict_theta(images[:2]))
    assert np.abs(theta - layer.transform.identity).max(-1).min() > 1e-2
    path = tmp_path / f"model{SUFFIXES[format]}"
    exported = export(model, path, format, images, with_theta=True)
    assert list(tmp_path.iterdir()) == [path]
    assert exported.differences.keys() == {"scores", "theta", "straightened"}
    run, scores = exported.load(), model.predict(images[:11], verbose=0)
    for batch in (2, 11):
        outputs = run(images[:batch])
        np.testing.assert_allclose(outputs["scores"], scores[:batch], atol=1e-5)
        np.testing.assert_allclose(outputs["theta"][:2], theta, atol=1e-5)
        assert outputs["straightened"].shape == (batch, 28, 28, 1)
    assert 50 < FORMATS[format].count_operations(path) < 500


@pytest.mark.parametrize(("format", "fill_mode"), [("onnx", "reflect"), ("litert", "mirror")])
def test_another_family_and_fill_mode(tmp_path, images, format, fill_mode):
    need(format)
    model = tilted_model(transform="tps", fill_mode=fill_mode)
    exported = export(model, tmp_path / f"model{SUFFIXES[format]}", format, images)
    scores = exported.load()(images)["scores"]
    np.testing.assert_allclose(scores, model.predict(images, verbose=0), atol=1e-5)


@pytest.mark.parametrize("format", FORMATS)
def test_the_default_localization_in_every_format(tmp_path, images, format):
    need(format)
    model = tilted_model(localization=None)
    images = np.round(
        255 * images
    )  # a range that the classifier was not made for is no matter here
    exported = export(model, tmp_path / f"model{SUFFIXES[format]}", format, images, with_theta=True)
    assert exported.differences.keys() == {"scores", "theta", "straightened"}


@pytest.mark.parametrize("format", FORMATS)
def test_keras_s_own_export_of_a_marked_graph(tmp_path, images, format):
    """Without this package's exporter the graph is marked for XLA, which no runtime minds."""
    need(format)
    model = tilted_model()
    path = tmp_path / f"model{SUFFIXES[format]}"
    if not path.suffix:
        path.mkdir()
    named = with_named_outputs(model, False)
    expected = named.predict(images, verbose=0)["scores"]
    FORMATS[format].write(named, path)
    np.testing.assert_allclose(FORMATS[format].load(path)(images)["scores"], expected, atol=1e-5)


@pytest.mark.parametrize("compiled", [False, True])
def test_a_saved_model_is_marked_for_xla_if_asked(tmp_path, images, compiled):
    import tensorflow as tf

    exported = export(tilted_model(), tmp_path / "model", "saved_model", images, compiled=compiled)
    (function,) = tf.saved_model.load(exported.path).serve.concrete_functions
    assert bool(marked_operations(function.graph)) == compiled


def test_a_model_computed_in_int8_is_small_and_near(tmp_path, images):
    need("litert")
    model = tilted_model()
    exported = export(model, tmp_path / "int8.tflite", "litert", images[:20], quantize="full")
    assert exported.path.stat().st_size < model.count_params() * 4 / 2.5
    assert 1e-5 < exported.differences["scores"] < 0.05


@pytest.fixture
def fake(monkeypatch):
    """A format that is written at once; what its runtime gives is set by the test."""

    def install(run):
        format = Format(".txt", (), lambda model, path: path.write_text("x"), lambda _: run, len)
        monkeypatch.setitem(FORMATS, "fake", format)

    return install


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda scores: scores + 2e-5, "fake within 1e-05 of Keras, got scores off by 2"),
        (lambda scores: scores * np.nan, "off by inf"),
        (lambda scores: scores[:1], r"expected outputs .*\(5, 10\).*got .*\(1, 10\)"),
    ],
)
def test_what_differs_is_not_kept(tmp_path, images, fake, change, message):
    model = dense_net()
    fake(lambda batch: {"scores": change(model(batch).numpy())})
    (tmp_path / "model.txt").write_text("before")
    with pytest.raises(ExportError, match=message):
        export(model, tmp_path / "model.txt", "fake", images)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["before"]


def test_more_may_differ_if_asked(tmp_path, images, fake):
    model = dense_net()
    fake(lambda batch: {"scores": model(batch).numpy() + 2e-5})
    exported = export(model, tmp_path / "model.txt", "fake", images, tolerance=1e-4)
    assert 1e-5 < exported.differences["scores"] < 1e-4


def test_a_file_is_replaced_and_few_images_are_enough(tmp_path, images, fake):
    model = dense_net()
    fake(lambda batch: {"scores": model(batch).numpy()})
    (tmp_path / "model.txt").write_text("before")
    exported = export(model, tmp_path / "model.txt", "fake", images[:3])
    assert exported.path.read_text() == "x"
    assert list(tmp_path.iterdir()) == [exported.path]


def test_a_missing_package_is_named_with_its_extra(tmp_path, images, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ExportError, match=r'needs the package onnx: pip install "\.\[export\]"'):
        export(dense_net(), tmp_path / "model.onnx", "onnx", images)


@pytest.mark.parametrize(
    ("name", "format", "options", "message"),
    [
        ("model.onnx", "coreml", {}, "expected a format from saved_model, onnx"),
        ("model.pb", "onnx", {}, r"expected a file \*.onnx"),
        ("", "saved_model", {}, "not to be there yet"),
        ("model.onnx", "onnx", {"quantize": "full"}, "got full with onnx"),
        ("model.tflite", "litert", {"quantize": "half"}, "weights or full with litert"),
        ("model.onnx", "onnx", {"compiled": True}, "compiled with saved_model"),
    ],
)
def test_bad_arguments_are_refused(tmp_path, images, name, format, options, message):
    if format in FORMATS:
        need(format)
    with pytest.raises(ExportError, match=message):
        export(dense_net(), tmp_path / name, format, images, **options)


@pytest.mark.parametrize("shape", [(3, 20, 28, 1), (28, 28, 1), (0, 28, 28, 1)])
def test_images_of_another_shape_are_refused(tmp_path, shape, fake):
    fake(None)
    with pytest.raises(ExportError, match=r"expected images \(None, 28, 28, 1\)"):
        export(dense_net(), tmp_path / "model.txt", "fake", np.zeros(shape))


def test_theta_is_that_of_the_tensor_looked_at():
    whole, maps = keras.Input((8, 8, 1)), keras.Input((8, 8, 1))
    layer = SpatialTransformer(keras.layers.Flatten())
    outputs = keras.layers.Flatten()(layer(keras.layers.ReLU()(whole), localization_inputs=whole))
    model = with_named_outputs(keras.Model(whole, outputs), with_theta=True)
    layer.regressor.kernel.assign(np.full(layer.regressor.kernel.shape, 0.01))
    seen = -np.ones((1, 8, 8, 1), "float32")
    np.testing.assert_array_equal(
        model.predict(seen, verbose=0)["theta"], layer.predict_theta(seen)
    )
    with pytest.raises(ExportError, match="one input"):
        with_named_outputs(keras.Model([whole, maps], whole + maps))
    with pytest.raises(
        ExportError, match=r"one spatial transformer among the model's own layers, got 0$"
    ):
        with_named_outputs(cnn(), with_theta=True)
    nested = keras.Sequential([whole, layer, keras.layers.Flatten()])
    nested = keras.Sequential([whole, nested])
    with pytest.raises(ExportError, match="got 0 and 1 in nested models"):
        with_named_outputs(nested, with_theta=True)


def test_a_model_of_half_precision_is_remade_in_float32(images):
    keras.config.set_dtype_policy("mixed_bfloat16")
    mixed = tilted_model(transform="similarity")
    plain = in_float32(mixed)
    keras.config.set_dtype_policy("float32")
    expected = tilted_model(transform="similarity")
    expected.set_weights(mixed.get_weights())
    np.testing.assert_array_equal(*(m.predict(images, verbose=0) for m in (plain, expected)))
    assert in_float32(expected) is expected


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "model.keras"
    dense_net().save(path)
    return path


def rewrite(path, **members):
    """Replace members of a .keras file, by the part of their name before the dot."""
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, old in content.items():
            archive.writestr(name, members.get(name.split(".")[0], old))


def make_newer(path):
    rewrite(
        path,
        metadata=json.dumps({"keras_version": "99.1.0"}),
        config=json.dumps({"module": "keras", "class_name": "Ensemble", "config": {}}),
    )


def make_unsafe(path):
    inputs = keras.Input((2,))
    keras.Model(inputs, keras.layers.Lambda(lambda x: x + 1)(inputs)).save(path)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:5000]), "whole Keras model"),
        (lambda path: path.write_bytes(b"\x89HDF\r\n\x1a\n"), "whole Keras model"),
        (lambda path: rewrite(path, config="[]"), "whole Keras model"),
        (lambda path: path.unlink(), "expected a .keras file or a folder with model.keras"),
        (make_newer, "saved by Keras 99.1.0, this is 3"),
        (make_unsafe, "disallowed by default"),
    ],
    ids=["truncated", "foreign", "config", "absent", "newer", "unsafe"],
)
def test_bad_model_files_are_refused_in_one_line(saved, damage, message):
    assert load_model(saved.parent).count_params() == dense_net().count_params()
    damage(saved)
    for path in (saved, saved.parent):
        with pytest.raises(ExportError, match=message) as raised:
            load_model(path)
        assert "\n" not in str(raised.value)


@pytest.mark.parametrize("kind", ["vector", "two inputs", "unbuilt", "subclassed"])
def test_models_of_other_than_images_are_refused(kind):
    layers = keras.layers
    if kind == "unbuilt":
        model = keras.Sequential([layers.Dense(2)])
    elif kind == "subclassed":
        model = type("Own", (keras.Model,), {})()
    else:
        inputs = [keras.Input((784,)) for _ in range(1 + (kind == "two inputs"))]
        model = keras.Model(inputs, layers.Concatenate()(inputs * 2))
    with pytest.raises(ExportError, match=r"one input \(N, H, W, C\)"):
        with_named_outputs(model)


def test_images_are_made_to_fit(tmp_path):
    grey = np.full((4, 6, 8), 51, "uint8")
    np.testing.assert_allclose(fit_images(grey, (3, 4, 3)), np.full((4, 3, 4, 3), 0.2), atol=1e-6)
    colour = np.linspace(0, 1, 24, dtype="float32").reshape(2, 2, 2, 3)
    np.testing.assert_array_equal(fit_images(colour, (None, None, 3)), colour)
    np.testing.assert_allclose(fit_images(colour, (2, 2, 1))[..., 0], colour.mean(-1))
    np.savez(tmp_path / "set.npz", x_train=grey[:1], x_test=grey, y_test=np.arange(4))
    images, labels = read_images(tmp_path / "set.npz", (6, 8, 1))
    np.testing.assert_allclose(images, np.full((4, 6, 8, 1), 0.2))
    assert labels.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("arrays", "labels"),
    [
        ({"x": 0, "y": 1}, [0, 1]),
        ({"images": 0, "other": 1}, None),
        ({"anything": 0}, None),
        ({"test_distorted": 0, "test_originals": 2, "test_labels": 1}, [0, 1]),
    ],
)
def test_images_are_found_by_their_name(tmp_path, arrays, labels):
    content = np.full((2, 4, 4), 51, "uint8"), np.arange(2), np.zeros((2, 9, 9), "uint8")
    np.savez(tmp_path / "set.npz", **{name: content[index] for name, index in arrays.items()})
    images, read = read_images(tmp_path / "set.npz", (4, 4, 1))
    np.testing.assert_allclose(images, np.full((2, 4, 4, 1), 0.2))
    assert (None if read is None else read.tolist()) == labels


def test_noise_has_the_shape_and_the_range_of_the_model_and_is_smooth():
    noise = noise_images((40, None, 3), 5, (-2, 3))
    assert noise.shape == (5, 40, 28, 3)
    assert noise.dtype == "float32"
    assert -2 <= noise.min() < -1.5
    assert 2.5 < noise.max() <= 3
    assert np.abs(np.diff(noise, axis=1)).max() < 1.3
    np.testing.assert_array_equal(noise, noise_images((40, None, 3), 5, (-2, 3)))


@pytest.mark.parametrize(
    "content",
    [None, b"PK\x03\x04", {"x": np.zeros(3)}, {"images": [None]}, {"a": [1], "b": [2]}],
)
def test_bad_image_files_are_refused(tmp_path, content):
    path = tmp_path / "set.npz"
    if isinstance(content, dict):
        np.savez(path, **content)
    elif content:
        path.write_bytes(content)
    with pytest.raises(ExportError, match=r"set\.npz"):
        read_images(path, (4, 4, 1))


def command(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["export", *map(str, arguments)])
    __main__.main()


def test_the_command_exports_and_says_how_far_off(tmp_path, monkeypatch, capsys):
    tilted_model().save(tmp_path / "model.keras")
    out = tmp_path / "made" / "stn"
    command(monkeypatch, tmp_path, "--format", "saved_model", "--out", out, "--with-theta")
    printed = capsys.readouterr().out.splitlines()
    names = [line.split(": within ")[0] for line in printed[:3]]
    assert names == ["scores", "theta", "straightened"]
    assert printed[-1] == str(out)


def test_the_command_compares_a_quantized_model(tmp_path, monkeypatch, capsys):
    need("litert")
    tilted_model().save(tmp_path / "model.keras")
    path, images = tmp_path / "q.tflite", tmp_path / "images.npz"
    np.savez(images, images=digits(360), labels=np.arange(360) % 10)
    command(
        *(monkeypatch, tmp_path / "model.keras", "--format", "litert", "--out", path),
        *("--quantize", "weights", "--images", images),
    )
    printed = capsys.readouterr().out
    assert "of 260 images" in printed
    assert "% quantized" in printed
    assert path.stat().st_size < (tmp_path / "model.keras").stat().st_size / 2


@pytest.mark.parametrize(
    ("dtype", "options", "largest"),
    [("float32", (), 0.2), ("float32", ("--keep-range",), 51), ("uint8", (), 51)],
)
def test_images_have_the_range_that_the_model_takes(tmp_path, dtype, options, largest):
    np.savez(tmp_path / "set.npz", x=np.full((101, 4, 4), 51, "uint8"), y=np.zeros(101, int))
    model = keras.Sequential([keras.Input((4, 4, 1), dtype=dtype), keras.layers.Flatten()])
    line = ["x.keras", "--format", "onnx", "--out", "x.onnx", "--images", tmp_path / "set.npz"]
    arguments = __main__.command_line().parse_args([*map(str, line), *options])
    images, labels = __main__.load_images(arguments, model)
    assert images.dtype == dtype
    np.testing.assert_allclose(images, np.full((101, 4, 4, 1), largest, dtype))
    assert len(labels) == 101


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("absent.keras", "--format", "onnx", "--out", "x.onnx"), "got absent.keras"),
        ((".", "--format", "coreml", "--out", "x"), "coreml"),
        ((".", "--format", "onnx", "--out", "x.onnx", "--images", "absent.npz"), "absent.npz"),
        ((".", "--format", "litert", "--out", "x.tflite", "--quantize", "full"), "--images with"),
        ((".", "--format", "saved_model", "--out", "model.keras/x"), "model.keras"),
        ((".", "--format", "onnx", "--out", "x.onnx", "--range", "1", "0"), "got 1 0"),
    ],
)
def test_the_command_refuses_in_one_line(tmp_path, monkeypatch, capsys, arguments, expected):
    monkeypatch.chdir(tmp_path)
    dense_net().save("model.keras")
    with pytest.raises(SystemExit, match="2"):
        command(monkeypatch, *arguments)
    error = capsys.readouterr().err
    assert expected in error
    assert error.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["model.keras"]


OWN_CLASSES = """
import keras

from scales import SCALE
from stn_keras.transforms import AffineFamily, Parameter


@keras.saving.register_keras_serializable(package="own")
class {0}Zoom(AffineFamily):
    parameters = (Parameter("zoom", SCALE, role="scale"),)

    def matrix(self, theta):
        zoom, zero = theta[:, 0], theta[:, 0] * 0
        rows = [[zoom, zero, zero], [zero, zoom, zero]]
        return keras.ops.stack([keras.ops.stack(row, -1) for row in rows], 1)


@keras.saving.register_keras_serializable(package="own")
class {0}Double(keras.layers.Layer):
    def call(self, inputs):
        return 2 * inputs
"""


@pytest.fixture
def own_model(tmp_path, monkeypatch):
    """Makes model.keras with a family and a layer of names with a prefix, and their module."""
    (tmp_path / "scales.py").write_text("SCALE = 1")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])

    def make(prefix, family=True):
        content = {}
        exec(OWN_CLASSES.format(prefix), content)  # as a training script that saves the model
        inputs = keras.Input((28, 28, 1))
        transform = content[f"{prefix}Zoom"]() if family else "affine"
        seen = SpatialTransformer(keras.layers.Flatten(), transform)(inputs)
        outputs = keras.layers.Flatten()(content[f"{prefix}Double"]()(seen))
        keras.Model(inputs, outputs).save("model.keras")
        for name in ("Zoom", "Double"):  # as in another process
            del keras.saving.get_custom_objects()[f"own>{prefix}{name}"]
        (tmp_path / f"{prefix.lower()}classes.py").write_text(OWN_CLASSES.format(prefix))

    return make


@pytest.mark.parametrize(
    ("prefix", "module"), [("Dotted", "dottedclasses"), ("File", "./fileclasses.py")]
)
def test_the_command_imports_modules_with_classes_of_ones_own(
    tmp_path, monkeypatch, capsys, own_model, prefix, module
):
    own_model(prefix)
    if module.endswith(".py"):  # its neighbors are found, though they are not on the path
        monkeypatch.setattr(sys, "path", [path for path in sys.path if path != str(tmp_path)])
        sys.modules.pop("scales", None)
    images = tmp_path / "images.npz"
    np.savez(images, images=digits(3))
    options = ("--format", "saved_model", "--out", "out", "--images", images, "--import", "json")
    command(monkeypatch, "model.keras", *options, "--import", module)
    assert capsys.readouterr().out.endswith("out\n")


@pytest.mark.parametrize("family", [True, False])
def test_an_unknown_class_is_named_with_the_option_that_imports_it(
    monkeypatch, capsys, own_model, family
):
    own_model("Lost", family)
    name = "LostZoom" if family else "LostDouble"
    with pytest.raises(ExportError, match=f"got the unknown {name}: import the module") as raised:
        load_model("model.keras")
    assert "--import" not in str(raised.value)
    with pytest.raises(SystemExit, match="2"):
        command(monkeypatch, "model.keras", "--format", "saved_model", "--out", "out")
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert error.endswith(
        f"expected every class of model.keras to be registered, got the unknown {name}: "
        "import the module that registers it first, by --import MODULE\n"
    )


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        ("absent_module", "absent_module (ModuleNotFoundError: No module named 'absent_module')"),
        ("absent.py", "absent.py (FileNotFoundError: "),
        ("broken.py", "broken.py (ValueError: two lines)"),
        ("ends", "ends (SystemExit: 0)"),
        ("json.", "json. (ModuleNotFoundError: "),
    ],
)
def test_a_module_that_cannot_be_imported_is_refused_in_one_line(
    tmp_path, monkeypatch, capsys, saved, module, expected
):
    (tmp_path / "broken.py").write_text("raise ValueError('two\\nlines')")
    (tmp_path / "ends.py").write_text("raise SystemExit(0)")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    with pytest.raises(SystemExit, match="2"):
        command(
            *(monkeypatch, saved, "--format", "saved_model", "--out", "out"),
            *("--import", module),
        )
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert f"expected a module to import, got {expected}" in error


def test_long_reasons_are_cut_between_words(saved, monkeypatch):
    words = " ".join(f"word{number}" for number in range(100))

    def load(*_, **__):
        raise TypeError(words)

    monkeypatch.setattr(keras.saving, "load_model", load)
    with pytest.raises(ExportError, match=r" ...\)$") as raised:
        load_model(saved)
    shown = str(raised.value).split("(")[1].removesuffix(" ...)")
    assert words.startswith(f"{shown} ")
    assert 150 < len(shown) < 200


def test_the_command_compares_on_noise_of_the_range_asked_for(tmp_path, monkeypatch, fake):
    model = keras.Sequential([keras.Input((None, None, 1)), keras.layers.GlobalMaxPooling2D()])
    model.save(tmp_path / "model.keras")
    seen = []

    def run(batch):
        seen.append(batch)
        return {"scores": model(batch).numpy()}

    fake(run)
    out = tmp_path / "model.txt"
    command(monkeypatch, tmp_path, "--format", "fake", "--out", out, "--range", "-5", "5")
    assert [batch.shape for batch in seen] == [(size, 28, 28, 1) for size in (1, 5, 37)]
    assert seen[2].min() < -4
    assert seen[2].max() > 4


@pytest.mark.parametrize(
    ("number", "code", "word"),
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")],
)
def test_a_stopped_command_leaves_no_file_and_says_one_line(
    tmp_path, monkeypatch, capsys, fake, number, code, word
):
    before = signal.getsignal(signal.SIGTERM)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in a shell's background
    dense_net().save(tmp_path / "model.keras")
    fake(lambda batch: signal.raise_signal(number))
    out = tmp_path / "model.txt"
    with pytest.raises(SystemExit, match=str(code)):
        command(monkeypatch, tmp_path, "--format", "fake", "--out", out)
    signal.signal(signal.SIGTERM, before)
    assert capsys.readouterr().err == f"python -m stn_keras.export: {word}\n"
    assert [path.name for path in tmp_path.iterdir()] == ["model.keras"]


def test_the_library_imports_nothing_else_of_the_repository():
    others = {"cli", "data_prep", "experiments", "benchmarks", "train", "evaluate"}
    for file in PACKAGE.rglob("*.py"):
        nodes = list(ast.walk(ast.parse(file.read_text())))
        imported = {
            *(alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names),
            *(node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module),
        }
        assert not {name.split(".")[0] for name in imported} & others, file
