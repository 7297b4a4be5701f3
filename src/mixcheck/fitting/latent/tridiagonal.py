"""A long tridiagonal matrix, factored: what a chain of neighbours leaves of the latent system."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.linalg import lapack

from mixcheck.arrays import FloatArray, IntArray

__all__ = [
    "Runs",
    "Tridiagonal",
    "differentiate_log_det",
    "factor_tridiagonal",
    "multiply_blocks",
    "trace_of_products",
]


@dataclass(frozen=True, eq=False)
class Runs:
    """Entries of a coupling in an order in which the positions of a block follow each other.

    Attributes
    ----------
    order : (P,) int
        Entry at each place of that order.
    places : (P,) int
        Position of the entry at each place.
    """

    order: IntArray
    places: IntArray


@dataclass(frozen=True, eq=False)
class Tridiagonal:
    """A positive tridiagonal matrix as ``G D G' = L L'``, G unit lower bidiagonal.

    Attributes
    ----------
    pivots : (m,)
        D.
    ratios : (m,)
        What is below the diagonal of G; zero where a block ends.
    """

    pivots: FloatArray
    ratios: FloatArray

    @cached_property
    def band(self) -> FloatArray:
        """``L = G D^1/2``: its diagonal, and what is below it, (2, m)."""
        diagonal = np.sqrt(self.pivots)
        return np.asfortranarray(np.stack([diagonal, self.ratios * diagonal]))

    def log_determinant(self) -> float:
        """``log det(L L')``."""
        return float(np.log(self.pivots).sum())

    def solve(self, rows: FloatArray) -> FloatArray:
        """``(L L')^-1 b`` for each row b, (s, m), of which every position is there once."""
        x, _ = lapack.dpttrs(self.pivots, self.ratios[:-1], rows.T)
        return np.asarray(x).T

    def substitute(self, stack: FloatArray, runs: Runs | None, *, transposed: bool) -> FloatArray:
        """``L^-1 B`` or ``L^-T B`` for columns B, (1, s, P).

        Parameters
        ----------
        stack : (1, s, P)
        runs : Runs or None
            Where B has the positions of a block once for each of several levels; None where it
            has every position once, in order.
        transposed : bool
        """
        trans = "T" if transposed else "N"
        if runs is None:
            x, _ = lapack.dtbtrs(self.band, stack[0].T, uplo="L", trans=trans)
            return np.asarray(x).T[None]
        band = self.band[:, runs.places]
        x, _ = lapack.dtbtrs(band, stack[0][:, runs.order].T, uplo="L", trans=trans)
        out = np.empty_like(stack)
        out[0][:, runs.order] = np.asarray(x).T
        return out

    @cached_property
    def squared_ratios(self) -> FloatArray:
        """The unit bidiagonal matrix with ``-g^2`` below its diagonal, as a band, (2, m)."""
        unit = np.empty((2, self.pivots.size), order="F")
        unit[0], unit[1] = 1.0, -np.square(self.ratios)
        return unit

    @cached_property
    def inverse(self) -> tuple[FloatArray, FloatArray]:
        """Entries of ``(L L')^-1`` on its diagonal and beside it, (m,) each.

        With d in D and g in G: ``V_tt = 1 / d_t + g_t^2 V_(t+1)(t+1)``,
        ``V_t(t+1) = -g_t V_(t+1)(t+1)``.
        """
        rhs = 1.0 / self.pivots[:, None]
        x, _ = lapack.dtbtrs(self.squared_ratios, rhs, uplo="L", trans="T", diag="U")
        diagonal = np.asarray(x)[:, 0]
        beside = np.empty_like(diagonal)
        np.multiply(-self.ratios[:-1], diagonal[1:], out=beside[:-1])
        beside[-1] = 0.0
        return diagonal, beside


def factor_tridiagonal(diagonal: FloatArray, beside: FloatArray) -> Tridiagonal | None:
    """Factor a matrix with this diagonal and this beside it, (m,) each; None if not positive."""
    ratios = beside.copy()
    pivots, ratios[:-1], info = lapack.dpttrf(diagonal, ratios[:-1], overwrite_e=1)
    # What is not finite stays so in all pivots after it.
    return Tridiagonal(pivots, ratios) if info == 0 and np.isfinite(pivots.sum()) else None


def multiply_blocks(diagonal: FloatArray, beside: FloatArray, w: FloatArray) -> FloatArray:
    """A symmetric tridiagonal matrix of q positions times each block of w, (.., B q).

    Parameters
    ----------
    diagonal, beside : (q,)
        The last entry of what is beside the diagonal is zero.
    w : (.., B q)
    """
    x = w.reshape(-1, diagonal.size)
    out: FloatArray = diagonal * x
    if beside.any():
        out[:, :-1] += beside[:-1] * x[:, 1:]
        out[:, 1:] += beside[:-1] * x[:, :-1]
    return out.reshape(w.shape)


def _pivot_slopes(matrix: Tridiagonal, diagonals: FloatArray, besides: FloatArray) -> FloatArray:
    """Derivatives of the pivots, (s, m).

    With the diagonal a and b beside it ``d_t = a_t - b^2 / d``, where b and d without an index are
    those before t. With ``g = b / d`` their slopes are ``d_t' = a_t' - 2 g b' + g^2 d'``: a
    bidiagonal system.

    Parameters
    ----------
    matrix : Tridiagonal
    diagonals, besides : (s, m), (k, m)
        Derivatives of a and, of the last k of them, of b; that of the others is zero.
    """
    rhs, k = np.array(diagonals), len(besides)
    if k:
        rhs[-k:, 1:] -= 2.0 * matrix.ratios[:-1] * besides[:, :-1]
    x, _ = lapack.dtbtrs(matrix.squared_ratios, rhs.T, uplo="L", diag="U", overwrite_b=1)
    return np.asarray(x).T


def trace_of_products(
    matrix: Tridiagonal, diagonals: FloatArray, besides: FloatArray
) -> FloatArray:
    """``tr(V T_i V T_j)`` of symmetric tridiagonal matrices T_i, (s, s), V the inverse of one.

    It is ``-d^2 log det`` where the entries move along straight lines. There the second derivatives
    of the pivots follow from ``d_t,ij = -2 c_i c_j / d + g^2 d_ij`` with ``c_i = b_i - g d_i``, and
    the sum of ``d_t,ij / d_t`` is that of the first summands times the diagonal of V.

    Parameters
    ----------
    matrix : Tridiagonal
    diagonals, besides : (s, m), (k, m)
        Diagonals of T_i and, of the last k of them, what is beside them; the others are diagonal.
    """
    moved, k = _pivot_slopes(matrix, diagonals, besides), len(besides)
    weight = np.sqrt(2.0 * matrix.inverse[0][1:] / matrix.pivots[:-1])
    crossed = moved[:, :-1] * (-matrix.ratios[:-1] * weight)
    if k:
        crossed[-k:] += besides[:, :-1] * weight
    moved /= matrix.pivots
    out: FloatArray = moved @ moved.T + crossed @ crossed.T
    return out


def differentiate_log_det(
    matrix: Tridiagonal, slopes: FloatArray, bends: FloatArray, counts: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Derivatives of ``sum_t n_t log d_t``, (k,) and (k, k), d the pivots of a matrix.

    Parameters
    ----------
    matrix : Tridiagonal
    slopes, bends : (k, 2, m), (k, k, 2, m)
        Derivatives of its diagonal and of what is beside it.
    counts : (m,)
        n, the same within a block.
    """
    k = len(slopes)
    out, twice = np.zeros(k), np.zeros((k, k))
    if not k:
        return out, twice
    g, d = matrix.ratios[:-1], matrix.pivots[:-1]
    moved = _pivot_slopes(matrix, slopes[:, 0], slopes[:, 1])
    crossed, relative = slopes[:, 1, :-1] - g * moved[:, :-1], moved / matrix.pivots
    variances = counts * matrix.inverse[0]
    out[:] = relative @ counts
    for i in range(k):
        for j in range(i + 1):
            further = np.array(bends[i, j, 0])
            further[1:] -= 2.0 * (crossed[i] * crossed[j] / d + g * bends[i, j, 1, :-1])
            value = float(variances @ further) - float(counts @ (relative[i] * relative[j]))
            twice[i, j] = twice[j, i] = value
    return out, twice
