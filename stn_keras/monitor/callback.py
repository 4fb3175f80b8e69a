"""The Keras callback that draws and logs what a spatial transformer does while it learns."""

import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from stn_keras._arguments import check_count
from stn_keras.layers import SpatialTransformer, find_transformers
from stn_keras.monitor import pictures
from stn_keras.monitor.statistics import are_alike, find_problems, theta_statistics

# Larger than pixels of normalized images.
_LARGEST_VALUE = 20
_REMEDIES = (
    "What usually helps: the transformer's `bounds` or `outside_penalty`, or "
    "stn_keras.optimizers.with_localization_rate."
)


class TransformerMonitor(keras.callbacks.Callback):
    """Draws what a transformer reads of a few images after each epoch, and logs statistics of it.

    The folder gets one picture before the first epoch and one after each, `epoch-000.png`,
    `epoch-001.png`, ..., and after the training `epochs.gif`, an animation of all of them. Each
    picture shows the images, each with the frame that is read (the output's outline; its upper edge
    is thick and begins with a dot at the output's upper left), and below them the outputs. Of
    volumes it shows the three middle slices, without frames. When
    training begins, pictures of later epochs are removed: they are from an abandoned training.

    The logs of each epoch get these columns; a `CSVLogger` or `TensorBoard` that comes later in the
    list of callbacks writes them:

    - `theta_scale`, `theta_scale_std`: mean of the scale and its standard deviation over the
      images; a scale of 1 reads as much as the whole image.
    - `theta_rotation`, `theta_rotation_std`: degrees.
    - `theta_shift_x`, `theta_shift_y`, `theta_shift_std`: halves of the image's width and height;
      of volumes also `theta_shift_z`.
    - `theta_outside`: share of the samples that lie outside the image.
    - `theta_nan`: number of images whose theta is not finite.

    A warning is given, once per problem, when the scale falls below 0.05, more than 90 % of the
    samples lie outside, a theta is not finite, or the localization network's features are the same
    for all images. It names the range of the pixels as a likely cause if they are large.

    Convention: inverse mapping, output to input, so a scale of 0.5 enlarges the picture by 2 and a
    positive rotation turns it counter-clockwise; see `stn_keras.ops.decompose`. Scale, rotation and
    shift are those of the affine transform that fits the sampled coordinates best, whatever the
    family. Images with a coordinate that is not finite are left out of them.

    Args:
        images: (N, H, W, C), or (N, C, H, W) for a layer with "channels_first": a small batch of
            what the transformer receives, images or volumes. All of them count in the statistics.
        folder: where the pictures go; made if it does not exist.
        labels: one per image, written above it; None writes none.
        layer: a `SpatialTransformer` or its name; None takes the only one in the model.
        localization_inputs: a batch of what the localization network gets, for a transformer that
            is called with `localization_inputs`.
        shown: how many of the images are drawn, from the first on.
        prefix: start of the columns' names. If several transformers are watched, give each its own.

    Raises:
        ValueError: arguments that do not fit each other, or, when training begins, a model without
            that transformer.
        ImportError: matplotlib or Pillow is missing.

    Example:
        >>> import os, tempfile
        >>> images = np.random.default_rng(0).random((3, 8, 8, 1))
        >>> model = keras.Sequential([SpatialTransformer(keras.layers.Flatten())])
        >>> model.compile("sgd", "mse")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     monitor = TransformerMonitor(images, folder)
        ...     history = model.fit(images, images, callbacks=[monitor], verbose=0)
        ...     sorted(os.listdir(folder))
        ['epoch-000.png', 'epoch-001.png', 'epochs.gif']
    """

    def __init__(
        self,
        images: Any,
        folder: str | os.PathLike,
        labels: Sequence | None = None,
        layer: SpatialTransformer | str | None = None,
        localization_inputs: Any = None,
        shown: int = 10,
        prefix: str = "theta",
    ):
        super().__init__()
        pictures.check_packages()
        self.images = ops.convert_to_numpy(images).astype(keras.config.floatx())
        _check_images(self.images, labels=labels, localization_inputs=localization_inputs)
        _check_options(layer, shown)
        self.folder, self.layer = Path(folder), layer
        self.labels = None if labels is None else list(labels)
        self.localization_inputs, self.shown, self.prefix = localization_inputs, shown, prefix

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Find the transformer and make the folder."""
        self.transformer = _chosen_transformer(self.model, self.layer)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._begun = False
        self._warned: set[str] = set()

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Before the first epoch, draw and remove the pictures of later ones."""
        # `on_train_begin` does not know the first epoch of a resumed training.
        if not self._begun:
            self._begun = True
            for drawn, path in pictures.epoch_pictures(self.folder).items():
                if drawn > epoch:
                    path.unlink()
            self._draw(epoch, self._observe())

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Log, warn and draw."""
        observed = self._observe()
        statistics = self._statistics(observed)
        if logs is not None:
            logs.update({f"{self.prefix}_{name}": value for name, value in statistics.items()})
        self._warn(epoch + 1, {**find_problems(statistics), **self._dead_features()})
        self._draw(epoch + 1, observed)

    def on_train_end(self, logs: dict | None = None) -> None:
        """Animate the pictures."""
        drawn = pictures.epoch_pictures(self.folder)
        if drawn:
            pictures.animate(list(drawn.values()), self.folder / "epochs.gif")

    @property
    def _looked_at(self):
        """What the localization network gets."""
        return self.images if self.localization_inputs is None else self.localization_inputs

    def _observe(self):
        """What the transformer does with the images now."""
        layer, images, seen = self.transformer, self.images, self.localization_inputs
        theta = ops.convert_to_numpy(layer.predict_theta(images, seen, training=False))
        others = {} if seen is None else {"localization_inputs": seen[: self.shown]}
        outputs = layer(images[: self.shown], **others, training=False)
        channels_first = layer.reader.channels_first
        input_size = layer.reader.size_of(images.shape)
        output_size = layer.output_size or input_size
        coordinates = _coordinates(layer.theta_transform, theta, output_size, input_size)
        inputs = images[: self.shown]
        return _Observed(
            theta,
            coordinates,
            np.moveaxis(inputs, 1, -1) if channels_first else inputs,
            _apart(outputs, coordinates.shape[1], channels_first, inputs.ndim),
        )

    def _statistics(self, observed):
        coordinates = observed.coordinates.reshape(-1, *observed.coordinates.shape[2:])
        input_size = observed.inputs.shape[1:-1]
        align_corners = self.transformer.transform.align_corners
        return theta_statistics(observed.theta, coordinates, input_size, align_corners)

    def _dead_features(self):
        """A problem if different images have the same features, as when all ReLUs have died."""
        features = self.transformer.localization(self._looked_at, training=False)
        if are_alike(self._looked_at) or not are_alike(features):
            return {}
        return {"blind": "reads all images alike: its localization network sees no difference"}

    def _warn(self, epoch, problems):
        """Warn of each problem once in a training."""
        for problem, message in problems.items():
            if problem not in self._warned:
                self._warned.add(problem)
                cause = self._range_as_cause()
                warnings.warn(
                    f"After epoch {epoch} '{self.transformer.name}' {message}. {cause}{_REMEDIES}",
                    stacklevel=2,
                )

    def _range_as_cause(self):
        """A sentence on pixels that are too large for a network without scaling, or nothing."""
        low, high = np.nanmin(self._looked_at), np.nanmax(self._looked_at)
        if max(-low, high) <= _LARGEST_VALUE:
            return ""
        return (
            f"A likely cause is the range of its pixels, {low:g} to {high:g}: a localization "
            "network of your own has to scale them first, as by keras.layers.Rescaling(1 / 255). "
        )

    def _draw(self, epoch, observed):
        drawn = observed.inputs, observed.outputs, observed.coordinates[: self.shown]
        if observed.inputs.ndim == 5:
            drawn = *map(pictures.middle_slices, drawn[:2]), None
        pictures.draw_page(
            self.folder / f"epoch-{epoch:03d}.png",
            *drawn,
            title=f"epoch {epoch}",
            value_range=(self.images.min(), self.images.max()),
            labels=self.labels,
        )


class _Observed(NamedTuple):
    """What a transformer does with a batch, as NumPy arrays; channels are last.

    Attributes:
        theta: (N, P), or (N, K, P) of K transforms per image.
        coordinates: (N, K, H', W', 2) in pixels of the input; (N, K, D', H', W', 3) of volumes.
        inputs: the images that are drawn, (M, H, W, C) or (M, D, H, W, C).
        outputs: of those, (M, K, H', W', C) or (M, K, D', H', W', C).
    """

    theta: np.ndarray
    coordinates: np.ndarray
    inputs: np.ndarray
    outputs: np.ndarray


def _coordinates(transform, theta, output_size, input_size):
    """Source coordinates (N, K, *output_size, rank) of theta (N, P) or (N, K, P), in float64."""
    each = theta.reshape(-1, transform.num_parameters)
    coordinates = transform.source_coordinates(each, output_size=output_size, input_size=input_size)
    coordinates = ops.convert_to_numpy(coordinates).astype("float64")
    return coordinates.reshape(len(theta), -1, *output_size, transform.rank)


def _apart(outputs, count, channels_first, ndim):
    """Outputs (N, K, H', W', C) of a layer that stacks them or concatenates their channels.

    Those of inputs with `ndim` axes.
    """
    outputs = ops.convert_to_numpy(ops.cast(outputs, "float32"))
    if outputs.ndim == ndim:
        outputs = np.stack(np.split(outputs, count, axis=1 if channels_first else -1), axis=1)
    return np.moveaxis(outputs, 2, -1) if channels_first else outputs


def _chosen_transformer(model, layer):
    """The layer itself, the one of that name, or the only one."""
    if isinstance(layer, SpatialTransformer):
        return layer
    found = find_transformers(model)
    names = ", ".join(repr(one.name) for one in found) or "none"
    if layer is not None:
        found = [one for one in found if one.name == layer]
    if len(found) != 1:
        wanted = "`layer=None`" if layer is None else f"`layer={layer!r}`"
        raise ValueError(
            f"Expected one SpatialTransformer in the model for {wanted}. The model has: {names}"
        )
    return found[0]


def _check_images(images, **per_image):
    if images.ndim not in (4, 5) or not len(images):
        raise ValueError(
            "Expected at least one image, (N, H, W, C) or (N, C, H, W), or volume. "
            f"Received: images.shape={images.shape}"
        )
    for name, given in per_image.items():
        if given is not None and len(given) != len(images):
            raise ValueError(f"Expected `{name}` for {len(images)} images. Received: {len(given)}")


def _check_options(layer, shown):
    if layer is not None and not isinstance(layer, (str, SpatialTransformer)):
        raise ValueError(
            "Expected `layer` to be a SpatialTransformer, the name of one, or None. "
            f"Received: layer={layer!r}"
        )
    check_count("shown", shown)
