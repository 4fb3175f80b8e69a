"""imgaug 0.4.0 on NumPy 2: the one place that imports it."""

import numpy as np

if not hasattr(np, "sctypes"):  # removed in NumPy 2, read by imgaug when it is imported
    np.sctypes = {
        "int": [np.int8, np.int16, np.int32, np.int64],
        "uint": [np.uint8, np.uint16, np.uint32, np.uint64],
        "float": [np.float16, np.float32, np.float64, np.longdouble],
        "complex": [np.complex64, np.complex128, np.clongdouble],
        "others": [bool, object, bytes, str, np.void],
    }

import cv2
import imgaug.augmenters as iaa

# The images are tiny and the chunks already run in parallel: OpenCV's own threads only get in the
# way.
cv2.setNumThreads(1)

__all__ = ["iaa"]
