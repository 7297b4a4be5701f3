"""A long tridiagonal matrix, factored: what a chain of neighbours leaves of the latent system."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.linalg import lapack

from mixcheck.arrays import FloatArray, IntArray

__all__ = ["Runs", "Tridiagonal", "factor_tridiagonal"]


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
    def inverse(self) -> tuple[FloatArray, FloatArray]:
        """Entries of ``(L L')^-1`` on its diagonal and beside it, (m,) each.

        With d in D and g in G: ``V_tt = 1 / d_t + g_t^2 V_(t+1)(t+1)``,
        ``V_t(t+1) = -g_t V_(t+1)(t+1)``.
        """
        unit = np.empty((2, self.pivots.size), order="F")
        unit[0], unit[1] = 1.0, -np.square(self.ratios)
        x, _ = lapack.dtbtrs(unit, 1.0 / self.pivots[:, None], uplo="L", trans="T", diag="U")
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
