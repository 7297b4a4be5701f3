"""Tail probabilities of a weighted sum of independent chi-squares."""

from __future__ import annotations

import numpy as np
from scipy.special import chdtrc

from mixcheck.arrays import FloatArray

__all__ = ["weighted_chi_square_sf"]

# Weights below this share of the largest are left out; they move nothing.
_NEGLIGIBLE = 1e-10
# Beyond so many times the largest weight above its mean the sum has no mass: exp(-30).
_REACH = 60.0
_TAIL = 1e-10
_CHUNK = 4096
_MOST_TERMS = 1 << 18


def weighted_chi_square_sf(statistic: float, weights: FloatArray) -> float:
    """``P(sum_j w_j X_j > x)`` for independent chi-squares X_j with one degree of freedom.

    By inversion of the characteristic function with the midpoint rule.

    Parameters
    ----------
    statistic : float
    weights : (k,)
        Non-negative.

    References
    ----------
    Davies (1973), Biometrika 60, 415-417.

    Examples
    --------
    >>> round(weighted_chi_square_sf(5.991465, np.array([1.0, 1.0])), 6)
    0.05
    """
    if statistic <= 0.0:
        return 1.0
    largest = float(weights.max(initial=0.0))
    if largest <= 0.0:
        return 0.0
    relative = weights[weights > _NEGLIGIBLE * largest] / largest
    x = statistic / largest
    if np.all(relative == relative[0]):
        return float(chdtrc(relative.size, x))
    step = 2.0 * np.pi / (2.0 * (x + float(relative.sum()) + _REACH))
    total = 0.0
    for start in range(0, _MOST_TERMS, _CHUNK):
        k = np.arange(start, start + _CHUNK) + 0.5
        log_phi = -0.5 * np.log(1.0 - 2.0j * np.multiply.outer(k * step, relative)).sum(axis=1)
        terms = np.exp(log_phi - 1.0j * k * step * x)
        total += float((terms.imag / k).sum())
        if abs(terms[-1]) / k[-1] < _TAIL:
            break
    return float(np.clip(0.5 + total / np.pi, 0.0, 1.0))
