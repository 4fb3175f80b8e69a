"""Models for other runtimes: SavedModel, ONNX, LiteRT and OpenVINO, each checked in its own."""

from stn_keras.export.checked import Exported, export
from stn_keras.export.errors import ExportError
from stn_keras.export.formats import FORMATS, QUANTIZATIONS
from stn_keras.export.loading import load_model
from stn_keras.export.source import in_float32, with_named_outputs

__all__ = [
    "FORMATS",
    "QUANTIZATIONS",
    "ExportError",
    "Exported",
    "export",
    "in_float32",
    "load_model",
    "with_named_outputs",
]
