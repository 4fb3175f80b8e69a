"""Files and folders are whole or absent."""

import os
import subprocess
import sys

import pytest

from stn_keras._files import atomic_folder, atomic_path


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_when_it_is_whole_with_its_suffix(tmp_path):
    path = tmp_path / "model.weights.h5"
    with atomic_path(path) as partial:
        assert "".join(partial.suffixes) == ".weights.h5"
        partial.write_text("whole")
        assert not path.exists()
    assert names(tmp_path) == [path.name]
    assert path.read_text() == "whole"


def test_a_folder_appears_when_it_is_whole(tmp_path):
    path = tmp_path / "made" / "model"
    with atomic_folder(path) as partial:
        (partial / "part").write_text("whole")
        assert not path.exists()
    assert names(path) == ["part"]
    assert names(path.parent) == [path.name]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_what_fails_leaves_what_was_there(tmp_path, error):
    path = tmp_path / "table.csv"
    path.write_text("before")

    def fail(atomic, path):
        with atomic(path) as partial:
            (partial / "part" if partial.is_dir() else partial).write_text("ha")
            raise error

    for atomic, target in ((atomic_path, path), (atomic_folder, tmp_path / "folder")):
        with pytest.raises(error):
            fail(atomic, target)
    assert names(tmp_path) == [path.name]
    assert path.read_text() == "before"


@pytest.mark.skipif(
    os.name != "posix", reason="elsewhere a process cannot be asked whether it runs"
)
def test_partials_of_ended_processes_are_removed(tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    parent = os.getppid()
    for process in (ended.pid, parent, os.getpid()):
        (tmp_path / f".table-partial-{process}.csv").write_text("ha")
        (tmp_path / f".folder-partial-{process}").mkdir()
    with atomic_path(tmp_path / "table.csv") as partial:
        partial.write_text("whole")
    with atomic_folder(tmp_path / "folder"):
        pass
    assert names(tmp_path) == [
        f".folder-partial-{parent}",
        f".table-partial-{parent}.csv",
        "folder",
        "table.csv",
    ]
