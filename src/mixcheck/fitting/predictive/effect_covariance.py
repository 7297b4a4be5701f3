"""Covariances of random effects given the data and the estimates, by pairs of levels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mixcheck.arrays import FloatArray, IntArray
from mixcheck.fitting.latent.layout import Gram, Latent
from mixcheck.fitting.latent.roots import covariances_of_effects, units_of
from mixcheck.fitting.likelihood.mode import Mode

__all__ = ["EffectCovariance"]


@dataclass(frozen=True, eq=False)
class EffectCovariance:
    """``Lambda H^-1 Lambda'`` where it is asked for.

    Pairs of levels that meet in the data are entries of the factorised inverse; others are solved
    for, one system for each effect of a level.

    Attributes
    ----------
    latent : Latent
    mode : Mode
    """

    latent: Latent
    mode: Mode

    @cached_property
    def _entries(self) -> Gram:
        inverse = self.mode.system.factorization.inverse_entries()
        return covariances_of_effects(self.mode.roots, inverse)

    def between(self, f: int, left: IntArray, g: int, right: IntArray) -> FloatArray:
        """Covariances of the effects of levels of two factors, (n, q_f, q_g).

        Parameters
        ----------
        f, g : int
            Factors; of one factor, levels must be the same.
        left, right : (n,) int
            A level of each.
        """
        if f == g:
            return np.moveaxis(self._entries[f, f], 2, 0)[left]
        if f > g:
            return self.between(g, right, f, left).swapaxes(1, 2)
        out = np.empty((left.size, self.latent.factors[f].q, self.latent.factors[g].q))
        place = self._find_pairs(f, left, g, right)
        known = place >= 0
        if known.any():
            out[known] = np.moveaxis(self._entries[f, g], 2, 0)[place[known]]
        rest = np.flatnonzero(~known)
        if rest.size:
            out[rest] = self._solve(f, left[rest], g, right[rest])
        return out

    def _find_pairs(self, f: int, left: IntArray, g: int, right: IntArray) -> IntArray:
        """Number of each pair among those that meet, (n,); -1 for others."""
        pair = self.latent.pairs.get((f, g))
        if pair is None or not pair.left.size:
            return np.full(left.size, -1, dtype=np.intp)
        m = self.latent.factors[g].m
        keys, wanted = pair.left * m + pair.right, left * m + right
        order = np.argsort(keys, kind="stable")
        found = order[np.minimum(np.searchsorted(keys[order], wanted), keys.size - 1)]
        return np.where(keys[found] == wanted, found, -1)

    def _solve(self, f: int, left: IntArray, g: int, right: IntArray) -> FloatArray:
        """The same by columns of ``H^-1`` at the levels of one of the factors."""
        if np.unique(left).size < np.unique(right).size:
            return self._solve(g, right, f, left).swapaxes(1, 2)
        factorization = self.mode.system.factorization
        over, under = units_of(self.mode.roots[f]), units_of(self.mode.roots[g])
        out = np.empty((left.size, len(over), len(under)))
        for level in np.unique(right).tolist():
            rows = np.flatnonzero(right == level)
            for c in range(len(under)):
                rhs = self.latent.zeros()
                rhs[g][c, level] = 1.0
                out[rows, :, c] = factorization.solve(rhs)[f][:, left[rows]].T
        scaled: FloatArray = over @ out @ under.T
        return scaled
