"""An ONNX file as an MLServer model."""

import asyncio

import onnxruntime
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.errors import InferenceError
from mlserver.types import InferenceResponse, MetadataTensor


def open_session(path):
    """Open the file in onnxruntime, on the CPU."""
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


class OnnxModel(MLModel):
    """An ONNX file, run by onnxruntime."""

    async def load(self):
        self.session = open_session(self.settings.parameters.uri)
        self.inputs = list(map(_metadata, self.session.get_inputs()))
        self.outputs = list(map(_metadata, self.session.get_outputs()))
        return True

    async def predict(self, payload):
        try:
            inputs = {part.name: NumpyCodec.decode_input(part) for part in payload.inputs}
            # In a thread, so that requests do not block each other.
            arrays = await asyncio.to_thread(self.session.run, None, inputs)
        except Exception as error:  # onnxruntime and the codec have no common base class
            raise InferenceError(str(error)) from None
        outputs = [
            NumpyCodec.encode_output(tensor.name, array)
            for tensor, array in zip(self.outputs, arrays, strict=True)
        ]
        return InferenceResponse(model_name=self.name, id=payload.id, outputs=outputs)


def _metadata(tensor):
    """Name and shape of a float tensor; -1 is an axis of any size."""
    shape = [size if isinstance(size, int) else -1 for size in tensor.shape]
    return MetadataTensor(name=tensor.name, datatype="FP32", shape=shape)
