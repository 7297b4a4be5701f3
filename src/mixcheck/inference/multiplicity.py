"""Several tests at once: p-values and quantiles that hold for all of them.

A family of m statistics ``t_i = d_i / se_i`` with the correlations R.
Bonferroni and Holm hold whatever R is, Sidak's where the absolute statistics are positively
dependent, Tukey's for all differences of k means, and "mvt" takes the multivariate t distribution
with R itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from scipy.special import chdtrc, fdtrc, ndtr, ndtri, stdtr, stdtrit

from mixcheck.arrays import FloatArray

__all__ = ["ADJUSTMENTS", "Adjusted", "Adjustment", "adjust_family"]

Adjustment: TypeAlias = Literal["none", "bonferroni", "holm", "sidak", "tukey", "mvt"]
ADJUSTMENTS: tuple[Adjustment, ...] = ("none", "bonferroni", "holm", "sidak", "tukey", "mvt")

# Directions of the integral of a multivariate t distribution, and the seed of their scrambling.
_POINTS, _SEED = 2**15, 1
# Directions of a correlation matrix whose variance is a smaller share are rounding.
_SINGULAR = 1e-10


@dataclass(frozen=True, eq=False)
class Adjusted:
    """P-values and quantiles of a family.

    Attributes
    ----------
    pvalues : (m,)
    quantiles : (m,)
        Half width of each simultaneous interval in standard errors.
    """

    pvalues: FloatArray
    quantiles: FloatArray


def adjust_family(
    statistics: FloatArray,
    df: FloatArray,
    correlation: FloatArray,
    method: Adjustment,
    level: float,
    means: int,
) -> Adjusted:
    """Adjust a family of two-sided tests.

    Parameters
    ----------
    statistics : (m,)
        Estimates over standard errors; NaN ones are not tests.
    df : (m,)
        Degrees of freedom; "mvt" takes the smallest for all.
    correlation : (m, m)
    method : str
    level : float
        The confidence of all intervals together.
    means : int
        How many means the differences are of, for "tukey".

    References
    ----------
    Holm (1979), A simple sequentially rejective multiple test procedure, Scand. J. Statist. 6;
    Hothorn, Bretz & Westfall (2008), Simultaneous inference in general parametric models,
    Biometrical Journal 50; Deak (1980), Three digit accurate multiple normal probabilities,
    Numerische Mathematik 35.

    Examples
    --------
    >>> t = np.array([2.0, 3.0])
    >>> adjust_family(t, np.full(2, np.inf), np.eye(2), "bonferroni", 0.95, 3).pvalues.round(4)
    array([0.091 , 0.0054])
    """
    some = np.isfinite(statistics)
    pvalues, quantiles = np.full(statistics.size, np.nan), np.full(statistics.size, np.nan)
    m = int(some.sum())
    if m == 0:
        return Adjusted(pvalues, quantiles)
    t, nu = np.abs(statistics[some]), df[some]
    raw = 2.0 * _lower_tail(-t, nu)
    if m == 1 and method != "tukey":
        method = "none"
    if method == "tukey":
        of_df = {v: _studentized_range(means, v) for v in np.unique(nu).tolist()}
        pvalues[some] = [
            of_df[v][0](value) for v, value in zip(nu.tolist(), t.tolist(), strict=True)
        ]
        reach = {v: quantile(level) for v, (_, quantile) in of_df.items()}
        quantiles[some] = [reach[v] for v in nu.tolist()]
        return Adjusted(pvalues, quantiles)
    if method == "mvt":
        inside, quantile = _multivariate_t(correlation[np.ix_(some, some)], float(nu.min()))
        pvalues[some] = [inside(value) for value in t.tolist()]
        quantiles[some] = quantile(level)
        return Adjusted(pvalues, quantiles)
    alpha = 1.0 - level
    adjusted, tail = {
        "none": (raw, alpha),
        "bonferroni": (np.minimum(m * raw, 1.0), alpha / m),
        "holm": (_step_down(raw), alpha / m),
        "sidak": (-np.expm1(m * np.log1p(-raw)), -np.expm1(np.log1p(-alpha) / m)),
    }[method]
    pvalues[some] = adjusted
    quantiles[some] = _upper_quantile(0.5 * tail, nu)
    return Adjusted(pvalues, quantiles)


def _lower_tail(t: FloatArray, df: FloatArray) -> FloatArray:
    finite = np.isfinite(df)
    return np.where(finite, stdtr(np.where(finite, df, 1.0), t), ndtr(t))


def _upper_quantile(tail: float, df: FloatArray) -> FloatArray:
    finite = np.isfinite(df)
    return -np.where(finite, stdtrit(np.where(finite, df, 1.0), tail), ndtri(tail))


def _step_down(pvalues: FloatArray) -> FloatArray:
    """Holm's: the largest so far of ``(m - i + 1) p_(i)``."""
    order = np.argsort(pvalues)
    factors = np.arange(pvalues.size, 0, -1)
    out = np.empty(pvalues.size)
    out[order] = np.minimum(np.maximum.accumulate(factors * pvalues[order]), 1.0)
    return out


_Tail: TypeAlias = Callable[[float], float]


def _studentized_range(means: int, df: float) -> tuple[_Tail, _Tail]:
    """P-value of a difference, and the quantile: the range of k means over sqrt(2)."""
    from scipy.stats import studentized_range

    return (
        lambda t: float(np.clip(studentized_range.sf(np.sqrt(2.0) * t, means, df), 0.0, 1.0)),
        lambda level: float(studentized_range.ppf(level, means, df)) / np.sqrt(2.0),
    )


def _multivariate_t(correlation: FloatArray, df: float) -> tuple[_Tail, _Tail]:
    """``P(max |T_j| > t)`` and the quantile of the maximum, by Deak's directions.

    With ``T = L z / s``, ``R = L L'`` and ``z = |z| u``, ``|z|^2 / (r s^2)`` has the F distribution
    with r and df degrees of freedom, so that ``P = E F((t / max |L u|)^2 / r)`` over directions u,
    which are the same for every t. R may be singular.
    """
    from scipy.optimize import brentq

    values, vectors = np.linalg.eigh(correlation)
    kept = values > _SINGULAR * values[-1]
    root = vectors[:, kept] * np.sqrt(values[kept])
    r = root.shape[1]
    longest = np.abs(_directions(r) @ root.T).max(axis=1)

    def beyond(t: float) -> float:
        square = (t / longest) ** 2
        tails = chdtrc(r, square) if np.isinf(df) else fdtrc(r, df, square / r)
        return float(np.mean(tails))

    def quantile(level: float) -> float:
        tail = 1.0 - level
        one, most = (float(_upper_quantile(0.5 * p, np.array([df]))[0]) for p in (tail, tail / m))
        return float(brentq(lambda t: beyond(t) - tail, 0.9 * one, 1.1 * most, xtol=1e-9))

    m = len(correlation)
    return beyond, quantile


def _directions(r: int) -> FloatArray:
    """Points on the unit sphere in r dimensions, evenly spread, (n, r)."""
    if r == 1:
        return np.ones((1, 1))
    if r == 2:
        angles = np.pi * (np.arange(_POINTS) + 0.5) / _POINTS
        return np.column_stack([np.cos(angles), np.sin(angles)])
    from scipy.stats import qmc

    points = qmc.Sobol(r, rng=np.random.default_rng(_SEED)).random(_POINTS)
    normal = ndtri(points)
    out: FloatArray = normal / np.linalg.norm(normal, axis=1, keepdims=True)
    return out
