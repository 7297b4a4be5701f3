"""Quantiles found from distribution functions, for many rows at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mixcheck.arrays import BoolArray, FloatArray, IntArray

__all__ = ["count_quantile", "find_crossing"]

# A bracket is doubled so often, and a root known to so much.
_DOUBLINGS = 60


def count_quantile(
    cdf: Callable[[FloatArray], FloatArray], n: int, size: FloatArray | None, p: float
) -> FloatArray:
    """``min {k: F(k) >= p}`` over whole numbers, (n,).

    Parameters
    ----------
    cdf : callable
        Probability of y or less, of all rows.
    n : int
        Number of rows.
    size : (n,) or None
        Largest responses.
    p : float
    """

    def reaches(k: FloatArray) -> BoolArray:
        return np.asarray(cdf(k) >= p)

    low = np.full(n, -1.0)
    high = np.ones(n) if size is None else size
    while size is None and not (done := reaches(high)).all() and np.isfinite(high).all():
        low, high = np.where(done, low, high), np.where(done, high, 2.0 * high)
    while (high - low).max(initial=0.0) > 1.0:
        middle = np.floor(0.5 * (low + high))
        done = reaches(middle)
        low, high = np.where(done, low, middle), np.where(done, middle, high)
    return high


def find_crossing(
    excess: Callable[[FloatArray, IntArray], FloatArray], n: int, tolerance: float
) -> FloatArray:
    """Where rising functions, one for each row, are zero, (n,).

    Parameters
    ----------
    excess : callable
        Of places and of the rows that they are those of.
    n : int
        Number of rows.
    tolerance : float
        Of the places, whose unit is one.
    """
    from scipy.optimize.elementwise import find_root

    rows = np.arange(n)
    low, high = np.full(n, -1.0), np.full(n, 1.0)
    for _ in range(_DOUBLINGS):
        short, beyond = excess(low, rows) >= 0.0, excess(high, rows) < 0.0
        if not (short.any() or beyond.any()):
            break
        low, high = (
            np.where(short, 2.0 * low, np.where(beyond, high, low)),
            np.where(beyond, 2.0 * high, np.where(short, low, high)),
        )

    def at(x: FloatArray, *row: FloatArray) -> FloatArray:
        return excess(x, row[0].astype(np.intp))

    places = rows.astype(np.float64)
    found = find_root(at, (low, high), args=(places,), tolerances={"xatol": tolerance})
    return np.asarray(found.x, dtype=np.float64)
