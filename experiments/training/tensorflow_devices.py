"""Several devices of one machine on TensorFlow."""

import contextlib
import functools

import tensorflow as tf

from experiments.training.cluster import Cluster


def start(cluster: Cluster) -> int:
    """Make devices where there are no accelerators; how many devices there are."""
    accelerators = tf.config.list_physical_devices("GPU")
    if accelerators:
        return len(accelerators)
    processor = tf.config.list_physical_devices("CPU")[0]
    logical = [tf.config.LogicalDeviceConfiguration() for _ in range(cluster.devices)]
    tf.config.set_logical_device_configuration(processor, logical)
    return cluster.devices


def scope(cluster: Cluster) -> contextlib.AbstractContextManager:
    """Training needs none: a model trains where its variables are."""
    return contextlib.nullcontext()


def variable_scope(cluster: Cluster) -> contextlib.AbstractContextManager:
    """Here variables are made on all devices."""
    return _mirrored(cluster.devices).scope()


@functools.cache  # a second one would use the first one's names on the devices
def _mirrored(devices: int) -> tf.distribute.MirroredStrategy:
    kind = "GPU" if tf.config.list_physical_devices("GPU") else "CPU"
    return tf.distribute.MirroredStrategy([f"/{kind}:{i}" for i in range(devices)])
