"""The Hessian of the deviance and the covariance of the estimates, at an optimum."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.execution.threads import single_thread
from mixcheck.fitting.estimation.estimate import (
    dense_size,
    evaluation_at,
    expand_joint,
    joint_around,
)
from mixcheck.fitting.estimation.gaussian import covariance_of_gaussian
from mixcheck.fitting.estimation.information import invert_axes, invert_information
from mixcheck.fitting.estimation.optimize import differentiate_gradient
from mixcheck.fitting.estimation.optimum import Optimum
from mixcheck.fitting.estimation.standardisation import standardise
from mixcheck.fitting.likelihood.approximation import Method, hessian_of, objective_of
from mixcheck.fitting.likelihood.problem import Problem

__all__ = ["covariance_at", "hessian_at", "whitening_at"]


def covariance_at(problem: Problem, optimum: Optimum, method: Method) -> FloatArray:
    """Covariance of the estimates at an optimum, (P, P).

    ``2 H^-1``, H the Hessian of the deviance, which is minus twice the log-likelihood. Where the
    Hessian is found in other columns, whose parameters are phi, it is ``J (2 H^-1) J'`` with
    ``J = d psi / d phi``.
    """
    known = covariance_of_gaussian(optimum)
    if known is not None:
        return known
    if optimum.axes is not None:
        return invert_axes(*optimum.axes, optimum.searched)
    standard = standardise(problem)
    if standard is None:
        return invert_information(hessian_at(problem, optimum, method), optimum.scale)
    psi = standard.there(optimum.psi)
    scale = standard.inverse_jacobian(optimum.psi) @ optimum.scale
    at = evaluation_at(standard.problem, psi, scale, method)
    there = replace(optimum, psi=psi, evaluation=at, scale=scale)
    jacobian = standard.jacobian(psi)
    covariance = invert_information(hessian_at(standard.problem, there, method), scale)
    out: FloatArray = jacobian @ covariance @ jacobian.T
    return out


def hessian_at(problem: Problem, optimum: Optimum, method: Method) -> FloatArray:
    """Hessian of the deviance at an optimum, ``H = d^2 D / d psi d psi'``, (P, P).

    By its formula where there is one, and by differences of the gradient otherwise.
    """
    with single_thread(dense_size(problem, method), problem.n * problem.n_beta):
        if method.joint:
            return _joint_hessian(problem, optimum, method)
        exact = hessian_of(problem, method)
        if exact is not None:
            return exact(optimum.evaluation)
        return differentiate_gradient(
            objective_of(problem, method), optimum.psi, optimum.scale, optimum.evaluation
        )


def _joint_hessian(problem: Problem, optimum: Optimum, method: Method) -> FloatArray:
    """Where the fixed effects of the mean are latent, the Hessian in blocks.

    ``2 C^-1`` for these effects, with C their covariance given the other parameters, and
    differences of the gradient in the others.
    """
    joint, outer = joint_around(problem, optimum.psi, optimum.scale)
    objective, psi = objective_of(joint.problem, method), joint.outer(optimum.psi)
    at = objective(psi, None)
    hessian = differentiate_gradient(objective, psi, outer, at)
    inner = Optimum(psi, at, outer, np.nan, hessian, np.nan, 0)
    whole = expand_joint(joint, inner, method)
    assert whole.hessian is not None
    return whole.hessian


def whitening_at(optimum: Optimum, covariance: FloatArray) -> FloatArray:
    """S with ``S' D'' S = I``, which whitens the deviance D at an optimum, (P, P).

    From the whitened Hessian where it is known: the covariance itself may be singular to rounding
    where columns are far from zero. Otherwise from the correlations of the estimates, so that
    parameters of small and of large units are known alike.

    Parameters
    ----------
    optimum : Optimum
    covariance : (P, P)
        Of its estimates.
    """
    whitened = optimum.whitened_hessian()
    if optimum.curvature is not None and whitened is not None and not optimum.flat:
        values, vectors = np.linalg.eigh(whitened)
        reach = np.where(values > 1e-6, 1.0 / np.sqrt(np.maximum(values, 1e-6)), 0.0)
        known: FloatArray = optimum.scale @ (vectors * np.maximum(reach, 1e-6))
        return known
    units = np.sqrt(np.maximum(covariance.diagonal(), 0.0))
    units = np.where(units > 0.0, units, 1.0)
    values, vectors = np.linalg.eigh(covariance / np.outer(units, units))
    least = 1e-12 * values.max()
    root: FloatArray = units[:, None] * vectors * np.sqrt(0.5 * np.maximum(values, least))
    return root
