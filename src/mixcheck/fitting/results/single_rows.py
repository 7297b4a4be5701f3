"""A fit with frequency weights as the same fit to the rows that they stand for, one by one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mixcheck.arrays import IntArray
from mixcheck.design import Design, repeat_rows
from mixcheck.errors import ConvergenceError
from mixcheck.fitting.estimation.estimate import estimate
from mixcheck.fitting.estimation.gaussian import is_profiled
from mixcheck.fitting.estimation.limits import Limits, find_limits
from mixcheck.fitting.estimation.optimum import Optimum
from mixcheck.fitting.estimation.sizes import require_room_for_rows
from mixcheck.fitting.estimation.start import fit_without_random_effects
from mixcheck.fitting.likelihood.arrangement import arrange
from mixcheck.fitting.likelihood.mode import find_mode
from mixcheck.fitting.likelihood.objective import Evaluation
from mixcheck.fitting.likelihood.problem import Problem
from mixcheck.fitting.predictive.data_view import Viewpoint
from mixcheck.fitting.results.estimates import Estimates

__all__ = ["expand_rows"]


def expand_rows(
    fit: Estimates, counts: IntArray
) -> tuple[Design, Problem, Optimum, Limits | None, IntArray]:
    """Design, problem, optimum and limits of the single rows, and which row of the fit each is.

    Parameters
    ----------
    fit : Estimates
    counts : (n,) int
        How many rows each stands for; none where it is zero.

    Raises
    ------
    DataError
        If the rows have no room in memory.
    """
    require_room_for_rows(fit.problem, float(counts.sum(dtype=np.float64)))
    rows = np.repeat(np.arange(counts.size), counts)
    design = repeat_rows(fit.design, rows)
    problem = replace(arrange(design, fit.family), penalty=fit.problem.penalty)
    limits = None
    if fit.limits is not None:
        limits = find_limits(problem, fit_without_random_effects(problem))
    return design, problem, _optimum_of(fit, problem), limits, rows


def _optimum_of(fit: Estimates, problem: Problem) -> Optimum:
    """The estimates of a fit as those of the same likelihood, written with other rows."""
    if is_profiled(problem):
        return estimate(problem, fit.method)
    view = Viewpoint(problem, fit.optimum.psi)
    mode = find_mode(problem, view.base, view.roots, list(fit.mode.point.u), close=True)
    if mode is None:
        raise ConvergenceError(
            "no conditional mode was found with each row by itself; check the model by a fit "
            "to a table with one line for each row, without weights="
        )
    at = fit.optimum.evaluation
    there = Evaluation(at.psi, at.deviance, at.gradient, mode, at.spread, at.penalty)
    return replace(fit.optimum, evaluation=there)
