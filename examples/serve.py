"""python examples/serve.py MODEL.onnx: answer by the Open Inference Protocol (KServe v2).

Needs neither Keras nor TensorFlow: onnxruntime and mlserver.
"""

import argparse
import asyncio
from pathlib import Path


def parse_arguments(parser):
    """Parse the command line and check what can be checked before imports."""
    parser.add_argument("model", type=Path, metavar="MODEL.onnx")
    parser.add_argument("--name", default="stn", help="the model's name in /v2/models/NAME")
    parser.add_argument("--host", default="127.0.0.1", help="0.0.0.0 to accept other machines")
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--grpc-port", type=int, default=8081)
    arguments = parser.parse_args()
    if not arguments.model.is_file():
        parser.error(f"expected an .onnx file, got {arguments.model}")
    for port in (arguments.port, arguments.grpc_port):
        if not 0 < port < 2**16:
            parser.error(f"expected ports from 1 to 65535, got {port}")
    return arguments


def server_settings(arguments):
    """Settings of MLServer and of the model it serves."""
    from mlserver import ModelSettings, Settings
    from mlserver.settings import ModelParameters
    from onnx_model import OnnxModel

    settings = Settings(
        host=arguments.host,
        http_port=arguments.port,
        grpc_port=arguments.grpc_port,
        metrics_endpoint=None,
        parallel_workers=0,  # onnxruntime already uses all cores
    )
    model = ModelSettings(
        name=arguments.name,
        implementation=OnnxModel,
        parameters=ModelParameters(uri=str(arguments.model)),
    )
    return settings, model


def main():
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description=__doc__)
    arguments = parse_arguments(parser)
    try:
        from mlserver import MLServer
        from onnx_model import open_session
    except ModuleNotFoundError as error:
        parser.exit(
            2,
            f"{parser.prog}: error: expected the package {error.name}, which is not installed: "
            'pip install ".[serve]", with Python 3.11 or 3.12\n',
        )
    try:  # MLServer would start without the model
        open_session(arguments.model)
    except Exception as error:  # onnxruntime has no common base class
        parser.error(f"expected an .onnx file, got {arguments.model} ({error})".splitlines()[0])
    settings, model = server_settings(arguments)
    asyncio.run(MLServer(settings).start([model]))


if __name__ == "__main__":
    main()
