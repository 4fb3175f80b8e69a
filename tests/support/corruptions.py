"""Deterministic damage to files: what chance does to any, and what somebody might do on purpose."""

import contextlib
import io
import os
import signal
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np

GIGABYTE = 2**30
SECONDS = 20


class Trap:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


def by_chance(path, cuts=6, flips=10):
    """(name, damaged content) of a file: cut short, bytes flipped, a block of zeros, other text."""
    content = path.read_bytes()
    rng = np.random.default_rng(len(content))
    for part in range(cuts):
        size = len(content) * part // cuts
        yield f"cut to {size} bytes", content[:size]
    for flip in range(flips):
        damaged = bytearray(content)
        for place in rng.integers(len(content), size=1 + flip % 3):
            damaged[place] ^= 1 << int(rng.integers(8))
        yield f"flip {flip}", bytes(damaged)
    for place in rng.integers(len(content), size=2):
        zeros = bytes(min(100, len(content) - place))
        yield f"zeros at {place}", content[:place] + zeros + content[place + len(zeros) :]
    yield "text", b"{]\xff\x00 nothing of the kind\n"
    yield "twice", content + content


def archive(members):
    """A .zip of these members {name: content}."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as written:
        for name, content in members.items():
            written.writestr(name, content)
    return file.getvalue()


def npz(arrays, **changed):
    """An .npz of these arrays, some of them others; None leaves one out; bytes are a member."""
    members = {}
    for name, array in {**arrays, **changed}.items():
        if isinstance(array, bytes):
            members[f"{name}.npy"] = array
        elif array is not None:
            file = io.BytesIO()
            np.lib.format.write_array(file, np.asarray(array), allow_pickle=True)
            members[f"{name}.npy"] = file.getvalue()
    return archive(members)


def bomb(content, member, size=2 * GIGABYTE, start=b""):
    """An archive in which a member is a small packed file of so many zeros behind a start."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    head = packer.compress(start) + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(bytes(2**24)) + packer.flush(zlib.Z_FULL_FLUSH)
    packed = head + block * (size // 2**24) + packer.flush()
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        members = {name: file.read(name) for name in file.namelist()}
    return claim(archive({**members, member: packed}), member, size + len(start), packed=True)


def claim(content, member, size, packed=False):
    """An archive whose headers say that a member has so many bytes."""
    content, name = bytearray(content), member.encode()
    for signature, kind, length, at in ((b"PK\3\4", 8, 22, 30), (b"PK\1\2", 10, 24, 46)):
        start = -1
        while (start := content.find(signature, start + 1)) >= 0:
            if content[start + at :].startswith(name):
                struct.pack_into("<L", content, start + length, size)
                if packed:
                    struct.pack_into("<H", content, start + kind, zipfile.ZIP_DEFLATED)
    return bytes(content)


def header(shape, dtype="|u1"):
    """The start of an .npy that says its array has that shape."""
    file = io.BytesIO()
    described = {"descr": dtype, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, described)
    return file.getvalue()


def bad_npz(arrays, images, labels, trap):
    """(name, content) of an .npz of these arrays, made wrong in its images or labels."""
    x, y = arrays[images], arrays[labels]
    member, whole = f"{images}.npy", npz(arrays)
    for name, changed in {
        "float64": x.astype("float64"),
        "int16": x.astype("int16"),
        "an axis less": x[0],
        "an axis more": x[None],
        "a scalar": x.flat[0],
        "a column less": x[:, 1:],
        "none": x[:0],
        "one less": x[1:],
        "NaN": np.full(x.shape, np.nan, "float32"),
        "text": np.full(len(x), "three"),
        "structured": np.zeros(len(x), [("a", "u1"), ("b", "f8")]),
        "pickled": np.array([trap] * len(x), object),
        "missing": None,
        "a huge claim": header((2**40,)) + bytes(100),
        "a huge claim of nothing": header((2**33, 0, 2**33)),
        "a negative claim": header((-1, 28, 28)) + bytes(784),
        "code": header((1,)).replace(b"(1,)", b"(exit(),)"),
        "no array": b"no array",
    }.items():
        yield f"images: {name}", npz(arrays, **{images: changed})
    for name, changed in {
        "10": np.full_like(y, 10),
        "-1": np.full(y.shape, -1),
        "2**40": np.full(y.shape, 2**40),
        "float": y.astype("float32"),
        "NaN": np.full(y.shape, np.nan),
        "text": np.full(y.shape, "three"),
        "pickled": np.array([trap] * len(y), object),
        "one more": np.concatenate([y, y[:1]]),
        "none": y[:0],
    }.items():
        yield f"labels: {name}", npz(arrays, **{labels: changed})
    yield "bomb", bomb(whole, member, start=header((2 * GIGABYTE,)))
    yield (
        "bomb of images",
        bomb(whole, member, start=header((2 * GIGABYTE // x[0].size, *x.shape[1:]), x.dtype.str)),
    )
    yield "claims", claim(whole, member, 2 * GIGABYTE)


@contextlib.contextmanager
def within_limits():
    """Fails where the block takes 20 seconds, or a gigabyte more than there was."""

    class TooSlow(BaseException):  # not to be caught by what it stops
        pass

    def stop(number, frame):
        raise TooSlow(f"more than {SECONDS} seconds")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    _reset_peak()
    held = _memory("VmRSS")
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    taken = _memory("VmHWM") - held
    assert taken < GIGABYTE, f"{taken:,} bytes"


def _reset_peak():
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _memory(kind):
    """Bytes of this process; 0 where the system does not tell."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(kind))
