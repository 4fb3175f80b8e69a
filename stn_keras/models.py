"""Put a spatial transformer in front of an existing classifier, unchanged."""

import keras

from stn_keras.layers import SpatialTransformer


def with_spatial_transformer(
    classifier: keras.Model,
    transformer: SpatialTransformer | None = None,
    *,
    input_shape: tuple | None = None,
) -> keras.Model:
    """A model that straightens its images and hands them to an existing classifier, unchanged.

    Args:
        classifier: Keras model from images to scores. It becomes a part of the result, with its
            weights and its name.
        transformer: `SpatialTransformer`, or a layer derived from it; None: an affine one. Where it
            has no `output_size`, it gets the size that the classifier reads.
        input_shape: (H, W, C) of the images; None: the classifier's input shape. Where it differs,
            the transformer resizes; for a classifier of any size, or one that is not built yet, it
            keeps the images'.

    Returns:
        A Keras model with the classifier's output, whose layers are the transformer and the
        classifier.

    Raises:
        ValueError: the classifier does not tell its input shape and `input_shape` is None.

    Example:
        >>> layers = keras.layers
        >>> classifier = keras.Sequential([keras.Input((28, 28, 1)), layers.Flatten()])
        >>> model = with_spatial_transformer(classifier, input_shape=(40, 40, 1))
        >>> model.get_layer("spatial_transformer").output_size
        (28, 28)
    """
    transformer = transformer or SpatialTransformer(name="spatial_transformer")
    read_shape = _read_shape(classifier, input_shape)
    size = transformer.reader.size_of((None, *read_shape))
    if transformer.output_size is None and None not in size:
        transformer.output_size = size
    inputs = keras.Input(input_shape or read_shape, name="images")
    return keras.Model(inputs, classifier(transformer(inputs)), name=f"stn_{classifier.name}")


def _read_shape(classifier, input_shape):
    """(H, W, C) of the images that the classifier is built for, or will be."""
    read = getattr(classifier, "input_shape", None) if classifier.built else None
    if read is None and input_shape is None:
        raise ValueError(
            "Expected `input_shape` for a classifier that is not built or is subclassed, or one "
            f"that begins with keras.Input. Received: classifier={classifier.name!r}"
        )
    return input_shape if read is None else read[1:]
