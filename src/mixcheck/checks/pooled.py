"""Statistics of a data set among all of a pool: the observed data and the replicates together.

Means and covariances are those of the pool, to which all data sets contribute alike, so that
under the model they stay exchangeable, and p-values valid for any number of replicates.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.checks.statistic import NullSample

__all__ = [
    "MOST_POOLED",
    "distance_from_others",
    "moments_of_others",
    "over_deviations",
    "pool_of",
    "quadratic_form",
    "simultaneous_band",
    "standardised",
    "with_statistic",
]

# Numbers of a data set that are kept of each replicate; more would take too much memory.
MOST_POOLED = 1000
# Directions of a covariance with less than this share of the largest are rounding.
_RANK_TOLERANCE = 1e-10
# A standard deviation below this share of the largest number is rounding.
_ROUNDING = 1e-12


def pool_of(sample: NullSample) -> FloatArray:
    """All numbers of a sample, (B + 1, s), the observed ones first."""
    return np.concatenate([sample.numbers[None], sample.replicates])


def standardised(pool: FloatArray) -> FloatArray:
    """``(x - m) / s``, m and s the mean and the standard deviation in the pool, (B + 1, s).

    What is the same in all data sets is zero.

    Examples
    --------
    >>> standardised(np.array([[1.0, 2.0], [3.0, 2.0]])).tolist()
    [[-1.0, 0.0], [1.0, 0.0]]
    """
    deviation = pool.std(axis=0)
    known = deviation > _ROUNDING * np.abs(pool).max(axis=0)
    out: FloatArray = np.where(known, pool - pool.mean(axis=0), 0.0)
    return out / np.where(known, deviation, 1.0)


def over_deviations(pool: FloatArray) -> FloatArray:
    """Each number over its standard deviation in the pool, (B + 1, s).

    What varies with the estimates, such as the deviation that a model gives to a mode, would not
    do in its place: a group with a large effect may have more information on it for that very
    reason, in the data and not in the replicates.

    Examples
    --------
    >>> over_deviations(np.array([[1.0, 0.0], [3.0, 0.0]])).tolist()
    [[1.0, 0.0], [3.0, 0.0]]
    """
    deviation = pool.std(axis=0)
    return pool / np.where(deviation > 0.0, deviation, 1.0)


def quadratic_form(pool: FloatArray) -> tuple[FloatArray, int]:
    """``(x - m)' S^-1 (x - m)`` of each data set, (B + 1,), and the rank of the covariance S."""
    unit = standardised(pool)
    values, vectors = np.linalg.eigh(unit.T @ unit / len(unit))
    kept = values > _RANK_TOLERANCE * max(values[-1], 1.0)
    scores = unit @ (vectors[:, kept] / np.sqrt(values[kept]))
    return np.einsum("bk,bk->b", scores, scores), int(kept.sum())


def distance_from_others(pool: FloatArray) -> tuple[FloatArray, int]:
    """``(x - m)' S^-1 (x - m)`` of each data set, (B + 1,), and the rank of the covariance S.

    Mean and covariance (divisor B) are those of all other data sets. With D the same form in the
    pool of all N = B + 1, it is ``N D / (N - 1 - D)``, by the formula of Sherman and Morrison.
    """
    within, rank = quadratic_form(pool)
    size = len(pool)
    with np.errstate(divide="ignore"):
        out: FloatArray = size * within / np.maximum(size - 1.0 - within, 0.0)
    return out, rank


def moments_of_others(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Mean and variance (divisor B) of all other data sets, (B + 1,) each.

    With N values of mean m and variance v (divisor N), and ``d = x - m``: ``m - d / (N - 1)`` and
    ``N v / (N - 1) - N d^2 / (N - 1)^2``.
    """
    size = values.size
    apart = values - values.mean()
    mean = values.mean() - apart / (size - 1.0)
    variance = size * values.var() / (size - 1.0) - size * (apart / (size - 1.0)) ** 2
    return mean, np.maximum(variance, 0.0)


def with_statistic(sample: NullSample, statistics: FloatArray) -> NullSample:
    """The sample with one more number before all others: the statistic of each, (B + 1,)."""
    whole = np.column_stack([statistics, pool_of(sample)])
    return replace(sample, numbers=whole[0], replicates=whole[1:], single=None)


def simultaneous_band(curves: FloatArray, level: float = 0.95) -> tuple[FloatArray, FloatArray]:
    """Lower and upper edge, (g,), between which a share `level` of curves (B, g) lies entirely.

    ``m -+ c s``, where c is that quantile of ``max_t |x(t) - m(t)| / s(t)`` over the curves.
    """
    reach = float(np.quantile(np.abs(standardised(curves)).max(axis=1), level))
    mean, half = curves.mean(axis=0), reach * curves.std(axis=0)
    return mean - half, mean + half
