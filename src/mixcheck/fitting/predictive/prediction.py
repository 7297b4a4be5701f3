"""Predictions on new data, with and without random effects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.design.covariances import Sequential
from mixcheck.design.predictors import Predictor
from mixcheck.families import Family
from mixcheck.predictive import ConditionalDistribution, MarginalDistribution

__all__ = [
    "fixed_predictors",
    "population_probability",
    "random_contribution",
    "random_variance",
]


def fixed_predictors(
    parts: Sequence[Predictor], betas: Sequence[FloatArray]
) -> tuple[FloatArray, ...]:
    """``offset + X beta`` of each predictor, random effects at zero, (n,)."""
    return tuple(part.offset + part.X @ beta for part, beta in zip(parts, betas, strict=True))


def random_contribution(
    part: Predictor, effects: Mapping[str, FloatArray], theta: Mapping[str, FloatArray]
) -> FloatArray:
    """Sum over the random terms of one predictor of ``z'b``, (n,); unseen levels give zero.

    Parameters
    ----------
    part : Predictor
    effects : mapping of term name to (m, q)
        Random effects on the scale of the predictor.
    theta : mapping of term name to (n_theta,)
        Covariance parameters.
    """
    out = np.zeros(part.offset.size)
    for block in part.random:
        known = block.codes >= 0
        b = effects[block.name][np.where(known, block.codes, 0)]
        if block.positions is not None and isinstance(block.covariance, Sequential):
            # Beyond the times of the fit, the mean given the last effect that is known.
            inside = np.clip(block.positions, 0, len(block.effects) - 1)
            b = np.take_along_axis(b, inside[:, None], axis=1)
            steps = (block.positions - inside).astype(np.float64)
            left = block.covariance.carry(theta[block.name], steps)
            b = b * left[:, None]
        out += np.where(known, np.einsum("nq,nq->n", block.Z, b), 0.0)
    return out


def random_variance(part: Predictor, covariances: Mapping[str, FloatArray]) -> FloatArray:
    """``sum z' Sigma z`` over the random terms of one predictor: prior variance of its part, (n,).

    Parameters
    ----------
    part : Predictor
    covariances : mapping of term name to (q, q)
    """
    out = np.zeros(part.offset.size)
    for block in part.random:
        part_of = np.einsum("nq,qr,nr->n", block.Z, covariances[block.name], block.Z)
        if block.relation is not None:
            # A level like those of the data on average.
            part_of = part_of * float(block.relation.matrix.diagonal().mean())
        out += part_of
    return out


def population_probability(
    family: Family, eta: Sequence[FloatArray], variance: FloatArray, k: float
) -> FloatArray:
    """``E P(y = k; eta + sqrt(v) z)``, z standard normal, (n,): random effects integrated out.

    Parameters
    ----------
    family : Family
    eta : K arrays (n,)
        Predictors with random effects at zero, or at what they are given.
    variance : (n,)
        Prior variance of the random part of the mean's predictor; zero where it is given.
    k : float
    """
    known = np.isfinite([*eta, variance]).all(axis=0)
    out = np.full(known.shape, np.nan)
    rows = np.flatnonzero(known)
    predictors = tuple(e[rows] for e in eta)
    if variance[rows].any():
        out[rows] = MarginalDistribution(family, predictors, variance[rows], None).probability(k)
    else:
        out[rows] = ConditionalDistribution(family, predictors, None).probability(k)
    return out
