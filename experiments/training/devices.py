"""Training on several devices and machines: each device takes its part of every batch."""

import contextlib
from collections.abc import Iterator
from types import ModuleType

from cli.errors import UserError
from cli.startup import import_keras
from experiments.training.cluster import Cluster


def check_backend(cluster: Cluster) -> None:
    """Refuse what Keras's backend cannot."""
    if cluster.replicas == 1:
        return
    backend = import_keras("keras").backend.backend()
    if cluster.processes > 1 and backend != "jax":
        raise UserError(f"expected KERAS_BACKEND=jax for several machines, got {backend}")
    if backend not in ("tensorflow", "jax"):
        raise UserError(
            f"expected KERAS_BACKEND=tensorflow or jax for several devices, got {backend}"
        )


def start(cluster: Cluster) -> None:
    """Make devices and find the other processes; before Keras has computed anything.

    Raises:
        UserError: there are fewer devices, or another process is missing.
    """
    if cluster.replicas == 1:
        return
    available = _of_backend().start(cluster)
    if cluster.devices > available:
        raise UserError(f"expected --devices of at most {available}, got {cluster.devices}")


def scope(cluster: Cluster) -> contextlib.AbstractContextManager:
    """Here models train on all devices."""
    return contextlib.nullcontext() if cluster.replicas == 1 else _of_backend().scope(cluster)


def variable_scope(cluster: Cluster) -> contextlib.AbstractContextManager:
    """Here variables are made on all devices; a model trains where its variables are.

    Training is outside, where the models that draw its images are made.
    """
    if cluster.replicas == 1:
        return contextlib.nullcontext()
    return _of_backend().variable_scope(cluster)


def gather(cluster: Cluster, value: int) -> list[int]:
    """An integer of every process, known to all of them once each has come here."""
    return [value] if cluster.processes == 1 else _of_backend().gather(value)


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Here JAX computes for this process, without waiting for the others."""
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


def _of_backend() -> ModuleType:
    """The module for Keras's backend."""
    if import_keras("keras").backend.backend() == "jax":
        from experiments.training import jax_devices

        return jax_devices
    from experiments.training import tensorflow_devices

    return tensorflow_devices
