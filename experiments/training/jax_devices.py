"""Several devices and machines on JAX."""

import contextlib
import os

import jax
import keras
import numpy as np
from jax.experimental import multihost_utils

from cli.errors import UserError, one_line
from experiments.training.cluster import Cluster
from experiments.training.processes import check_address, wait_for_first


def start(cluster: Cluster) -> int:
    """Make devices and find the other processes; how many devices this one has.

    Raises:
        UserError: another process is missing.
    """
    jax.config.update("jax_num_cpu_devices", cluster.devices)
    if cluster.processes > 1:
        _find_processes(cluster)
    return jax.local_device_count()


def _find_processes(cluster):
    # JAX's coordinator would listen on every interface.
    os.environ.setdefault("JAX_COORDINATOR_BIND_ADDRESS", cluster.coordinator)
    check_address(cluster) if cluster.is_first else wait_for_first(cluster)
    try:
        keras.distribution.initialize(cluster.coordinator, cluster.processes, cluster.process)
    except (RuntimeError, ValueError) as error:
        raise UserError(
            f"expected {cluster.processes} processes at {cluster.coordinator} "
            f"({one_line(error)[:200]})"
        ) from None


def scope(cluster: Cluster) -> contextlib.AbstractContextManager:
    """Here models train on all devices."""
    parallel = keras.distribution.DataParallel(
        devices=_devices(cluster.devices), auto_shard_dataset=False
    )
    return parallel.scope()


def variable_scope(cluster: Cluster) -> contextlib.AbstractContextManager:
    """Variables need none of their kind."""
    return contextlib.nullcontext()


def gather(value: int) -> list[int]:
    """An integer of every process, known to all of them once each has come here."""
    return multihost_utils.process_allgather(np.array(value)).tolist()


def _devices(per_process):
    """Names of the first devices of every process."""
    by_process = {}
    for device in jax.devices():
        by_process.setdefault(device.process_index, []).append(device)
    return [
        f"{device.platform}:{device.id}"
        for devices in by_process.values()
        for device in devices[:per_process]
    ]
