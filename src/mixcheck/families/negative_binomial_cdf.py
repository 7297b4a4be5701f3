"""Distribution function and draws of a negative binomial, by its mean and excess variance.

With m the mean and e the excess, ``Var Y = m (1 + e)``, Y is a Poisson variable whose mean is gamma
distributed with shape ``m / e`` and scale e; ``P(Y = 0) = exp(-m log(1 + e) / e)``, and

    P(Y = j) / P(Y = j - 1) = (m / (1 + e) + (j - 1) e / (1 + e)) / j,

``P(Y <= k) = I_q(m / e, k + 1)`` with ``q = 1 / (1 + e)`` and I the regularised incomplete beta
function (Johnson, Kemp & Kotz 2005, section 5.6).

References
----------
Johnson, Kemp & Kotz (2005), Univariate Discrete Distributions, 3rd edition.
"""

from __future__ import annotations

import numpy as np
from scipy import special

from mixcheck.arrays import FloatArray
from mixcheck.families.counts import draw_poisson, order_counts
from mixcheck.families.special import log1p_ratio
from mixcheck.families.tails import SMALLEST

__all__ = [
    "accumulate_negative_binomial",
    "draw_negative_binomial",
    "surpass_negative_binomial",
    "surround_negative_binomial",
]

_SUMMED = 64
_RATE_MAX = 600.0
"""Counts below 64 are summed, unless P(0) is below exp(-600)."""


def accumulate_negative_binomial(
    k: FloatArray, mu: FloatArray, excess: FloatArray, *, lowest: int = 0
) -> FloatArray:
    """P(lowest <= Y <= k) for whole ``k``, which may be below ``lowest``; ``(n,)``.

    Small counts are summed, which is faster than the incomplete beta function and exact in
    both tails.
    """
    total = np.zeros(np.shape(k))
    rate = mu * log1p_ratio(excess)
    summed = (k < _SUMMED) & (rate < _RATE_MAX)
    rows = np.flatnonzero(summed & (k >= lowest))
    order = rows[order_counts(k[rows])]
    total[order] = _sum_probabilities(k[order], mu[order], excess[order], rate[order], lowest)[1]
    far = np.flatnonzero(~summed)
    if far.size:
        below = _incomplete_beta(k[far], mu[far], excess[far])
        total[far] = below - np.exp(-rate[far]) if lowest > 0 else below
    return np.minimum(total, 1.0)


def surround_negative_binomial(
    y: FloatArray, mu: FloatArray, excess: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """P(Y < y) and P(Y <= y), each ``(n,)``; of small counts by one sum."""
    rate = mu * log1p_ratio(excess)
    summed = (y < _SUMMED) & (y >= 0.0) & (rate < _RATE_MAX) & (y == np.floor(y))
    below, upto = np.empty_like(mu), np.empty_like(mu)
    rows, far = np.flatnonzero(summed), np.flatnonzero(~summed)
    order = rows[order_counts(y[rows])]
    sums = _sum_probabilities(y[order], mu[order], excess[order], rate[order], 0)
    below[order], upto[order] = (np.minimum(total, 1.0) for total in sums)
    if far.size:
        for out, k in ((below, np.ceil(y[far]) - 1.0), (upto, np.floor(y[far]))):
            out[far] = accumulate_negative_binomial(k, mu[far], excess[far])
    return below, upto


def _sum_probabilities(
    k: FloatArray, mu: FloatArray, excess: FloatArray, rate: FloatArray, lowest: int
) -> tuple[FloatArray, FloatArray]:
    """Sums of the probabilities from ``lowest`` to below ``k``, and to ``k``; ``k`` falls."""
    share = excess / (1.0 + excess)
    size_share = mu / (1.0 + excess)
    mass = np.exp(-rate)
    below = np.zeros_like(mass)
    left = np.searchsorted(-k, -np.arange(_SUMMED), side="right")
    for j in range(1, int(k[0]) + 1 if k.size else 0):
        rows = slice(0, int(left[j]))
        if j > lowest:
            below[rows] += mass[rows]
        mass[rows] *= (size_share[rows] + (j - 1) * share[rows]) / j
    return below, below + mass


def _incomplete_beta(k: FloatArray, mu: FloatArray, excess: FloatArray) -> FloatArray:
    """P(Y <= k) for whole ``k >= 0``, by the smaller of its two arguments."""
    size, below = mu / np.maximum(excess, SMALLEST), np.empty_like(mu)
    rare = excess < 1.0
    p, q = excess / (1.0 + excess), 1.0 / (1.0 + excess)
    below[rare] = special.betaincc(k[rare] + 1.0, size[rare], p[rare])
    below[~rare] = special.betainc(size[~rare], k[~rare] + 1.0, q[~rare])
    return below


def surpass_negative_binomial(k: FloatArray, mu: FloatArray, excess: FloatArray) -> FloatArray:
    """P(Y > k) for whole ``k``, which may be negative, ``(n,)``."""
    count, rare = np.maximum(k, 0.0) + 1.0, excess < 1.0
    size, above = mu / np.maximum(excess, SMALLEST), np.empty_like(mu)
    p, q = excess / (1.0 + excess), 1.0 / (1.0 + excess)
    above[rare] = special.betainc(count[rare], size[rare], p[rare])
    above[~rare] = special.betaincc(size[~rare], count[~rare], q[~rare])
    return np.where(k < 0.0, 1.0, above)


def draw_negative_binomial(
    mu: FloatArray, excess: FloatArray, rng: np.random.Generator
) -> FloatArray:
    """Poisson draws with gamma distributed means, ``(n,)``."""
    # Mean and excess may both have underflowed.
    shape = mu / np.maximum(excess, SMALLEST)
    return draw_poisson(excess * rng.standard_gamma(shape), rng)
