"""Sets of consecutive categories that hold a new response with a given probability.

The shortest of them, and of several the most probable: the region of highest density of Hyndman
(1996), which for ordered categories is asked to have no gap.

References
----------
Hyndman (1996), The American Statistician 50, 120-126; Sadinle, Lei & Wasserman (2019), JASA 114,
223-234, for sets of classes of smallest size.
"""

from __future__ import annotations

import numpy as np

from mixcheck.arrays import FloatArray, IntArray
from mixcheck.families import Family
from mixcheck.fitting.predictive.predictive_mixture import mix

__all__ = ["predict_categories", "shortest_runs"]

# A run holds a probability that it misses by no more than rounding.
_ROUNDING = 1e-12


def predict_categories(
    family: Family,
    eta: tuple[FloatArray, ...],
    covariance: FloatArray,
    random_variance: FloatArray,
) -> FloatArray:
    """Probability of each category for a new response, uncertainty integrated, (n, C).

    ``P(Y <= j) = E F(t_j - eta)``: with the threshold t_j and the predictor jointly normal, their
    difference is, with the variance ``v_j = C_jj - 2 C_0j + C_00``, and one integral is enough.

    Parameters
    ----------
    family : Family
        With categories.
    eta : tuple of K arrays (n,)
        Estimated predictor and thresholds.
    covariance : (K + 1, K + 1, n)
        Of these, and of the standard deviation of the predictor's random part.
    random_variance : (n,)
        Variance of that random part; zero where it is given.
    """
    K, numbers = len(eta), list(family.categories.values())
    below = [np.zeros(eta[0].size)]
    for j, number in enumerate(numbers[:-1], start=1):
        own = np.zeros_like(covariance)
        own[0, 0] = covariance[0, 0] - 2.0 * covariance[0, j] + covariance[j, j]
        own[0, K] = own[K, 0] = covariance[0, K] - covariance[j, K]
        own[K, K] = covariance[K, K]
        mixture = mix(family, eta, own, random_variance, None)
        below.append(mixture.cdf(np.full(eta[0].size, number))[1])
    below.append(np.ones(eta[0].size))
    # Thresholds that are known unequally well might cross far out in a tail.
    rising = np.maximum.accumulate(np.stack(below, axis=1), axis=1)
    probabilities: FloatArray = np.diff(rising, axis=1)
    return probabilities


def shortest_runs(probabilities: FloatArray, level: float) -> tuple[IntArray, IntArray, FloatArray]:
    """The shortest run of categories with a probability of `level` or more.

    Parameters
    ----------
    probabilities : (n, C)
        Rows sum to one.
    level : float

    Returns
    -------
    first, last : (n,) int
        Of the most probable of the shortest runs; of equals the first.
    mass : (n,)
        Its probability.

    Examples
    --------
    >>> first, last, mass = shortest_runs(np.array([[0.1, 0.5, 0.3, 0.1]]), 0.75)
    >>> first.tolist(), last.tolist(), mass.round(2).tolist()
    ([1], [2], [0.8])
    """
    n, C = probabilities.shape
    total = np.concatenate([np.zeros((n, 1)), np.cumsum(probabilities, axis=1)], axis=1)
    first, last = np.zeros(n, dtype=np.intp), np.full(n, C - 1, dtype=np.intp)
    mass, found = np.ones(n), np.zeros(n, dtype=np.bool_)
    for size in range(1, C):
        held = total[:, size:] - total[:, :-size]
        best = held.argmax(axis=1)
        own = held[np.arange(n), best]
        new = ~found & (own >= level - _ROUNDING)
        first[new], last[new], mass[new] = best[new], best[new] + size - 1, own[new]
        found |= new
    return first, last, mass
