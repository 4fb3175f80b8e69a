"""What a training step frees is there for the next one."""

import os
import platform
import subprocess
import sys

import pytest

PAGES_OF_NEW_ARRAYS = """
import resource, sys
import numpy as np
from experiments.training.malloc import keep_freed_pages

if sys.argv[1] == "kept":
    assert keep_freed_pages()
np.ones(2**23)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    np.ones(2**23)  # 64 MiB
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def pages(setting):
    command = [sys.executable, "-c", PAGES_OF_NEW_ARRAYS, setting]
    untuned = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    done = subprocess.run(command, env=untuned, capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="malloc of glibc alone is told to")
def test_freed_memory_is_used_again():
    assert pages("kept") < pages("given back") / 10
