"""Of all parameters with the same covariances the canonical ones, and where a refit leaves them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.fitting.estimation.one_side import end_on_one_side
from mixcheck.fitting.estimation.optimum import Optimum
from mixcheck.fitting.likelihood.approximation import Method, objective_of
from mixcheck.fitting.likelihood.objective import Objective
from mixcheck.fitting.likelihood.problem import Problem

__all__ = ["canonical_optimum", "nudge", "turn"]

# A covariance parameter at zero is a stationary point by symmetry: a refit leaves it by
# this many approximate standard errors.
_NUDGE = 0.5


# Of parameters, to see which way a map of theta to itself goes.
_STEP = 1e-8


def nudge(problem: Problem, psi: FloatArray, scale: FloatArray) -> FloatArray:
    """Where a refit begins: at the estimates of a fit, off the zeros of its deviations.

    A deviation psi_j becomes ``max(psi_j, e_j / 2)``; with S the scale, ``e_j^2 = (S S')_jj``.
    """
    out = psi.copy()
    spread = np.sqrt(np.einsum("ij,ij->i", scale, scale))
    for term in problem.terms:
        for k in term.covariance.even:
            j = problem.n_beta + term.theta.start + k
            out[j] = max(out[j], _NUDGE * spread[j])
    return out


def canonical_optimum(
    problem: Problem, optimum: Optimum, method: Method, objective: Objective | None = None
) -> Optimum:
    """The same optimum at the canonical parameters of its covariances.

    The objective is that of the problem by default.
    """
    turned = turn(problem, optimum.psi)
    if turned is None:
        return optimum
    psi, signs = turned
    if not method.approximation.even:
        return end_on_one_side(problem, optimum, psi, method)
    evaluation = (objective or objective_of(problem, method))(psi, None)
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


def turn(problem: Problem, psi: FloatArray) -> tuple[FloatArray, FloatArray] | None:
    """Canonical parameters c(psi) and their slopes in psi, (P,) each; None for the same.

    Only signs of theta change, so that the Jacobian is diagonal with 1 and -1. It is found by a
    difference, ``(c(theta + h) - c(theta)) / h``.
    """
    signs, theta = np.ones(psi.size), psi[problem.n_beta :]
    canonical = problem.canonical(theta)
    if np.array_equal(canonical, theta):
        return None
    # The map has slopes of 1 and -1; steps away from zero turn no sign.
    away = np.where(theta < 0.0, -_STEP, _STEP) * (1.0 + np.abs(theta))
    slopes = (problem.canonical(theta + away) - canonical) / away
    signs[problem.n_beta :] = np.where(slopes < 0.0, -1.0, 1.0)
    return np.concatenate([psi[: problem.n_beta], canonical]), signs
