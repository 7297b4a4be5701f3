"""Separation: predictors that send a linear predictor to infinity.

A direction gamma in the column space of X separates the data if moving along it never
lowers the likelihood and raises it for some row: rows at the lower end of the support
(no successes, a zero count) have ``x'gamma <= 0``, rows at the upper end (all successes)
``x'gamma >= 0``, all others zero. A linear programme finds one.

References
----------
Albert & Anderson (1984), Biometrika 71; Konis (2007), DPhil thesis, University of Oxford.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mixcheck.arrays import BoolArray, FloatArray

__all__ = ["Separation", "find_separation"]

_TOLERANCE = 1e-7
# Distinct rows beyond which the programme is not tried.
_MOST_ROWS = 50_000


@dataclass(frozen=True, eq=False)
class Separation:
    """A separating direction.

    Attributes
    ----------
    columns : tuple of int
        Columns of X that take part.
    complete : bool
        Whether every row is predicted perfectly along it.
    """

    columns: tuple[int, ...]
    complete: bool


def find_separation(X: FloatArray, lowest: BoolArray, highest: BoolArray) -> Separation | None:
    """Find the columns of X whose coefficients have no finite estimate.

    Parameters
    ----------
    X : (n, p)
    lowest, highest : (n,) bool
        Rows at the lower and upper end of the support.

    Returns
    -------
    Separation or None
        None without separation, or where the problem is too large to tell.
    """
    from scipy.optimize import linprog

    ends = np.where(lowest, -1, 0) + np.where(highest, 1, 0)
    rows = np.unique(np.column_stack([ends, X]), axis=0)
    if rows.shape[0] > _MOST_ROWS:
        return None
    scale = np.maximum(np.abs(X).max(axis=0), 1e-300)
    signs, matrix = rows[:, 0], rows[:, 1:] / scale
    at_end = signs != 0
    directed = matrix[at_end] * signs[at_end, None]
    if not at_end.any():
        return None
    inside = matrix[~at_end]
    solution = linprog(
        -directed.sum(axis=0),
        A_ub=-directed,
        b_ub=np.zeros(directed.shape[0]),
        A_eq=inside if inside.size else None,
        b_eq=np.zeros(inside.shape[0]) if inside.size else None,
        bounds=[(-1.0, 1.0)] * X.shape[1],
        method="highs",
    )
    if not solution.success or solution.x is None:
        return None
    direction = np.asarray(solution.x, dtype=np.float64)
    if (directed @ direction).sum() < _TOLERANCE:
        return None
    columns = tuple(np.flatnonzero(np.abs(direction) > _TOLERANCE).tolist())
    return Separation(columns, bool(at_end.all()) and _has_margin(directed))


def _has_margin(directed: FloatArray) -> bool:
    """Whether some direction moves every row by a positive amount."""
    from scipy.optimize import linprog

    n, p = directed.shape
    solution = linprog(
        np.append(np.zeros(p), -1.0),
        A_ub=np.column_stack([-directed, np.ones(n)]),
        b_ub=np.zeros(n),
        bounds=[(-1.0, 1.0)] * p + [(None, 1.0)],
        method="highs",
    )
    return bool(solution.success and solution.fun is not None and solution.fun < -_TOLERANCE)
