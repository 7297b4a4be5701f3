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
    """Labels and deviations ``(diag(L L') - v)^(1/2)`` of each term with independent levels.

    Parameters
    ----------
    problem : Problem
    roots : list of (q, q)
        ``L`` of each factor.
    conditional : list of (q, m)
        ``v``, the variances of the effects given the data.
    """
    deviations = [
        np.sqrt(np.maximum(np.sum(units_of(root) ** 2, axis=1)[:, None] - variance, 0.0))
        for root, variance in zip(roots, conditional, strict=True)
    ]
    return {
        name: TermLevels(term.block.levels, term.block.effects, values)
        for (name, values), term in zip(
            name_effects(problem, deviations).items(), problem.terms, strict=True
        )
        if problem.latent.factors[term.factor].ties is None
    }
