"""Training on several devices and machines: each device takes its part of every batch."""

import contextlib
import functools
import os
import re
import socket
import sys
import time
import traceback
from dataclasses import dataclass

from cli.errors import UserError, one_line
from cli.startup import import_keras

# How long the other processes wait for the first, which makes the data, in seconds.
PATIENCE = 1800
# In what JAX says of a connection to a process that has ended.
LOST = re.compile("(closed|reset) by peer|Broken pipe|UNAVAILABLE")


@dataclass(frozen=True)
class Place:
    """Where a model is trained: on some devices of each of some processes, as a rule one a machine.

    Attributes:
        devices: of each process.
        processes: how many work together.
        process: number of this one; the first, 0, is the one that writes and prints.
        coordinator: "HOST:PORT" of the first, where the others find it; None where it is alone.
    """

    devices: int = 1
    processes: int = 1
    process: int = 0
    coordinator: str | None = None

    def __post_init__(self):
        for name, value in (("devices", self.devices), ("num-processes", self.processes)):
            if value < 1:
                raise UserError(f"expected --{name} of at least 1, got {value}")
        if not 0 <= self.process < self.processes:
            raise UserError(
                f"expected --process-id from 0 to {self.processes - 1}, got {self.process}"
            )
        if (self.processes > 1) != (self.coordinator is not None):
            raise UserError("expected --coordinator and --num-processes together, got one of them")
        if self.coordinator is not None and not re.fullmatch(r"[^\s,]+:\d+", self.coordinator):
            raise UserError(f"expected --coordinator HOST:PORT, got {self.coordinator}")

    @property
    def is_first(self):
        """Whether this process writes and prints."""
        return self.process == 0

    @property
    def replicas(self):
        """Devices of all processes."""
        return self.devices * self.processes

    @property
    def part(self):
        """(number, count) of the part of every batch that this process reads."""
        return self.process, self.processes

    def check_batch_size(self, batch_size):
        """Refuse a batch that cannot be dealt out evenly."""
        if batch_size % self.replicas:
            raise UserError(
                f"expected --batch-size divisible by the {self.replicas} devices, got {batch_size}"
            )

    def check_backend(self):
        """Refuse what Keras's backend cannot."""
        if self.replicas == 1:
            return
        backend = import_keras("keras").backend.backend()
        if self.processes > 1 and backend != "jax":
            raise UserError(f"expected KERAS_BACKEND=jax for several machines, got {backend}")
        if backend not in ("tensorflow", "jax"):
            raise UserError(
                f"expected KERAS_BACKEND=tensorflow or jax for several devices, got {backend}"
            )

    def start(self):
        """Make devices and find the other processes; before Keras has computed anything.

        Raises:
            UserError: there are fewer devices, or another process is missing.
        """
        if self.replicas == 1:
            return
        on_jax = import_keras("keras").backend.backend() == "jax"
        self._start_jax() if on_jax else self._start_tensorflow()

    def _start_tensorflow(self):
        import tensorflow as tf

        accelerators = tf.config.list_physical_devices("GPU")
        if accelerators:
            return self._check_count(len(accelerators))
        processor = tf.config.list_physical_devices("CPU")[0]
        logical = [tf.config.LogicalDeviceConfiguration() for _ in range(self.devices)]
        tf.config.set_logical_device_configuration(processor, logical)

    def _start_jax(self):
        import jax
        import keras

        jax.config.update("jax_num_cpu_devices", self.devices)
        if self.processes > 1:
            # JAX's coordinator would listen on every interface.
            os.environ.setdefault("JAX_COORDINATOR_BIND_ADDRESS", self.coordinator)
            self.check_address() if self.is_first else self.wait_for_first()
            try:
                keras.distribution.initialize(self.coordinator, self.processes, self.process)
            except (RuntimeError, ValueError) as error:
                raise UserError(
                    f"expected {self.processes} processes at {self.coordinator} "
                    f"({one_line(error)[:200]})"
                ) from None
        self._check_count(jax.local_device_count())

    def check_address(self):
        """Refuse an address that the first process cannot listen at: JAX itself may crash there."""
        host, port = self._address()
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            socket.create_server((host, port), family=family).close()
        except (OSError, OverflowError) as error:
            raise UserError(
                f"expected --coordinator at an address of this machine, got {self.coordinator} "
                f"({one_line(error)})"
            ) from None

    def _address(self):
        host, port = self.coordinator.rsplit(":", 1)
        return host.strip("[]"), int(port)

    def wait_for_first(self):
        """Wait until the first process listens: JAX itself would end this one with a stack trace.

        Raises:
            UserError: it does not for `PATIENCE` seconds.
        """
        until = time.monotonic() + PATIENCE
        while True:
            try:
                return socket.create_connection(self._address(), timeout=5).close()
            except (OSError, OverflowError) as error:
                if time.monotonic() > until:
                    raise UserError(
                        f"expected process 0 at {self.coordinator} within {PATIENCE} seconds "
                        f"({one_line(error)})"
                    ) from None
            time.sleep(1)

    def _check_count(self, available):
        if self.devices > available:
            raise UserError(f"expected --devices of at most {available}, got {self.devices}")

    @contextlib.contextmanager
    def scope(self):
        """Here JAX trains on all devices."""
        import keras

        if self.replicas == 1 or keras.backend.backend() != "jax":
            yield
            return
        with keras.distribution.DataParallel(
            devices=self._jax_devices(), auto_shard_dataset=False
        ).scope():
            yield

    def variable_scope(self):
        """Here TensorFlow makes variables on all devices; a model trains where its variables are.

        Training itself is outside, where the models that draw its images are made.
        """
        import keras

        if self.replicas == 1 or keras.backend.backend() != "tensorflow":
            return contextlib.nullcontext()
        return self._mirrored.scope()

    @functools.cached_property  # a second one would use the first one's names on the devices
    def _mirrored(self):
        import tensorflow as tf

        kind = "GPU" if tf.config.list_physical_devices("GPU") else "CPU"
        return tf.distribute.MirroredStrategy([f"/{kind}:{i}" for i in range(self.devices)])

    def _jax_devices(self):
        import jax

        by_process = {}
        for device in jax.devices():
            by_process.setdefault(device.process_index, []).append(device)
        return [
            f"{device.platform}:{device.id}"
            for devices in by_process.values()
            for device in devices[: self.devices]
        ]

    @contextlib.contextmanager
    def leaving_at_once(self):
        """Here an error ends this process, which says why: JAX would wait for the others to end."""
        try:
            yield
        except Exception as error:
            if self.processes == 1:
                raise
            if isinstance(error, UserError | OSError):
                reason = one_line(error)
            elif LOST.search(str(error)):
                reason = f"another process has ended or cannot be reached ({one_line(error)[:200]})"
            else:
                traceback.print_exc()
                os._exit(1)
            print(f"train.py: error: {reason}", file=sys.stderr, flush=True)
            os._exit(2)

    def values(self, value):
        """An integer of every process, known to all of them once each has come here."""
        if self.processes == 1:
            return [value]
        import numpy as np
        from jax.experimental import multihost_utils

        return multihost_utils.process_allgather(np.array(value)).tolist()


@contextlib.contextmanager
def alone():
    """Here what JAX computes is this process's own: the others are not waited for."""
    import keras

    if keras.backend.backend() != "jax":
        yield
        return
    before = keras.distribution.distribution()
    keras.distribution.set_distribution(None)
    try:
        yield
    finally:
        keras.distribution.set_distribution(before)
