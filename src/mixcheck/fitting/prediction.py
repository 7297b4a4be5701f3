"""Predictions on new data, with and without random effects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.design.matrices import Predictor

__all__ = ["fixed_predictors", "random_contribution", "random_variance"]


def fixed_predictors(
    parts: Sequence[Predictor], betas: Sequence[FloatArray]
) -> tuple[FloatArray, ...]:
    """Each predictor with random effects at zero, (n,)."""
    return tuple(part.offset + part.X @ beta for part, beta in zip(parts, betas, strict=True))


def random_contribution(part: Predictor, effects: Mapping[str, FloatArray]) -> FloatArray:
    """Sum over the random terms of one predictor of ``z'b``, (n,); unseen levels give zero.

    Parameters
    ----------
    part : Predictor
    effects : mapping of term name to (m, q)
        Random effects on the scale of the predictor.
    """
    out = np.zeros(part.offset.size)
    for block in part.random:
        known = block.codes >= 0
        held = effects[block.name][np.where(known, block.codes, 0)]
        out += np.where(known, np.einsum("nq,nq->n", block.Z, held), 0.0)
    return out


def random_variance(part: Predictor, covariances: Mapping[str, FloatArray]) -> FloatArray:
    """Prior variance of the random part of one predictor, (n,).

    Parameters
    ----------
    part : Predictor
    covariances : mapping of term name to (q, q)
    """
    out = np.zeros(part.offset.size)
    for block in part.random:
        out += np.einsum("nq,qr,nr->n", block.Z, covariances[block.name], block.Z)
    return out
