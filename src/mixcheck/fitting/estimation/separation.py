"""Separation: directions in which a linear predictor may run to infinity.

A direction d in the coefficients of one predictor separates the data if going along it never
lowers the likelihood and raises it for some row: rows whose log density rises towards minus
infinity have ``x'd <= 0``, rows whose log density rises towards infinity ``x'd >= 0``, and all
others ``x'd = 0``. Linear programmes find all rows that some such direction moves; along one
that moves them all, the likelihood tends to that of the other rows, so that what these do not
identify has no finite estimate.

Most data are not separated, and positive multipliers prove it without a programme: if
``sum_i m_i s_i x_i = 0`` with ``m_i > 0`` (s the sign of row i; any multiplier where there is
none), then no direction moves any row. The scores of a fit are all but such multipliers.

References
----------
Albert & Anderson (1984), Biometrika 71; Konis (2007), DPhil thesis, University of Oxford;
Geyer (2009), Electronic Journal of Statistics 3, 259-289.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mixcheck.arrays import BoolArray, FloatArray, IntArray
from mixcheck.design.rank import independent_columns
from mixcheck.design.sparse_columns import sparse_columns
from mixcheck.fitting.latent.weighted_square import weighted_square
from mixcheck.trial_values import binary_exponents

__all__ = ["Evidence", "Separation", "find_separation", "is_certain"]

# Movements of a row, columns being scaled to a mean square of one, below this are rounding.
_TOLERANCE = 1e-7
_FEASIBLE = 1e-9
_ROUNDING = 1e-9
# Rows that a programme begins with and is given more of, where they are many.
_CHUNK = 3_000
# Entries of a null vector below this, in units of its largest, are rounding.
_NEGLIGIBLE = 1e-8
# A score moves a row's multiplier by at most this share of it.
_CERTAIN = 0.9
# A Cholesky factor of a scaled Gram matrix above this on its diagonal has full rank.
_CERTAIN_RANK = 1e-5


@dataclass(frozen=True, eq=False)
class Separation:
    """Coefficients without a finite estimate.

    Attributes
    ----------
    columns : tuple of int
        Columns of X whose coefficients the other rows do not identify.
    complete : bool
        Whether no row is left to identify anything.
    dropped : tuple of int
        Columns without which the other rows identify all coefficients.
    basis : (p, r)
        Null vectors of the other rows, each with a one in one of `dropped`.
    rows : (n,) bool
        Rows that are moved.
    direction : (p,)
        Moves each of `rows` by one or more towards its end, and no other row; zero where no
        row is moved and the columns are only not identified.
    unseen : tuple of int
        Columns that no row identifies, moved or not.
    """

    columns: tuple[int, ...]
    complete: bool
    dropped: tuple[int, ...]
    basis: FloatArray
    rows: BoolArray
    direction: FloatArray
    unseen: tuple[int, ...] = ()

    def among(self, places: IntArray, p: int) -> Separation:
        """The same where X has other columns too, p in all, whose coefficients are known.

        Parameters
        ----------
        places : (p',) int
            Where the columns stand among all.
        p : int
        """
        basis, direction = np.zeros((p, self.basis.shape[1])), np.zeros(p)
        basis[places], direction[places] = self.basis, self.direction
        columns, dropped, unseen = (
            tuple(places[list(part)].tolist()) for part in (self.columns, self.dropped, self.unseen)
        )
        return Separation(columns, False, dropped, basis, self.rows, direction, unseen)


def find_separation(
    X: FloatArray,
    lowest: BoolArray,
    highest: BoolArray,
    free: BoolArray | None = None,
    slopes: FloatArray | None = None,
) -> Separation | None:
    """Find the columns of X whose coefficients have no finite estimate.

    Parameters
    ----------
    X : (n, p)
    lowest, highest : (n,) bool
        Rows whose log density never falls as their predictor goes to minus infinity, or to
        infinity.
    free : (n,) bool, optional
        Rows whose log density does not depend on the predictor at all.
    slopes : (n,), optional
        Derivative of each row's log density near the optimum, which may save the programme.

    Returns
    -------
    Separation or None
    """
    signs = highest.astype(np.float64) - lowest
    counted = np.ones(signs.size, dtype=np.bool_) if free is None else ~free
    inside = counted & (signs == 0.0)
    if X.shape[1] == 0 or (inside.any() and independent_columns(X[inside]).all()):
        return None
    # In units of a power of two, so that no square overflows or vanishes.
    units = -binary_exponents(X, axis=0)
    X = np.ldexp(X, units)
    if slopes is not None and _excluded(X, signs, counted, slopes):
        return None
    ends = np.flatnonzero(counted & (signs != 0.0))
    moved = np.zeros(signs.size, dtype=np.bool_)
    basis, _ = _null_space(X[inside])
    moved[ends] = _moved(signs[ends, None] * (X[ends] @ basis), slopes, ends)
    left = counted & ~moved
    basis, dropped = _null_space(X[left])
    if not dropped:
        return None
    rows = np.flatnonzero(moved)
    direction = basis @ _widest(signs[rows, None] * (X[rows] @ basis))
    named = _columns_of(X, basis)
    # What the moved rows would not identify either is not lost to them.
    unseen = _columns_of(X, _null_space(X[counted])[0])
    basis = np.ldexp(basis, units[:, None] - units[list(dropped)])
    direction = np.ldexp(direction, units)
    return Separation(named, not left.any(), dropped, basis, moved, direction, unseen)


def _columns_of(X: FloatArray, basis: FloatArray) -> tuple[int, ...]:
    """Columns of X that null vectors, (p, r), make use of."""
    parts = np.abs(basis * np.sqrt(np.mean(X * X, axis=0))[:, None])
    named = (parts > _NEGLIGIBLE * parts.max(axis=0, initial=0.0)).any(axis=1)
    return tuple(np.flatnonzero(named).tolist())


@dataclass(frozen=True, eq=False)
class Evidence:
    """Sums over rows that may prove that no direction moves any of them; those of parts add.

    Attributes
    ----------
    balanced : bool
        Whether the score of every row at an end points to that end.
    gram : (p, p)
        ``X' diag(|score|) X``, rows inside with a weight of one.
    pull : (p,)
        ``X' score``.
    """

    balanced: bool
    gram: FloatArray
    pull: FloatArray

    @classmethod
    def of(
        cls, X: FloatArray, signs: FloatArray, counted: BoolArray, slopes: FloatArray
    ) -> Evidence:
        """Of the rows of X, (n, p), with their ends and scores."""
        ends = counted & (signs != 0.0)
        score = np.where(counted, slopes, 0.0)
        if not (np.isfinite(score).all() and ((score * signs > 0.0) | ~ends).all()):
            return cls(False, np.zeros((X.shape[1],) * 2), np.zeros(X.shape[1]))
        weight = np.abs(score)
        weight[counted & ~ends] = 1.0
        known = sparse_columns(X)
        return cls(True, weighted_square(known, weight), known.T @ score)

    def __add__(self, other: Evidence) -> Evidence:
        return Evidence(
            self.balanced and other.balanced, self.gram + other.gram, self.pull + other.pull
        )

    def step(self) -> FloatArray | None:
        """Changes s of multipliers, ``1 - x's`` each, that balance every column; None for none."""
        if not self.balanced:
            return None
        scale = np.sqrt(np.maximum(np.diag(self.gram), 1e-300))
        try:
            lower = np.linalg.cholesky(self.gram / np.outer(scale, scale))
        except np.linalg.LinAlgError:
            return None
        if np.diag(lower).min(initial=np.inf) < _CERTAIN_RANK:
            return None
        out: FloatArray = np.linalg.solve(lower.T, np.linalg.solve(lower, self.pull / scale))
        return out / scale


def is_certain(X: FloatArray, step: FloatArray, ends: BoolArray) -> bool:
    """Whether no multiplier of a row at an end is turned round by a step."""
    return bool(np.abs(sparse_columns(X) @ step)[ends].max(initial=0.0) < _CERTAIN)


def _excluded(X: FloatArray, signs: FloatArray, counted: BoolArray, slopes: FloatArray) -> bool:
    """Whether scores are close enough to positive multipliers that balance every column."""
    step = Evidence.of(X, signs, counted, slopes).step()
    return step is not None and is_certain(X, step, counted & (signs != 0.0))


def _null_space(X: FloatArray) -> tuple[FloatArray, tuple[int, ...]]:
    """Null vectors of X, (p, r), each with a one in a column that may be dropped for it.

    A column that depends on those kept is ``x_j = X_k w``, and its null vector ``e_j - w``.
    """
    p = X.shape[1]
    if X.shape[0] == 0:
        return np.eye(p), tuple(range(p))
    scale = np.sqrt(np.mean(X * X, axis=0))
    zero = scale == 0.0
    kept = np.zeros(p, dtype=np.bool_)
    kept[~zero] = independent_columns(X[:, ~zero])
    dropped = np.flatnonzero(~kept)
    basis = np.zeros((p, dropped.size))
    basis[dropped, np.arange(dropped.size)] = 1.0
    if dropped.size and kept.any():
        units = X[:, kept] / scale[kept]
        weights = np.linalg.lstsq(units, X[:, dropped], rcond=None)[0]
        size = np.abs(weights).max(axis=0, initial=0.0)
        weights[np.abs(weights) < _NEGLIGIBLE * np.maximum(size, 1e-300)] = 0.0
        basis[kept] = -weights / scale[kept, None]
    return basis, tuple(dropped.tolist())


def _moved(margins: FloatArray, slopes: FloatArray | None, rows: IntArray) -> BoolArray:
    """Rows of ``margins c`` that are positive for some c for which none is negative, (m,).

    A direction that moves most, then one for the rows that it leaves, until none is found:
    the first ones taken far enough outweigh whatever later ones do to their rows.
    """
    m, r = margins.shape
    moved = np.zeros(m, dtype=np.bool_)
    if m == 0 or r == 0:
        return moved
    size = np.sqrt(np.mean(margins * margins, axis=0))
    if not size.any():
        return moved
    margins = margins[:, size > 0.0] / size[size > 0.0]
    order = np.arange(m) if slopes is None else np.argsort(np.abs(slopes[rows]), kind="stable")
    for _ in range(r):
        left = order[~moved[order]]
        if left.size == 0:
            break
        if slopes is not None and moved.any():
            every = np.ones(left.size, dtype=np.bool_)
            if _excluded(margins[left], np.ones(left.size), every, np.abs(slopes[rows][left])):
                break
        scaled = _orthogonal(margins[left])
        if scaled is None:
            break
        along = scaled @ _push(scaled)
        found = along > _TOLERANCE
        if not found.any():
            break
        moved[left[found]] = True
    return moved


def _orthogonal(margins: FloatArray) -> FloatArray | None:
    """A basis of the columns with a mean square of one; None where all are rounding.

    ``sqrt(m) U`` of the singular value decomposition ``U C V'``, without what is rounding.
    """
    left, values, _ = np.linalg.svd(margins, full_matrices=False)
    real = values > _ROUNDING * max(values[0], np.sqrt(margins.shape[0]))
    if not real.any():
        return None
    basis: FloatArray = left[:, real] * np.sqrt(margins.shape[0])
    return basis


def _push(margins: FloatArray) -> FloatArray:
    """The c within a box that moves all rows most in sum and none backwards, (r,).

    ``max sum_i m_i'c`` with ``m_i'c >= 0`` for all rows and ``|c_j| <= 1``: a linear programme,
    solved with the rows that are found to matter.
    """
    from scipy.optimize import linprog

    m, r = margins.shape
    total = -margins.sum(axis=0)
    taken = np.arange(m) < _CHUNK
    while True:
        solution = linprog(
            total,
            A_ub=-margins[taken],
            b_ub=np.zeros(int(taken.sum())),
            bounds=[(-1.0, 1.0)] * r,
            method="highs",
            options={"primal_feasibility_tolerance": _FEASIBLE},
        )
        if not solution.success or solution.x is None:
            return np.zeros(r)
        c = np.asarray(solution.x, dtype=np.float64)
        along = margins @ c
        behind = np.flatnonzero((along < -_TOLERANCE) & ~taken)
        if behind.size == 0:
            return c
        taken[behind[np.argsort(along[behind], kind="stable")[:_CHUNK]]] = True


def _widest(margins: FloatArray) -> FloatArray:
    """The c that moves every row by one or more, and none by much more than another, (r,).

    ``max t`` with ``t <= m_i'c <= 1`` for all rows, then ``c / t``; zero where there is none.
    """
    from scipy.optimize import linprog

    m, r = margins.shape
    if m == 0 or r == 0:
        return np.zeros(r)
    if r == 1:
        nearest: FloatArray = margins[np.abs(margins).argmin(axis=0)].ravel()
        return 1.0 / nearest
    distinct = np.unique(margins, axis=0)
    scale = np.maximum(np.abs(distinct).max(axis=0), 1e-300)
    scaled = distinct / scale
    ones = np.ones((scaled.shape[0], 1))
    # Largest t with t <= margin <= 1 in every row.
    solution = linprog(
        np.append(np.zeros(r), -1.0),
        A_ub=np.vstack([np.hstack([-scaled, ones]), np.hstack([scaled, 0.0 * ones])]),
        b_ub=np.repeat([0.0, 1.0], scaled.shape[0]),
        bounds=[(None, None)] * r + [(None, 1.0)],
        method="highs",
        options={"primal_feasibility_tolerance": _FEASIBLE},
    )
    if not solution.success or solution.x is None:
        return np.zeros(r)
    c = np.asarray(solution.x[:r], dtype=np.float64) / scale
    least = float((margins @ c).min())
    return c / least if least > 0.0 else np.zeros(r)
