"""Bounds of parameters: between them the cube of each, which derivatives hold, is a float."""

from __future__ import annotations

import numpy as np

from mixcheck.arrays import BoolArray, FloatArray
from mixcheck.families.derivatives import Predictors
from mixcheck.families.links import Link

__all__ = ["LOG_MAX", "find_inside", "hold_exp"]

LOG_MAX = 230.0
"""Largest logarithm, in absolute value, of a parameter."""


def hold_exp(log: FloatArray) -> FloatArray:
    """``exp(log)``, held within ``exp(-230)`` and ``exp(230)``, ``(n,)``."""
    held: FloatArray = np.exp(np.clip(log, -LOG_MAX, LOG_MAX))
    return held


def find_inside(link: Link, eta: Predictors) -> BoolArray:
    """Where the mean is positive and every parameter can be cubed, ``(n,)``."""
    inside: BoolArray = np.ones(eta[0].shape, dtype=np.bool_)
    for log in eta[1:]:
        inside &= np.abs(log) <= LOG_MAX
    if link.name == "log":
        inside &= np.abs(eta[0]) <= LOG_MAX
        return inside
    mu = link.inverse(eta[0])
    inside &= (mu > np.exp(-LOG_MAX)) & (mu < np.exp(LOG_MAX))
    return inside
