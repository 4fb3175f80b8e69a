"""The first tutorials run; `make docs` runs all of them."""

import os
import re
from pathlib import Path

import keras
import numpy as np
import pytest

TUTORIALS = Path(__file__).parents[2] / "docs" / "tutorials"
MNIST = Path(os.environ.get("STN_DATA_DIR", "")) / "mnist.npz"


def code_of(name):
    """All code of a tutorial, each line where the page has it; `make docs` trains to the end."""
    page = (TUTORIALS / name).read_text().replace("epochs=8,", "epochs=4,")
    lines, inside = [], False
    for line in page.splitlines():
        inside = inside and line != "```"
        lines.append(line if inside else "")
        inside = inside or line.startswith("```{code-cell}")
    return compile("\n".join(lines), TUTORIALS / name, "exec")


def digits():
    """MNIST where it is at hand; elsewhere a few random images in its place."""
    if not MNIST.is_file():
        random = np.random.default_rng(0)
        images = random.integers(256, size=(80, 28, 28), dtype="uint8")
        labels = np.arange(80) % 10
        return (images[:64], labels[:64]), (images[64:], labels[64:])
    with np.load(MNIST) as file:
        return (file["x_train"], file["y_train"]), (file["x_test"], file["y_test"])


def run(name, monkeypatch):
    """Run a tutorial, its figures unseen; returns its names."""
    pyplot = pytest.importorskip("matplotlib.pyplot", reason="tutorials draw with matplotlib")
    monkeypatch.setattr(pyplot, "show", lambda: pyplot.close("all"))
    monkeypatch.setattr(keras.datasets.mnist, "load_data", digits)
    names = {"__name__": "__main__"}
    exec(code_of(name), names)
    return names


@pytest.mark.backend
@pytest.mark.slow
def test_a_transformer_learns_from_labels_alone(monkeypatch):
    names = run("02-in-front-of-a-classifier.md", monkeypatch)
    if MNIST.is_file():
        alone, behind = (curve[-1] for curve in names["curves"].values())
        assert behind > alone + 0.05


@pytest.mark.backend
def test_theta_does_what_the_page_says(monkeypatch):
    pytest.importorskip("skimage", reason="the page's photograph comes with scikit-image")
    names = run("01-what-theta-does.md", monkeypatch)
    np.testing.assert_allclose(names["back"], names["identity"], atol=1e-6)


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="the page draws TensorFlow's gradients"
)
def test_the_sampler_has_a_gradient_where_the_page_says(monkeypatch):
    names = run("03-why-it-works.md", monkeypatch)
    np.testing.assert_allclose(names["path"][-1], [-0.25, 0.15], atol=1e-3)


@pytest.mark.parametrize("page", sorted(path.name for path in TUTORIALS.glob("*.md")))
def test_tutorials_are_in_keras_io_s_manner(page):
    text = (TUTORIALS / page).read_text()
    assert "**You need:**" in text
    assert "```{code-cell} python" in text
    assert re.findall(r"^## (.*)$", text, re.MULTILINE)[-1] == "What next"
    code_of(page)
