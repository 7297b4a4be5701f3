"""Conditional modes at the edge of the domain of a link, by a logarithmic barrier.

Where a link takes only some predictors to means, as the identity takes positive ones to those of
counts, the joint density of the random effects is zero beyond an edge and may be highest on it:
a group of zeros is likeliest at a mean of zero. The mode is then that of a closed set, and the
limit of the minima of ``h(u) - t sum_i log d_i(u)`` for t to zero, d_i the distances of the
predictors from their edges. With a convex h the minimum at t lies above that of h by t for each
edge that holds it, at most (Boyd & Vandenberghe 2004, Convex Optimization, chapter 11).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.families.derivatives import Derivatives
from mixcheck.fitting.latent.roots import Root
from mixcheck.fitting.likelihood.mode import find_mode
from mixcheck.fitting.likelihood.problem import Problem

__all__ = ["find_mode_at_edge"]

# Weights of the barrier: the last leaves predictors this close to their edge, over their score.
_WEIGHTS = 10.0 ** -np.arange(0.0, 10.0)


@dataclass(frozen=True, eq=False)
class _Fenced(Problem):
    """A problem with `barrier` times the log distances of mean predictors from their edges."""

    barrier: float = 0.0

    def derivatives(self, eta: Sequence[FloatArray], order: int) -> Derivatives:
        """``l + mu log |eta - e|`` over the edges e of the domain, with derivatives."""
        d = super().derivatives(eta, order)
        value, first = d.value.copy(), d.first[0].copy()
        second, third = dict(d.second), dict(d.third)
        for edge in self.family.domain:
            if not np.isfinite(edge):
                continue
            with np.errstate(divide="ignore", invalid="ignore"):
                slope = self._counted / (eta[0] - edge)
                value += np.where(self._counted > 0.0, self.barrier * np.log(abs(1.0 / slope)), 0.0)
                first += self.barrier * slope
                if order > 1:
                    second[0, 0] = second[0, 0] - self.barrier * slope**2
                if order > 2:
                    third[0, 0, 0] = third[0, 0, 0] + 2.0 * self.barrier * slope**3
        return Derivatives(value, (first, *d.first[1:]), second, third)

    @property
    def _counted(self) -> FloatArray:
        """Which rows have an edge: one of weight zero says nothing of its predictor."""
        if self.weights is None:
            return np.ones(self.n)
        return (self.weights > 0.0).astype(np.float64)


def find_mode_at_edge(
    problem: Problem,
    base: Sequence[FloatArray],
    roots: Sequence[Root],
    start: list[FloatArray],
) -> list[FloatArray] | None:
    """Standardised random effects at the mode in the closure of the domain, (q, m) per factor.

    Parameters
    ----------
    base : list of (n,)
        Predictors without random effects.
    roots : list of roots
    start : list of (q, m)
        Inside the domain.

    Returns
    -------
    list of (q, m) or None
        Inside the domain too, a rounding away from the edges that hold the mode. None where no
        predictor has an edge, or the search fails.
    """
    if not problem.family.may_leave:
        return None
    attributes = {field.name: getattr(problem, field.name) for field in fields(problem)}
    for weight in _WEIGHTS:
        mode = find_mode(_Fenced(**attributes, barrier=weight), base, roots, start)
        if mode is None:
            return None
        start = mode.point.u
    return start
