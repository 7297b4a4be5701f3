"""Steps of predictors that come to an end: a dispersion that vanishes, an inflation of zero.

Near its limit a log dispersion is all but unknown, and a step in it to first order may go
anywhere. The dispersion itself, ``exp(-end eta)``, is known as well as ever: the limit is one of
its values, and the density is smooth there. Steps are taken, and interpolated, in its relative
change ``c = exp(-end d) - 1`` where d is that of the predictor. To first order ``c = -end d``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.trial_values import may_overflow

__all__ = ["bend", "straighten"]

# The limit is approached to this share of the dispersion, where it is reached.
_LEAST = 1e-4


def straighten(changes: FloatArray, ends: Sequence[int]) -> FloatArray:
    """``exp(-end d) - 1`` for changes d, (.., K, n), of what comes to an end; others as they are.

    Examples
    --------
    >>> straighten(np.array([[1.0], [np.inf]]), (0, 1)).ravel().tolist()
    [1.0, -1.0]
    """
    out = changes.copy()
    for k, end in enumerate(ends):
        if end:
            with may_overflow():
                out[..., k, :] = np.expm1(-end * changes[..., k, :])
    return out


def bend(straight: FloatArray, ends: Sequence[int]) -> FloatArray:
    """``-end log(1 + c)``: changes of predictors, (K, .., n), from relative ones c > -1.

    Examples
    --------
    >>> bend(np.array([[1.0], [-2.0]]), (0, 1)).round(1).ravel().tolist()
    [1.0, 9.2]
    """
    out = straight.copy()
    for k, end in enumerate(ends):
        if end:
            out[k] = -end * np.log1p(np.maximum(straight[k], _LEAST - 1.0))
    return out
