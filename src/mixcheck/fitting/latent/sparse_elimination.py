"""The latent system of crossed effects that meet few others: sparse but for a dense core.

:mod:`mixcheck.fitting.latent.elimination_rounds` plans the order. Of the inverse the entries of
the filled pattern are found in the reverse order (Takahashi's recursion), of which those on pairs
of levels that meet are a part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import lapack

from mixcheck.arrays import FloatArray
from mixcheck.fitting.latent.layout import Gram, Latent
from mixcheck.fitting.latent.one_vector import OneVector, entries_by_pair, flatten

__all__ = ["SparseElimination", "eliminate_sparsely"]


@dataclass(frozen=True, eq=False)
class SparseElimination(OneVector):
    """``H = L L'`` by rounds of single effects and a dense core; a `Factorization`.

    Attributes
    ----------
    latent : Latent
        With a plan.
    values : (start,) array
        Entries of L outside the core: of the diagonal, and beside it, at their places.
    core : (Q, Q)
        L of the core; what is above its diagonal is not read.
    whole : Latent
        That of the plan: `latent`, or it with fixed effects, which are the last of the core.
    """

    latent: Latent
    values: FloatArray
    core: FloatArray
    whole: Latent

    @property
    def corner(self) -> FloatArray:
        """L of the core, of which the fixed effects are the last."""
        return self.core

    def log_det(self) -> float:
        """``log det H``."""
        outside = [self.values[r.diagonal] for r in self.whole.plan.rounds]
        logs = np.log(np.concatenate([*outside, self.core.diagonal()]))
        return 2.0 * float(logs.sum())

    def solve(self, rhs: Sequence[FloatArray]) -> list[FloatArray]:
        """``H^-1 b``."""
        x, plan = self._flat(rhs), self.whole.plan
        for r in plan.rounds:
            x[r.effects] /= self.values[r.diagonal]
            moved = self.values[r.beside] * x[r.effects][r.owner]
            x -= np.bincount(r.others, moved, x.size)
        inner = plan.core[: len(self.core)]
        x[inner] = lapack.dpotrs(self.core, x[inner], lower=1)[0]
        return self._back(x)

    def apply_inverse_root(self, white: Sequence[FloatArray]) -> list[FloatArray]:
        """``L^-T e``."""
        x = self._flat(white)
        inner = self.whole.plan.core[: len(self.core)]
        x[inner] = lapack.dtrtrs(self.core, x[inner], lower=1, trans=1)[0]
        return self._back(x)

    def _flat(self, parts: Sequence[FloatArray]) -> FloatArray:
        """All effects in one vector, with zeros for fixed ones that are held."""
        out = np.zeros(self.whole.size)
        out[: self.latent.size] = np.concatenate([part.ravel() for part in parts])
        return out

    def _back(self, x: FloatArray) -> list[FloatArray]:
        """Substitution from the core to the first round, and one array a factor."""
        for r in reversed(self.whole.plan.rounds):
            known = np.bincount(r.owner, self.values[r.beside] * x[r.others], r.effects.size)
            x[r.effects] = (x[r.effects] - known) / self.values[r.diagonal]
        return self.by_factor(x)

    def inverse_entries(self) -> Gram:
        """Blocks of ``H^-1`` on the pairs of levels that meet, as a Gram."""
        plan = self.whole.plan
        found = np.zeros(plan.start + plan.core.size**2)
        inner, size = found[plan.start :].reshape(plan.core.size, plan.core.size).T, len(self.core)
        inverse, info = lapack.dpotri(self.core, lower=1)
        if info != 0:
            raise np.linalg.LinAlgError("singular latent system")
        inner[:size, :size] = inverse
        for r in reversed(plan.rounds):
            c, root = self.values[r.beside], self.values[r.diagonal]
            pairs, own = np.split(found[r.places], [r.first.size])
            total = c * own
            total += np.bincount(r.first, c[r.second] * pairs, c.size)
            total += np.bincount(r.second, c[r.first] * pairs, c.size)
            beside = -total / root[r.owner]
            found[r.beside] = beside
            left = np.bincount(r.owner, c * beside, root.size)
            found[r.diagonal] = (1.0 / root - left) / root
        return entries_by_pair(self.latent, found[self.whole.plan_places])

    def random_part(self) -> SparseElimination:
        """The factors of the system of the random effects alone, fixed effects held."""
        latent = self.latent.random
        if latent is None:
            return self
        values = self.values.copy()
        for r in self.whole.plan.rounds:
            values[r.beside[r.others >= latent.size]] = 0.0
        # The fixed effects come last, and the pairs of random ones first.
        size = len(self.core) - (self.latent.size - latent.size)
        core = np.asfortranarray(self.core[:size, :size])
        return SparseElimination(latent, values, core, self.whole)


def eliminate_sparsely(latent: Latent, system: Gram) -> SparseElimination | None:
    """Factor H, given on the pairs of levels that meet; None if it is not positive definite."""
    plan = latent.plan
    values = np.zeros(plan.start + plan.core.size**2)
    values[latent.plan_places] = flatten(latent, system)
    for r in plan.rounds:
        diagonal = values[r.diagonal]
        if not diagonal.min() > 0.0:
            return None
        root = np.sqrt(diagonal)
        c = values[r.beside] / root[r.owner]
        values[r.diagonal], values[r.beside] = root, c
        r.subtract(values, np.concatenate([c[r.first] * c[r.second], c * c]))
    core = values[plan.start :].reshape(plan.core.size, plan.core.size).T
    lower, info = lapack.dpotrf(core, lower=1, clean=0, overwrite_a=1)
    if info != 0:
        return None
    return SparseElimination(latent, values[: plan.start].copy(), lower, latent)
