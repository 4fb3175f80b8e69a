"""Keras callbacks; `stn_keras.monitor` has their parts."""

from stn_keras.monitor import TransformerMonitor

__all__ = ["TransformerMonitor"]
