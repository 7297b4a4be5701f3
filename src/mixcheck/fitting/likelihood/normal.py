"""The deviance of a normal response whose mean alone has random effects, in closed form.

With precisions ``W = diag(w_i / s_i^2)`` of the rows (frequency weights w, standard deviations s),
``e = y - X b - Z Lambda u`` and the covariance K of tied levels (I where they are independent)

``H = Lambda'Z'WZ Lambda + K^-1``, ``u = H^-1 Lambda'Z'W (y - X b)``,

``D = sum_i w_i log(2 pi s_i^2) + e'We + u'K^-1 u + log det H [+ log det K]``,

so that one solve leads to the modes, wherever a search for them would begin. W does not depend on
the mean: the gradient has no part that goes through the modes.
"""

from __future__ import annotations

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.families.continuous import LARGEST_RESIDUAL, LOG_SD_MAX
from mixcheck.fitting.latent.factorization import Factorization, factorize, log_det_slopes
from mixcheck.fitting.latent.roots import (
    Root,
    covariances_of_effects,
    differentiate_product,
    prior_slopes,
    scale,
    whiten_effects,
)
from mixcheck.fitting.likelihood.adjoint import largest_variance
from mixcheck.fitting.likelihood.mode import Mode, System, ascent, is_normal
from mixcheck.fitting.likelihood.objective import Evaluation
from mixcheck.fitting.likelihood.points import NormalPoint
from mixcheck.fitting.likelihood.problem import Problem

__all__ = ["evaluate_normal", "has_closed_form"]

# What one solve may leave of the gradient g in the effects, relative to the scores; or of the
# decrement ``g'H^-1 g``, as in a search for modes. Another solve takes the rest.
_LEFT = 1e-10
_DECREMENT = 1e-16
_MOST_SOLVES = 3


def has_closed_form(problem: Problem) -> bool:
    """Whether the deviance of a problem is that of this module."""
    latent = problem.latent
    return is_normal(problem) and latent.fixed is None and not latent.iterative


def evaluate_normal(problem: Problem, psi: FloatArray, *, sloped: bool) -> Evaluation | None:
    """The deviance, and its gradient where it is asked for, (P,).

    ``dD / d eta_0 = -2 We`` in the mean, ``2 (w - We^2 - W h)`` in the logarithm of s, with h the
    conditional variances of ``Z Lambda u``, and in Lambda that of ``log det H`` less ``2 Z'We u'``.

    None where the general way must say what is wrong: H is not positive definite, or residuals or
    deviations are beyond what the family takes.
    """
    latent, roots = problem.latent, problem.roots(psi[problem.n_beta :])
    mean, log_sd = problem.fixed(psi)
    if not np.abs(log_sd).max() <= LOG_SD_MAX:
        return None
    inverse = np.exp(-log_sd)
    precision = inverse * inverse
    if problem.weights is not None:
        precision = problem.weights * precision
    gram = latent.gram({(0, 0): precision})
    factorization = factorize(latent, gram, roots)
    if factorization is None:
        return None
    found = _solve(problem, roots, factorization, mean, log_sd, precision)
    if found is None or not np.abs((problem.data.y - found.eta[0]) * inverse).max() <= (
        LARGEST_RESIDUAL
    ):
        return None
    mode = Mode(found, System(factorization, gram, True), roots, 1)
    deviance = 2.0 * found.energy + factorization.log_det()
    if not sloped:
        return Evaluation(psi, deviance, np.full(psi.size, np.nan), mode)
    entries = factorization.inverse_entries()
    variance = latent.leverages(covariances_of_effects(roots, entries))[0, 0]
    residual = problem.data.y - found.eta[0]
    score = precision * residual
    counted = 1.0 if problem.weights is None else problem.weights
    rows = [-2.0 * score, 2.0 * (counted - score * residual - precision * variance)]
    parts = zip(roots, found.scores, found.u, log_det_slopes(gram, entries, roots), strict=True)
    d_roots = [slope - 2.0 * differentiate_product(root, s, u) for root, s, u, slope in parts]
    further = factorization.dependence_slopes(entries)
    for f, slope in prior_slopes(roots, 1.0, found.u, found.u).items():
        further[f] = further.get(f, 0.0) + slope
    for f, slope in further.items():
        d_roots[f][d_roots[f].size - slope.size :] += slope
    betas = [x.T @ row for x, row in zip(problem.matrices, rows, strict=True)]
    theta = problem.pull_back(psi[problem.n_beta :], d_roots)
    gradient = np.concatenate([*betas, theta])
    return Evaluation(psi, deviance, gradient, mode, largest_variance(problem, entries))


def _solve(
    problem: Problem,
    roots: list[Root],
    factorization: Factorization,
    mean: FloatArray,
    log_sd: FloatArray,
    precision: FloatArray,
) -> NormalPoint | None:
    """The modes ``u = H^-1 Lambda'Z'W (y - X b)``, refined where rounding has left much."""
    latent, y = problem.latent, problem.data.y
    scores = latent.scatter({0: precision * (y - mean)})
    left = [scale(root.T, part) for root, part in zip(roots, scores, strict=True)]
    size = max((float(np.abs(part).max(initial=0.0)) for part in left), default=0.0)
    u = factorization.solve(left)
    for _ in range(_MOST_SOLVES):
        point = _describe(problem, roots, u, mean, log_sd, precision)
        left = ascent(problem, roots, point)
        if (
            max((float(np.abs(part).max(initial=0.0)) for part in left), default=0.0)
            <= _LEFT * size
        ):
            return point
        step = factorization.solve(left)
        if sum(float(np.vdot(a, b)) for a, b in zip(left, step, strict=True)) < _DECREMENT:
            return point
        u = [a + b for a, b in zip(u, step, strict=True)]
    return None


def _describe(
    problem: Problem,
    roots: list[Root],
    u: list[FloatArray],
    mean: FloatArray,
    log_sd: FloatArray,
    precision: FloatArray,
) -> NormalPoint:
    """Effects u with their energy ``h(u)`` and scores ``Z'We``."""
    latent, y = problem.latent, problem.data.y
    effects = [scale(root, part) for root, part in zip(roots, u, strict=True)]
    shift = latent.gather(effects, 2)[0]
    eta = [mean if shift is None else mean + shift, log_sd]
    residual = y - eta[0]
    score = precision * residual
    white = u
    if latent.tied:
        white = [whiten_effects(root, part) for root, part in zip(roots, u, strict=True)]
    constants = log_sd - problem.data.constant
    energy = 0.5 * float(score @ residual) + sum(0.5 * float(np.vdot(e, e)) for e in white)
    energy += float(
        np.add.reduce(constants) if problem.weights is None else problem.weights @ constants
    )
    return NormalPoint(problem, u, eta, energy, white, latent.scatter({0: score}))
