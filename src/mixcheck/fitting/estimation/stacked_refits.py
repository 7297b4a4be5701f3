"""Refits of one model to many responses at once.

They are those of :mod:`mixcheck.fitting.estimation.estimate` one by one: the same start, the same
whitening and search, the same end. What the stacked search gives up, and what it is not for
(:func:`stacks`), has no optimum here and is left to a single refit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from mixcheck.arrays import BoolArray, FloatArray, IntArray
from mixcheck.families.responses import Observed
from mixcheck.fitting.estimation.canonical import nudge, turn
from mixcheck.fitting.estimation.gaussian import is_profiled
from mixcheck.fitting.estimation.one_step import within
from mixcheck.fitting.estimation.optimize import REFIT_TOLERANCE
from mixcheck.fitting.estimation.optimum import Optimum
from mixcheck.fitting.estimation.stacked_search import search_copies
from mixcheck.fitting.estimation.standardisation import Standardised, standardise
from mixcheck.fitting.likelihood.approximation import floor_of
from mixcheck.fitting.likelihood.copies import Batch, Copies, choose_copies, merge_copies
from mixcheck.fitting.likelihood.laplace import Laplace
from mixcheck.fitting.likelihood.mode import stalls
from mixcheck.fitting.likelihood.objective import Evaluation
from mixcheck.fitting.likelihood.problem import Problem
from mixcheck.fitting.likelihood.stacked_laplace import Look, follow, look_at
from mixcheck.trial_values import may_overflow

__all__ = ["StackedRefits", "stacks"]

# The modes of a refit are found where the decrement is this small, as those of a single fit.
_DECREMENT = 1e-16
_MOST_LOOKS = 40


def stacks(problem: Problem, method: Laplace) -> bool:
    """Whether responses of a problem can be fitted together.

    For Laplace's approximation of the likelihood itself, with independent levels and grouping
    factors that are nested, and without priors.
    """
    latent = problem.latent
    return (
        not method.joint
        and not is_profiled(problem)
        and problem.penalty is None
        and not latent.tied
        and not latent.schur_factors
    )


@dataclass(frozen=True, eq=False)
class StackedRefits:
    """A fit to be made again.

    Attributes
    ----------
    copies : Copies
        Of the problem of the fit, whose likelihood `stacks`.
    psi : (P,)
        Its estimates.
    scale : (P, P)
        Root of the inverse of the Hessian of its deviance.
    method : Laplace
    """

    copies: Copies
    psi: FloatArray
    scale: FloatArray
    method: Laplace

    @property
    def problem(self) -> Problem:
        """That of the fit."""
        return self.copies.one

    @cached_property
    def _standardised(self) -> Standardised | None:
        return standardise(self.problem)

    @cached_property
    def _searched(self) -> Copies:
        """Those in whose columns the search goes."""
        return self.copies if self._standardised is None else Copies(self._standardised.problem)

    @may_overflow()
    def fit(
        self, data: Observed, count: int, start: FloatArray | None = None
    ) -> list[Optimum | None]:
        """The optimum of each of several responses; None where a single refit has to find it.

        Parameters
        ----------
        data : Observed
            One response after another, in the fitter's order.
        count : int
        start : (count, P), optional
            From where each is searched; without it from the estimates of the fit.
        """
        columns, psi, scale = self._standardised, self.psi, self.scale
        if columns is not None:
            psi, scale = columns.there(psi), columns.inverse_jacobian(psi) @ scale
        batch = Batch(self._searched, data, count)
        if start is None:
            start = nudge(self._searched.one, psi, scale)
        elif columns is not None:
            start = np.array([columns.there(one) for one in start])
        ends = search_copies(batch, start, scale, self.method.information)
        found = np.flatnonzero(ends.found)
        places = [self._place(end, scale) for end in ends.psi[found]]
        u = None
        if columns is None and found.size:
            after = np.array([end for end, _ in places])
            u = self.copies.turn(ends.psi[found], after, choose_copies(ends.u, count, found))
        out: list[Optimum | None] = [None] * count
        for k, optimum in zip(found, self._finish(data, count, found, places, u), strict=True):
            if optimum is not None and optimum.gradient < REFIT_TOLERANCE:
                out[k] = replace(optimum, evaluations=int(ends.evaluations[k]) + 1)
        return out

    @may_overflow()
    def step(self, data: Observed, count: int) -> list[Optimum | None]:
        """One Newton step towards the optimum of each, as `one_step.step_from`."""
        batch, every = Batch(self.copies, data, count), np.arange(count)
        first = self._settle(batch, every, np.tile(self.psi, (count, 1)), None)
        inverse = self.scale @ self.scale.T
        step = np.matmul(inverse, first.gradient[:, :, None])[:, :, 0]
        psi = np.array([within(self.problem, end) for end in first.psi - step])
        psi[~np.isfinite(psi).all(axis=1)] = self.psi
        u = follow(self.copies, batch.problem(every), first, psi)
        ends = self._finish(data, count, every, [(end, self.scale) for end in psi], u)
        return [
            None
            if end is None or not end.evaluation.deviance <= first.deviance[k]
            else replace(end, one_step=True, evaluations=2)
            for k, end in enumerate(ends)
        ]

    @may_overflow()
    def evaluate(
        self,
        data: Observed,
        count: int,
        psi: FloatArray,
        u: list[FloatArray] | None = None,
    ) -> list[Evaluation | None]:
        """Deviance, gradient and modes of each response; None where they are found alone.

        Parameters
        ----------
        data : Observed
            One response after another, in the fitter's order.
        count : int
        psi : (count, P)
        u : list of (q, count m), optional
            Random effects from where the modes are sought; zeros without them.
        """
        places = [(end, self.scale) for end in psi]
        ends = self._finish(data, count, np.arange(count), places, u)
        return [None if end is None else end.evaluation for end in ends]

    def _place(self, psi: FloatArray, scale: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Canonical parameters of the problem where a search has ended, and their whitening.

        ``c(psi)`` and ``J S``, where J has the slopes of the canonical parameters and of the map
        from the columns of the search to those of the problem.
        """
        turned = turn(self._searched.one, psi)
        if turned is not None:
            psi, scale = turned[0], turned[1][:, None] * scale
        if self._standardised is None:
            return psi, scale
        return self._standardised.here(psi), self._standardised.jacobian(psi) @ scale

    def _finish(
        self,
        data: Observed,
        count: int,
        chosen: IntArray,
        places: list[tuple[FloatArray, FloatArray]],
        u: list[FloatArray] | None,
    ) -> list[Optimum | None]:
        """An optimum at the parameters of each chosen response; None without usable modes."""
        if not chosen.size:
            return []
        batch = Batch(self.copies, data, count)
        look = self._settle(batch, chosen, np.array([end for end, _ in places]), u)
        usable = _is_settled(look) & ~self._are_exact(batch, chosen, look)
        out: list[Optimum | None] = []
        for k, (psi, scale) in enumerate(places):
            if not usable[k]:
                out.append(None)
                continue
            mode = self.copies.mode_of(look.mode, k)
            at = Evaluation(
                psi, float(look.deviance[k]), look.gradient[k], mode, float(look.spread[k])
            )
            gradient = float(np.abs(scale.T @ at.gradient).max(initial=0.0))
            out.append(Optimum(psi, at, scale, gradient, None, np.nan, 1))
        return out

    def _settle(
        self, batch: Batch, chosen: IntArray, psi: FloatArray, u: list[FloatArray] | None
    ) -> Look:
        """A look at the modes of some copies."""
        problem, rounding = batch.problem(chosen), batch.rounding[chosen]
        here = problem.latent.zeros() if u is None else u
        before, energy = here, np.full(chosen.size, np.inf)
        least = np.full(chosen.size, np.inf)
        for _ in range(_MOST_LOOKS):
            look = look_at(self.copies, problem, psi, here, self.method.information)
            over = look.overshoots(energy, rounding)
            there = (look.decrement < _DECREMENT) | stalls(look.decrement, least, look.energy)
            if not ((np.isfinite(look.decrement) | over) & ~there).any():
                break
            ahead = follow(self.copies, problem, look, psi)
            back = [0.5 * (a + b) for a, b in zip(before, here, strict=True)]
            before = merge_copies(over, before, here)
            here = merge_copies(over, back, ahead)
            energy = np.where(over, energy, look.energy)
            least = np.fmin(least, look.decrement)
        return look

    def _are_exact(self, batch: Batch, chosen: IntArray, look: Look) -> BoolArray:
        """Whether some response of a copy is reproduced exactly, where no density has a bound."""
        family, eta = self.problem.family, tuple(look.mode.point.eta)
        deviation = family.log_deviation(batch.problem(chosen).data.y, eta)
        if deviation is None:
            return np.zeros(chosen.size, dtype=np.bool_)
        floors = np.array([floor_of(batch.alone(int(k))) for k in chosen])
        exact: BoolArray = deviation.reshape(chosen.size, -1).min(axis=1) < floors
        return exact


def _is_settled(look: Look) -> BoolArray:
    """Which copies are at their modes, with a finite likelihood."""
    settled: BoolArray = look.usable & stalls(look.decrement, 0.0, look.energy)
    return settled
