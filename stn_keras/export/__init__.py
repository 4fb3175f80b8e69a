"""Export models as SavedModel, ONNX, LiteRT or OpenVINO, compared with Keras in that runtime."""

from stn_keras.export.checked import Exported, export
from stn_keras.export.errors import ExportError, UnregisteredError
from stn_keras.export.formats import FORMATS, QUANTIZATIONS
from stn_keras.export.loading import load_model
from stn_keras.export.source import in_float32, with_named_outputs

__all__ = [
    "FORMATS",
    "QUANTIZATIONS",
    "ExportError",
    "Exported",
    "UnregisteredError",
    "export",
    "in_float32",
    "load_model",
    "with_named_outputs",
]
