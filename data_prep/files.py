"""Files that are either whole or absent."""

import contextlib
import json
import os
import shutil
import tempfile
from pathlib import Path

from data_prep.errors import UserError


@contextlib.contextmanager
def atomic_path(path):
    """A partial file beside `path`, of the same suffix, renamed to it when the block succeeds."""
    path = Path(path)
    suffix = "".join(path.suffixes)
    partial = path.with_name(f".{path.name.removesuffix(suffix)}-partial{suffix}")
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_folder(path):
    """A partial folder beside `path`, renamed to it when the block succeeds."""
    path = Path(path)
    partial = path.with_name(f".{path.name}-partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        yield partial
        os.replace(partial, path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def write_json(path, content):
    """Write plain data as indented JSON, whole or not at all."""
    with atomic_path(path) as partial:
        partial.write_text(json.dumps(content, indent=2) + "\n")


def writable_folder(path):
    """Make the folder if need be and prove, before long work, that files can be written there."""
    path = Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            return path
    except OSError as error:
        raise UserError(
            f"expected a folder that can be written to, got {path} ({error.strerror})"
        ) from None
