"""What every transform family has in common."""

import abc
import functools
from collections.abc import Sequence
from typing import Any, Self

import keras
import numpy as np
from keras import ops

from stn_keras._arguments import Size, Tensor, array_to_tensor, widest_float
from stn_keras.core.coordinates import Points
from stn_keras.transforms.inversion import find_points
from stn_keras.transforms.parameters import Parameter


class Transform(abc.ABC):
    """A family of transforms: turns theta into the coordinates an output image is read from.

    Convention: inverse mapping. theta acts on normalized coordinates (x, y) of the output and says
    where in the input each output pixel is read; the result is in pixels of the input.

    A family declares its `parameters` and implements `map_points`. It holds no weights; its state
    is its arguments.

    Args:
        align_corners: False: -1 and 1 are the outer edges of the corner pixels. True: their
            centers.
        rank: how many axes its images have: 2, height and width, or 3, with a depth before them.

    Raises:
        ValueError: `align_corners` is not a boolean, or a rank that the family does not have.
    """

    ranks: tuple[int, ...] = (2,)

    def __init__(self, *, align_corners: bool = False, rank: int = 2):
        if not isinstance(align_corners, bool):
            raise ValueError(
                f"Expected `align_corners` to be True or False. Received: {align_corners!r}"
            )
        if rank not in self.ranks:
            ranks = " or ".join(map(str, self.ranks))
            raise ValueError(
                f"Expected `rank` of {type(self).__name__} to be {ranks}. Received: rank={rank!r}"
            )
        self.align_corners = align_corners
        self.rank = rank

    @property
    @abc.abstractmethod
    def parameters(self) -> tuple[Parameter, ...]:
        """The entries of theta, in its order; a class attribute where they are always the same."""

    @functools.cached_property
    def parameter_names(self) -> tuple[str, ...]:
        """Names of theta's entries."""
        return tuple(name for block in self.parameters for name in block.entry_names)

    @property
    def num_parameters(self) -> int:
        """Length of theta."""
        return sum(block.size for block in self.parameters)

    @property
    def theta_shape(self) -> tuple[int, ...]:
        """Shape of one theta as its formula has it; (num_parameters,) is taken too."""
        return (self.num_parameters,)

    @property
    def identity(self) -> np.ndarray:
        """The theta, (num_parameters,) float32, that leaves an image as it is."""
        blocks = [np.full(block.size, block.identity) for block in self.parameters]
        return np.concatenate(blocks).astype("float32")

    def window(
        self,
        center: Sequence[float] | None = None,
        extent: float | Sequence[float] = 1.0,
    ) -> np.ndarray:
        """The theta that reads an upright window of the image.

        Convention: normalized coordinates of the input, x before y. A family with one scale for
        both axes keeps the larger extent; one without a scale keeps the image's.

        Args:
            center: (x, y) or (x, y, z) of the window's center; None: the image's.
            extent: (width, height) or (width, height, depth) of the window, as parts of the
                image's; one number for all.

        Returns:
            (num_parameters,) float32.

        Raises:
            ValueError: the family cannot make the window: it has no shift for one off the center,
                or parameters without a role; or a center of another length.

        Example:
            >>> from stn_keras.transforms import Attention
            >>> Attention().window(center=(0.5, 0), extent=(0.5, 0.25)).tolist()
            [0.5, 0.5, 0.0]
        """
        extents = np.broadcast_to(np.asarray(extent, "float64"), self.rank).tolist()
        centers = [0.0] * self.rank if center is None else [float(place) for place in center]
        if len(centers) != self.rank:
            raise ValueError(f"Expected a center of {self.rank} numbers. Received: {center!r}")
        if not any(centers) and set(extents) == {1}:
            return self.identity
        roles = {block.role for block in self.parameters}
        if None in roles or "offset" in roles or (any(centers) and "shift_x" not in roles):
            raise ValueError(
                "Expected a transform that can shift and whose parameters have roles, or else "
                f"`initial_theta`. Received: transform={self!r}"
            )
        values = {"scale": max(extents)}
        for axis, place, part in zip("xyz", centers, extents, strict=False):
            values |= {f"shift_{axis}": place, f"scale_{axis}": part, f"matrix_{axis * 2}": part}
        blocks = [
            np.full(block.size, values.get(block.role or "", block.identity))
            for block in self.parameters
        ]
        return np.concatenate(blocks).astype("float32")

    @abc.abstractmethod
    def map_points(self, theta: Tensor, points: Points) -> tuple:
        """Where in the input points of the output are read.

        Args:
            theta: (N, *theta_shape), float32 or float64.
            points: `stn_keras.core.coordinates.Points`, the same for all samples or of each.

        Returns:
            x, y (and z) in pixels of the input, each (N, M). At the identity they are
            `points.pixels`, bit for bit.
        """

    def source_coordinates(self, theta: Any, *, output_size: Size, input_size: Size) -> Tensor:
        """Where each output pixel is read in the input.

        Convention: (x, y) in pixels of the input. At the identity theta and equal sizes the result
        is each pixel's own index, bit for bit.

        Args:
            theta: (N, num_parameters) or (N, *theta_shape); computed in float32 or better.
            output_size: (height, width) of the output, integers; with a depth before them for a
                transform of rank 3, as everywhere.
            input_size: (height, width) of the images that will be sampled, integers or scalar
                tensors.

        Returns:
            (N, H', W', 2) or (N, D', H', W', 3), float32, or float64 for a float64 theta.

        Raises:
            ValueError: theta of another shape.

        Reference:
            Jaderberg et al. 2015 (arXiv:1506.02025), section 3.2.
        """
        places = self.map_grid(theta, output_size, input_size)
        return ops.stack([ops.reshape(axis, (-1, *output_size)) for axis in places], axis=-1)

    def map_grid(self, theta: Any, output_size: Size, input_size: Size) -> tuple:
        """`source_coordinates` as x, y (and z), each (N, H' * W')."""
        theta = self.standardize_theta(theta)
        dtype = keras.backend.standardize_dtype(theta.dtype)
        points = Points.of_grid(output_size, input_size, self.align_corners, dtype)
        return self.map_points(theta, points)

    def source_points(
        self, theta: Any, points: Any, *, input_size: Size, output_size: Size | None = None
    ) -> Tensor:
        """Where in the input any points of the output are read.

        Convention: (x, y), points in pixels of the output, results in pixels of the input; (0, 0)
        is the center of the top left pixel.

        Args:
            theta: (N, num_parameters) or (N, *theta_shape).
            points: (M, rank), or (N, M, rank) for points of each sample.
            input_size: (height, width) of the images that are read.
            output_size: (height, width) of the output; None: the same.

        Returns:
            (N, M, rank), float32, or float64 for a float64 theta.

        Raises:
            ValueError: theta of another shape.

        Example:
            >>> from stn_keras.transforms import Translation
            >>> right = Translation().source_points([[1, 0]], [[0.0, 5.0]], input_size=(28, 28))
            >>> ops.convert_to_numpy(right)[0, 0].tolist()
            [14.0, 5.0]
        """
        theta = self.standardize_theta(theta)
        dtype = keras.backend.standardize_dtype(theta.dtype)
        sizes = output_size or input_size, input_size
        points = Points.of_pixels(array_to_tensor(points), *sizes, self.align_corners, dtype)
        return ops.stack(self.map_points(theta, points), axis=-1)

    def target_points(
        self, theta: Any, points: Any, *, input_size: Size, output_size: Size | None = None
    ) -> Tensor:
        """Where in the output any points of the input are shown; the inverse of `source_points`.

        Convention: (x, y), points in pixels of the input, results in pixels of the output.

        Args:
            theta: (N, num_parameters) or (N, *theta_shape).
            points: (M, rank), or (N, M, rank) for points of each sample.
            input_size: (height, width) of the images that are read.
            output_size: (height, width) of the output; None: the same.

        Returns:
            (N, M, rank), float32, or float64 for a float64 theta. NaN where no point of the output
            is read there. Where several are, in a fold, one of them.

        Raises:
            ValueError: theta of another shape.

        Example:
            >>> from stn_keras.transforms import Translation
            >>> left = Translation().target_points([[1, 0]], [[14.0, 5.0]], input_size=(28, 28))
            >>> ops.convert_to_numpy(left)[0, 0].tolist()
            [0.0, 5.0]
        """
        output_size = output_size or input_size
        theta, points = self.standardize_theta(theta), array_to_tensor(points)
        batch = (ops.shape(theta)[0], *ops.shape(points)[-2:])
        points = ops.broadcast_to(ops.cast(points, theta.dtype), batch)

        def read(targets):
            return self.source_points(
                theta, targets, input_size=input_size, output_size=output_size
            )

        dtype = keras.backend.standardize_dtype(theta.dtype)
        sizes = input_size, output_size
        start = Points.of_pixels(points, *sizes, self.align_corners, dtype).pixels
        return find_points(read, points, ops.stack(start, axis=-1), output_size)

    def get_config(self) -> dict:
        """Arguments that make an equal transform."""
        return {"align_corners": self.align_corners, "rank": self.rank}

    @classmethod
    def from_config(cls, config: dict) -> Self:
        """The transform that `get_config` describes."""
        return cls(**config)

    def __eq__(self, other):
        return type(self) is type(other) and self._state() == other._state()

    def __hash__(self):
        return hash((type(self), self._state()))

    def _state(self):
        """All arguments, as a value that can be hashed."""
        state = {name: value for name, value in vars(self).items() if name != "parameter_names"}
        return tuple((name, _hashable(value)) for name, value in sorted(state.items()))

    def __repr__(self):
        arguments = ", ".join(f"{name}={value!r}" for name, value in self.get_config().items())
        return f"{type(self).__name__}({arguments})"

    def standardize_theta(self, theta: Any) -> Tensor:
        """theta (N, num_parameters) or (N, *theta_shape) -> (N, *theta_shape), at least float32."""
        theta = array_to_tensor(theta)
        shape = tuple(theta.shape)
        if shape[1:] not in ((self.num_parameters,), self.theta_shape):
            raise ValueError(
                f"{type(self).__name__} expects theta of shape (N, {self.num_parameters}) or "
                f"(N, {', '.join(map(str, self.theta_shape))}). Received: theta.shape={shape}"
            )
        return ops.reshape(ops.cast(theta, widest_float(theta.dtype)), (-1, *self.theta_shape))


def _hashable(value):
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    if isinstance(value, (list, tuple)):
        return tuple(map(_hashable, value))
    if isinstance(value, dict):
        return tuple((name, _hashable(part)) for name, part in value.items())
    return value
