"""Estimate the parameters of a problem, from scratch or from a previous fit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.errors import ConvergenceError
from mixcheck.fitting.laplace import Evaluation, HessianKind, evaluate
from mixcheck.fitting.mode import predict_mode
from mixcheck.fitting.optimize import Objective, Optimum, differentiate_gradient, minimise
from mixcheck.fitting.problem import Problem
from mixcheck.fitting.start import (
    FixedFit,
    approach,
    find_start,
    fit_without_random_effects,
    whiten,
)
from mixcheck.fitting.threads import single_thread

__all__ = ["estimate", "hessian_at", "re_estimate"]

# A covariance parameter at zero is a stationary point by symmetry: a refit leaves it by
# this many approximate standard errors.
_NUDGE = 0.5


def _objective(problem: Problem, hessian: HessianKind) -> Objective:
    def deviance(psi: FloatArray, nearby: Evaluation | None) -> Evaluation:
        if nearby is None or nearby.mode is None or not problem.terms:
            return evaluate(problem, psi, problem.latent.zeros(), hessian=hessian)
        u, close = predict_mode(problem, nearby.mode, nearby.psi, psi)
        chord = nearby.mode.system.factorization
        return evaluate(problem, psi, u, hessian=hessian, chord=chord, close=close)

    return deviance


def estimate(problem: Problem, hessian: HessianKind, fixed: FixedFit | None = None) -> Optimum:
    """Maximise the likelihood from scratch, with curvature.

    Parameters
    ----------
    problem : Problem
    hessian : {"observed", "expected"}
    fixed : FixedFit, optional
        The model without random effects, where it is fitted already.

    Raises
    ------
    ConvergenceError
        If the likelihood is not finite at any starting point.
    """
    with single_thread(problem.latent.rest_size):
        start = find_start(problem, fixed or fit_without_random_effects(problem))
        optimum = _first_finite(problem, hessian, start)
        return _rectify(problem, optimum, hessian)


def _first_finite(problem: Problem, hessian: HessianKind, start: FloatArray) -> Optimum:
    shrink = np.ones(start.size)
    objective = _objective(problem, hessian)
    for factor in (1.0, 0.3, 0.03):
        shrink[problem.n_beta :] = factor
        first = approach(problem, objective, start * shrink)
        if first.mode is not None:
            scale = whiten(problem, first)
            return minimise(objective, first.psi, scale, first=first)
    raise ConvergenceError(
        "the likelihood is not finite at the starting values: the link may not fit these data "
        f"(family {problem.family!r}). Try another link, or rescale the predictors."
    )


def re_estimate(
    problem: Problem, previous: FloatArray, scale: FloatArray, hessian: HessianKind
) -> Optimum:
    """Maximise the likelihood for a new response, starting from a previous fit.

    Parameters
    ----------
    problem : Problem
    previous : (P,)
        Estimates of the previous fit.
    scale : (P, P)
        Root of their covariance.
    hessian : {"observed", "expected"}
    """
    with single_thread(problem.latent.rest_size):
        start = _nudge(problem, previous, scale)
        optimum = minimise(_objective(problem, hessian), start, scale, hessian=False)
        if not np.isfinite(optimum.evaluation.deviance):
            return estimate(problem, hessian)
        return _rectify(problem, optimum, hessian)


def hessian_at(problem: Problem, optimum: Optimum, hessian: HessianKind) -> FloatArray:
    """Hessian of the deviance at an optimum, (P, P)."""
    with single_thread(problem.latent.rest_size):
        return differentiate_gradient(
            _objective(problem, hessian), optimum.psi, optimum.scale, optimum.evaluation
        )


def _nudge(problem: Problem, psi: FloatArray, scale: FloatArray) -> FloatArray:
    out = psi.copy()
    spread = np.sqrt(np.einsum("ij,ij->i", scale, scale))
    for term in problem.terms:
        for k in term.covariance.diagonal:
            j = problem.n_beta + term.theta.start + k
            out[j] = max(out[j], _NUDGE * spread[j])
    return out


def _rectify(problem: Problem, optimum: Optimum, hessian: HessianKind) -> Optimum:
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
    evaluation = _objective(problem, hessian)(psi, None)
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
