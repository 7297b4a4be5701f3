"""Separation where thresholds move along: directions of the mean's predictor and thresholds."""

from __future__ import annotations

import numpy as np

from mixcheck.fitting.estimation.separation import find_separation
from mixcheck.fitting.estimation.start import FixedFit
from mixcheck.fitting.likelihood.problem import Problem

__all__ = ["separated_beside_thresholds"]


def separated_beside_thresholds(problem: Problem, fixed: FixedFit) -> tuple[int, ...]:
    """Columns of the mean that separate ordered categories while thresholds follow.

    A row of category j rises with ``threshold_j - x'b`` and with ``x'b - threshold_(j-1)``: it is
    two rows of a matrix of thresholds and columns, of which the first may go up and the
    second down. A direction that raises some rows and lowers none separates them.

    Parameters
    ----------
    problem : Problem
    fixed : FixedFit
        The model without random effects, whose scores prove that most data are not separated.
    """
    values = list(problem.family.categories.values())
    X, first = problem.X[0], fixed.derivatives.first
    if not values or not X.shape[1]:
        return ()
    codes = np.searchsorted(np.asarray(values), problem.data.y)
    counted = np.ones(problem.n, dtype=np.bool_)
    if problem.weights is not None:
        counted = problem.weights > 0.0
    last = len(values) - 1
    thresholds = np.eye(last)
    upper, lower = np.flatnonzero(counted & (codes < last)), np.flatnonzero(counted & (codes > 0))
    rows = np.concatenate([upper, lower])
    places = np.concatenate([codes[upper], codes[lower] - 1])
    highest = np.arange(rows.size) < upper.size
    stacked = np.column_stack([thresholds[places], -X[rows]])
    slopes = np.stack(first[1:])[places, rows]
    found = find_separation(stacked, ~highest, highest, None, slopes)
    if found is None:
        return ()
    moved = np.flatnonzero(found.direction[last:])
    return tuple(moved.tolist())
