"""Watch a spatial transformer learn: a Keras callback, its statistics and its pictures."""

from stn_keras.monitor.callback import TransformerMonitor
from stn_keras.monitor.pictures import (
    animate,
    draw_page,
    epoch_pictures,
    middle_slices,
    row_names,
    to_rgb,
)
from stn_keras.monitor.statistics import find_problems, theta_statistics

__all__ = [
    "TransformerMonitor",
    "animate",
    "draw_page",
    "epoch_pictures",
    "find_problems",
    "middle_slices",
    "row_names",
    "theta_statistics",
    "to_rgb",
]
