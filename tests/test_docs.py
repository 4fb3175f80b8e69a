"""The pages tell the truth: their code runs, their links lead somewhere."""

import io
import json
import re
import urllib.request
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import pytest

ROOT = Path(__file__).parent.parent
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text()
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
}
# What a block mentions -> the optional packages it needs, and what for.
OPTIONAL = {
    "TransformerMonitor": (("matplotlib", "PIL"), "draws pictures"),
    '"onnx"': (("onnx", "tf2onnx", "onnxruntime"), "writes and runs ONNX"),
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


BLOCKS = [block for page in PAGES for block in blocks_of(page)]


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: f"{block.page}:{block.line}")
def test_code_runs(tmp_path, monkeypatch, block):
    if "stn_keras.export" in block.code and keras.backend.backend() != "tensorflow":
        pytest.skip("models are exported from TensorFlow")
    for mention, (packages, purpose) in OPTIONAL.items():
        for package in packages if mention in block.code else ():
            pytest.importorskip(package, reason=f"the optional {package} {purpose}")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(urllib.request, "urlopen", answer_inference)
    block.run()


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
