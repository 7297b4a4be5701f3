"""Where the search for the covariances of a linear mixed model starts.

Moment estimates of the variances, then, with one grouping factor, Fisher's scoring and Newton's
method in the covariance matrix itself.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.linalg import lapack

from mixcheck.arrays import FloatArray
from mixcheck.fitting.estimation.pivoted_cholesky import (
    Chart,
    diagonal_matrix,
    positive_root,
    to_lower,
)
from mixcheck.fitting.latent.roots import units_of
from mixcheck.fitting.likelihood.problem import Problem
from mixcheck.fitting.likelihood.profiled_deviance import ProfiledDeviance
from mixcheck.fitting.likelihood.profiled_levels import Levels, score_levels

__all__ = ["least_deviations", "restart", "start_by_moments", "start_by_scoring"]

# Fisher's scoring gives way to Newton's method where a step has promised less, and that ends
# where the next step would be rounding.
_SCORED = 1.0
_STEPPED = 1e-7
_MAX_SCORINGS = 6
# A starting variance contributes at least this share of the information of a level.
_LEAST_SHRINKAGE = 0.1
# A starting residual variance is at least this share of the whole.
_LEAST_LEFT = 0.01
_TINIEST = 1e-300


def least_deviations(w: FloatArray) -> FloatArray:
    """Starting deviations that each effect has at least, ``sqrt(0.1 / mean(w))``, (q,).

    So the information w of a level on it shrinks it by a tenth at least: ``w s^2 = 0.1``.
    """
    means = w.sum(axis=1) / w.shape[1]
    out: FloatArray = np.sqrt(_LEAST_SHRINKAGE / np.maximum(means, 1e-300))
    return out


def start_by_moments(deviance: ProfiledDeviance, least: list[FloatArray]) -> list[FloatArray]:
    """Diagonal Lambda by moment estimates from the scores r of the levels.

    ``E sum r_a^2 = v sum g_aa + sum_b t_b sum g_ab^2`` for effects of variances t and residuals
    of variance v, ``v + sum_b t_b mean(z_b^2 W) = 1``; factors are taken one by one.
    """
    products, total = deviance.products, deviance.products.weights.total
    parts, share, noise = [], 0.0, 0.0
    levels = zip(products.diagonals, products.squares, deviance.moments.random, strict=True)
    for w, known, r in levels:
        squares = known.copy()
        squares.flat[:: len(w) + 1] += _TINIEST
        sums = w.sum(axis=1)
        sides = np.array([(r * r).sum(axis=1), sums])
        _, _, solved, info = lapack.dgesv(squares, sides.T)
        at_none, by_noise = np.asarray(solved).T if info == 0 else np.zeros_like(sides)
        share += float(sums @ np.maximum(at_none, 0.0)) / total
        noise += float(sums @ np.where(at_none > 0.0, by_noise, 0.0)) / total
        parts.append((at_none, by_noise))
    left = min(max((1.0 - share) / max(1.0 - noise, _LEAST_LEFT), _LEAST_LEFT), 1.0)
    return [
        diagonal_matrix(np.maximum(np.sqrt(np.maximum(at_none / left - by_noise, 0.0)), low))
        for low, (at_none, by_noise) in zip(least, parts, strict=True)
    ]


def restart(
    problem: Problem,
    deviance: ProfiledDeviance,
    previous: FloatArray,
    least: list[FloatArray],
) -> list[FloatArray]:
    """Lambda of a previous fit, off the boundary.

    ``C^-1 Lambda / sigma`` with Lambda of the user's effects and C their change of covariates,
    turned to lower triangular form, its diagonal raised to `least`.
    """
    log_sd = previous[problem.beta_slices[1]][0] + deviance.products.weights.shift
    theta = previous[problem.n_beta :] / math.exp(log_sd)
    roots = []
    for root, change, least_of_factor in zip(
        problem.roots(theta), deviance.products.changes, least, strict=True
    ):
        lower = to_lower(np.linalg.solve(change, units_of(root)).astype(np.float64))[0]
        low = np.maximum(least_of_factor - lower.diagonal(), 0.0)
        roots.append(lower + np.diag(low))
    return roots


def start_by_scoring(
    levels: Levels, chart: Chart, root: FloatArray, least: FloatArray
) -> tuple[FloatArray, int]:
    """Lambda by Fisher's scoring and then Newton's method in S, made positive after each step.

    Both have few steps to go where the optimum is inside: the search from their end looks once.
    """
    free, promise, count = chart.free_of_one(len(root)), math.inf, 0
    while count < _MAX_SCORINGS:
        before, count = promise, count + 1
        scored = score_levels(levels, root, free, observed=before < _SCORED)
        if scored is None:
            break
        S, promise = scored
        if promise > before:
            break
        root = positive_root(S, least)
        if promise < _STEPPED:
            break
    return root, count
