"""Correlations of positions in order by their inverse: tridiagonal, and the same in each block.

With ``K^-1 = P = L L'``, L lower bidiagonal, a root of K is ``A = L^-T``. All that a
`Dependence` answers follows from the entries of P and their derivatives.
"""

from __future__ import annotations

from functools import cached_property
from typing import final

import numpy as np
from scipy.linalg import lapack

from mixcheck.arrays import FloatArray
from mixcheck.design.levels import Dependence

__all__ = ["Chain"]


@final
class Chain(Dependence):
    """m independent blocks of q positions.

    Parameters
    ----------
    diagonal, beside : (q,)
        Of P of one block; the last entry of what is beside the diagonal is zero.
    slopes, bends : (k, 2, q), (k, k, 2, q)
        First and second derivatives of both in the parameters of K.
    m : int

    Examples
    --------
    >>> import numpy as np
    >>> beside = np.array([-0.5, -0.5, 0.0])
    >>> chain = Chain(np.ones(3), beside, np.zeros((0, 2, 3)), np.zeros((0, 0, 2, 3)), 2)
    >>> chain.variances()
    array([1.5, 2. , 1.5, 1.5, 2. , 1.5])
    """

    __slots__ = ("__dict__", "bends", "beside", "diagonal", "m", "slopes")

    def __init__(
        self,
        diagonal: FloatArray,
        beside: FloatArray,
        slopes: FloatArray,
        bends: FloatArray,
        m: int,
    ) -> None:
        self.diagonal, self.beside, self.slopes, self.bends = diagonal, beside, slopes, bends
        self.m, self.n_parameters = m, len(slopes)

    @property
    def _q(self) -> int:
        return self.diagonal.size

    @cached_property
    def _root(self) -> FloatArray:
        """L of one block: its diagonal, and what is below it, (2, q)."""
        q = self._q
        # LAPACK wants an entry beside the diagonal of a single position, too.
        pivots, ratios, info = lapack.dpttrf(self.diagonal, self.beside[: max(q - 1, 1)])
        diagonal = np.sqrt(pivots) if info == 0 else np.full(q, np.nan)
        # At the end of the parameters what is not a number ends the step.
        below = np.append(ratios[: q - 1], 0.0) * diagonal
        return np.asfortranarray(np.stack([diagonal, below]))

    def _apart(self, w: FloatArray) -> FloatArray:
        return w.reshape(-1, self._q)

    def _substitute(self, rhs: FloatArray, trans: str) -> FloatArray:
        x, _ = lapack.dtbtrs(self._root, self._apart(rhs).T, uplo="L", trans=trans)
        out: FloatArray = np.asarray(x).T.reshape(rhs.shape)
        return out

    def spread(self, e: FloatArray) -> FloatArray:
        """``L^-T e``."""
        return self._substitute(e, "T")

    def spread_transposed(self, s: FloatArray) -> FloatArray:
        """``L^-1 s``."""
        return self._substitute(s, "N")

    def whiten(self, w: FloatArray) -> FloatArray:
        """``L' w``."""
        x, (diagonal, below) = self._apart(w), self._root
        out: FloatArray = diagonal * x
        out[:, :-1] += below[:-1] * x[:, 1:]
        return out.reshape(w.shape)

    def whiten_transposed(self, r: FloatArray) -> FloatArray:
        """``L r``."""
        x, (diagonal, below) = self._apart(r), self._root
        out: FloatArray = diagonal * x
        out[:, 1:] += below[:-1] * x[:, :-1]
        return out.reshape(r.shape)

    def log_det(self) -> float:
        """``-2 m sum log L_tt``."""
        return -2.0 * self.m * float(np.log(self._root[0]).sum())

    @cached_property
    def _covariance(self) -> FloatArray:
        """K of one block on its diagonal, and beside it, (2, q)."""
        (diagonal, below), q = self._root, self._q
        out = np.zeros((2, q))
        out[0, -1] = diagonal[-1] ** -2.0
        # From ``L'K = L^-1``: K_t(t+1) = -g K_(t+1)(t+1) and K_tt = 1 / L_tt^2 - g K_t(t+1).
        for t in range(q - 2, -1, -1):
            g = below[t] / diagonal[t]
            out[1, t] = -g * out[0, t + 1]
            out[0, t] = diagonal[t] ** -2.0 - g * out[1, t]
        return out

    def variances(self) -> FloatArray:
        """Diagonal of K."""
        return np.tile(self._covariance[0], self.m)

    def precision(self) -> tuple[FloatArray, FloatArray]:
        """Diagonal and what is beside it, (m q,) each."""
        return np.tile(self.diagonal, self.m), np.tile(self.beside, self.m)

    def precision_derivatives(self) -> tuple[FloatArray, FloatArray]:
        """Those of one block, again and again."""
        return np.tile(self.slopes, self.m), np.tile(self.bends, self.m)

    def precision_slope(self, v: FloatArray, w: FloatArray) -> FloatArray:
        """``d<v, P w>``."""
        v, w = self._apart(v), self._apart(w)
        sums = np.zeros((2, self._q))
        sums[0] = np.einsum("bt,bt->t", v, w)
        sums[1, :-1] = np.einsum("bt,bt->t", v[:, 1:], w[:, :-1])
        sums[1, :-1] += np.einsum("bt,bt->t", v[:, :-1], w[:, 1:])
        out: FloatArray = np.einsum("kct,ct->k", self.slopes, sums)
        return out

    def log_det_slope(self, diagonal: FloatArray, beside: FloatArray) -> FloatArray:
        """``tr V dP - m tr K dP``."""
        sums = np.stack([self._apart(part).sum(axis=0) for part in (diagonal, beside)])
        sums -= self.m * self._covariance
        sums[1] *= 2.0
        out: FloatArray = np.einsum("kct,ct->k", self.slopes, sums)
        return out
