"""Estimate the parameters of a problem, from scratch or from a previous fit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.errors import ConvergenceError
from mixcheck.fitting.method import Method, choose_nodes, objective_of
from mixcheck.fitting.optimize import Optimum, differentiate_gradient, minimise
from mixcheck.fitting.problem import Problem
from mixcheck.fitting.start import (
    FixedFit,
    approach,
    find_start,
    fit_without_random_effects,
    whiten,
)
from mixcheck.fitting.threads import single_thread

__all__ = [
    "estimate",
    "estimate_with_settled_nodes",
    "hessian_at",
    "re_estimate",
    "settle_nodes",
]

# A covariance parameter at zero is a stationary point by symmetry: a refit leaves it by
# this many approximate standard errors.
_NUDGE = 0.5


def estimate(problem: Problem, method: Method, fixed: FixedFit | None = None) -> Optimum:
    """Maximise the likelihood from scratch, with curvature.

    Parameters
    ----------
    problem : Problem
    method : Method
    fixed : FixedFit, optional
        The model without random effects, where it is fitted already.

    Raises
    ------
    ConvergenceError
        If the likelihood is not finite at any starting point.
    """
    with single_thread(problem.latent.rest_size):
        start = find_start(problem, fixed or fit_without_random_effects(problem))
        if method.name == "laplace":
            return _rectify(problem, _first_finite(problem, method, start), method)
        near = _first_finite(problem, Method(), start, hessian=False)
        return _rectify(problem, _from_laplace(problem, method, near), method)


def estimate_with_settled_nodes(problem: Problem, fixed: FixedFit) -> tuple[Optimum, Method]:
    """Maximise the likelihood by quadrature with as many nodes as it takes to settle.

    The number is chosen at the Laplace estimates and again at the new ones.

    Raises
    ------
    ConvergenceError
        If no number of nodes settles.
    """
    near = _first_finite(problem, Method(), find_start(problem, fixed), hessian=False)
    return settle_nodes(problem, near)


def settle_nodes(problem: Problem, near: Optimum) -> tuple[Optimum, Method]:
    """Maximise the likelihood by quadrature from another optimum; nodes until it settles."""
    method = choose_nodes(problem, near.evaluation, Method("agq"))
    while True:
        optimum = _from_laplace(problem, method, near)
        again = choose_nodes(problem, optimum.evaluation, method)
        if again.nodes <= method.nodes:
            return _rectify(problem, optimum, method), method
        near, method = optimum, again


def _from_laplace(problem: Problem, method: Method, near: Optimum) -> Optimum:
    scale = whiten(problem, near.evaluation)
    return minimise(objective_of(problem, method), near.psi, scale)


def _first_finite(
    problem: Problem, method: Method, start: FloatArray, *, hessian: bool = True
) -> Optimum:
    shrink = np.ones(start.size)
    objective = objective_of(problem, method)
    for factor in (1.0, 0.3, 0.03):
        shrink[problem.n_beta :] = factor
        first = approach(problem, objective, start * shrink)
        if first.mode is not None:
            scale = whiten(problem, first)
            return minimise(
                objective, first.psi, scale, first=first, hessian=hessian, rows=problem.n
            )
    raise ConvergenceError(
        "the likelihood is not finite at the starting values: the link may not fit these data "
        f"(family {problem.family!r}). Try another link, or rescale the predictors."
    )


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
    with single_thread(problem.latent.rest_size):
        start = _nudge(problem, previous, scale)
        optimum = minimise(objective_of(problem, method), start, scale, hessian=False)
        if not np.isfinite(optimum.evaluation.deviance):
            return estimate(problem, method)
        return _rectify(problem, optimum, method)


def hessian_at(problem: Problem, optimum: Optimum, method: Method) -> FloatArray:
    """Hessian of the deviance at an optimum, (P, P)."""
    with single_thread(problem.latent.rest_size):
        return differentiate_gradient(
            objective_of(problem, method), optimum.psi, optimum.scale, optimum.evaluation
        )


def _nudge(problem: Problem, psi: FloatArray, scale: FloatArray) -> FloatArray:
    out = psi.copy()
    spread = np.sqrt(np.einsum("ij,ij->i", scale, scale))
    for term in problem.terms:
        for k in term.covariance.diagonal:
            j = problem.n_beta + term.theta.start + k
            out[j] = max(out[j], _NUDGE * spread[j])
    return out


def _rectify(problem: Problem, optimum: Optimum, method: Method) -> Optimum:
    """The same optimum with the diagonal of every Lambda non-negative."""
    signs = np.ones(optimum.psi.size)
    theta = optimum.psi[problem.n_beta :]
    for term in problem.terms:
        turned = term.covariance.rectify(theta[term.theta])
        held = slice(problem.n_beta + term.theta.start, problem.n_beta + term.theta.stop)
        signs[held] = np.where(turned == theta[term.theta], 1.0, -1.0)
    if np.all(signs > 0):
        return optimum
    psi = signs * optimum.psi
    evaluation = objective_of(problem, method)(psi, None)
    turned_hessian = optimum.hessian
    if turned_hessian is not None:
        turned_hessian = signs[:, None] * turned_hessian * signs
    return replace(
        optimum,
        psi=psi,
        evaluation=evaluation,
        hessian=turned_hessian,
        scale=signs[:, None] * optimum.scale,
    )
