"""Expected information by summation over the values that a count can take.

The sum runs over panels of sixteen nodes. Where the distribution is narrow the nodes are
the whole numbers themselves; where it is wide a panel of ``2^j`` whole numbers is summed by
the Gauss rule of their counting measure, whose nodes lie between them (the discrete
Chebyshev polynomials; Szego 1975, section 2.8). No node depends on the data.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from scipy import linalg

from mixcheck.arrays import FloatArray, IntArray
from mixcheck.families.derivatives import Derivatives, Expected, Predictors

__all__ = ["Spread", "expect", "spread_of_counts"]

_NODES = 16
_ROWS = 1024
_DEVIATIONS = 10.0
_DECAYS = 32.0
"""Beyond ten standard deviations and 32 lengths of the exponential tail lies less than 1e-13."""
_LARGEST = 1e15

# Numbers of rows, and their nodes and weights, (rows, 16) each.
_Panel: TypeAlias = tuple[IntArray, FloatArray, FloatArray]


@dataclass(frozen=True, eq=False)
class Spread:
    """Where the probability of each row lies.

    Attributes
    ----------
    lowest : float
        First value of the support; it and the fifteen that follow are always visited.
    low, high : (n,) arrays
        Whole numbers between which the rest lies.
    scale : (n,) array
        Distance over which the probability changes by a moderate factor.
    """

    lowest: float
    low: FloatArray
    high: FloatArray
    scale: FloatArray


def spread_of_counts(mean: FloatArray, variance: FloatArray, lowest: float) -> Spread:
    """Spread of a count without an upper bound whose tail is not heavier than exponential."""
    mean = np.minimum(mean, _LARGEST)
    variance = np.clip(variance, 1e-30, _LARGEST**2)
    deviation = np.sqrt(variance)
    decay = 1.0 + variance / np.maximum(mean, 1e-15)
    low = np.floor(np.maximum(mean - _DEVIATIONS * deviation, lowest))
    high = np.ceil(mean + _DEVIATIONS * deviation + _DECAYS * decay)
    return Spread(lowest, low, high, np.maximum(deviation, decay))


def expect(
    derive: Callable[[FloatArray, Predictors, IntArray], Derivatives],
    eta: Predictors,
    spread: Spread,
) -> Expected:
    """Expected information and its derivatives.

    Parameters
    ----------
    derive : callable
        From values of the response, predictors and row numbers to derivatives of third order.
    eta : tuple of K arrays (n,)
    spread : Spread

    Returns
    -------
    second, third
        As `Family.expected` gives them: ``E[-l_ab]`` and ``-E[l_abc + l_ab l_c]``.
    """
    n, count = eta[0].size, len(eta)
    pairs = [(a, b) for a in range(count) for b in range(a, count)]
    second = {pair: np.zeros(n) for pair in pairs}
    third = {(pair, c): np.zeros(n) for pair in pairs for c in range(count)}
    for begin in range(0, n, _ROWS):
        for panels in _panels(spread, np.arange(begin, min(begin + _ROWS, n))):
            _add_panels(derive, eta, panels, (second, third))
    return second, third


def _panels(spread: Spread, rows: IntArray) -> Iterator[list[_Panel]]:
    """All panels of some rows, as many at a time as one call of the density is worth."""
    left = np.full(rows.size, spread.lowest)
    batch: list[_Panel] = []
    while rows.size:
        y, weight, width = _panel(left, spread, rows)
        batch.append((rows, y, weight))
        if sum(part.size for part, _, _ in batch) >= _ROWS:
            yield batch
            batch = []
        left = np.maximum(left + width, spread.low[rows])
        open_ = left <= spread.high[rows]
        rows, left = rows[open_], left[open_]
    if batch:
        yield batch


def _panel(
    left: FloatArray, spread: Spread, rows: IntArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Nodes and weights ``(rows, 16)`` from ``left`` on, and how many whole numbers they sum."""
    size = 2.0 * np.minimum(np.maximum(left, 1.0), spread.scale[rows])
    power = np.floor(np.log2(size)).astype(np.intp)
    power[left <= spread.lowest] = 0
    y = left[:, None] + np.arange(float(_NODES))
    weight = (y <= spread.high[rows][:, None]).astype(np.float64)
    y = np.minimum(y, spread.high[rows][:, None])
    for j in np.unique(power[power > 4]):
        nodes, weights = _counting_rule(int(j))
        wide = power == j
        y[wide] = left[wide][:, None] + nodes
        weight[wide] = weights
    return y, weight, np.exp2(np.maximum(power, 4))


def _add_panels(
    derive: Callable[[FloatArray, Predictors, IntArray], Derivatives],
    eta: Predictors,
    panels: list[_Panel],
    sums: tuple[dict[tuple[int, int], FloatArray], dict[tuple[tuple[int, int], int], FloatArray]],
) -> None:
    rows, y, weight = (np.concatenate(parts) for parts in zip(*panels, strict=True))
    repeated = np.repeat(rows, _NODES)
    d = derive(y.ravel(), tuple(e[repeated] for e in eta), repeated)
    mass = weight.ravel() * np.exp(d.value)
    second, third = sums
    for pair, total in second.items():
        bend = d.second.get(pair)
        if bend is not None:
            # A row has a place in several panels: each is taken off in turn.
            np.subtract.at(total, rows, (mass * bend).reshape(weight.shape).sum(axis=1))
        for c in range(len(eta)):
            a, b, e = sorted((*pair, c))
            slope = d.third.get((a, b, e), 0.0) + (0.0 if bend is None else bend * d.first[c])
            changes = (mass * slope).reshape(weight.shape).sum(axis=1)
            np.subtract.at(third[pair, c], rows, changes)


@lru_cache(maxsize=64)
def _counting_rule(power: int) -> tuple[FloatArray, FloatArray]:
    """Gauss rule for the sum over ``0 .. 2^power - 1``, exact for polynomials of degree 31."""
    number = 2.0**power
    k = np.arange(1.0, _NODES)
    off = 0.5 * k * np.sqrt((number - k) * (number + k) / (4.0 * k * k - 1.0))
    nodes, vectors = linalg.eigh_tridiagonal(np.full(_NODES, 0.5 * (number - 1.0)), off)
    return np.asarray(nodes, dtype=np.float64), number * np.asarray(vectors[0]) ** 2
