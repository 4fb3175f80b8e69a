"""The devices and processes that share the training of a model."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Cluster:
    """Where a model is trained: on some devices of each of some processes, as a rule one a machine.

    Attributes:
        devices: of each process.
        processes: how many work together.
        process: index of this one; the first, 0, is the one that writes and prints.
        coordinator: "HOST:PORT" of the first, where the others find it; None where it is alone.
    """

    devices: int = 1
    processes: int = 1
    process: int = 0
    coordinator: str | None = None

    @property
    def is_first(self) -> bool:
        """Whether this process writes and prints."""
        return self.process == 0

    @property
    def replicas(self) -> int:
        """Devices of all processes."""
        return self.devices * self.processes

    @property
    def part(self) -> tuple[int, int]:
        """(index, count) of the part of every batch that this process reads."""
        return self.process, self.processes
