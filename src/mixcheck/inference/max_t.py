"""The largest of several correlated t statistics: simultaneous intervals and adjusted p-values.

Of a multivariate t with correlations ``R = A A'``, A (k, r), and v degrees of freedom the largest
absolute value is ``rho m(d)``: ``m(d) = max_i |a_i' d|`` of a direction d uniform on the sphere,
and ``rho^2 / r`` an F with r and v degrees of freedom beside it. So
``P(max |T| > c) = E P(F_{r,v} > c^2 / (r m(d)^2))``, a mean of smooth functions over directions:
also where R is singular, as that of all pairwise differences is, for which the distribution
function of scipy's multivariate t is wrong (1.15), and far into the tail.

References
----------
Hothorn, Bretz & Westfall (2008), Simultaneous inference in general parametric models, Biometrical
Journal 50, 346-363; Genz & Bretz (2009), Computation of multivariate normal and t probabilities.
"""

from __future__ import annotations

import numpy as np
from scipy.special import chdtrc, fdtrc, ndtri

from mixcheck.arrays import FloatArray
from mixcheck.inference.contrasts import t_pvalues, t_quantiles

__all__ = ["max_t_pvalues", "max_t_quantile"]

# Directions, a power of two: the mean is known to about 1e-4 of itself.
_DIRECTIONS = 1 << 14
_SEED = 7
# Of the largest eigenvalue: correlations that are singular.
_SINGULAR = 1e-10


def max_t_pvalues(t: FloatArray, correlation: FloatArray, df: float) -> FloatArray:
    """Adjusted p-values, (k,): how often the largest |t| of all is as large as each.

    Parameters
    ----------
    t : (k,)
    correlation : (k, k)
    df : float
        Of all together; infinite for the normal distribution.

    Examples
    --------
    Two independent statistics: ``1 - (1 - p)^2`` of the normal distribution.

    >>> max_t_pvalues(np.array([1.959964, 0.0]), np.eye(2), np.inf).round(2)
    array([0.1, 1. ])
    """
    root, size = _root(correlation)
    if root.shape[1] == 1:
        return t_pvalues(t, np.full(t.size, df))
    return np.array([_beyond(abs(float(value)), size, root.shape[1], df) for value in t])


def max_t_quantile(level: float, correlation: FloatArray, df: float) -> float:
    """The value that the largest |t| does not exceed with this probability.

    Parameters
    ----------
    level : float
    correlation : (k, k)
    df : float

    Examples
    --------
    All differences of three means: Tukey's studentised range over ``sqrt(2)``.

    >>> L = np.array([[1.0, -1.0, 0.0], [1.0, 0.0, -1.0], [0.0, 1.0, -1.0]])
    >>> round(max_t_quantile(0.95, L @ L.T / 2.0, 10.0), 2)
    2.74
    """
    from scipy.optimize import brentq

    single = float(t_quantiles(level, np.array([df]))[0])
    root, size = _root(correlation)
    rank = root.shape[1]
    if rank == 1:
        return single
    high = single
    while _beyond(high, size, rank, df) > 1.0 - level:
        high *= 1.5
    return float(brentq(lambda c: _beyond(c, size, rank, df) - (1.0 - level), single, high))


def _root(correlation: FloatArray) -> tuple[FloatArray, FloatArray]:
    """A, (k, r), and m of each direction."""
    from scipy.stats import qmc

    values, vectors = np.linalg.eigh(correlation)
    kept = values > _SINGULAR * float(values[-1])
    root: FloatArray = vectors[:, kept] * np.sqrt(values[kept])
    rank = root.shape[1]
    if rank == 1:
        return root, np.ones(1)
    points = qmc.Sobol(rank, seed=_SEED).random(_DIRECTIONS)
    directions = ndtri(np.clip(points, 1e-12, 1.0 - 1e-12))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    size = np.zeros(_DIRECTIONS)
    for row in root:
        np.maximum(size, np.abs(directions @ row), out=size)
    return root, size


def _beyond(value: float, size: FloatArray, rank: int, df: float) -> float:
    """``P(max |T| > value)``."""
    if np.isnan(value) or np.isnan(df):
        return float("nan")
    squares = value**2 / size**2
    if np.isinf(df):
        return float(np.mean(chdtrc(rank, squares)))
    return float(np.mean(fdtrc(rank, df, squares / rank)))
