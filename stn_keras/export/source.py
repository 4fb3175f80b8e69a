"""Prepare a model for export: float32, and names for its outputs."""

import json

import keras

from stn_keras.export.errors import ExportError
from stn_keras.layers import find_transformers


def in_float32(model: keras.Model) -> keras.Model:
    """The model, remade in float32 if any of its layers computes or is kept in another precision.

    Args:
        model: a Keras model.

    Returns:
        `model` or its copy in float32.
    """
    config = json.loads(model.to_json())
    plain = _without_mixed_policies(config)
    if plain == config:
        return model
    remade = keras.models.model_from_json(json.dumps(plain))
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


def with_named_outputs(model: keras.Model, with_theta: bool = False) -> keras.Model:
    """The model with its outputs in a dictionary, whose keys every format keeps.

    Args:
        model: a built Keras model of one input and one output.
        with_theta: whether to return theta and the straightened images as well.

    Returns:
        A model that gives "scores" and, `with_theta`, "theta" (N, P) and "straightened", the
        images (N, H', W', C) that the transformer hands on. It shares the layers of `model`.

    Raises:
        ExportError: several inputs or outputs, or not exactly one spatial transformer among the
            model's own layers.

    Example:
        >>> from stn_keras import SpatialTransformer
        >>> inputs = keras.Input((28, 28, 1))
        >>> straightened = SpatialTransformer(keras.layers.Flatten())(inputs)
        >>> model = keras.Model(inputs, keras.layers.Flatten()(straightened))
        >>> sorted(with_named_outputs(model, with_theta=True).output)
        ['scores', 'straightened', 'theta']
    """
    check_model(model)
    outputs = _outputs_with_theta(model) if with_theta else {"scores": model.outputs[0]}
    return keras.Model(model.inputs[0], outputs, name=model.name)


def check_model(model: keras.Model) -> None:
    """Refuse a model that is not built or does not map one batch of images to one output.

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


def _own_transformer(model):
    """The only transformer among the model's own layers: a nested one is in another graph."""
    found = find_transformers(model)
    own = [layer for layer in found if layer in model.layers]
    if len(own) != 1:
        nested = len(found) - len(own)
        raise ExportError(
            "expected one spatial transformer among the model's own layers, got "
            f"{len(own)}" + (f" and {nested} in nested models" if nested else "")
        )
    return own[0]


def _outputs_with_theta(model):
    """The named outputs of the model's graph, in which the transformer also returns its theta."""
    transformer, returned = _own_transformer(model), {}

    def call(layer, *args, **kwargs):
        if layer is not transformer:
            return layer(*args, **kwargs)
        straightened, theta = layer(*args, **kwargs, return_theta=True)
        returned.update(theta=theta, straightened=straightened)
        return straightened

    graph = keras.Model(model.inputs[0], model.outputs[0])
    again = keras.models.clone_model(
        graph, input_tensors=model.inputs[0], clone_function=lambda layer: layer, call_function=call
    )
    return {"scores": again.outputs[0], **returned}
