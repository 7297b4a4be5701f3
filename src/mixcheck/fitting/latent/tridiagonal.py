"""A long tridiagonal matrix, factored: what a chain of neighbours leaves of the latent system."""

from __future__ import annotations

from dataclasses import dataclass

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
    """Lower bidiagonal Cholesky factor L of a positive tridiagonal matrix.

    Attributes
    ----------
    band : (2, m)
        Its diagonal, and what is below it; zero where a block ends.
    """

    band: FloatArray

    def log_determinant(self) -> float:
        """``log det(L L')``."""
        return 2.0 * float(np.log(self.band[0]).sum())

    def solve(self, stack: FloatArray, runs: Runs | None, *, transposed: bool) -> FloatArray:
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

    def inverse(self) -> tuple[FloatArray, FloatArray]:
        """Entries of ``(L L')^-1`` on its diagonal and beside it, (m,) each.

        With ``g_t = b_t / a_t``: ``V_tt = 1 / a_t^2 + g_t^2 V_(t+1)(t+1)``,
        ``V_t(t+1) = -g_t V_(t+1)(t+1)``.
        """
        a, b = self.band
        ratio = b / a
        unit = np.stack([np.ones_like(a), -np.square(ratio)])
        x, _ = lapack.dtbtrs(unit, a[:, None] ** -2, uplo="L", trans="T", diag="U")
        diagonal = np.asarray(x)[:, 0]
        return diagonal, -ratio * np.append(diagonal[1:], 0.0)


def factor_tridiagonal(diagonal: FloatArray, beside: FloatArray) -> Tridiagonal | None:
    """Factor a matrix with this diagonal and this beside it, (m,) each; None if not positive."""
    if not np.isfinite(diagonal).all():
        return None
    d, e, info = lapack.dpttrf(diagonal, beside[:-1])
    if info != 0:
        return None
    a = np.sqrt(d)
    return Tridiagonal(np.asfortranarray(np.stack([a, np.append(e * a[:-1], 0.0)])))
