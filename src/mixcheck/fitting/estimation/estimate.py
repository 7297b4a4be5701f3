"""Estimate the parameters of a problem, from scratch or from a previous fit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from typing import ParamSpec, TypeVar

import numpy as np

from mixcheck.arrays import BoolArray, FloatArray
from mixcheck.errors import ConvergenceError, OptionError
from mixcheck.execution.threads import single_thread
from mixcheck.fitting.estimation.canonical import canonical_optimum, nudge
from mixcheck.fitting.estimation.gaussian import (
    estimate_gaussian,
    is_profiled,
)
from mixcheck.fitting.estimation.gaussian_chains import estimate_chains
from mixcheck.fitting.estimation.optimize import explain_wall, minimise
from mixcheck.fitting.estimation.optimum import Optimum
from mixcheck.fitting.estimation.other_starts import (
    is_better,
    is_optimum,
)
from mixcheck.fitting.estimation.pql import PQL, estimate_by_pql
from mixcheck.fitting.estimation.reml import Joint, expand, join, root_of
from mixcheck.fitting.estimation.searches import Searches
from mixcheck.fitting.estimation.standardisation import Standardised, standardise
from mixcheck.fitting.estimation.start import (
    FixedFit,
    find_start,
    fit_without_random_effects,
    fixed_units,
)
from mixcheck.fitting.likelihood.approximation import (
    Approximation,
    Method,
    hessian_of,
    objective_of,
)
from mixcheck.fitting.likelihood.laplace import Laplace
from mixcheck.fitting.likelihood.mode import Mode
from mixcheck.fitting.likelihood.objective import Evaluation
from mixcheck.fitting.likelihood.problem import Problem
from mixcheck.trial_values import may_overflow

__all__ = [
    "bring_back",
    "dense_size",
    "estimate",
    "estimate_held",
    "estimate_refined",
    "evaluate_standardised",
    "evaluation_at",
    "expand_joint",
    "explained",
    "fixed_covariance",
    "joint_around",
    "re_estimate",
    "refine",
]


P = ParamSpec("P")
R = TypeVar("R")


def explained(search: Callable[P, R]) -> Callable[P, R]:
    """Say in one sentence where linear algebra ends with trial values that overflow."""

    @wraps(search)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return search(*args, **kwargs)
        except (ArithmeticError, np.linalg.LinAlgError) as error:
            raise ConvergenceError(explain_wall()) from error

    return run


@may_overflow()
@explained
def estimate(
    problem: Problem, method: Method, fixed: FixedFit | None = None, *, tails: bool = False
) -> Optimum:
    """Maximise the likelihood from scratch, with curvature.

    Parameters
    ----------
    problem : Problem
    method : Method
    fixed : FixedFit, optional
        The model without random effects, where it is fitted already.
    tails : bool
        Whether to stop where what is left is to follow a part to its limit.

    Raises
    ------
    ConvergenceError
        If the likelihood is not finite at any starting point.
    """
    with single_thread(dense_size(problem, method), problem.n * problem.n_beta):
        if is_profiled(problem):
            return estimate_gaussian(problem, method)
        fixed = fixed or fit_without_random_effects(problem)
        standard = standardise(problem)
        if standard is None:
            return _verified(problem, _estimate(problem, method, fixed, tails), method)
        optimum = _estimate(standard.problem, method, _take(standard, fixed), tails)
        return _bring_back(standard, _verified(standard.problem, optimum, method), method)


def _verified(problem: Problem, optimum: Optimum, method: Method) -> Optimum:
    """An optimum at which the approximation of the likelihood holds.

    Raises
    ------
    ConvergenceError
    """
    if optimum.evaluation.mode is None:
        raise ConvergenceError(
            "the likelihood is not finite where the search for its maximum ended: the link may "
            f"not fit these data (family {problem.family!r}). Try another link, or rescale the "
            "predictors."
        )
    if not optimum.on_tail:
        method.approximation.verify(problem, optimum.evaluation)
    return optimum


def _take(standard: Standardised, fixed: FixedFit) -> FixedFit:
    """The model without random effects in the columns of a standardised problem."""
    psi = standard.there(np.append(fixed.beta, np.zeros(standard.alone.n_theta)))
    return FixedFit(psi[: standard.alone.n_beta], fixed.derivatives)


def _estimate(problem: Problem, method: Method, fixed: FixedFit, tails: bool = False) -> Optimum:
    start = find_start(problem, fixed)
    if method.joint:
        beta = start[problem.beta_slices[0]]
        joint = join(problem, beta, fixed_units(problem, fixed))
        return _estimate_joint(joint, method, joint.outer(start), tails)
    preliminary, searches = method.approximation.preliminary, Searches(problem, method, tails)
    if preliminary is None:
        cut = searches.near_cut(start)
        found = searches.from_start(start) if cut is None else searches.from_cut(cut)
        return canonical_optimum(problem, found, method)
    near = searches.near(preliminary, start)
    if near.on_tail:
        return near
    return canonical_optimum(problem, searches.from_near(near), method)


def _bring_back(standard: Standardised, optimum: Optimum, method: Method) -> Optimum:
    """The optimum of a standardised problem as one of the problem that it stands for."""

    def modes(psi: FloatArray, scale: FloatArray) -> Mode | None:
        return evaluation_at(standard.alone, psi, scale, method).mode

    return bring_back(standard, optimum, method, modes)


def bring_back(
    standard: Standardised,
    optimum: Optimum,
    method: Method,
    modes: Callable[[FloatArray, FloatArray], Mode | None],
) -> Optimum:
    """The same with the modes of that problem at parameters and their scale from elsewhere."""
    if optimum.evaluation.mode is None:
        return optimum
    psi = standard.here(optimum.psi)
    jacobian, inverse = standard.jacobian(optimum.psi), standard.inverse_jacobian(psi)
    scale, hessian = jacobian @ optimum.scale, optimum.hessian
    deviance = optimum.evaluation.deviance - (standard.volume if method.restricted else 0.0)
    gradient = inverse.T @ optimum.evaluation.gradient
    mode = modes(psi, scale)
    if mode is None:
        raise ConvergenceError(
            "a predictor lies so far from zero beside its spread that the likelihood cannot be "
            "computed in it; subtract its mean"
        )
    return replace(
        optimum,
        psi=psi,
        evaluation=Evaluation(psi, deviance, gradient, mode, optimum.evaluation.spread),
        scale=scale,
        hessian=None if hessian is None else inverse.T @ hessian @ inverse,
        curvature=optimum.whitened_hessian(),
    )


def evaluate_standardised(
    problem: Problem, psi: FloatArray, scale: FloatArray, method: Method
) -> Evaluation:
    """The deviance and its gradient at all parameters, computed in standardised columns.

    Parameters
    ----------
    problem : Problem
    psi : (P,)
    scale : (P, P)
        Root of the covariance of the estimates, about.
    method : Method
    """
    standard = standardise(problem)
    if standard is None:
        return evaluation_at(problem, psi, scale, method)
    inverse = standard.inverse_jacobian(psi)
    at = evaluation_at(standard.problem, standard.there(psi), inverse @ scale, method)
    deviance = at.deviance - (standard.volume if method.restricted else 0.0)
    return replace(at, psi=psi, deviance=deviance, gradient=inverse.T @ at.gradient)


def evaluation_at(
    problem: Problem, psi: FloatArray, scale: FloatArray, method: Method
) -> Evaluation:
    """The deviance and the modes of the random effects at all parameters."""
    if not method.joint:
        return objective_of(problem, method)(psi, None)
    joint, outer = joint_around(problem, psi, scale)
    at = objective_of(joint.problem, method)(joint.outer(psi), None)
    if at.mode is None:
        return at
    whole = Optimum(joint.outer(psi), at, outer, np.nan, None, np.nan, 0)
    return expand_joint(joint, whole, method).evaluation


@may_overflow()
@explained
def estimate_refined(
    problem: Problem, method: Approximation, fixed: FixedFit, *, tails: bool = False
) -> tuple[Optimum, Approximation]:
    """Maximise the likelihood by an approximation as fine as it takes to settle.

    How fine is found at the optimum of its preliminary approximation and again at the new one.

    Raises
    ------
    ConvergenceError
        If no fineness is enough.
    """
    standard = standardise(problem)
    here, start = problem, fixed
    if standard is not None:
        here, start = standard.problem, _take(standard, fixed)
    searches = Searches(here, method, tails)
    near = searches.near(method.preliminary or method, find_start(here, start))
    optimum, refined = (near, method) if near.on_tail else _refine(searches, method, near)
    return (optimum if standard is None else _bring_back(standard, optimum, refined)), refined


@may_overflow()
@explained
def refine(
    problem: Problem, method: Approximation, near: Optimum, *, alone: bool = False
) -> tuple[Optimum, Approximation]:
    """Maximise the likelihood from another optimum, by an approximation as fine as it takes.

    Where it ends and how high is all that is asked: as in a refit, the search has no curvature.
    From there alone it may end without being at rest; otherwise other starts are tried then.
    """
    standard = standardise(problem)
    here, psi = (
        (problem, near.psi) if standard is None else (standard.problem, standard.there(near.psi))
    )
    # The other optimum may have its fixed effects among the modes, or a search of its own.
    at = objective_of(here, Laplace())(psi, None)
    there = Optimum(psi, at, np.eye(psi.size), np.nan, None, np.nan, 1)
    searches = Searches(here, method)
    optimum, refined = _refine(searches, method, there, hessian=False, alone=alone)
    return (optimum if standard is None else _bring_back(standard, optimum, refined)), refined


def _refine(
    searches: Searches,
    method: Approximation,
    near: Optimum,
    *,
    hessian: bool = True,
    alone: bool = False,
) -> tuple[Optimum, Approximation]:
    problem = searches.problem
    refined = method.refine(problem, near.evaluation)
    while True:
        search = replace(searches, method=refined)
        optimum = search.from_near(near, hessian=hessian, alone=alone)
        if optimum.on_tail:
            return optimum, refined
        again = method.refine(problem, optimum.evaluation)
        if again.fineness <= refined.fineness:
            return canonical_optimum(problem, optimum, refined), refined
        near, refined = optimum, again


def dense_size(problem: Problem, method: Method) -> int:
    """Rows of the Schur complement."""
    return problem.latent.schur_size + (problem.X[0].shape[1] if method.joint else 0)


def _estimate_joint(
    joint: Joint, method: Method, start: FloatArray, tails: bool = False
) -> Optimum:
    """Maximise over all but the fixed effects of the mean, which are among the modes."""
    if isinstance(method, PQL):
        return estimate_by_pql(joint, method, start)
    optimum = Searches(joint.problem, method, tails).from_start(start)
    return expand_joint(joint, canonical_optimum(joint.problem, optimum, method), method)


def expand_joint(joint: Joint, optimum: Optimum, method: Method) -> Optimum:
    """The optimum of a joint problem as one of all parameters."""
    mode = optimum.evaluation.mode
    assert mode is not None
    factors = method.approximation.factorize(joint.problem, mode)
    return expand(joint, optimum, factors.fixed_root())


@may_overflow()
@explained
def re_estimate(
    problem: Problem, previous: FloatArray, scale: FloatArray, method: Method
) -> Optimum:
    """Maximise the likelihood for a new response, starting from a previous fit.

    Parameters
    ----------
    problem : Problem
    previous : (P,)
        Estimates of the previous fit.
    scale : (P, P)
        Root of their covariance.
    method : Method
    """
    with single_thread(dense_size(problem, method), problem.n * problem.n_beta):
        if is_profiled(problem):
            return estimate_gaussian(problem, method, previous)
        known = estimate_chains(problem, method)
        if known is not None:
            return known
        standard = standardise(problem)
        if standard is None:
            return _verified(problem, _re_estimate(problem, previous, scale, method), method)
        there = standard.inverse_jacobian(previous) @ scale
        optimum = _re_estimate(standard.problem, standard.there(previous), there, method)
        return _bring_back(standard, _verified(standard.problem, optimum, method), method)


def _re_estimate(
    problem: Problem, previous: FloatArray, scale: FloatArray, method: Method
) -> Optimum:
    if method.joint:
        return _re_estimate_joint(problem, previous, scale, method)
    start = nudge(problem, previous, scale)
    optimum = Searches(problem, method).minimise(start, scale, hessian=False)
    if not is_optimum(optimum):
        return _or_anew(problem, method, optimum)
    return canonical_optimum(problem, optimum, method)


def _or_anew(problem: Problem, method: Method, stalled: Optimum) -> Optimum:
    """The fit from scratch, where a search from a previous fit does not come to rest.

    A new response may have its optimum in another basin, which the starts of a first fit find.
    """
    finite = bool(np.isfinite(stalled.evaluation.deviance))
    try:
        anew = _estimate(problem, method, fit_without_random_effects(problem))
    except ConvergenceError:
        if not finite:
            raise
        return canonical_optimum(problem, stalled, method)
    return (
        anew
        if not finite or is_better(anew, stalled)
        else canonical_optimum(problem, stalled, method)
    )


@may_overflow()
def estimate_held(
    problem: Problem, start: FloatArray, scale: FloatArray, method: Method, free: BoolArray
) -> Optimum:
    """Maximise the likelihood over some parameters, the others held, with curvature.

    Over the values at which one parameter is held, the maximum is its profile likelihood.

    Parameters
    ----------
    problem : Problem
    start : (P,)
        Values of the parameters that are held, and where the search over the others begins.
    scale : (P, P)
        Root of the covariance of all estimates.
    method : Method
    free : (P,) bool
        Parameters to search over.

    Raises
    ------
    OptionError
        If a fixed effect is held that the method finds together with the random effects.
    ConvergenceError
        If the likelihood is not finite at the start.
    """
    p = problem.X[0].shape[1] if method.joint else 0
    if isinstance(method, PQL) or not free[:p].all():
        raise OptionError(
            f"by {method} the fixed effects of the mean are found together with the random ones, "
            'so that none can be held; write method="laplace" without reml=True'
        )
    with single_thread(dense_size(problem, method), problem.n * problem.n_beta):
        joint, outer = None, scale
        if method.joint:
            joint, outer = joint_around(problem, start, scale)
        here = problem if joint is None else joint.problem
        optimum = minimise(
            objective_of(here, method),
            start[p:],
            outer,
            free=free[p:],
            rows=problem.n,
            exact=hessian_of(here, method),
        )
        if not np.isfinite(optimum.evaluation.deviance):
            raise ConvergenceError("the likelihood is not finite at the values that are held")
        return optimum if joint is None else expand_joint(joint, optimum, method)


def joint_around(problem: Problem, psi: FloatArray, scale: FloatArray) -> tuple[Joint, FloatArray]:
    """The joint problem around a fit, and the scale of its parameters."""
    p = problem.X[0].shape[1]
    joint = join(problem, psi[:p], root_of(scale, slice(0, p)))
    return joint, root_of(scale, slice(p, None))


def fixed_covariance(
    problem: Problem, psi: FloatArray, scale: FloatArray, method: Method
) -> FloatArray:
    """Covariance of the fixed effects of the mean given all other parameters, (p, p).

    Parameters
    ----------
    problem : Problem
    psi : (P,)
        The other parameters, and where the fixed effects are sought.
    scale : (P, P)
        Root of the covariance of the estimates, about.
    method : Method
        A restricted one.

    Raises
    ------
    ConvergenceError
        If the likelihood is not finite there.
    """
    joint, _ = joint_around(problem, psi, scale)
    mode = objective_of(joint.problem, method)(joint.outer(psi), None).mode
    if mode is None:
        raise ConvergenceError("the restricted likelihood is not finite at the estimates")
    root = method.approximation.factorize(joint.problem, mode).fixed_root()
    covariance: FloatArray = root @ root.T
    return covariance


def _re_estimate_joint(
    problem: Problem, previous: FloatArray, scale: FloatArray, method: Method
) -> Optimum:
    joint, outer = joint_around(problem, previous, scale)
    start = nudge(joint.problem, joint.outer(previous), outer)
    if isinstance(method, PQL):
        return estimate_by_pql(joint, method, start)
    optimum = Searches(joint.problem, method).minimise(start, outer, hessian=False)
    turned = canonical_optimum(joint.problem, optimum, method)
    if turned.evaluation.mode is None:
        # Nowhere, or next to a pole to which only the search has found the way.
        return _estimate(problem, method, fit_without_random_effects(problem))
    found = expand_joint(joint, turned, method)
    return found if is_optimum(optimum) else _or_anew(problem, method, found)
