"""The pages tell the truth: their code runs, their links lead somewhere."""

import ast
import io
import json
import re
import shlex
import urllib.request
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import pytest
from keras import ops

from stn_keras import SpatialTransformer, transforms
from stn_keras.ops import identity_coordinates, sample
from tests.support.commands import run
from tests.support.gradients import value_and_gradients

pytestmark = pytest.mark.backend

ROOT = Path(__file__).parents[2]
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text()
    for path in (
        *sorted(ROOT.glob("*.md")),
        *sorted((ROOT / "docs").glob("*.md")),
        ROOT / "data_prep" / "README.md",
        ROOT / "experiments" / "README.md",
        ROOT / "pretrained" / "README.md",
        ROOT / "web" / "README.md",
    )
}
# What a block mentions -> the optional packages it needs, and what for.
OPTIONAL = {
    "TransformerMonitor": (("matplotlib", "PIL"), "draws pictures"),
    '"onnx"': (("onnx", "tf2onnx", "onnxruntime"), "writes and runs ONNX"),
    "import torch": (("torch",), "is compared with"),
    "import kornia": (("kornia",), "is compared with"),
}


class Block(NamedTuple):
    """A Python block of a page; `line` is that of its first line of code."""

    page: str
    line: int
    code: str

    def run(self):
        """Run it as if pasted into a new session; returns its names."""
        names = {"__name__": "__main__"}
        # Empty lines in front, so that a traceback has the page's line numbers.
        padded = "\n" * (self.line - 1) + self.code
        exec(compile(padded, ROOT / self.page, "exec"), names)
        return names


def blocks_of(page):
    text = PAGES[page]
    for match in re.finditer(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
        yield Block(page, text.count("\n", 0, match.start(1)) + 1, match[1])


WALK = "docs/real-pictures.md"  # whose blocks need what its commands have made
BLOCKS = [block for page in PAGES if page != WALK for block in blocks_of(page)]


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: f"{block.page}:{block.line}")
def test_code_runs(tmp_path, monkeypatch, block):
    if "stn_keras.export" in block.code and keras.backend.backend() != "tensorflow":
        pytest.skip("models are exported from TensorFlow")
    for mention, (packages, purpose) in OPTIONAL.items():
        for package in packages if mention in block.code else ():
            pytest.importorskip(package, reason=f"the optional {package} {purpose}")
    for folder in ("conformance", "pretrained"):  # as from the checkout
        (tmp_path / folder).symlink_to(ROOT / folder)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(urllib.request, "urlopen", answer_inference)
    monkeypatch.setattr(keras.datasets.mnist, "load_data", random_digits)
    block.run()


@pytest.mark.slow
@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="ONNX files come from TensorFlow"
)
def test_the_walk_from_a_folder_to_an_exported_model(tmp_path, monkeypatch):
    for package in ("onnx", "tf2onnx", "onnxruntime"):
        pytest.importorskip(package, reason=f"the optional {package} writes and runs ONNX")
    commands = re.findall(r"^    python (.*)$", PAGES[WALK], re.MULTILINE)
    assert len(commands) == 4
    for line in commands:
        script, *arguments = shlex.split(line)
        script = ROOT / script if script.endswith(".py") else script
        code, _, err = run(script, *arguments, cwd=tmp_path)
        assert code == 0, err
    assert "What the transformers take back" in (tmp_path / "report" / "index.html").read_text()
    monkeypatch.chdir(tmp_path)
    (block,) = blocks_of(WALK)
    assert block.run()["scores"].shape == (1, 10)


def random_digits():
    """In place of MNIST: 64 training and 16 test images."""
    return tuple(
        (np.random.randint(256, size=(count, 28, 28), dtype="uint8"), np.arange(count) % 10)
        for count in (64, 16)
    )


def answer_inference(request):
    """Answer as examples/serve.py does, with scores of 0."""
    (images,) = json.loads(request.data)["inputs"]
    assert len(images["data"]) == np.prod(images["shape"])
    shape = [images["shape"][0], 10]
    scores = {"name": "scores", "datatype": "FP32", "shape": shape, "data": [0.0] * np.prod(shape)}
    return io.BytesIO(json.dumps({"model_name": "stn", "outputs": [scores]}).encode())


@pytest.mark.parametrize("page", PAGES)
def test_every_fence_says_python_where_it_holds_python(page):
    fences = re.findall(r"^\s*(```.*)$", PAGES[page], re.MULTILINE)
    assert set(fences[::2]) <= {"```python", "```sh", "```text"}
    assert set(fences[1::2]) <= {"```"}


LINKS = [
    (page, link) for page in PAGES for link in re.findall(r"\]\((?!https?:)([^)]+)\)", PAGES[page])
]


@pytest.mark.parametrize(("page", "link"), LINKS, ids=lambda part: part)
def test_links_lead_somewhere(page, link):
    path, _, heading = link.partition("#")
    target = (ROOT / page).parent / path if path else ROOT / page
    assert target.exists()
    if heading:
        assert heading in anchors(target.read_text())


def anchors(text):
    """What GitHub calls the headings of a page in links."""
    outside_code = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ (.*)$", outside_code, re.MULTILINE)
    return [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]


OWN_FAMILIES = ("Shear", "RadialDistortion")


def own_family(name):
    """The class that docs/transforms.md defines, without what its block does with it."""
    (block,) = (b for b in blocks_of("docs/transforms.md") if f"class {name}(" in b.code)
    tree = ast.parse(block.code)
    kept = (ast.Import, ast.ImportFrom, ast.ClassDef)
    tree.body = [node for node in tree.body if isinstance(node, kept)]
    return Block(block.page, 1, ast.unparse(tree)).run()[name]


def coordinates(transform, theta, output_size, input_size):
    """Source coordinates for one theta, as NumPy (H', W', 2)."""
    theta = np.asarray(theta, "float32")[None]
    return ops.convert_to_numpy(
        transform.source_coordinates(theta, output_size=output_size, input_size=input_size)
    )[0]


@pytest.mark.parametrize("name", OWN_FAMILIES)
@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("size", [(1, 1), (2, 7), (28, 28), (33, 5)], ids=str)
def test_a_family_of_your_own_is_exact_at_its_identity(name, align_corners, size):
    transform = own_family(name)(align_corners=align_corners)
    read = coordinates(transform, transform.identity, size, size)
    np.testing.assert_array_equal(read, np.stack(np.mgrid[: size[0], : size[1]][::-1], axis=-1))
    read = coordinates(transform, transform.identity, (4, 6), size)
    np.testing.assert_array_equal(read, identity_coordinates((4, 6), size, align_corners))


@pytest.mark.parametrize("align_corners", [False, True])
def test_your_own_shear_is_that_of_an_affine_theta(align_corners):
    ours = coordinates(
        own_family("Shear")(align_corners=align_corners), [0.25, -0.5], (4, 6), (7, 5)
    )
    affine = transforms.Affine(align_corners=align_corners)
    np.testing.assert_allclose(
        ours, coordinates(affine, [1, 0.25, 0, -0.5, 1, 0], (4, 6), (7, 5)), atol=1e-5
    )


def test_your_own_lens_moves_along_the_radius():
    # Corners aligned on 3 x 5 pixels: normalized x is -1, -0.5, 0, 0.5, 1 and y is -1, 0, 1.
    lens = own_family("RadialDistortion")(align_corners=True)
    read = coordinates(lens, [0.25, 0.125], (3, 5), (3, 5))
    np.testing.assert_array_equal(read[1, 2], (2, 1))
    np.testing.assert_allclose(read[1, 4], (2 + 2 * (1 + 0.25 + 0.125), 1))
    np.testing.assert_allclose(read[2, 4], (2 + 2 * (1 + 0.5 + 0.5), 1 + (1 + 0.5 + 0.5)))


@pytest.mark.parametrize("name", OWN_FAMILIES)
def test_a_family_of_your_own_gets_a_gradient_at_its_identity(rng, name):
    transform = own_family(name)()
    images = rng.normal(size=(1, 6, 8, 1)).astype("float32")

    def loss(theta):
        return ops.sum(
            sample(
                images, transform.source_coordinates(theta, output_size=(6, 8), input_size=(6, 8))
            )
            ** 2
        )

    _, (gradient,) = value_and_gradients(loss, transform.identity[None])
    assert np.isfinite(gradient).all()
    assert gradient.all()


@pytest.mark.parametrize("name", OWN_FAMILIES)
@pytest.mark.parametrize("align_corners", [False, True])
def test_a_family_of_your_own_is_saved_and_loaded(rng, tmp_path, name, align_corners):
    transform = own_family(name)(align_corners=align_corners)
    layer = SpatialTransformer(
        keras.layers.Flatten(),
        transform,
        output_size=(6, 5),
        align_corners=align_corners,
        initial_theta=transform.identity + np.float32(0.1),
    )
    model = keras.Sequential([keras.Input((9, 8, 1)), layer])
    images = rng.random((3, 9, 8, 1), "float32")
    expected = model.predict(images, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert repr(loaded.layers[0].transform) == repr(transform)
    np.testing.assert_array_equal(loaded.predict(images, verbose=0), expected)
