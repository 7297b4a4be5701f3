"""Adjusted p-values over a family of tests: Holm, and Westfall-Young over shared replicates.

Let ``p_(1) <= .. <= p_(m)`` be the sorted p-values and ``R_k`` the tests of rank ``k`` and
above. Every rule here has the step-down form

    ``adjusted_(k) = max over j <= k of  Pr(min over R_j of P <= p_(j))``

and differs in how that probability is bounded. Tests whose statistic is known in the same
``B`` replicate data sets form a pool, whose joint distribution is that of the replicates:
the step-down min-p rule of Westfall and Young (1993, algorithm 2.8). Each test outside a
pool adds ``p_(j)``, by Bonferroni's inequality. So one pool of all tests is exactly
Westfall and Young, no pool at all is exactly Holm, and a mixture is valid too.

References
----------
Westfall, P. H. and Young, S. S. (1993). Resampling-Based Multiple Testing. Wiley.
Holm, S. (1979). A simple sequentially rejective multiple test procedure.
Scandinavian Journal of Statistics 6, 65-70.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mixcheck.arrays import FloatArray, IntArray
from mixcheck.report.finding import Alternative

__all__ = [
    "Pool",
    "attainable",
    "graded_pvalues",
    "pool_pvalues",
    "smallest_pvalue",
    "step_down",
]

# Statistics that differ by less, relative to themselves, differ by rounding alone: what is
# computed at the modes of random effects is known to about 1e-8.
TIE = 1e-7

# Share of the data sets that the tail of a statistic is fitted to.
_TAIL = 0.1
# A graded p-value is no zero, which is left for what no data set can have.
_LEAST = 1e-9


@dataclass(frozen=True, eq=False)
class Pool:
    """Tests whose statistics are known in the same data sets.

    Attributes
    ----------
    members : (k,) array of int
        Positions of the tests in the family.
    pvalues : (k, B + 1) array
        Graded p-value of each data set among all of them; column 0 is the observed one.
    """

    members: IntArray
    pvalues: FloatArray


def pool_pvalues(statistics: FloatArray, alternative: Alternative) -> FloatArray:
    """The p-value of each data set among all of them.

    A tie counts as no smaller and no larger: another data set that is equal, up to rounding, is
    as extreme. A statistic that is not a number counts as the most extreme one on either side.

    Parameters
    ----------
    statistics : (N,) array
    alternative : {"two-sided", "greater", "less"}
        Two-sided is twice the smaller side, at most 1.

    Returns
    -------
    (N,) array

    Examples
    --------
    >>> pool_pvalues(np.array([9.0, 1.0, 2.0, 3.0]), "greater")
    array([0.25, 1.  , 0.75, 0.5 ])
    """
    undefined = np.isnan(statistics)
    known = np.sort(statistics[~undefined])
    slack = TIE * np.abs(np.where(np.isfinite(statistics), statistics, 0.0))
    with np.errstate(over="ignore"):  # the end of the range is an end
        above = known.size - np.searchsorted(known, statistics - slack, side="left")
        below = np.searchsorted(known, statistics + slack, side="right")
    extra = int(undefined.sum())
    above = np.where(undefined, extra, above + extra)
    below = np.where(undefined, extra, below + extra)
    counts = {"greater": above, "less": below, "two-sided": 2 * np.minimum(above, below)}
    shares: FloatArray = np.minimum(counts[alternative], statistics.size) / statistics.size
    return shares


def graded_pvalues(statistics: FloatArray, alternative: Alternative) -> FloatArray:
    """The p-value of each data set, by its rank and by how far out it lies.

    Few data sets have few p-values, so that over many tests a data set that is beyond all others
    in one of them is tied with many that are just the largest of some test; and a small p-value
    by a rank r alone has the relative error ``r^(-1/2)``. So the p-value is that of an exponential
    tail through the largest tenth of a statistic, held within one standard error of the rank,

        ``(r - r^(1/2)) / N <= graded <= (r + r^(1/2)) / N``  for the r-th largest of N.

    It is a function of all data sets that treats them alike, and an order of data sets is all
    that it is used for, so that whatever the tail is, adjusted p-values are valid.

    Parameters
    ----------
    statistics : (N,) array
    alternative : {"two-sided", "greater", "less"}

    Returns
    -------
    (N,) array
        Positive.

    References
    ----------
    Knijnenburg, Wessels, Reinders & Shmulevich (2009), Fewer permutations, more accurate
    p-values, Bioinformatics 25, i161-i168, on tails of permutation distributions.

    Examples
    --------
    >>> graded_pvalues(np.array([20.0, *range(19)]), "greater")[:2].round(4)
    array([0.0223, 1.    ])
    >>> graded_pvalues(np.array([40.0, *range(19)]), "greater")[:2].round(4)
    array([0.0147, 1.    ])
    """
    if alternative == "two-sided":
        above, below = (graded_pvalues(statistics, side) for side in ("greater", "less"))
        both: FloatArray = np.minimum(2.0 * np.minimum(above, below), 1.0)
        return both
    shares = pool_pvalues(statistics, alternative)
    values = statistics if alternative == "greater" else -statistics
    ordered = np.sort(values[np.isfinite(values)])[::-1]
    start = math.ceil(_TAIL * ordered.size)
    if start >= ordered.size:
        return shares
    excess = _level(values, shares) - ordered[start]
    tail = (excess > 0.0) & np.isfinite(excess)
    if not tail.any():
        return shares
    model = tail.sum() / values.size * np.exp(-np.maximum(excess, 0.0) / excess[tail].mean())
    ranks = shares * values.size
    error = np.sqrt(ranks)
    graded = np.clip(
        model, np.maximum(ranks - error, _LEAST) / values.size, (ranks + error) / values.size
    )
    return np.where(excess > 0.0, graded, shares)


def _level(values: FloatArray, shares: FloatArray) -> FloatArray:
    """Values of which those that are tied, but for rounding, are the least of them."""
    _, places = np.unique(shares, return_inverse=True)
    least = np.full(values.size, np.inf)
    np.fmin.at(least, places, values)
    return least[places]


def smallest_pvalue(replicates: int, alternative: Alternative) -> float:
    """The smallest p-value that so many replicates can give."""
    return min(1.0, (2 if alternative == "two-sided" else 1) / (replicates + 1))


def step_down(
    pvalues: FloatArray, pools: Sequence[Pool] = (), least: FloatArray | None = None
) -> FloatArray:
    """Step-down adjusted p-values, by pools where there are any and Bonferroni elsewhere.

    Parameters
    ----------
    pvalues : (m,) array
    pools : sequence of Pool
        Disjoint.
    least : (m,) array, optional
        What an adjusted p-value is at least, where `pvalues` say no more than an order; by default
        the p-values.

    Returns
    -------
    (m,) array
        At least the p-values, in the same order, at most 1.

    Examples
    --------
    Without pools it is Holm's rule.

    >>> step_down(np.array([0.01, 0.04, 0.03]))
    array([0.03, 0.06, 0.06])
    """
    order = np.argsort(pvalues, kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(order.size)
    ordered = pvalues[order]
    bound = _count_outside(order, pools) * ordered
    for pool in pools:
        bound = bound + _pool_share(ordered, rank[pool.members], pool.pvalues)
    own = ordered if least is None else least[order]
    stepped = np.minimum(np.maximum.accumulate(np.maximum(bound, own)), 1.0)
    adjusted: FloatArray = stepped[rank]
    return adjusted


def _count_outside(order: IntArray, pools: Sequence[Pool]) -> IntArray:
    """How many tests outside every pool remain at each step."""
    outside = np.ones(order.size, dtype=np.intp)
    for pool in pools:
        outside[pool.members] = 0
    return np.cumsum(outside[order][::-1])[::-1]


def _pool_share(ordered: FloatArray, ranks: IntArray, pvalues: FloatArray) -> FloatArray:
    """At each step, the share of data sets whose remaining minimum is as small as the p-value."""
    by_rank = np.argsort(ranks)
    minima = np.minimum.accumulate(pvalues[by_rank][::-1], axis=0)[::-1]
    first = np.searchsorted(ranks[by_rank], np.arange(ordered.size))
    share = np.zeros(ordered.size)
    left = first < ranks.size
    share[left] = np.mean(minima[first[left]] <= ordered[left, None], axis=1)
    return share


def attainable(
    pvalues: FloatArray, floors: FloatArray, pools: Sequence[Pool], alpha: float
) -> FloatArray:
    """What the adjusted p-value of each test would be at its floor, the others as they are.

    Parameters
    ----------
    pvalues, floors : (m,) array
    pools : sequence of Pool
    alpha : float
        Where an upper bound is below it already, that bound is returned.

    Returns
    -------
    (m,) array
    """
    outside = pvalues.size - sum(pool.members.size for pool in pools)
    bound = np.maximum(outside * floors, floors)
    for pool in pools:
        smallest = np.sort(pool.pvalues.min(axis=0))
        bound += np.searchsorted(smallest, floors, side="right") / smallest.size
    result: FloatArray = np.minimum(bound, 1.0)
    for test in np.flatnonzero(result > alpha):
        result[test] = _adjusted_at_floor(int(test), pvalues, floors, pools)
    return result


def _adjusted_at_floor(
    test: int, pvalues: FloatArray, floors: FloatArray, pools: Sequence[Pool]
) -> float:
    lowered = pvalues.copy()
    lowered[test] = floors[test]
    moved = [_lower_observed(pool, test, floors[test]) for pool in pools]
    return float(step_down(lowered, moved)[test])


def _lower_observed(pool: Pool, test: int, floor: float) -> Pool:
    rows = np.flatnonzero(pool.members == test)
    if not rows.size:
        return pool
    pvalues = pool.pvalues.copy()
    pvalues[rows, 0] = floor
    return Pool(pool.members, pvalues)
