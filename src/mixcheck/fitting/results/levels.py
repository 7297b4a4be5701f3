"""Levels of random terms, and how much their conditional modes vary over data of the model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.fitting.latent.roots import Root, units_of
from mixcheck.fitting.likelihood.problem import Problem
from mixcheck.fitting.predictive.data_view import name_effects
from mixcheck.port import TermLevels

__all__ = ["describe_levels"]


def describe_levels(
    problem: Problem, roots: Sequence[Root], conditional: Sequence[FloatArray]
) -> dict[str, TermLevels]:
    """Labels of each term with independent levels, and what the data explain of its variance.

    Deviations are ``(p - v)^(1/2)`` with the prior variances ``p = diag(L L')``, reliabilities
    ``1 - v / p``, and 0 where p is.

    Parameters
    ----------
    problem : Problem
    roots : list of (q, q)
        ``L`` of each factor.
    conditional : list of (q, m)
        ``v``, the variances of the effects given the data.
    """
    prior = [np.sum(units_of(root) ** 2, axis=1)[:, None] for root in roots]
    explained = [np.maximum(p - v, 0.0) for p, v in zip(prior, conditional, strict=True)]
    shares = [e / np.where(p > 0.0, p, 1.0) for e, p in zip(explained, prior, strict=True)]
    deviations = name_effects(problem, [np.sqrt(e) for e in explained])
    reliability = name_effects(problem, shares)
    return {
        name: TermLevels(term.block.levels, term.block.effects, values, reliability[name])
        for (name, values), term in zip(deviations.items(), problem.terms, strict=True)
        if problem.latent.factors[term.factor].ties is None
    }
