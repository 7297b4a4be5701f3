"""Optima of a deviance that differs between parameters of one covariance.

A standard deviation of either sign is the same covariance, and the likelihood is even in it. Its
average over random points is so only up to their error, and near zero its minimum lies on either
side. On the other side than the canonical one the search goes on from the mirror image; where it
leaves that side too, the edge is the minimum of the mean over both sides, which has no slope
across it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mixcheck.arrays import BoolArray, FloatArray
from mixcheck.fitting.estimation.optimize import differentiate_gradient, minimise
from mixcheck.fitting.estimation.optimum import Optimum
from mixcheck.fitting.likelihood.approximation import Method, objective_of
from mixcheck.fitting.likelihood.problem import Problem

__all__ = ["end_on_one_side"]


def end_on_one_side(problem: Problem, optimum: Optimum, psi: FloatArray, method: Method) -> Optimum:
    """The optimum at canonical parameters of a deviance that differs from that of their mirror.

    Parameters
    ----------
    problem : Problem
    optimum : Optimum
        At other parameters of its covariances.
    psi : (P,)
        The canonical ones.
    method : Method
    """
    objective, several = objective_of(problem, method), optimum.hessian is not None
    again = minimise(objective, psi, optimum.scale, hessian=several, rows=problem.n)
    inside = again.psi.copy()
    inside[problem.n_beta :] = problem.canonical(again.psi[problem.n_beta :])
    held = _even(problem) & (inside != again.psi)
    if not held.any():
        return again
    inside[held] = 0.5 * (inside + again.psi)[held]
    edge = minimise(objective, inside, again.scale, free=~held, hessian=False, rows=problem.n)
    return _across(problem, replace(edge, scale=again.scale, free=None), held, again, method)


def _across(
    problem: Problem, edge: Optimum, held: BoolArray, before: Optimum, method: Method
) -> Optimum:
    """An optimum at edges, with the derivatives of the mean over both of their sides."""
    gradient = np.where(held, 0.0, edge.evaluation.gradient)
    evaluation = replace(edge.evaluation, gradient=gradient)
    found = replace(
        edge,
        evaluation=evaluation,
        gradient=float(np.abs(edge.scale.T @ gradient).max(initial=0.0)),
        evaluations=before.evaluations + edge.evaluations,
    )
    if before.hessian is None:
        return found
    hessian = differentiate_gradient(
        objective_of(problem, method), edge.psi, edge.scale, edge.evaluation
    )
    hessian = np.where(held[:, None] == held, hessian, 0.0)
    found = replace(found, hessian=hessian)
    whitened = found.whitened_hessian()
    assert whitened is not None
    return replace(found, smallest_eigenvalue=float(np.linalg.eigvalsh(whitened)[0]))


def _even(problem: Problem) -> BoolArray:
    """Which parameters, (P,), turn their sign with those of random effects."""
    out = np.zeros(problem.n_beta + problem.n_theta, dtype=np.bool_)
    for term in problem.terms:
        out[[problem.n_beta + term.theta.start + k for k in term.covariance.even]] = True
    return out
