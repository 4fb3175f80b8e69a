"""Reading .npz files that may be damaged, or made to do damage."""

import zipfile

import numpy as np
from numpy.lib import format as npy

from cli.errors import UserError, one_line

# The largest source, CIFAR-10, has 184 MB.
MOST_BYTES = 2**30
_READ_HEADER = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


def read_arrays(path, keys, what, most=MOST_BYTES):
    """The arrays of these keys of an .npz, in their order; never a pickled object.

    Sizes are read from the headers before any array is, so a small file cannot fill the memory.

    Args:
        path: the file.
        keys: names of the arrays.
        what: what the file should be, for the message.
        most: bytes that these arrays may have together.

    Raises:
        UserError: the file is not a whole .npz with these arrays, or they are larger.
    """
    try:
        return load_arrays(path, keys, most)
    except Exception as error:  # zipfile, zlib and numpy each have their own
        raise UserError(f"expected {what} at {path} ({one_line(error)})") from None


def load_arrays(file, keys, most):
    """The same of a path or an open file, with the errors of zipfile, zlib and numpy themselves."""
    with zipfile.ZipFile(file) as archive:
        members = [f"{key}.npy" for key in keys]
        check_sizes(archive, members, most)
        for member in members:
            _check_header(archive, member)
    if hasattr(file, "seek"):
        file.seek(0)
    with np.load(file, allow_pickle=False) as arrays:
        return [arrays[key] for key in keys]


def read_data_file(path, keys, remedy):
    """The arrays of a data file; where there is none the message says the remedy."""
    if not path.is_file():
        raise UserError(f"expected a data file at {path}, found none; {remedy}")
    return read_arrays(path, keys, f"a whole .npz with {', '.join(keys)}")


def array_names(path):
    """Keys of an .npz; none where the file is not one."""
    try:
        with zipfile.ZipFile(path) as archive:
            return [name.removesuffix(".npy") for name in archive.namelist()]
    except (OSError, zipfile.BadZipFile):
        return []


def check_sizes(archive, members, most):
    """Refuse members of a `zipfile.ZipFile` that claim more than `most` bytes together."""
    claimed = sum(archive.getinfo(member).file_size for member in members)
    if claimed > most:
        raise ValueError(f"at most {most:,} bytes unpacked, got {claimed:,}")


def _check_header(archive, member):
    """Refuse an array that says it is larger or smaller than its member."""
    with archive.open(member) as file:
        version = npy.read_magic(file)
        if version not in _READ_HEADER:
            raise ValueError(f"{member} has the format {version}")
        shape, _, dtype = _READ_HEADER[version](file)
        # Python's integers do not overflow; NumPy's do.
        size = file.tell() + dtype.itemsize * int(np.prod(shape, dtype=object))
    if min(shape, default=0) < 0 or dtype.hasobject or size != archive.getinfo(member).file_size:
        raise ValueError(f"{member} is not a whole array of numbers")
