"""Registration: the transform that aligns one image with another."""

from stn_keras.registration.alignment import register
from stn_keras.registration.losses import LOSSES
from stn_keras.registration.result import Registration

__all__ = ["LOSSES", "Registration", "register"]
