"""One Newton step from a previous fit: a cheap approximation of the fit to another response.

Two responses of one model have nearly the same Hessian at the estimates of one of them, and the
step by it is what their estimates differ by, to first order. The random effects are found anew.

References
----------
Davison & Hinkley (1997), Bootstrap Methods and their Application, on one-step estimates.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.errors import ConvergenceError
from mixcheck.fitting.estimation.cut_deviance import iterated
from mixcheck.fitting.estimation.optimum import Optimum
from mixcheck.fitting.likelihood.approximation import Approximation, objective_of
from mixcheck.fitting.likelihood.objective import Evaluation
from mixcheck.fitting.likelihood.problem import Problem
from mixcheck.fitting.likelihood.remainder import Remainder
from mixcheck.fitting.likelihood.score_table import ScoreTable
from mixcheck.fitting.likelihood.step_table import CLOSE_DEVIANCE, StepTable
from mixcheck.trial_values import may_overflow

__all__ = ["MAX_HALVINGS", "MODE_DECREMENT", "nearness", "step_from", "within"]

# The modes of the random effects are found to a thousandth of a standard deviation given the data,
# of all of them together, for the gradient, and to a hundredth where the step ends: Newton
# decrements of these. The gradient has an error of the order of the root of it.
_DECREMENT_OF_START, MODE_DECREMENT = 1e-6, 1e-4
# In so many rows: elsewhere another look at the rows costs little.
_MANY_ROWS = 10_000
_FALLS = (
    "the likelihood of a response falls along the step from the estimates of the fit, or is "
    "not finite at them"
)
# Halvings of a step along which the deviance does not fall.
MAX_HALVINGS = 10


@may_overflow()
def step_from(
    problem: Problem,
    previous: FloatArray,
    scale: FloatArray,
    method: Approximation,
    remainder: Remainder | None = None,
    table: ScoreTable | StepTable | None = None,
) -> Optimum:
    """Step from the estimates of a previous fit towards those of a new response.

    ``psi - R R' g`` with the gradient g of the new deviance there, halved until the deviance
    falls. A standard deviation stays at zero or above: below, it would be one above. The gradient
    where the step ends is not asked for.

    Parameters
    ----------
    problem : Problem
    previous : (P,)
        Estimates of the previous fit.
    scale : (P, P)
        Root R of the inverse of the Hessian of its deviance.
    method : Approximation
    remainder : Remainder, optional
        Of the previous fit, to be added to a cut deviance; without it the deviance is computed.
    table : ScoreTable or StepTable, optional
        At the estimates of the previous fit, of its deviance or of scores alone.

    Raises
    ------
    ConvergenceError
        If the likelihood is not finite at the previous estimates, or falls on the way.
    """
    start, end = nearness(problem)
    if isinstance(table, StepTable):
        at = table.at(problem)

        def of_table(psi: FloatArray) -> Evaluation:
            effects = at.modes(psi)
            return objective_of(problem, method, sloped=False, effects=effects)(psi, None, end)

        bound = at.deviance + end + CLOSE_DEVIANCE
        return _fall(problem, previous, scale, at.gradient, bound, of_table)
    whole = Remainder(previous, 0.0, np.zeros(previous.size)) if remainder is None else remainder
    problem = problem if remainder is None else iterated(problem)
    effects = None if table is None else table.modes(problem)
    first = objective_of(problem, method, effects=effects)(previous, None, start).plus(whole)
    value = objective_of(problem, method, sloped=False)

    def of_rows(psi: FloatArray) -> Evaluation:
        return value(psi, first, end).plus(whole)

    return _fall(problem, previous, scale, first.gradient, first.deviance + end, of_rows)


def _fall(
    problem: Problem,
    previous: FloatArray,
    scale: FloatArray,
    gradient: FloatArray,
    bound: float,
    evaluate: Callable[[FloatArray], Evaluation],
) -> Optimum:
    """The first of ``psi - R R' g / 2^k`` where the deviance is within a bound."""
    step = -scale @ (scale.T @ gradient)
    for k in range(MAX_HALVINGS if np.isfinite(bound) else 0):
        found = evaluate(within(problem, previous + 0.5**k * step))
        if found.deviance <= bound:
            return Optimum(found.psi, found, scale, np.nan, None, np.nan, k + 2, one_step=True)
    raise ConvergenceError(_FALLS)


def nearness(problem: Problem) -> tuple[float, float]:
    """Newton decrements at which the modes are near enough where a step begins and where it ends.

    They are 0 for modes to rounding.
    """
    return (_DECREMENT_OF_START, MODE_DECREMENT) if problem.n >= _MANY_ROWS else (0.0, 0.0)


def within(problem: Problem, psi: FloatArray) -> FloatArray:
    """The nearest parameters whose standard deviations are not below zero, ``max(psi_j, 0)``."""
    out = psi.copy()
    for term in problem.terms:
        for k in term.covariance.even:
            j = problem.n_beta + term.theta.start + k
            out[j] = max(out[j], 0.0)
    return out
