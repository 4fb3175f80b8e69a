"""What is exported: a saved model, in float32, with names for its outputs."""

import importlib
import importlib.util
import json
import sys
from pathlib import Path

import keras

from stn_keras import saving
from stn_keras.export.errors import ExportError, UnregisteredError
from stn_keras.layers import SpatialTransformer

MODEL_IN_RUN = "model.keras"


def load_model(path):
    """The model of a .keras file, or of a run folder with a model.keras.

    Nothing but Keras's own, this package's and registered classes is made, and no code in the file
    is run; `import_module` imports a module that registers some.

    Args:
        path: the file or folder.

    Raises:
        UnregisteredError: Keras does not know a class of the model.
        ExportError: no such file, or one that is damaged, foreign or of a newer Keras.
    """
    path = Path(path)
    file = path / MODEL_IN_RUN if path.is_dir() else path
    if file.suffix != ".keras" or not file.is_file():
        raise ExportError(f"expected a .keras file or a folder with {MODEL_IN_RUN}, got {path}")
    try:
        return saving.load_model(file)
    except saving.UnknownClassError as error:
        raise UnregisteredError(str(error)) from None
    except ValueError as error:
        raise ExportError(str(error)) from None


def import_module(name):
    """Import a module that registers classes of saved models.

    Args:
        name: dotted, such as "project.layers", or the path of a .py file, which is imported under
            its own name and may import its neighbors.

    Raises:
        ExportError: there is none, or it cannot be imported.
    """
    try:
        if not name.endswith(".py"):
            importlib.import_module(name)
            return
        path = Path(name).resolve(strict=True)
        sys.path.append(str(path.parent))
        spec = importlib.util.spec_from_file_location(path.stem, path)
        module = importlib.util.module_from_spec(spec)
        sys.modules.setdefault(path.stem, module)
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # whatever the module does
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise ExportError(f"expected a module to import, got {name} ({reason})") from None


def in_float32(model):
    """The model, or where it computes in half precision the same with all of it in float32.

    Args:
        model: a Keras model. Its weights are float32 in either case.
    """
    config = model.to_json()
    plain = json.dumps(_without_mixed_policies(json.loads(config)))
    if plain == json.dumps(json.loads(config)):
        return model
    remade = keras.models.model_from_json(plain)
    remade.set_weights(model.get_weights())
    return remade


def _without_mixed_policies(config):
    if isinstance(config, list):
        return [_without_mixed_policies(part) for part in config]
    if not isinstance(config, dict):
        return config
    if config.get("class_name") == "DTypePolicy":
        return {**config, "config": {**config["config"], "name": "float32"}}
    return {name: _without_mixed_policies(part) for name, part in config.items()}


def with_named_outputs(model, with_theta=False):
    """The model with its outputs in a dictionary, whose keys every format keeps.

    Args:
        model: a built Keras model of one input and one output.
        with_theta: whether to return what its spatial transformer does, too.

    Returns:
        A model that gives "scores" and, `with_theta`, "theta" (N, P) and "straightened", the
        images (N, H', W', C) that the transformer hands on. It shares the layers of `model`.

    Raises:
        ExportError: several inputs or outputs, or not one spatial transformer among the layers.

    Example:
        >>> from stn_keras import models
        >>> model = models.with_spatial_transformer(models.cnn())
        >>> sorted(with_named_outputs(model, with_theta=True).output)
        ['scores', 'straightened', 'theta']
    """
    check_model(model)
    outputs = {"scores": model.outputs[0]}
    if with_theta:
        layer = _transformer_of(model)
        seen = layer.input[-1] if isinstance(layer.input, list) else layer.input
        outputs |= {"theta": layer.predict_theta(seen), "straightened": layer.output}
    return keras.Model(model.inputs[0], outputs, name=model.name)


def check_model(model):
    """Refuse what is not a built model from images to one output.

    Raises:
        ExportError: it has no, several or other inputs, or several outputs.
    """
    try:
        shapes = [tensor.shape for tensor in model.inputs]
        outputs = len(model.outputs)
    except (AttributeError, TypeError):  # subclassed, or not built
        shapes, outputs = [], 0
    if [len(shape) for shape in shapes] != [4] or outputs != 1:
        raise ExportError(
            "expected a built functional or sequential model of one input (N, H, W, C) and one "
            f"output, got {outputs} outputs and inputs {shapes}"
        )


def _transformer_of(model):
    found = [layer for layer in model.layers if isinstance(layer, SpatialTransformer)]
    if len(found) != 1:
        raise ExportError(f"expected one spatial transformer among the layers, got {len(found)}")
    return found[0]
