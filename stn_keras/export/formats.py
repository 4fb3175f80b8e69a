"""Each export format: how to write, run and count it. Packages are imported on first use."""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass

from stn_keras.export.errors import ExportError

OPSET = 18  # the latest that tf2onnx writes


@dataclass(frozen=True)
class Format:
    """A format that models are exported to.

    Attributes:
        suffix: of the file; "" for a folder.
        packages: imported to write and to run it.
        write: (model, path, **options) -> None; a folder exists and is empty.
        load: path -> function images -> {output name: array}, in the format's runtime.
        count_operations: path -> number of operations, without constants.
    """

    suffix: str
    packages: tuple[str, ...]
    write: Callable
    load: Callable
    count_operations: Callable

    def check_packages(self, name: str) -> None:
        """Raise an `ExportError` if a package is missing."""
        for package in self.packages:
            if importlib.util.find_spec(package) is None:
                raise ExportError(f'{name} needs the package {package}: pip install ".[export]"')


def _write_saved_model(model, path):
    model.export(path, format="tf_saved_model", verbose=False)


def _load_saved_model(path):
    import tensorflow as tf

    loaded = tf.saved_model.load(path)
    return lambda images: {
        name: tensor.numpy() for name, tensor in loaded.serve(tf.constant(images)).items()
    }


def _saved_model_operations(path):
    import tensorflow as tf

    values = ("Const", "Placeholder", "Identity", "NoOp", "ReadVariableOp")
    loaded = tf.saved_model.load(path)
    (function,) = loaded.serve.concrete_functions
    return sum(operation.type not in values for operation in function.graph.get_operations())


def _write_onnx(model, path):
    model.export(path, format="onnx", verbose=False, opset_version=OPSET)


def _load_onnx(path):
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (images_name,) = (tensor.name for tensor in session.get_inputs())
    names = [tensor.name for tensor in session.get_outputs()]
    return lambda images: dict(zip(names, session.run(names, {images_name: images}), strict=True))


def _onnx_operations(path):
    import onnx

    return sum(node.op_type != "Constant" for node in onnx.load(path).graph.node)


def _write_litert(model, path, **options):
    import tensorflow as tf

    # By default Keras also allows TensorFlow operations, which the runtime on devices lacks.
    operations = {"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS]}
    model.export(path, format="litert", verbose=False, target_spec=operations, **options)


def _load_litert(path):
    from ai_edge_litert.interpreter import Interpreter

    run = Interpreter(str(path)).get_signature_runner()
    (images_name,) = run.get_input_details()
    return lambda images: run(**{images_name: images})


def _litert_operations(path):
    from ai_edge_litert import schema_py_generated as schema

    model = schema.Model.GetRootAs(path.read_bytes())
    return model.Subgraphs(0).OperatorsLength()


def _write_openvino(model, path):
    model.export(str(path / "model.xml"), format="openvino", verbose=False)


def _load_openvino(path):
    import openvino

    # By default it computes in bfloat16 on processors that can, with errors of 5e-3.
    options = {"INFERENCE_PRECISION_HINT": "f32"}
    model = openvino.Core().compile_model(path / "model.xml", "CPU", options)
    # A tensor also has names of places in the graph; the output's name is the shortest.
    names = [min(output.names, key=len) for output in model.outputs]
    return lambda images: dict(zip(names, model(images).values(), strict=True))


def _openvino_operations(path):
    import openvino

    values = ("Constant", "Parameter", "Result")
    nodes = openvino.Core().read_model(path / "model.xml").get_ops()
    return sum(node.get_type_name() not in values for node in nodes)


# `keras.Model.export` writes all of them.
FORMATS = {
    "saved_model": Format(
        "", ("tensorflow",), _write_saved_model, _load_saved_model, _saved_model_operations
    ),
    "onnx": Format(
        ".onnx", ("onnx", "tf2onnx", "onnxruntime"), _write_onnx, _load_onnx, _onnx_operations
    ),
    "litert": Format(
        ".tflite", ("tensorflow", "ai_edge_litert"), _write_litert, _load_litert, _litert_operations
    ),
    "openvino": Format(
        "", ("tensorflow", "openvino"), _write_openvino, _load_openvino, _openvino_operations
    ),
}


def _int8_weights(images):
    import tensorflow as tf

    return {"optimizations": [tf.lite.Optimize.DEFAULT]}


def _int8(images):
    return {
        **_int8_weights(images),
        "representative_dataset": lambda: ([image[None]] for image in images),
    }


# Name -> function from images to options of `_write_litert`.
QUANTIZATIONS = {"weights": _int8_weights, "full": _int8}
