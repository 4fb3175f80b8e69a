"""What becomes of the memory that a training step frees."""

import ctypes
import sys

# mallopt(3): numbers of the parameters, and the values they are given.
TRIM_THRESHOLD, TOP_PAD, MMAP_THRESHOLD = -1, -2, -3
KEPT = {TRIM_THRESHOLD: 2**31 - 1, TOP_PAD: 2**28, MMAP_THRESHOLD: 2**30}


def keep_freed_pages():
    """Let malloc keep what a training step frees for the next one.

    On a CPU TensorFlow takes every tensor from malloc, and glibc gives large ones back to the
    system: the next step's are then made of new pages, each zeroed by the kernel. Where the C
    library is not glibc nothing is changed.

    Returns:
        Whether it will be kept.
    """
    mallopt = sys.platform == "linux" and getattr(ctypes.CDLL(None), "mallopt", None)
    return bool(mallopt) and all(mallopt(*setting) for setting in KEPT.items())
