"""Null distributions given the estimates of the data, by regression on those of the replicates.

Replicates are made with the estimates of the data, and a statistic moves with the estimates of the
data set that it is of: where a model takes much for variance between groups, little is left for
rows. Let T have the mean ``mu(theta)`` and the variance v, and the estimates t the covariance V.
Estimates of maximum likelihood are correlated with T as far as its mean moves with them,
``cov(T, t) = V mu'``, so that ``T - mu(t)`` of the data has the variance ``v - mu''V mu'``, and
that of the replicates has v. Compared with them as they are, a correct model fails too rarely:
the level is that of a variance divided by ``1 - R^2``, R the multiple correlation of the statistic
with the estimates. The distribution of T given the estimates does not have that fault, and by
sufficiency it depends on the parameters no longer, to first order. The replicates with these very
estimates are too few, so that all are moved to them along a regression, as in approximate
Bayesian computation.

References
----------
Beaumont, M. A., Zhang, W. and Balding, D. J. (2002). Approximate Bayesian computation in
population genetics. Genetics 162, 2025-2035, for the regression.
Robins, J. M., van der Vaart, A. and Ventura, V. (2000). Asymptotic distribution of p values in
composite null models. J. Am. Stat. Assoc. 95, 1143-1156, for the level of the plug-in.
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

from mixcheck.arrays import FloatArray

__all__ = ["given_estimates"]

# Data sets for each coefficient of the regression.
_FOR_EACH = 8
# A statistic of whose variance the estimates leave less than this share is all but a function of
# them, and what is left all but the error of a parabola.
_LEFT = 0.05
# Estimates that differ by less, relative to themselves, are the same.
_SAME = 1e-9
# Statistics that differ by less, relative to the largest, are equal: their order is rounding, as
# of random effects in data sets that have none.
_ROUNDING = 1e-12
_RANK_TOLERANCE = 1e-8


def given_estimates(statistics: FloatArray, estimates: FloatArray) -> FloatArray:
    """Statistics (N,) as they would be with the estimates of the first data set.

    With z the normal scores of the ranks of the statistic among all data sets, and x those of
    each estimate,

    ``z_0 - r_0 + r_k ((1 - h_0) / (1 - h_k))^(1/2)``, r the residuals of ``z ~ 1 + x + x^2`` and
    h their leverages, taken back to the unit of the statistic along its own scores. The first
    statistic stays as it is, and residuals have one variance. Scores are the same for every
    monotone scale, of a parameter or a statistic: a variance is as skewed as it likes, and an
    estimate may run to a limit. The squares are for distances from what is computed at the
    estimates of the data, which are larger for all others.

    Parameters
    ----------
    statistics : (N,) array
        Of the data, and of the replicates.
    estimates : (N, p) array
        Of the same data sets. Those that are the same in all say nothing. There are eight data
        sets for each coefficient of the regression: with fewer it has no squares, or there is
        none. A statistic of which the estimates determine all but 5 % is left as it is.

    Returns
    -------
    (N,) array

    Examples
    --------
    >>> x = np.concatenate([[0.0], np.linspace(-1.0, 1.0, 40)])
    >>> T = np.concatenate([[0.5], 2.0 * x[1:] + 0.5 * (-1.0) ** np.arange(40)])
    >>> given = given_estimates(T, x[:, None])
    >>> float(given[0]), bool(np.std(given) < 0.8 < 1.2 < np.std(T))
    (0.5, True)
    >>> skewed = given_estimates(np.exp(T), x[:, None])
    >>> bool(np.all(np.argsort(skewed) == np.argsort(given)))
    True
    """
    known = np.isfinite(statistics) & np.isfinite(estimates).all(axis=1)
    count = int(known.sum())
    if not known[0]:
        return statistics
    moving = np.ptp(estimates[known], axis=0) > _SAME * np.abs(estimates[known]).max(axis=0)
    if not (moving.any() and _FOR_EACH * (moving.sum() + 1) <= count):
        return statistics
    scores = np.column_stack([_normal_scores(x) for x in estimates[known][:, moving].T])
    columns = [np.ones(count), scores]
    if _FOR_EACH * (2 * moving.sum() + 1) <= count:
        columns.append(scores**2)
    x = _orthonormal(np.column_stack(columns))
    unit = _ROUNDING * np.abs(statistics[known]).max()
    values = _normal_scores(np.rint(statistics[known] / unit) if unit > 0.0 else statistics[known])
    residuals = values - x @ (x.T @ values)
    if not np.var(residuals) > _LEFT * np.var(values):
        return statistics
    left = np.maximum(1.0 - np.sum(x**2, axis=1), 1.0 / count)
    moved = values[0] - residuals[0] + residuals * np.sqrt(left[0] / left)
    out = statistics.copy()
    out[known] = _in_units(moved, values, statistics[known])
    out[0] = statistics[0]
    return out


def _in_units(moved: FloatArray, scores: FloatArray, statistics: FloatArray) -> FloatArray:
    """Statistics at moved scores: linear between those there are, and beyond as they are apart."""
    at, first = np.unique(scores, return_index=True)
    held = statistics[first]
    apart = (held[-1] - held[0]) / (at[-1] - at[0])
    beyond = moved - np.clip(moved, at[0], at[-1])
    out: FloatArray = np.interp(moved, at, held) + apart * beyond
    return out


def _orthonormal(columns: FloatArray) -> FloatArray:
    """An orthonormal basis of what columns span; squares of scores with two values are none."""
    left, values, _ = np.linalg.svd(columns, full_matrices=False)
    out: FloatArray = left[:, values > _RANK_TOLERANCE * values[0]]
    return out


def _normal_scores(values: FloatArray) -> FloatArray:
    """``Phi^-1((rank - 1/2) / N)``; equal values have the mean of their ranks."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    middle = np.cumsum(counts) - 0.5 * counts
    out: FloatArray = ndtri(middle[place] / values.size)
    return out
