"""Put a spatial transformer in front of a classifier that stays as it is."""

import keras

from stn_keras.layers import SpatialTransformer


def with_spatial_transformer(
    classifier, input_shape=None, transformer=SpatialTransformer, **transformer_arguments
):
    """A model that straightens its images and hands them to an unmodified classifier.

    Args:
        classifier: Keras model from images to scores. It becomes a part of the result, with its
            own weights and name.
        input_shape: (H, W, C) of the images; None: the classifier's input shape. Where it differs,
            the transformer resizes; for a classifier of any size, or one that is not built yet, it
            keeps the images'.
        transformer: `SpatialTransformer` or a class derived from it.
        **transformer_arguments: arguments of `transformer`.

    Returns:
        A Keras model with the classifier's output, whose layers are "spatial_transformer" and the
        classifier.

    Raises:
        ValueError: the classifier is not built and `input_shape` is None.

    Example:
        >>> classifier = keras.Sequential([keras.Input((28, 28, 1)), keras.layers.Flatten()])
        >>> model = with_spatial_transformer(classifier, input_shape=(40, 40, 1))
        >>> model.get_layer("spatial_transformer").output_size
        (28, 28)
    """
    read_shape = _read_shape(classifier, input_shape)
    data_format = transformer_arguments.get("data_format") or keras.config.image_data_format()
    size = read_shape[1:] if data_format == "channels_first" else read_shape[:2]
    size = None if None in size else size
    arguments = {"output_size": size, "name": "spatial_transformer", **transformer_arguments}
    inputs = keras.Input(input_shape or read_shape, name="images")
    outputs = classifier(transformer(**arguments)(inputs))
    return keras.Model(inputs, outputs, name=f"stn_{classifier.name}")


def _read_shape(classifier, input_shape):
    """(H, W, C) of the images that the classifier is built for, or will be."""
    if classifier.built:
        return classifier.input_shape[1:]
    if input_shape is None:
        raise ValueError(
            "Expected `input_shape` for a classifier that is not built, or one that begins with "
            f"keras.Input. Received: classifier={classifier.name!r}"
        )
    return input_shape
