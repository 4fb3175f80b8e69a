"""The wheel: the library and nothing else, which warps where only Keras is installed."""

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import keras
import pytest

pytestmark = pytest.mark.backend

ROOT = Path(__file__).parents[2]
BACKEND = keras.backend.backend()
# What Keras and one backend do without; the library must, too.
ABSENT = [
    *("benchmarks", "cli", "conformance", "cv2", "data_prep", "experiments"),
    *("hypothesis", "imageio", "imgaug", "matplotlib", "pandas", "PIL"),
    *("pytest", "shapely", "skimage", "sklearn", "tensorboard", "tests", "tqdm"),
    *({"jax", "tensorflow", "torch"} - {BACKEND}),
    *(() if BACKEND == "jax" else ("scipy",)),  # JAX needs it
]
WITHOUT_INDEX = re.compile("No matching distribution|Could not find a version|connection", re.I)
WARP = f"""
import importlib.machinery

find = importlib.machinery.PathFinder.find_spec
importlib.machinery.PathFinder.find_spec = lambda name, *rest: (
    None if name.split(".")[0] in {ABSENT} else find(name, *rest)
)
import numpy as np
from keras.ops import convert_to_numpy
import stn_keras

images = np.arange(18, dtype="float32").reshape(1, 3, 3, 2)
layer = stn_keras.SpatialTransformer(transform="similarity")
assert np.array_equal(convert_to_numpy(layer(images)), images)
shifted = stn_keras.ops.warp(images, [[2 / 3, 0]], "translation")
assert np.allclose(convert_to_numpy(shifted)[:, :, :2], images[:, :, 1:], atol=1e-5)
print(stn_keras.__file__)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE", "stn_keras", "cli"):
        (source / name).symlink_to(ROOT / name)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder]
    built = subprocess.run([*pip, source], capture_output=True, text=True)
    if built.returncode and WITHOUT_INDEX.search(built.stderr):
        pytest.skip("pip finds no setuptools without the package index")
    assert built.returncode == 0, built.stderr
    (path,) = folder.glob("*.whl")
    return path


def test_it_holds_the_library_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert "stn_keras/py.typed" in names
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"stn_keras"}
    ours = {str(path.relative_to(ROOT)) for path in (ROOT / "stn_keras").rglob("*.py")}
    assert {name for name in names if name.endswith(".py")} == ours


def test_it_warps_where_only_keras_and_a_backend_are_installed(wheel, tmp_path):
    target = tmp_path / "target"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", target]
    subprocess.run([*pip, wheel], check=True, capture_output=True)
    environment = {
        **os.environ,
        "PYTHONPATH": str(target),
        "KERAS_BACKEND": BACKEND,
    }
    done = subprocess.run(
        [sys.executable, "-c", WARP], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).is_relative_to(target)
