"""The likelihood of crossed effects that are too many for any matrix of their pairs.

The deviance D~ with a cut determinant takes products alone (see
:mod:`mixcheck.fitting.estimation.cut_deviance`), and what it leaves, ``R = log det A``, is found by
probes at random with a known standard error. R is smooth and hardly moves: near the optimum of D~
it is the parabola ``r + s' d + d' B d / 2``, by differences along the whitened axes, the probes
being the same everywhere. ``D~ + R`` is minimised, and R found anew there, until it does not
move.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.errors import ConvergenceError
from mixcheck.fitting.estimation.canonical import canonical_optimum
from mixcheck.fitting.estimation.estimate import bring_back, evaluation_at
from mixcheck.fitting.estimation.optimum import Optimum
from mixcheck.fitting.estimation.other_starts import is_optimum
from mixcheck.fitting.estimation.searches import Searches
from mixcheck.fitting.estimation.standardisation import standardise
from mixcheck.fitting.estimation.start import FixedFit, find_start, fit_without_random_effects
from mixcheck.fitting.latent.iterated_elimination import IteratedElimination
from mixcheck.fitting.likelihood.approximation import Method, objective_of
from mixcheck.fitting.likelihood.laplace import Laplace
from mixcheck.fitting.likelihood.mode import Mode
from mixcheck.fitting.likelihood.objective import Evaluation, Objective
from mixcheck.fitting.likelihood.problem import Problem
from mixcheck.fitting.likelihood.remainder import Remainder
from mixcheck.trial_values import may_overflow

__all__ = ["can_iterate", "estimate_by_iterations"]

# Probes of a log determinant: so many, doubled up to the most until its standard error is small;
# and the seed of their signs.
_PROBES, _MOST_PROBES, _SMALL_ERROR = 16, 128, 0.01
_SEED = 20_260
# Step of the differences of R, in standard errors.
_STEP = 0.5
# R is found anew where the optimum has moved by more, in standard errors; and how often it may be.
_STAYED, _ROUNDS = 0.05, 6


def can_iterate(problem: Problem, method: Method) -> bool:
    """Whether the likelihood of a problem can be found without a matrix of crossed effects.

    That is Laplace's approximation, with effects of independent levels in the mean alone.
    """
    latent = problem.latent
    plain = type(method) is Laplace and method.information == "observed" and not method.restricted
    alone = latent.random_predictors == (0,) and "zi" not in problem.family.predictors
    return plain and alone and latent.crossed and not latent.tied and problem.penalty is None


@may_overflow()
def estimate_by_iterations(problem: Problem, method: Method) -> tuple[Optimum, Remainder]:
    """Maximise the likelihood, and what the deviance of the problem leaves of minus twice it.

    Parameters
    ----------
    problem : Problem
        With a latent system that is solved by iterations.
    method : Method

    Raises
    ------
    ConvergenceError
        If the likelihood is not finite at the start, or iterations do not solve the system.
    """
    standard = standardise(problem)
    inner = problem if standard is None else standard.problem
    try:
        optimum, remainder = _estimate(inner, method, fit_without_random_effects(inner))
    except np.linalg.LinAlgError as error:
        raise ConvergenceError(
            "the crossed random effects are too many for a matrix of their pairs, and too few rows "
            "join them for iterations to take its place; leave out one of the crossed terms, "
            "merge levels of the smaller factor, or fit a part of the data"
        ) from error
    if standard is None:
        return optimum, remainder

    def modes(psi: FloatArray, scale: FloatArray) -> Mode | None:
        return evaluation_at(problem, psi, scale, method).mode

    here = standard.here(remainder.psi)
    carried = remainder.carried(here, remainder.psi, standard.inverse_jacobian(here))
    return bring_back(standard, optimum, method, modes), carried


def _estimate(problem: Problem, method: Method, fixed: FixedFit) -> tuple[Optimum, Remainder]:
    searches = Searches(problem, method)
    end = searches.from_start(find_start(problem, fixed))
    for _ in range(_ROUNDS):
        remainder = _probe(problem, method, end)
        known = replace(problem, remainder=remainder)
        search = Searches(known, method)
        end = search.minimise(end.psi, end.scale)
        moved = np.linalg.solve(end.scale, end.psi - remainder.psi)
        if is_optimum(end) and float(np.abs(moved).max()) < _STAYED:
            objective = objective_of(known, method)
            return canonical_optimum(known, end, method, objective), remainder
    raise ConvergenceError(
        "the log determinant of the crossed random effects moves with the estimates, which are "
        "searched for by iterations; leave out one of the crossed terms, or fit a part of the data"
    )


def _probe(problem: Problem, method: Method, near: Optimum) -> Remainder:
    """R at the end of a search, its slope, and its second derivatives along the whitened axes."""
    objective, probes = objective_of(problem, method), _PROBES
    value, error = _look(objective, near.evaluation, probes, near.psi)
    while error > _SMALL_ERROR and probes < _MOST_PROBES:
        probes *= 2
        value, error = _look(objective, near.evaluation, probes, near.psi)
    look = partial(_look, objective, near.evaluation, probes)
    slope, bend = np.zeros(near.psi.size), np.zeros(near.psi.size)
    for j, axis in enumerate(near.scale.T):
        above, below = (look(near.psi + side * _STEP * axis)[0] for side in (1.0, -1.0))
        slope[j] = (above - below) / (2.0 * _STEP)
        bend[j] = (above - 2.0 * value + below) / _STEP**2
    back = np.linalg.inv(near.scale)
    return Remainder(near.psi, value, back.T @ slope, (back.T * bend) @ back, error)


def _look(
    objective: Objective, near: Evaluation, probes: int, psi: FloatArray
) -> tuple[float, float]:
    """R at parameters, and its standard error."""
    at = objective(psi, near)
    if at.mode is None:
        raise np.linalg.LinAlgError("there is no mode near the end of a search")
    factors = at.mode.system.factorization
    assert isinstance(factors, IteratedElimination)
    return factors.remaining_log_det(probes, _SEED)
