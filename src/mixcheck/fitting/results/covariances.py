"""Covariance parameters as variances and covariances, with their sampling covariance."""

from __future__ import annotations

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.fitting.likelihood.problem import Problem, Term
from mixcheck.port import CovarianceEstimates

__all__ = ["estimate_covariances"]

# Lambda Lambda' is quadratic where Lambda is linear in theta: central differences are exact.
_STEP = 1e-4


def estimate_covariances(
    problem: Problem, theta: FloatArray, covariance: FloatArray
) -> CovarianceEstimates:
    """Variances and covariances of the random effects by the delta method.

    Parameters
    ----------
    problem : Problem
    theta : (n_theta,)
    covariance : (n_theta, n_theta)
        Sampling covariance of theta.
    """
    entries: list[tuple[str, int, int]] = []
    values: list[float] = []
    slopes: list[FloatArray] = []
    for term in problem.terms:
        name = f"{problem.family.predictors[term.predictor]}: {term.block.name}"
        whole = _products(term, theta[term.theta])
        slope = np.zeros((*whole.shape, theta.size))
        slope[:, :, term.theta] = _slopes(term, theta[term.theta])
        for i, j in np.argwhere(np.tril(term.covariance.correlated)).tolist():
            entries.append((name, i, j))
            values.append(float(whole[i, j]))
            slopes.append(slope[i, j])
    J = np.array(slopes).reshape(len(slopes), theta.size)
    return CovarianceEstimates(tuple(entries), np.array(values), J @ covariance @ J.T)


def _products(term: Term, theta: FloatArray) -> FloatArray:
    root = term.covariance.root(theta)
    return root @ root.T


def _slopes(term: Term, theta: FloatArray) -> FloatArray:
    """Derivatives of the covariance matrix, (q, q, n_theta)."""
    steps = _STEP * np.eye(theta.size)
    return np.stack(
        [
            (_products(term, theta + step) - _products(term, theta - step)) / (2.0 * _STEP)
            for step in steps
        ],
        axis=-1,
    )
