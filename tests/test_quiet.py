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
