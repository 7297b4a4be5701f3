"""Degrees of freedom between the levels of nested grouping factors, and within them.

A column that is the same in all rows of each level of a factor is estimated between these levels:
at the coarsest factor of which that is so. Of the m_i levels of the i-th factor, from the outside
in, ``m_i - m_{i-1} - p_i`` degrees of freedom are left for the p_i columns that are estimated
there, and ``n - m_Q - p`` within the innermost levels for the others. Random slopes make no
difference: see :mod:`mixcheck.inference.containment` for a rule that knows them.

References
----------
Schluchter & Elashoff (1990), Journal of Statistical Computation and Simulation 37, 69-87; Pinheiro
& Bates (2000), Mixed-effects models in S and S-PLUS, section 2.4.2, of which the intercept alone
differs: it is the same within all levels, and is counted at the outermost factor.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mixcheck.arrays import BoolArray, FloatArray, IntArray
from mixcheck.errors import OptionError

__all__ = ["between_within_df"]

# Of its length: a column that differs by more within a level is not constant there.
_CONSTANT = 1e-9


def between_within_df(
    X: FloatArray, factors: Sequence[IntArray], total: float | None = None
) -> FloatArray:
    """Degrees of freedom of each column of a model matrix of full rank, (p,).

    ``m_i - m_{i-1} - p_i`` for the p_i columns that vary between the m_i levels of factor i (or
    rows), and not between those of a factor outside it; m_0 is zero.

    Parameters
    ----------
    X : (n, p)
    factors : sequence of (n,) int
        Level of each row, from zero.
    total : float, optional
        Number of observations that the rows stand for; n by default.

    Raises
    ------
    OptionError
        If the factors are not nested in each other.

    Examples
    --------
    Six groups of two, an intercept, a predictor of the groups, and one of the rows:

    >>> g = np.repeat(np.arange(6), 2)
    >>> X = np.column_stack([np.ones(12), g % 2, np.tile([0.0, 1.0], 6)])
    >>> between_within_df(X, [g])
    array([4., 4., 5.])
    """
    n, p = X.shape
    ordered = _from_outside(factors)
    sizes = [0, *(int(codes.max()) + 1 for codes in ordered), n if total is None else total]
    place = np.full(p, len(ordered))
    for i in range(len(ordered) - 1, -1, -1):
        place[_is_constant(X, ordered[i])] = i
    counts = np.bincount(place, minlength=len(ordered) + 1)
    at_each = np.diff(sizes) - counts
    out: FloatArray = np.maximum(at_each[place].astype(np.float64), 1.0)
    return out


def _from_outside(factors: Sequence[IntArray]) -> list[IntArray]:
    """Factors that differ, the coarsest first.

    Raises
    ------
    OptionError
    """
    ordered: list[IntArray] = []
    for codes in sorted(factors, key=lambda codes: int(codes.max())):
        if ordered and not _is_nested(codes, ordered[-1]):
            raise OptionError(
                'ddf="between-within" needs grouping factors that are nested in each other, and '
                'these are crossed; write ddf="containment"'
            )
        if not ordered or codes.max() > ordered[-1].max():
            ordered.append(codes)
    return ordered


def _is_nested(inner: IntArray, outer: IntArray) -> bool:
    """Whether each level of the inner factor lies in one of the outer factor."""
    first = np.zeros(int(inner.max()) + 1, dtype=np.intp)
    first[inner] = outer
    return bool(np.array_equal(first[inner], outer))


def _is_constant(X: FloatArray, codes: IntArray) -> BoolArray:
    """Which columns are the same in all rows of each level, (p,)."""
    one = np.empty((int(codes.max()) + 1, X.shape[1]))
    one[codes] = X
    sizes = np.abs(X).max(axis=0, initial=0.0)
    within: BoolArray = np.abs(X - one[codes]).max(axis=0) <= _CONSTANT * sizes
    return within
