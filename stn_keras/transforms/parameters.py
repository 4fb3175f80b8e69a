"""The entries of theta, declared in blocks."""

import math
from dataclasses import dataclass

ROLES = (
    "scale",
    "scale_x",
    "scale_y",
    "scale_z",
    "rotation",
    "shear",
    "shift_x",
    "shift_y",
    "shift_z",
    *(f"matrix_{row}{column}" for row in "xyz" for column in "xyz"),
    "perspective",
    "offset",
)


@dataclass(frozen=True)
class Parameter:
    """One entry of theta, or a block of entries of one kind.

    Attributes:
        name: of the entry; of a block, what the names of its entries start with.
        identity: value of each entry at the identity.
        role: what the entry does to the image, one of `ROLES`; None: nothing that windows, groups
            of bounds or the monitor know of.
        unit: of the value, such as "radians"; None: a factor or a normalized coordinate.
        shape: of a block, such as (rows, columns, 2) for (x, y) at each point of a lattice; (): one
            entry.
    """

    name: str
    identity: float = 0.0
    role: str | None = None
    unit: str | None = None
    shape: tuple[int, ...] = ()

    def __post_init__(self):
        if self.role is not None and self.role not in ROLES:
            raise ValueError(
                f"Expected `role` to be None or one of {ROLES}. Received: role={self.role!r}"
            )

    @property
    def size(self) -> int:
        """How many entries of theta it holds."""
        return math.prod(self.shape)

    @property
    def entry_names(self) -> list[str]:
        """A name for each entry; those of a lattice are axis, row and column: dx0_1."""
        if not self.shape:
            return [self.name]
        *lattice, axes = self.shape
        return [
            f"{self.name}{'xyz'[axis]}{'_'.join(map(str, _place(index, lattice)))}"
            for index in range(math.prod(lattice))
            for axis in range(axes)
        ]


def _place(index, lattice):
    place = []
    for length in reversed(lattice):
        index, last = divmod(index, length)
        place.insert(0, last)
    return place


_SHIFTS = tuple(Parameter(f"t{axis}", role=f"shift_{axis}") for axis in "xyz")
_ANGLE = Parameter("angle", role="rotation", unit="radians")
_TURNS = tuple(Parameter(f"r{axis}", role="rotation", unit="radians") for axis in "xyz")
_SCALES = tuple(Parameter(f"s{axis}", 1, role=f"scale_{axis}") for axis in "xyz")


def shifts(rank: int) -> tuple[Parameter, ...]:
    """tx, ty and, of volumes, tz."""
    return _SHIFTS[:rank]


def scales(rank: int) -> tuple[Parameter, ...]:
    """sx, sy and, of volumes, sz."""
    return _SCALES[:rank]


def turns(rank: int) -> tuple[Parameter, ...]:
    """The angle; of volumes the axis of the turn, as long as its angle: rx, ry, rz."""
    return (_ANGLE,) if rank == 2 else _TURNS
