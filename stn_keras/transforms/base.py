"""What every transform family has in common."""

import abc
import math

import numpy as np
from keras import ops

from stn_keras._arguments import array_to_tensor, widest_float


class Transform(abc.ABC):
    """A family of transforms: turns theta into the coordinates an output image is read from.

    Convention: inverse mapping. theta acts on normalized coordinates (x, y) of the output and says
    where in the input each output pixel is read; the result is in pixels of the input.

    A family says its `parameters` and implements `source_xy`. It holds no weights; its state is its
    arguments.

    Args:
        align_corners: False: -1 and 1 are the outer edges of the corner pixels. True: their
            centres.
    """

    # Name of each parameter, in theta's order, and its value at the identity.
    parameters: dict[str, float]
    # XLA writes the result of a matmul once, and computes others again for all that reads them.
    ends_in_matmul = False

    def __init__(self, align_corners: bool = False):
        if not isinstance(align_corners, bool):
            raise ValueError(
                f"Expected `align_corners` to be True or False. Received: {align_corners!r}"
            )
        self.align_corners = align_corners

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """Names of theta's entries."""
        return tuple(self.parameters)

    @property
    def num_parameters(self) -> int:
        """Length of theta."""
        return math.prod(self.theta_shape)

    @property
    def theta_shape(self) -> tuple[int, ...]:
        """Shape of one theta as its formula has it; (num_parameters,) is taken too."""
        return (len(self.parameters),)

    @property
    def identity(self) -> np.ndarray:
        """The theta, (num_parameters,) float32, that leaves an image as it is."""
        return np.array(list(self.parameters.values()), "float32")

    def window(self, centre=(0.0, 0.0), extent=(1.0, 1.0)) -> np.ndarray:
        """The theta that reads an upright window of the image.

        Convention: normalized coordinates of the input, x before y. A family with one scale for
        both axes keeps the larger extent; one without a scale keeps the image's.

        Args:
            centre: (x, y) of the window's centre.
            extent: (width, height) of the window, as parts of the image's.

        Returns:
            (num_parameters,) float32.

        Raises:
            ValueError: the window is not in the middle and the family has no shift.

        Example:
            >>> from stn_keras.transforms import Attention
            >>> Attention().window(centre=(0.5, 0), extent=(0.5, 0.25)).tolist()
            [0.5, 0.5, 0.0]
        """
        (x, y), (width, height) = centre, extent
        values = {
            **{"tx": x, "h13": x, "ty": y, "h23": y, "s": max(extent)},
            **{"a": width, "h11": width, "sx": width, "d": height, "h22": height, "sy": height},
        }
        if any(centre) and not {"tx", "h13"} & set(self.parameters):
            raise ValueError(
                "Expected a transform that can shift, or else `initial_theta`. "
                f"Received: transform={self!r}"
            )
        theta = [values.get(name, start) for name, start in self.parameters.items()]
        return np.array(theta, "float32")

    @abc.abstractmethod
    def source_xy(self, theta, output_size, input_size):
        """`source_coordinates` as x and y by themselves, two tensors (N, H', W')."""

    def source_coordinates(self, theta, output_size, input_size):
        """Where each output pixel is read in the input.

        Convention: (x, y) in pixels of the input. At the identity theta and equal sizes the result
        is each pixel's own index, bit for bit.

        Args:
            theta: (N, num_parameters) or (N, *theta_shape); computed in float32 or better.
            output_size: (height, width) of the output, integers.
            input_size: (height, width) of the images that will be sampled, integers or scalar
                tensors.

        Returns:
            (N, H', W', 2), float32, or float64 for a float64 theta.

        Raises:
            ValueError: theta of another shape.

        Reference:
            Jaderberg et al. 2015 (arXiv:1506.02025), section 3.2.
        """
        return ops.stack(self.source_xy(theta, output_size, input_size), axis=-1)

    def get_config(self) -> dict:
        """Arguments that make an equal transform."""
        return {"align_corners": self.align_corners}

    @classmethod
    def from_config(cls, config: dict) -> "Transform":
        """The transform that `get_config` describes."""
        return cls(**config)

    def __eq__(self, other):
        return type(self) is type(other) and self._state() == other._state()

    def __hash__(self):
        return hash((type(self), self._state()))

    def _state(self):
        """All attributes, as a value that can be hashed."""
        return tuple((name, _hashable(value)) for name, value in sorted(vars(self).items()))

    def __repr__(self):
        arguments = ", ".join(f"{name}={value!r}" for name, value in self.get_config().items())
        return f"{type(self).__name__}({arguments})"

    def _standardize_theta(self, theta):
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


def lattice_offsets(size):
    """Parameters of a family that moves the points of a lattice (rows, columns)."""
    rows, columns = size
    return {f"d{axis}{r}_{c}": 0 for r in range(rows) for c in range(columns) for axis in "xy"}
