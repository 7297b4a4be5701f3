"""Distribution function of the beta-binomial: as accurate in the tails, and never linear in trials.

Few terms are summed by the ratio of one probability to the next. Where there are many, the sum
is an integral: with A beta(a, b) and Q beta(k, m - k + 1), the law of the k-th smallest of m
uniform numbers, ``P(K < k) = P(A < Q)``. The narrower of both is integrated over by the trapezoidal
rule on the scale of log odds, where its density is all but normal and the rule converges
geometrically; the distribution function of the other one is smooth there.
"""

from __future__ import annotations

import numpy as np
from numpy.polynomial.chebyshev import chebvander
from scipy.special import betainc, betaincc, polygamma

from mixcheck.arrays import FloatArray, IntArray

__all__ = ["cumulate"]

# Terms beyond which an integral costs less than their sum.
MOST_TERMS = 4000
# Density shapes below this are too skew for so few nodes: then the terms are summed.
LEAST_SHAPE = 20.0
NODES = 96
# Where the other distribution function is this much wider, it is interpolated at Chebyshev places.
PLACES = 20
_NARROW = 0.05
_PLACES: FloatArray = 0.5 - 0.5 * np.cos(np.pi * (np.arange(PLACES) + 0.5) / PLACES)
# Logarithms of what may be left out: of the density, and of density times a small tail.
_NEAR, _FAR = 34.0, 90.0
# Shifts of log odds that the series takes: its next term is below 1e-13 of the first.
_CLOSE = 1e-2
_CELLS = 1 << 18
_PIECE = 1 << 14
_SETTLED = 1e-18
_FAR_TAIL = 1e-5


def cumulate(
    k: FloatArray, m: FloatArray, a: FloatArray, b: FloatArray, mass: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """``P(K < k)`` and ``P(K <= k)``, each (n,), with small relative errors in both tails.

    Parameters
    ----------
    k : (n,) array
        Whole numbers from 0 to m.
    m : (n,) array
        Trials.
    a, b : (n,) array
        Shapes of the beta distribution.
    mass : (n,) array
        Probability of k.

    Examples
    --------
    >>> one = np.ones(1)
    >>> [float(x.item()) for x in cumulate(2 * one, 4 * one, one, one, one / 5)]
    [0.4, 0.6000000000000001]
    """
    lower = k <= m * (a / (a + b))
    tail = _below(np.where(lower, k, m - k), m, np.where(lower, a, b), np.where(lower, b, a), mass)
    below = np.where(lower, tail, 1.0 - (tail + mass))
    upto = np.where(lower, tail + mass, 1.0 - tail)
    return np.clip(below, 0.0, 1.0), np.clip(upto, 0.0, 1.0)


def _below(
    k: FloatArray, m: FloatArray, a: FloatArray, b: FloatArray, mass: FloatArray
) -> FloatArray:
    """``P(K < k)`` where k is at most the mean, (n,)."""
    total = np.zeros(k.size)
    many = k > MOST_TERMS
    if many.any():
        rows = np.flatnonzero(many)
        shapes = np.stack([a[rows], b[rows], k[rows], m[rows] - k[rows] + 1.0])
        variance = polygamma(1, shapes)
        over_a = variance[0] + variance[1] < variance[2] + variance[3]
        narrow = np.where(over_a, np.minimum(shapes[0], shapes[1]), shapes[2:].min(axis=0))
        for chosen, swapped in ((over_a, True), (~over_a, False)):
            integrable = chosen & (narrow >= LEAST_SHAPE)
            if integrable.any():
                total[rows[integrable]] = _integral(*shapes[:, integrable], over_a=swapped)
        # A far tail is the end of an integrand, but few terms of a sum that falls ever faster.
        far = (total[rows] < _FAR_TAIL) & (a[rows] >= 1.0)
        many[rows[far | (narrow < LEAST_SHAPE)]] = False
    for part in _parts(np.flatnonzero(~many & (k > 0.0)), k):
        total[part] = _sum(k[part], m[part], a[part], b[part], mass[part])
    return total


def _parts(rows: IntArray, k: FloatArray) -> list[IntArray]:
    """Rows with sums of like lengths together, in parts that stay in the processor's cache."""
    rows = rows[np.argsort(k[rows], kind="stable")]
    width = np.minimum(k[rows], _PIECE)
    # Within a part all sums take the room of its longest, which is its last.
    parts, end = [], rows.size
    while end:
        start = max(0, end - max(1, int(_CELLS // width[end - 1])))
        parts.append(rows[start:end])
        end = start
    return parts


def _sum(
    k: FloatArray, m: FloatArray, a: FloatArray, b: FloatArray, mass: FloatArray
) -> FloatArray:
    """Terms k - 1, k - 2, .. 0, each from the one before, (n,)."""
    total, term = np.zeros(k.size), mass.copy()
    longest = float(k.max())
    for start in range(0, int(longest), _PIECE):
        steps = np.arange(start, min(start + _PIECE, longest))
        at = k[:, None] - steps
        inside = at > 0.0
        np.maximum(at, 1.0, out=at)
        ratio = at * ((m + b)[:, None] - at) / ((m + 1.0)[:, None] - at)
        ratio /= (a - 1.0)[:, None] + at
        ratio *= inside
        ratio[:, 0] *= term
        terms = np.cumprod(ratio, axis=1, out=ratio)
        total += terms.sum(axis=1)
        term = terms[:, -1]
        # From k down the terms of a distribution without a peak at 0 fall faster and faster.
        if np.all((a >= 1.0) & (term * k <= _SETTLED * total)):
            break
    return total


def _integral(
    a: FloatArray, b: FloatArray, c: FloatArray, d: FloatArray, *, over_a: bool
) -> FloatArray:
    """``P(A < Q)`` for A beta(a, b) and Q beta(c, d), over the density of A or of Q, (n,)."""
    # Turned round, A takes the place of Q: P(A < Q) = P(1 - Q < 1 - A).
    first, second, other, another = (b, a, d, c) if over_a else (c, d, a, b)
    spread = np.sqrt(1.0 / first + 1.0 / second)
    low = _reach(first, second, -spread, _NEAR)
    length = _reach(first, second, spread, _FAR) - low
    first, second = first[:, None], second[:, None]
    shift = low[:, None] + length[:, None] * np.linspace(0.0, 1.0, NODES)
    weights = np.exp(_log_density(first, second, shift))
    weights /= weights.sum(axis=1, keepdims=True)
    total = np.empty(other.size)
    wide = np.sqrt(polygamma(1, other) + polygamma(1, another))
    smooth = spread < _NARROW * wide
    for rows, places, given in (
        (smooth, _PLACES, weights[smooth] @ _interpolation()),
        (~smooth, np.linspace(0.0, 1.0, NODES), weights[~smooth]),
    ):
        at = low[rows, None] + length[rows, None] * places
        values = _cdf_at(other[rows], another[rows], first[rows] / (first + second)[rows], at)
        total[rows] = (given * values).sum(axis=1)
    return total


def _interpolation() -> FloatArray:
    """From values at the Chebyshev places to values at the nodes, (nodes, places)."""
    nodes = chebvander(2.0 * np.linspace(0.0, 1.0, NODES) - 1.0, PLACES - 1)
    places = chebvander(2.0 * _PLACES - 1.0, PLACES - 1)
    return np.asarray(np.linalg.solve(places.T, nodes.T).T, dtype=np.float64)


def _cdf_at(a: FloatArray, b: FloatArray, centre: FloatArray, shift: FloatArray) -> FloatArray:
    """Distribution function of beta(a, b) at shifts of log odds from a probability, (n, k)."""
    change = 1.0 + centre * np.expm1(shift)
    p, q = centre * np.exp(shift) / change, (1.0 - centre) / change
    one, two = (np.broadcast_to(shape[:, None], p.shape) for shape in (a, b))
    # Both give the same tail without cancellation; the smaller of p and q is the exact one.
    low = p <= 0.5
    out = np.empty(p.shape)
    out[low] = betainc(one[low], two[low], p[low])
    out[~low] = betaincc(two[~low], one[~low], q[~low])
    return out


def _log_density(c: FloatArray, d: FloatArray, shift: FloatArray) -> FloatArray:
    """Log density of the log odds of beta(c, d) at a shift from its mode, less that at the mode.

    ``c shift - (c + d) log(1 + p (e^shift - 1))`` with ``p = c / (c + d)``: linear terms cancel,
    and what is left is the series of the cumulants of one trial where the shift is small.
    """
    p = c / (c + d)
    v, skew = p * (1.0 - p), 1.0 - 2.0 * p
    series = 1.0 / 2.0 + shift * (
        skew / 6.0
        + shift
        * (
            (1.0 - 6.0 * v) / 24.0
            + shift
            * (skew * (1.0 - 12.0 * v) / 120.0 + shift * (1.0 - 30.0 * v * (1.0 - 4.0 * v)) / 720.0)
        )
    )
    close = -(c + d) * v * shift * shift * series
    far = c * shift - (c + d) * np.log1p(p * np.expm1(shift))
    density: FloatArray = np.where(np.abs(shift) < _CLOSE, close, far)
    return density


def _reach(c: FloatArray, d: FloatArray, spread: FloatArray, drop: float) -> FloatArray:
    """Distance in log odds from the mode at which the log density has dropped, (n,)."""
    p = c / (c + d)
    reach = spread * np.sqrt(2.0 * drop)
    for _ in range(30):
        change = np.expm1(reach)
        slope = -(c + d) * p * (1.0 - p) * change / (1.0 + p * change)
        step = (_log_density(c, d, reach) + drop) / slope
        reach = reach - step
        if np.all(np.abs(step) <= 1e-3 * np.abs(reach)):
            break
    return np.asarray(reach, dtype=np.float64)
