"""What leaving out one row does to the coefficients, by one step of all that is estimated.

With W the information of a row in its predictors, s its scores at the modes, E the derivative of
its predictors in the coefficients, the modes following, and C the covariance of these predictors
given the data, leaving the row out moves the coefficients by

``-V E' (I - W C)^-1 s``,

V their covariance: the modes of the row's levels move too, and the row takes its own information
with it. In a Gaussian model whose variances are known it is exact; it is that of Pregibon (1981)
with the random effects among the coefficients.

References
----------
Pregibon (1981), Annals of Statistics 9, 705-724. Cook & Weisberg (1982), Residuals and Influence
in Regression, Chapman & Hall, section 2.2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.fitting.latent.roots import Root, covariances_of_effects
from mixcheck.fitting.likelihood.problem import Problem
from mixcheck.fitting.predictive.score_projection import ScoreCovariance

__all__ = ["remove_rows"]

# A row that holds more of what is known of its predictors than this takes the coefficients with
# it, and is held at this.
_MOST = 0.99


def remove_rows(
    problem: Problem,
    roots: Sequence[Root],
    eta: Sequence[FloatArray],
    covariances: Mapping[int, FloatArray],
) -> list[FloatArray]:
    """``E' (I - W C)^-1`` of each row: what its scores are multiplied with, (K, n, p) by part.

    Parameters
    ----------
    problem : Problem
    roots : list of (q, q)
        ``Lambda`` of each factor.
    eta : list of (n,)
        Predictors at the conditional modes.
    covariances : mapping of int to (p, p)
        Of the coefficients of each predictor; those without a finite one are left out.

    Raises
    ------
    ConvergenceError
        If the information has no finite value there.
    """
    given = ScoreCovariance.at(problem, roots, eta)
    effects = [
        np.stack([given.follow(k, column) for column in X.T], axis=-1)
        if X.shape[1]
        else np.zeros((len(problem.X), *X.shape))
        for k, X in enumerate(problem.X)
    ]
    known = _covariance_given_data(problem, given)
    for k, part in enumerate(effects):
        known += np.einsum("anp,pq,bnq->nab", part, covariances[k], part)
    taken = _take_out(known, _by_row(given.information, known.shape))
    return [np.einsum("anp,nab->bnp", part, taken) for part in effects]


def _covariance_given_data(problem: Problem, given: ScoreCovariance) -> FloatArray:
    """``m_a' H^-1 m_b``, (n, K, K)."""
    count = len(problem.X)
    out = np.zeros((problem.n, count, count))
    if problem.latent.factors:
        entries = given.factorization.inverse_entries()
        leverages = problem.latent.leverages(covariances_of_effects(given.roots, entries))
        for (a, b), values in leverages.items():
            out[:, a, b] = out[:, b, a] = values
    return out


def _by_row(pairs: Mapping[tuple[int, int], FloatArray], shape: tuple[int, ...]) -> FloatArray:
    out = np.zeros(shape)
    for (a, b), values in pairs.items():
        out[:, a, b] = out[:, b, a] = values
    return out


def _take_out(known: FloatArray, weight: FloatArray) -> FloatArray:
    """``(I - W C)^-1``, (n, K, K).

    With ``C = R R'`` and ``R' W R = U diag(c) U'`` it is ``I + W R U diag(1 / (1 - c)) U' R'``.
    """
    values, vectors = np.linalg.eigh(known)
    root = vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :]
    shares, axes = np.linalg.eigh(np.swapaxes(root, 1, 2) @ weight @ root)
    turned = root @ axes
    left = 1.0 - np.minimum(shares, _MOST)
    out: FloatArray = np.eye(known.shape[1]) + weight @ (turned / left[:, None, :]) @ np.swapaxes(
        turned, 1, 2
    )
    return out
