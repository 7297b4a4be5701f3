"""Where the optimiser starts and how it measures distance.

Fixed effects start at the model without random effects, variances at a moment estimate
from the scores of the levels, and both are scaled by their approximate information, so
that the deviance looks like half a unit sphere to the quasi-Newton search.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
from scipy.linalg import lapack

from mixcheck.arrays import FloatArray
from mixcheck.errors import ConvergenceError
from mixcheck.families.derivatives import Derivatives
from mixcheck.fitting.estimation.standardisation import standardise
from mixcheck.fitting.estimation.surroundings import (
    Rows,
    Surroundings,
    diagonals,
    information_of,
)
from mixcheck.fitting.latent.weighted_square import weighted_square
from mixcheck.fitting.likelihood.objective import Evaluation, Objective
from mixcheck.fitting.likelihood.problem import Problem
from mixcheck.trial_values import may_overflow

__all__ = [
    "FixedFit",
    "FixedRows",
    "FixedScore",
    "Moments",
    "climb",
    "find_start",
    "fit_without_random_effects",
    "fixed_units",
    "improve_start",
    "levels_of",
    "newton_step",
    "start_predictors",
    "whiten",
]

_MAX_SCORING = 50
# Scoring stops here: it only has to find the neighbourhood.
_SCORING_DECREMENT = 1e-3
# A starting variance contributes at least this share of the information of a level.
_LEAST_SHRINKAGE = 0.1
# Tied effects are taken to hold no more of the residual variance before them.
_MOST_OF_VARIANCE = 0.9
_MAX_EM = 6
# EM stops where it changes the covariance parameters by less, relative to the largest.
_EM_CHANGE = 0.15
# It is slower than the search where effects keep more than this of their variance given the data.
_SLOW_EM = 0.25
# Eigenvalues of scaled information below this are no more than rounding.
_LEAST_EIGENVALUE = 1e-8


@dataclass(frozen=True, eq=False)
class FixedFit:
    """The model without random effects.

    Attributes
    ----------
    beta : (n_beta,)
    derivatives : Derivatives
        Second order, at `beta`.
    """

    beta: FloatArray
    derivatives: Derivatives


def start_predictors(problem: Problem) -> list[FloatArray]:
    """Each predictor at parameters inside the support, ``eta = g(mu_0)``, (n,) each."""
    family = problem.family
    parameters = family.start_parameters(problem.data)
    return [link.link(part) for link, part in zip(family.links, parameters, strict=True)]


def _project(problem: Problem, etas: Sequence[FloatArray]) -> FloatArray:
    """Fixed effects closest to given predictors, ``(X'X)^-1 X'(eta - offset)``, (n_beta,)."""
    beta = np.zeros(problem.n_beta)
    parts = zip(problem.matrices, problem.offsets, problem.beta_slices, etas, strict=True)
    for X, offset, where, eta in parts:
        step = newton_step(weighted_square(X, np.ones(problem.n)), X.T @ (eta - offset))
        if step is not None:
            beta[where] = step
    return beta


@may_overflow()
def fit_without_random_effects(problem: Problem) -> FixedFit:
    """Newton's method for the fixed effects with every random effect at zero.

    Where the observed information is not positive definite, a step uses a rougher one.
    """
    standard = standardise(problem)
    if standard is None:
        return _score_fixed(problem)
    found = _score_fixed(standard.problem)
    beta = standard.here(np.append(found.beta, np.zeros(problem.n_theta)))[: problem.n_beta]
    return FixedFit(beta, found.derivatives)


def _score_fixed(problem: Problem) -> FixedFit:
    """Newton's method for the fixed effects in the columns of the problem."""
    etas = start_predictors(problem)
    beta = _project(problem, etas)
    first = FixedRows(problem, beta)
    if not np.isfinite(first.value):
        # A least-squares guess may leave the domain of a link; a constant does not.
        beta = _project(problem, [np.full(problem.n, eta.mean()) for eta in etas])
        first = FixedRows(problem, beta)
    last = climb(first, lambda beta: FixedRows(problem, beta))
    return FixedFit(last.beta, last.derivatives)


class FixedScore(Protocol):
    """The log-likelihood without random effects at some fixed effects, (n_beta,)."""

    @property
    def beta(self) -> FloatArray:
        """Where it is."""

    @property
    def value(self) -> float:
        """How large it is."""

    def slopes(self) -> tuple[FloatArray, FloatArray]:
        """Its gradient, (n_beta,), and the observed information, (n_beta, n_beta)."""

    def rough_information(self) -> FloatArray:
        """Information that is never negative, (n_beta, n_beta)."""


Climbing = TypeVar("Climbing", bound=FixedScore)


def climb(first: Climbing, score: Callable[[FloatArray], Climbing]) -> Climbing:
    """Newton's method from there to where a step gains less than 5e-4 of log-likelihood.

    Parameters
    ----------
    first : FixedScore
        Where it begins.
    score : callable
        The log-likelihood at fixed effects, (n_beta,).
    """
    at = first
    for _ in range(_MAX_SCORING):
        gradient, information = at.slopes()
        step = newton_step(information, gradient)
        if step is None:
            step = newton_step(at.rough_information(), gradient)
        if step is None or float(gradient.dot(step)) < _SCORING_DECREMENT:
            break
        length = 1.0
        while length > 1e-10:
            after = score(at.beta + length * step)
            if after.value >= at.value - 1e-9 * abs(at.value):
                break
            length *= 0.5
        else:
            break
        at = after
    return at


class FixedRows:
    """``sum l_i(beta) + log p(beta)`` of the rows of a problem; see `FixedScore`.

    Attributes
    ----------
    derivatives : Derivatives
        Of second order.
    """

    def __init__(self, problem: Problem, beta: FloatArray) -> None:
        self.problem, self.beta = problem, beta
        self.eta = problem.fixed(beta)
        self.derivatives = problem.derivatives(self.eta, 2)
        self.value = float(self.derivatives.value.sum())
        if problem.penalty is not None:
            self.value += problem.penalty.of_coefficients(problem.beta_slices, beta)[0]

    def slopes(self) -> tuple[FloatArray, FloatArray]:
        """``X_k' l_k`` for each predictor k, one after another, and ``X' W X``."""
        problem, d = self.problem, self.derivatives
        matrices = problem.matrices
        gradient = np.concatenate([x.T.dot(f) for x, f in zip(matrices, d.first, strict=True)])
        if problem.penalty is not None:
            known = problem.penalty.of_coefficients(problem.beta_slices, self.beta)[1]
            gradient = gradient + known
        return gradient, self._with_priors(information_of(problem, problem.observed(d).second))

    def rough_information(self) -> FloatArray:
        """``X' W X`` with W of the family."""
        problem = self.problem
        return self._with_priors(information_of(problem, problem.step_information(self.eta)))

    def _with_priors(self, information: FloatArray) -> FloatArray:
        problem = self.problem
        if problem.penalty is None:
            return information
        known = np.diag(problem.penalty.information(problem.beta_slices, self.beta))
        return known + information


def newton_step(information: FloatArray, gradient: FloatArray) -> FloatArray | None:
    """``I^-1 g``; None if the information is not positive definite.

    Its diagonal is scaled to one, and 1e-10 added to it.
    """
    if not gradient.size:
        return gradient
    squares = information.diagonal()
    if np.minimum.reduce(squares) <= 0.0:
        return None
    scale = np.sqrt(squares)
    ridge = information / (scale[:, None] * scale)
    ridge.flat[:: scale.size + 1] += 1e-10
    _, step, failed = lapack.dposv(ridge, gradient / scale, lower=1)
    return None if failed else step / scale


@dataclass(frozen=True, eq=False)
class Moments:
    """Sums over the levels of a factor, of scores r and their information w, (q,) each.

    Attributes
    ----------
    excess, squares, information : (q,)
        Sums of ``r^2 - w``, ``w^2`` and w.
    m : int
        Number of levels.
    """

    excess: FloatArray
    squares: FloatArray
    information: FloatArray
    m: int

    @classmethod
    def of(cls, scores: FloatArray, information: FloatArray) -> Moments:
        """From scores and information of each level, (q, m)."""
        return cls(
            np.sum(scores**2 - information, axis=1),
            np.sum(information**2, axis=1),
            information.sum(axis=1),
            information.shape[1],
        )

    def __add__(self, other: Moments) -> Moments:
        return Moments(
            self.excess + other.excess,
            self.squares + other.squares,
            self.information + other.information,
            self.m + other.m,
        )

    def deviations(self) -> FloatArray:
        """Standard deviation of each effect from level scores r ~ (0, w + s^2 w^2), (q,).

        ``s^2 = sum (r^2 - w) / sum w^2``, and ``0.1 / mean(w)`` at least.
        """
        excess = self.excess / np.maximum(self.squares, 1e-300)
        least = _LEAST_SHRINKAGE / np.maximum(self.information / self.m, 1e-300)
        deviations: FloatArray = np.sqrt(np.maximum(excess, least))
        return deviations


def levels_of(problem: Problem, d: Derivatives) -> tuple[list[FloatArray], list[FloatArray]]:
    """Scores and information of the levels of each factor without random effects, (q, m)."""
    gram = problem.latent.gram(problem.observed(d).second)
    information = [np.maximum(w, 1e-12) for w in diagonals(problem, gram)]
    scores = problem.latent.scatter({k: d.first[k] for k in problem.latent.random_predictors})
    return scores, information


def find_start(problem: Problem, fixed: FixedFit) -> FloatArray:
    """Starting values of all parameters, (P,): fixed effects, then theta.

    Theta are those of independent effects with deviations ``s^2 = sum (r^2 - w) / sum w^2``, from
    the scores ``r = Z'l'`` of levels without random effects and their information ``w = Z'WZ``.
    """
    beta, d = fixed.beta, fixed.derivatives
    theta = np.zeros(problem.n_theta)
    tied = any(term.tied for term in problem.terms)
    bend = _bend(problem, beta) if tied else 0.0
    if problem.terms:
        scores, information = levels_of(problem, d)
        deviations = [
            Moments.of(r, w).deviations() for r, w in zip(scores, information, strict=True)
        ]
        for term in problem.terms:
            own = [part[term.factor][term.columns] for part in (deviations, scores, information)]
            theta[term.theta] = term.start(*own, bend=bend if term.predictor == 0 else 0.0)
    if tied:
        beta = _conditional(problem, beta, theta, bend)
    return np.concatenate([beta, theta])


def _bend(problem: Problem, beta: FloatArray) -> float:
    """Mean curvature of the mean beside its slope, as a function of its predictor.

    As canonical links have it: third derivatives of the log density beside the second ones,
    ``sum l''' / sum l''``, between -1 and 1.
    """
    d = problem.derivatives(problem.fixed(beta), 3)
    second, third = d.second.get((0, 0)), d.third.get((0, 0, 0))
    if second is None or third is None:
        return 0.0
    ratio = float(third.sum()) / (float(second.sum()) or np.inf)
    return min(max(ratio, -1.0), 1.0) if np.isfinite(ratio) else 0.0


def _conditional(problem: Problem, beta: FloatArray, theta: FloatArray, bend: float) -> FloatArray:
    """Fixed effects given effects of tied levels, (n_beta,), from those without random effects.

    ``E mu(eta + b) = mu(eta + v mu_2 / 2 mu_1)`` to first order in the variance v of b, and a
    normal residual is left its share of the variance.
    """
    out = beta.copy()
    sizes = dict.fromkeys(range(len(problem.X)), 0.0)
    for term in problem.terms:
        if term.tied:
            root = term.units(theta[term.theta])
            sizes[term.predictor] += float(np.trace(root @ root.T)) / len(root)
    shifts = {0: -0.5 * bend * sizes[0]}
    if problem.family.is_linear:
        whole = float(np.exp(2.0 * problem.fixed(beta)[1]).mean())
        shifts[1] = 0.5 * math.log1p(-min(sizes[0] / whole, _MOST_OF_VARIANCE))
    for k, shift in shifts.items():
        X = problem.X[k]
        step = newton_step(X.T @ X, X.sum(axis=0)) if shift else None
        if step is not None:
            out[problem.beta_slices[k]] += shift * step
    return out


def fixed_units(problem: Problem, fixed: FixedFit) -> FloatArray:
    """R, (p, p), with ``R R' = (X'WX)^-1``: of the mean's fixed effects without random ones."""
    weight = problem.step_information(problem.fixed(fixed.beta))[0, 0]
    return _inverse_root(weighted_square(problem.matrices[0], weight))


def improve_start(
    problem: Problem,
    objective: Objective,
    psi: FloatArray,
    around: Surroundings | None = None,
) -> Evaluation:
    """Evaluate at `psi`, and come closer while an EM step moves the variances much.

    With many observations a level, a moment estimate can be many standard errors off,
    where EM converges in a few steps; with few, EM is slow and is left at once.

    Parameters
    ----------
    problem : Problem
    objective : Objective
    psi : (P,)
    around : Surroundings, optional
        By default those of the rows of the problem.
    """
    there = around or Rows(problem)
    evaluation = objective(psi, None)
    for _ in range(_MAX_EM):
        if evaluation.mode is None or not problem.terms:
            break
        # With a dispersion or a zero part the way of EM is the safer one.
        if len(problem.X) == 1 and there.kept_variance(evaluation) > _SLOW_EM:
            break
        theta = evaluation.psi[problem.n_beta :]
        proposed = _em_step(problem, there.second_moments(evaluation), theta)
        if np.abs(proposed - theta).max() < _EM_CHANGE * np.abs(theta).max():
            break
        scale = _fixed_scale(problem, there.fixed_information(evaluation))
        beta = evaluation.psi[: problem.n_beta]
        beta = beta - scale @ (scale.T @ evaluation.gradient[: problem.n_beta])
        after = objective(np.concatenate([beta, proposed]), evaluation)
        if not after.deviance < evaluation.deviance:
            break
        evaluation = after
    return evaluation


def _em_step(problem: Problem, moments: list[FloatArray], theta: FloatArray) -> FloatArray:
    """Covariances ``Lambda E[u u' | y] Lambda'``, as theta."""
    out = theta.copy()
    for term, moment in zip(problem.terms, moments, strict=True):
        if term.tied:
            continue  # its covariance is not that of independent levels
        root = term.covariance.root(theta[term.theta])
        covariance = root.dot(moment).dot(root.T)
        if not math.isfinite(covariance.sum()):
            return theta
        total = sum(covariance.diagonal().tolist())
        if total <= 0.0:
            continue  # at a variance of zero a step of EM stays where it is
        covariance.flat[:: len(covariance) + 1] += 1e-12 * total
        out[term.theta] = term.covariance.nearest(covariance)
    return out


def whiten(
    problem: Problem, evaluation: Evaluation, around: Surroundings | None = None
) -> FloatArray:
    """Scale that makes the Hessian of the deviance close to the identity, (P, P).

    S with ``S S' = (2 (X'WX - X'WM H^-1 M'WX))^-1`` for the fixed effects, ``M = Z Lambda``; for
    theta, approximate standard distances of each entry of Lambda by itself.

    Parameters
    ----------
    problem : Problem
    evaluation : Evaluation
    around : Surroundings, optional
        By default those of the rows of the problem.
    """
    if around is None:
        information, spreads = Rows(problem).scales(evaluation)
    else:
        information, spreads = around.fixed_information(evaluation), around.spreads(evaluation)
    fixed = _fixed_scale(problem, information)
    if not problem.terms:
        return fixed
    scale = np.zeros((evaluation.psi.size,) * 2)
    scale[: problem.n_beta, : problem.n_beta] = fixed
    for term, spread in zip(problem.terms, spreads, strict=True):
        where = slice(problem.n_beta + term.theta.start, problem.n_beta + term.theta.stop)
        scale[where, where] = spread
    return scale


def _fixed_scale(problem: Problem, information: FloatArray) -> FloatArray:
    """S, (n_beta, n_beta), with ``S S' = (2 I)^-1``."""
    return _inverse_root(2.0 * information) if problem.n_beta or not problem.terms else information


def _inverse_root(matrix: FloatArray) -> FloatArray:
    """L^-T of a Cholesky factorisation, floored where the matrix is nearly singular."""
    if not np.isfinite(matrix).all():
        raise ConvergenceError(
            "the information on the parameters is not finite, because predictors or weights are so "
            "large that their squares are infinite; divide them"
        )
    deviations = np.sqrt(np.maximum(matrix.diagonal(), 1e-300))
    scaled = matrix / (deviations[:, None] * deviations)
    if not deviations.size:
        return np.empty_like(scaled)
    root: FloatArray
    lower, failed = lapack.dpotrf(scaled, lower=1, clean=1)
    # With a diagonal of ones the other eigenvalues have a product below e.
    if not failed and math.prod(lower.diagonal().tolist()) ** 2 > math.e * _LEAST_EIGENVALUE:
        root = lapack.dtrtri(lower, lower=1)[0].T
        return root / deviations[:, None]
    values, vectors = np.linalg.eigh(scaled)
    if values.min() < _LEAST_EIGENVALUE:
        root = vectors / np.sqrt(np.maximum(values, _LEAST_EIGENVALUE))
    else:
        root = np.linalg.inv(np.linalg.cholesky(scaled)).T
    return root / deviations[:, None]
