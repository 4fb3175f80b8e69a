"""python examples/serve.py MODEL.onnx: answer by the Open Inference Protocol (KServe v2).

Needs neither Keras nor TensorFlow: onnxruntime and mlserver.
"""

import argparse
import asyncio
from pathlib import Path

import onnxruntime
from mlserver import MLModel, MLServer, ModelSettings, Settings
from mlserver.codecs import NumpyCodec
from mlserver.errors import InferenceError
from mlserver.settings import ModelParameters
from mlserver.types import InferenceResponse, MetadataTensor

PROVIDERS = ["CPUExecutionProvider"]


class OnnxModel(MLModel):
    """An ONNX file in onnxruntime."""

    async def load(self):
        self.session = onnxruntime.InferenceSession(
            self.settings.parameters.uri, providers=PROVIDERS
        )
        self.inputs = list(map(_metadata, self.session.get_inputs()))
        self.outputs = list(map(_metadata, self.session.get_outputs()))
        return True

    async def predict(self, payload):
        try:
            inputs = {part.name: NumpyCodec.decode_input(part) for part in payload.inputs}
            # In a thread, so that clients do not wait for one another.
            arrays = await asyncio.to_thread(self.session.run, None, inputs)
        except Exception as error:  # onnxruntime and the codec each have their own
            raise InferenceError(str(error)) from None
        outputs = [
            NumpyCodec.encode_output(tensor.name, array)
            for tensor, array in zip(self.outputs, arrays, strict=True)
        ]
        return InferenceResponse(model_name=self.name, id=payload.id, outputs=outputs)


def _metadata(tensor):
    """Name and shape of a float tensor, -1 where it may have any size."""
    shape = [size if isinstance(size, int) else -1 for size in tensor.shape]
    return MetadataTensor(name=tensor.name, datatype="FP32", shape=shape)


def main():
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path, metavar="MODEL.onnx")
    parser.add_argument("--name", default="stn", help="in the address: /v2/models/NAME")
    parser.add_argument("--host", default="127.0.0.1", help="0.0.0.0: reachable from elsewhere")
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--grpc-port", type=int, default=8081)
    arguments = parser.parse_args()
    if not arguments.model.is_file():
        parser.error(f"expected an .onnx file, got {arguments.model}")
    for port in (arguments.port, arguments.grpc_port):
        if not 0 < port < 2**16:
            parser.error(f"expected ports from 1 to 65535, got {port}")
    try:  # mlserver would go on without the model
        onnxruntime.InferenceSession(str(arguments.model), providers=PROVIDERS)
    except Exception as error:  # onnxruntime has no common one
        parser.error(f"expected an .onnx file, got {arguments.model} ({error})".splitlines()[0])
    settings = Settings(
        host=arguments.host,
        http_port=arguments.port,
        grpc_port=arguments.grpc_port,
        metrics_endpoint=None,
        parallel_workers=0,  # onnxruntime computes on all cores by itself
    )
    model = ModelSettings(
        name=arguments.name,
        implementation=OnnxModel,
        parameters=ModelParameters(uri=str(arguments.model)),
    )
    asyncio.run(MLServer(settings).start([model]))


if __name__ == "__main__":
    main()
