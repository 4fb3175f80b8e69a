"""A server of the Open Inference Protocol gives several clients at once what Keras predicts."""

import json
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import keras
import numpy as np
import pytest

from stn_keras.export import export
from tests.support.exported_models import digits, tilted_model

if keras.backend.backend() != "tensorflow":
    pytest.skip("models are exported from TensorFlow", allow_module_level=True)

for package in ("onnx", "tf2onnx", "onnxruntime", "mlserver"):
    pytest.importorskip(package)

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "examples" / "serve.py"


def free_port():
    """A port of this machine that nothing listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def ask(address, body=None):
    """The answer to a GET, or to a POST of JSON."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(address, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.loads(response.read() or "null")


def infer(address, images, name="images"):
    """The outputs for images, as arrays."""
    tensor = {"name": name, "shape": images.shape, "datatype": "FP32"}
    answer = ask(f"{address}/infer", {"inputs": [{**tensor, "data": images.ravel().tolist()}]})
    return {
        output["name"]: np.reshape(output["data"], output["shape"]) for output in answer["outputs"]
    }


def wait_until_ready(address, server, log):
    while True:
        assert server.poll() is None, log.read_text()
        try:
            return ask(f"{address}/ready")
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.05)


@pytest.fixture(scope="module")
def model():
    return tilted_model()


@pytest.fixture(scope="module")
def address(model, tmp_path_factory):
    """Where the exported model is served."""
    path = tmp_path_factory.mktemp("served") / "stn.onnx"
    export(model, path, "onnx", digits(60), with_theta=True)
    ports = free_port(), free_port()
    arguments = (path, "--port", str(ports[0]), "--grpc-port", str(ports[1]))
    log = path.with_suffix(".log")
    with log.open("w") as lines:
        server = subprocess.Popen([sys.executable, SCRIPT, *arguments], stdout=lines, stderr=lines)
    try:
        address = f"http://127.0.0.1:{ports[0]}/v2/models/stn"
        wait_until_ready(address, server, log)
        yield address
    finally:
        server.kill()
        server.wait()


@pytest.mark.parametrize(
    ("arguments", "expected"), [((), "an .onnx file"), (("--port", "99999"), "from 1 to 65535")]
)
def test_a_server_that_cannot_serve_says_so_in_one_line(tmp_path, arguments, expected):
    path = tmp_path / "damaged.onnx"
    path.write_bytes(b"no model")
    done = subprocess.run(
        [sys.executable, SCRIPT, path, *arguments], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 2
    assert expected in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_clients_at_once_get_what_keras_predicts(model, address):
    images = digits(120)
    expected = model.predict(images, verbose=0)
    parts = [part for size in (1, 5, 7) for part in np.array_split(images, len(images) // size)]
    with ThreadPoolExecutor(8) as clients:
        answers = list(clients.map(lambda part: infer(address, part), parts))
    for part, answer in zip(parts, answers, strict=True):
        assert answer["scores"].shape == (len(part), 10)
    scores = np.concatenate([answer["scores"] for answer in answers])
    np.testing.assert_allclose(scores, np.tile(expected, (3, 1)), atol=1e-5)


def test_the_client_of_the_docs_gets_what_keras_predicts(model, address):
    page = (ROOT / "docs" / "production.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (client,) = (block for block in blocks if "urlopen" in block)
    assert "http://localhost:8080/v2/models/stn" in client
    names = {}
    exec(client.replace("http://localhost:8080/v2/models/stn", address), names)
    expected = model.predict(names["images"], verbose=0)
    np.testing.assert_allclose(names["scores"], expected, atol=1e-5)


def test_the_server_describes_the_model(address):
    described = ask(address)
    assert described["inputs"] == [{"name": "images", "datatype": "FP32", "shape": [-1, 28, 28, 1]}]
    shapes = {output["name"]: output["shape"] for output in described["outputs"]}
    assert shapes == {"scores": [-1, 10], "theta": [-1, 6], "straightened": [-1, 28, 28, 1]}


@pytest.mark.parametrize(
    ("name", "shape"), [("images", (1, 9, 9, 1)), ("pictures", (1, 28, 28, 1))]
)
def test_bad_requests_are_refused_and_harm_no_others(address, name, shape):
    with pytest.raises(urllib.error.HTTPError, match="400"):
        infer(address, np.zeros(shape), name)
    assert infer(address, digits(1))["scores"].shape == (1, 10)
