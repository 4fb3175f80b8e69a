"""What a spatial transformer does while it learns, as pictures and as numbers."""

import warnings
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
from keras import ops

from stn_keras import _pictures
from stn_keras.layers.spatial_transformer import SpatialTransformer, find_transformers
from stn_keras.ops import decompose, homogeneous_meshgrid, identity_coordinates, pixels_per_unit

_SMALLEST_SCALE, _LARGEST_SHARE_OUTSIDE, _SMALLEST_SPREAD = 0.05, 0.9, 1e-6
# Of images that are normalized some way or other.
_LARGEST_VALUE = 20
_CURE = (
    "What usually helps: the transformer's `bounds` or `outside_penalty`, or "
    "stn_keras.optimizers.with_localization_rate."
)


class TransformerMonitor(keras.callbacks.Callback):
    """Draws after each epoch what a transformer reads of a few images, and logs what it does.

    The folder gets a picture of the beginning and one of each epoch, `epoch-000.png`,
    `epoch-001.png`, ..., and at the end of the training `epochs.gif` of all of them. Each picture
    shows the images, on each the frame that is read (the output's outline; its upper edge is thick
    and begins with a dot at the output's upper left), and below what the transformer made of it.
    When training begins, pictures of later epochs are removed: they are from an abandoned training.

    Columns are added to the logs of each epoch; a `CSVLogger` or `TensorBoard` that comes later in
    the list of callbacks writes them:

    - `theta_scale`, `theta_scale_std`: mean of the scale and its standard deviation over the
      images; 1 reads as much as the whole image.
    - `theta_rotation`, `theta_rotation_std`: degrees.
    - `theta_shift_x`, `theta_shift_y`, `theta_shift_std`: halves of the image's width and height.
    - `theta_outside`: share of the samples that lie outside the image.
    - `theta_nan`: number of images whose theta is not finite.

    A warning is given, once for each, when the scale falls below 0.05, more than 90 % of the
    samples lie outside, a theta is not finite, or the localization network's features are the same
    for all images. It names the range of the pixels as a cause where they are large.

    Convention: inverse mapping, output to input, so a scale of 0.5 enlarges the picture by 2 and a
    positive rotation turns it counter-clockwise; see `stn_keras.ops.decompose`. Scale, rotation and
    shift are those of the affine transform that fits the sampled coordinates best, whatever the
    family; images with a coordinate that is not finite are left out of them.

    Args:
        images: (N, H, W, C), or (N, C, H, W) for a layer with "channels_first": a small batch of
            what the transformer itself receives. All count in the numbers.
        folder: where the pictures go; made if need be.
        labels: one for each image, written above it; None: nothing is.
        layer: a `SpatialTransformer` or its name; None: the only one in the model.
        localization_inputs: a batch of what the transformer looks at in place of the images, where
            it is called with such.
        shown: how many of the images are drawn, from the first on.
        prefix: what the names of the columns begin with; give each its own where several
            transformers are watched.

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
        images,
        folder,
        labels=None,
        layer=None,
        localization_inputs=None,
        shown=10,
        prefix="theta",
    ):
        super().__init__()
        _pictures.check_packages()
        self.images = ops.convert_to_numpy(images).astype(keras.config.floatx())
        if self.images.ndim != 4 or not len(self.images):
            raise ValueError(
                "Expected at least one image, (N, H, W, C) or (N, C, H, W). "
                f"Received: images.shape={self.images.shape}"
            )
        for name, given in {"labels": labels, "localization_inputs": localization_inputs}.items():
            if given is not None and len(given) != len(self.images):
                raise ValueError(
                    f"Expected `{name}` for {len(self.images)} images. Received: {len(given)}"
                )
        if layer is not None and not isinstance(layer, (str, SpatialTransformer)):
            raise ValueError(
                "Expected `layer` to be a SpatialTransformer, the name of one, or None. "
                f"Received: layer={layer!r}"
            )
        if not isinstance(shown, int) or shown < 1:
            raise ValueError(
                f"Expected `shown` to be an integer of at least 1. Received: shown={shown!r}"
            )
        self.folder, self.layer = Path(folder), layer
        self.labels = None if labels is None else list(labels)
        self.localization_inputs, self.shown, self.prefix = localization_inputs, shown, prefix

    def on_train_begin(self, logs=None):
        self.transformer = _find_transformer(self.model, self.layer)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._begun, self._warned = False, set()

    def on_epoch_begin(self, epoch, logs=None):
        # Only here does Keras tell which epoch a training begins with.
        if not self._begun:
            self._begun = True
            for number, path in _pictures.epochs(self.folder).items():
                if number > epoch:
                    path.unlink()
            self._draw(epoch, self._look())

    def on_epoch_end(self, epoch, logs=None):
        look = self._look()
        statistics = _statistics(look)
        if logs is not None:
            logs.update({f"{self.prefix}_{name}": value for name, value in statistics.items()})
        self._warn(epoch + 1, {**_troubles(statistics), **self._blindness()})
        self._draw(epoch + 1, look)

    def on_train_end(self, logs=None):
        drawn = _pictures.epochs(self.folder)
        if drawn:
            _pictures.animate(list(drawn.values()), self.folder / "epochs.gif")

    def _look(self):
        """What the transformer does with the images now."""
        layer, images, seen = self.transformer, self.images, self.localization_inputs
        theta = layer.predict_theta(images, seen, training=False)
        others = {} if seen is None else {"localization_inputs": seen[: self.shown]}
        outputs = layer(images[: self.shown], **others, training=False)
        channels_first = layer.reader.channels_first
        input_size = images.shape[2:] if channels_first else images.shape[1:3]
        output_size = layer.output_size or input_size
        each = ops.reshape(theta, (-1, layer.theta_transform.num_parameters))
        coordinates = layer.theta_transform.source_coordinates(
            each, output_size=output_size, input_size=input_size
        )
        coordinates = ops.convert_to_numpy(coordinates).astype("float64")
        return _Look(
            ops.convert_to_numpy(theta).reshape(len(images), -1),
            coordinates.reshape(len(images), -1, *output_size, 2),
            _channels_last(images[: self.shown], channels_first),
            _channels_last(ops.convert_to_numpy(ops.cast(outputs, "float32")), channels_first),
            layer.transform.align_corners,
        )

    def _blindness(self):
        """As `_troubles`, where different images have the same features: ReLUs have died."""
        seen = self.images if self.localization_inputs is None else self.localization_inputs
        features = ops.convert_to_numpy(self.transformer.localization(seen, training=False))
        if _are_alike(seen) or not _are_alike(features):
            return {}
        return {"blind": "reads all images alike: its localization network sees no difference"}

    def _warn(self, epoch, troubles):
        for kind, text in troubles.items():
            if kind not in self._warned:
                self._warned.add(kind)
                cause = self._range_as_cause()
                warnings.warn(
                    f"After epoch {epoch} '{self.transformer.name}' {text}. {cause}{_CURE}",
                    stacklevel=2,
                )

    def _range_as_cause(self):
        """A sentence on pixels too large for a network that does not scale them, or nothing."""
        seen = self.images if self.localization_inputs is None else self.localization_inputs
        low, high = np.nanmin(seen), np.nanmax(seen)
        if max(-low, high) <= _LARGEST_VALUE:
            return ""
        return (
            f"A likely cause is the range of its pixels, {low:g} to {high:g}: a localization "
            "network of your own has to scale them first, as by keras.layers.Rescaling(1 / 255). "
        )

    def _draw(self, epoch, look):
        value_range = self.images.min(), self.images.max()
        path = self.folder / f"epoch-{epoch:03d}.png"
        _pictures.draw(path, f"epoch {epoch}", look, value_range, self.labels)


class _Look(NamedTuple):
    """What a transformer does with a batch, as NumPy; channels are last.

    Attributes:
        theta: (N, -1).
        coordinates: (N, count, H', W', 2) in pixels; count is 1 but for parallel transformers.
        inputs: those shown, (K, H, W, C).
        outputs: of those shown, (K, H', W', count * C).
        align_corners: of the transform.
    """

    theta: np.ndarray
    coordinates: np.ndarray
    inputs: np.ndarray
    outputs: np.ndarray
    align_corners: bool


def _find_transformer(model, layer):
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


def _are_alike(batch):
    """Whether all in the batch are the same, but for rounding; NaN is like nothing."""
    batch = ops.convert_to_numpy(batch).astype("float64")
    return bool((np.ptp(batch, axis=0) <= _SMALLEST_SPREAD * np.abs(batch).max()).all())


def _channels_last(images, channels_first):
    return images.transpose(0, 2, 3, 1) if channels_first else images


def _statistics(look):
    """What the logs get, without the prefix."""
    coordinates = look.coordinates.reshape(-1, *look.coordinates.shape[2:])
    height, width = look.inputs.shape[1:3]
    # Not a number is nowhere; infinitely far is outside.
    samples = coordinates[~np.isnan(coordinates).any(-1)]
    outside = ((samples < -0.5) | (samples > (width - 0.5, height - 0.5))).any(-1)
    return {
        **_affine_statistics(coordinates, (height, width), look.align_corners),
        "outside": float(outside.mean()) if len(outside) else float("nan"),
        "nan": int((~np.isfinite(look.theta).all(-1)).sum()),
    }


def _affine_statistics(coordinates, input_size, align_corners):
    """Mean and spread of scale, rotation and shift; NaN where no image is finite."""
    finite = np.isfinite(coordinates).all((1, 2, 3))
    matrix = _affine_fit(
        np.where(finite[:, None, None, None], coordinates, 0), input_size, align_corners
    )
    # Decomposed whole: JAX would compile anew for every other number of images.
    parts = decompose(matrix.astype("float32"), input_size=input_size, align_corners=align_corners)
    rotation = ops.convert_to_numpy(parts.rotation_degrees)[finite]
    matrix = matrix[finite]
    names = ("scale", "scale_std", "rotation", "rotation_std", "shift_x", "shift_y", "shift_std")
    if not len(matrix):
        return dict.fromkeys(names, float("nan"))
    scale = np.sqrt(np.abs(np.linalg.det(matrix[:, :, :2])))
    shift = matrix[:, :, 2]
    turned = np.exp(1j * np.radians(rotation))
    mean_rotation = np.angle(turned.mean(), deg=True)
    # Angles differ by no more than half a turn: 179 and -179 degrees lie 2 apart.
    rotation_off = np.angle(turned * np.exp(-1j * np.radians(mean_rotation)), deg=True)
    values = (
        scale.mean(),
        scale.std(),
        mean_rotation,
        np.sqrt(np.mean(rotation_off**2)),
        *shift.mean(0),
        np.sqrt(shift.var(0).sum()),
    )
    return dict(zip(names, map(float, values), strict=True))


def _affine_fit(coordinates, input_size, align_corners):
    """The affine theta (N, 2, 3), in least squares, of coordinates (N, H', W', 2)."""
    output_size = coordinates.shape[1:3]
    extents = pixels_per_unit(input_size, align_corners, "float64")
    identity = identity_coordinates(output_size, input_size, align_corners, "float64")
    # The move from the identity is fitted, so that an axis of one pixel keeps its scale of 1.
    moves = (coordinates - identity) / np.where(extents > 0, extents, 1)
    meshgrid = homogeneous_meshgrid(output_size, align_corners, "float64")
    fit = np.linalg.pinv(meshgrid) @ moves.reshape(len(moves), -1, 2)
    return np.eye(2, 3) + fit.transpose(0, 2, 1)


def _troubles(statistics):
    """What is wrong, by kind, as the end of a sentence."""
    scale, outside, nan = (statistics[name] for name in ("scale", "outside", "nan"))
    troubles = {}
    if scale < _SMALLEST_SCALE:
        troubles["scale"] = f"reads little more than a point of each image: a scale of {scale:.3f}"
    if outside > _LARGEST_SHARE_OUTSIDE:
        troubles["outside"] = f"reads outside the images: {outside:.0%} of its samples"
    if nan:
        troubles["nan"] = f"has a theta that is not finite for {nan} of the images"
    return troubles
