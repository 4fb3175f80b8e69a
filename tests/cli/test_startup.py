"""How the command lines start Keras."""

import os
import subprocess
import sys

import pytest

from cli.startup import set_environment


@pytest.mark.parametrize(("before", "after"), [(None, "1"), ("0", "0")])
def test_tensorflow_computes_by_onednn_unless_somebody_has_set_it(monkeypatch, before, after):
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", before or "")
    if before is None:
        monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS")
    set_environment()
    assert os.environ["TF_ENABLE_ONEDNN_OPTS"] == after


def test_importing_keras_prints_nothing():
    command = "from cli.startup import import_keras; import_keras('stn_keras')"
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, check=True)
    assert done.stdout + done.stderr == b""


def test_tensorflow_tells_errors_alone():
    pytest.importorskip("tensorflow")
    command = """
from cli.startup import import_keras
logger = import_keras("tensorflow").get_logger()
logger.warning("too many models are compiled")
logger.error("this matters")
"""
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, check=True)
    assert b"too many" not in done.stderr
    assert b"this matters" in done.stderr


@pytest.mark.parametrize(
    ("module", "told"),
    [
        ("import os; os.write(2, b'why'); raise RuntimeError('it failed')", ["why", "it failed"]),
        ("import os; os.abort()", ["Fatal Python error: Aborted"]),
    ],
)
def test_a_library_that_fails_to_load_says_why(tmp_path, module, told):
    (tmp_path / "broken.py").write_text(module)
    command = (
        f"import sys; sys.path.append({str(tmp_path)!r}); from cli.startup import import_keras"
    )
    command += "; import_keras('broken')"
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True)
    assert done.returncode != 0
    for text in told:
        assert text in done.stderr


def test_files_are_written_without_starting_keras(tmp_path):
    command = f"""
import sys
from cli.files import atomic_folder, write_json
write_json({str(tmp_path / "a.json")!r}, 1)
with atomic_folder({str(tmp_path / "folder")!r}):
    pass
assert not {{"keras", "stn_keras", "tensorflow"}} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", command], check=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "folder"]
