"""Where the optimiser starts and how it measures distance.

Fixed effects start at the model without random effects, variances at a moment estimate
from the scores of the levels, and both are scaled by their approximate information, so
that the deviance looks like half a unit sphere to the quasi-Newton search.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import lapack

from mixcheck.arrays import FloatArray
from mixcheck.errors import ConvergenceError
from mixcheck.families.family import Derivatives
from mixcheck.fitting.estimation.standardisation import standardise
from mixcheck.fitting.latent.block_elimination import nested_factors
from mixcheck.fitting.latent.directions import scale_each, scatter_each, solve_each
from mixcheck.fitting.latent.factorization import Factorization
from mixcheck.fitting.latent.layout import Gram
from mixcheck.fitting.latent.roots import Root
from mixcheck.fitting.latent.weighted_square import weighted_square
from mixcheck.fitting.likelihood.mode import Mode, System, build_system
from mixcheck.fitting.likelihood.objective import Evaluation, Objective
from mixcheck.fitting.likelihood.problem import Curvature, Problem
from mixcheck.trial_values import may_overflow

__all__ = [
    "FixedFit",
    "find_start",
    "fit_without_random_effects",
    "fixed_units",
    "improve_start",
    "whiten",
]

_MAX_SCORING = 50
# Scoring stops here: it only has to find the neighbourhood.
_SCORING_DECREMENT = 1e-3
# A starting variance contributes at least this share of the information of a level.
_LEAST_SHRINKAGE = 0.1
# Standard deviations are measured as if they were at least this, per precision of a level.
_LEAST_DEVIATION = 0.03
# Tied effects are taken to hold no more of the residual variance before them.
_MOST_OF_VARIANCE = 0.9
_MAX_EM = 6
# EM stops where it changes the covariance parameters by less, relative to the largest.
_EM_CHANGE = 0.15
# It is slower than the search where effects keep more than this of their variance given the data.
_SLOW_EM = 0.25
# Eigenvalues of scaled information below this are no more than rounding.
_LEAST_EIGENVALUE = 1e-8
# Numbers in one array of what rows do along several fixed effects.
_MOST_NUMBERS = 4_000_000


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


def _information(problem: Problem, second: Mapping[tuple[int, int], FloatArray]) -> FloatArray:
    """``X' W X`` over all predictors, (n_beta, n_beta)."""
    out = np.zeros((problem.n_beta, problem.n_beta))
    for (a, b), weight in second.items():
        one, other = problem.beta_slices[a], problem.beta_slices[b]
        if a == b:
            out[one, one] = weighted_square(problem.matrices[a], weight)
        else:
            out[one, other] = (problem.X[a] * weight[:, None]).T @ problem.X[b]
            out[other, one] = out[one, other].T
    return out


def _start_predictors(problem: Problem) -> list[FloatArray]:
    """Each predictor at parameters inside the support, ``eta = g(mu_0)``, (n,) each."""
    family = problem.family
    parameters = family.start_parameters(problem.data)
    return [link.link(part) for link, part in zip(family.links, parameters, strict=True)]


def _project(problem: Problem, etas: Sequence[FloatArray]) -> FloatArray:
    """Fixed effects closest to given predictors, ``(X'X)^-1 X'(eta - offset)``, (n_beta,)."""
    beta = np.zeros(problem.n_beta)
    parts = zip(problem.matrices, problem.offsets, problem.beta_slices, etas, strict=True)
    for X, offset, where, eta in parts:
        step = _newton_step(weighted_square(X, np.ones(problem.n)), X.T @ (eta - offset))
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
    etas = _start_predictors(problem)
    beta = _project(problem, etas)
    value, eta, d = _score(problem, beta)
    if not np.isfinite(value):
        # A least-squares guess may leave the domain of a link; a constant does not.
        beta = _project(problem, [np.full(problem.n, eta.mean()) for eta in etas])
        value, eta, d = _score(problem, beta)
    for _ in range(_MAX_SCORING):
        gradient, known = _gradient(problem, d), np.zeros((beta.size, beta.size))
        if problem.penalty is not None:
            gradient = gradient + problem.penalty.of_coefficients(problem.beta_slices, beta)[1]
            known = np.diag(problem.penalty.information(problem.beta_slices, beta))
        step = _newton_step(known + _information(problem, problem.observed(d).second), gradient)
        if step is None:
            rough = _information(problem, problem.step_information(eta))
            step = _newton_step(known + rough, gradient)
        if step is None or float(gradient @ step) < _SCORING_DECREMENT:
            break
        length = 1.0
        while length > 1e-10:
            after = _score(problem, beta + length * step)
            if after[0] >= value - 1e-9 * abs(value):
                break
            length *= 0.5
        else:
            break
        beta = beta + length * step
        value, eta, d = after
    return FixedFit(beta, d)


def _score(problem: Problem, beta: FloatArray) -> tuple[float, list[FloatArray], Derivatives]:
    """``sum l_i(beta) + log p(beta)``, the predictors, and the derivatives of l in them."""
    eta = problem.fixed(beta)
    d = problem.derivatives(eta, 2)
    value = float(d.value.sum())
    if problem.penalty is not None:
        value += problem.penalty.of_coefficients(problem.beta_slices, beta)[0]
    return value, eta, d


def _gradient(problem: Problem, d: Derivatives) -> FloatArray:
    """``X_k' l_k`` for each predictor k, one after another."""
    return np.concatenate([x.T @ first for x, first in zip(problem.matrices, d.first, strict=True)])


def _newton_step(information: FloatArray, gradient: FloatArray) -> FloatArray | None:
    """``I^-1 g``; None if the information is not positive definite.

    Its diagonal is scaled to one, and 1e-10 added to it.
    """
    if not gradient.size:
        return gradient
    if np.diag(information).min() <= 0.0:
        return None
    scale = np.sqrt(np.diag(information))
    ridge = information / np.outer(scale, scale) + 1e-10 * np.eye(scale.size)
    _, step, failed = lapack.dposv(ridge, gradient / scale, lower=1)
    return None if failed else step / scale


def _diagonals(problem: Problem, gram: Gram) -> list[FloatArray]:
    """``sum z^2 W`` of each level, an array (q, m) per factor."""
    return [
        np.stack([gram[f, f][c, c] for c in range(factor.q)])
        for f, factor in enumerate(problem.latent.factors)
    ]


def _moment_deviations(scores: FloatArray, information: FloatArray) -> FloatArray:
    """Standard deviation of each effect from level scores r ~ (0, w + s^2 w^2), (q,).

    ``s^2 = sum (r^2 - w) / sum w^2``, and ``0.1 / mean(w)`` at least.
    """
    excess = np.sum(scores**2 - information, axis=1) / np.maximum(
        np.sum(information**2, axis=1), 1e-300
    )
    least = _LEAST_SHRINKAGE / np.maximum(information.mean(axis=1), 1e-300)
    deviations: FloatArray = np.sqrt(np.maximum(excess, least))
    return deviations


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
        gram = problem.latent.gram(problem.observed(d).second)
        information = [np.maximum(w, 1e-12) for w in _diagonals(problem, gram)]
        scores = problem.latent.scatter({k: d.first[k] for k in problem.latent.random_predictors})
        deviations = [_moment_deviations(r, w) for r, w in zip(scores, information, strict=True)]
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
        step = _newton_step(X.T @ X, X.sum(axis=0)) if shift else None
        if step is not None:
            out[problem.beta_slices[k]] += shift * step
    return out


def fixed_units(problem: Problem, fixed: FixedFit) -> FloatArray:
    """R, (p, p), with ``R R' = (X'WX)^-1``: of the mean's fixed effects without random ones."""
    weight = problem.step_information(problem.fixed(fixed.beta))[0, 0]
    return _inverse_root(weighted_square(problem.matrices[0], weight))


def improve_start(problem: Problem, objective: Objective, psi: FloatArray) -> Evaluation:
    """Evaluate at `psi`, and come closer while an EM step moves the variances much.

    With many observations a level, a moment estimate can be many standard errors off,
    where EM converges in a few steps; with few, EM is slow and is left at once.
    """
    evaluation = objective(psi, None)
    for _ in range(_MAX_EM):
        if evaluation.mode is None or not problem.terms:
            break
        # With a dispersion or a zero part the way of EM is the safer one.
        if len(problem.X) == 1 and _mean_variance(evaluation.mode) > _SLOW_EM:
            break
        theta = evaluation.psi[problem.n_beta :]
        proposed = _em_step(problem, evaluation.mode, theta)
        if np.abs(proposed - theta).max() < _EM_CHANGE * np.abs(theta).max():
            break
        scale = _whiten_fixed(problem, evaluation, evaluation.mode)[0]
        beta = evaluation.psi[: problem.n_beta]
        beta = beta - scale @ (scale.T @ evaluation.gradient[: problem.n_beta])
        after = objective(np.concatenate([beta, proposed]), evaluation)
        if not after.deviance < evaluation.deviance:
            break
        evaluation = after
    return evaluation


def _mean_variance(mode: Mode) -> float:
    """Mean variance of the standardised effects given the data, v.

    A step of EM leaves about ``1 - (1 - v)^2`` of the error of a variance.
    """
    entries = mode.system.factorization.inverse_entries()
    random = [f for f, factor in enumerate(mode.point.latent.factors) if factor.fixed is None]
    diagonals = [entries[f, f].diagonal() for f in random]
    return float(sum(d.sum() for d in diagonals)) / sum(d.size for d in diagonals)


def _em_step(problem: Problem, mode: Mode, theta: FloatArray) -> FloatArray:
    """One step of EM, ``Lambda (sum_k u_k u_k' + V_kk) Lambda' / m``, V = H^-1, as theta."""
    if all(term.tied for term in problem.terms):
        return theta
    entries = mode.system.factorization.inverse_entries()
    out = theta.copy()
    for term in problem.terms:
        if term.tied:
            continue  # its covariance is not that of independent levels
        u = mode.point.u[term.factor][term.columns]
        spread = entries[term.factor, term.factor][term.columns, term.columns].sum(axis=2)
        root = term.covariance.root(theta[term.theta])
        covariance = root @ ((u @ u.T + spread) / u.shape[1]) @ root.T
        if not np.isfinite(covariance).all():
            return theta
        total = float(np.trace(covariance))
        if total <= 0.0:
            continue  # at a variance of zero a step of EM stays where it is
        ridge = 1e-12 * total * np.eye(covariance.shape[0])
        out[term.theta] = term.covariance.nearest(covariance + ridge)
    return out


def whiten(problem: Problem, evaluation: Evaluation) -> FloatArray:
    """Scale that makes the Hessian of the deviance close to the identity, (P, P).

    S with ``S S' = (2 (X'WX - X'WM H^-1 M'WX))^-1`` for the fixed effects, ``M = Z Lambda``; for
    theta, approximate standard distances of each entry of Lambda by itself.
    From information that is never negative, at the conditional modes: the observed one need
    not be positive away from the optimum.
    """
    mode = evaluation.mode
    assert mode is not None
    fixed, system = _whiten_fixed(problem, evaluation, mode)
    if not problem.terms:
        return fixed
    scale = np.zeros((evaluation.psi.size,) * 2)
    scale[: problem.n_beta, : problem.n_beta] = fixed
    levels = _diagonals(problem, system.gram)
    for term in problem.terms:
        theta = evaluation.psi[problem.n_beta :][term.theta]
        deviations = np.abs(np.diag(term.units(theta)))
        spread = _theta_spread(deviations, levels[term.factor][term.columns])
        where = slice(problem.n_beta + term.theta.start, problem.n_beta + term.theta.stop)
        scale[where, where] = term.unit_steps(theta, spread, levels[term.factor][term.columns])
    return scale


def _whiten_fixed(
    problem: Problem, evaluation: Evaluation, mode: Mode
) -> tuple[FloatArray, System]:
    """``(2 (X'WX - A))^(-1/2)`` of the fixed effects, (n_beta, n_beta), and the system of A.

    A is the information that the random effects take, ``X'W Z Lambda H^-1 Lambda' Z'W X``.
    """
    second = problem.step_information(mode.point.eta)
    information = _information(problem, second)
    if problem.penalty is not None:
        information += np.diag(problem.penalty.information(problem.beta_slices, evaluation.psi))
    if not problem.terms:
        return _inverse_root(2.0 * information), mode.system
    system = _step_system(problem, mode, second)
    if not problem.n_beta:
        return information, system
    absorbed = _absorbed(problem, mode.roots, second, system.factorization)
    return _inverse_root(2.0 * (information - absorbed)), system


def _step_system(
    problem: Problem, mode: Mode, second: Mapping[tuple[int, int], FloatArray]
) -> System:
    """H with information that is never negative; for canonical links that of the mode."""
    observed = problem.observed(mode.point.derivatives).second
    pairs = [
        (a, b)
        for a in problem.latent.random_predictors
        for b in problem.latent.random_predictors
        if a <= b
    ]
    if all(_alike(observed.get(key), second.get(key)) for key in pairs):
        return mode.system
    system = build_system(problem, mode.roots, Curvature(second, {}), observed=False)
    return mode.system if system is None else system


def _alike(one: FloatArray | None, other: FloatArray | None) -> bool:
    if one is None or other is None:
        return one is other
    return bool((np.abs(one - other) <= 1e-6 * np.abs(other)).all())


def _theta_spread(deviation: FloatArray, information: FloatArray) -> FloatArray:
    """Approximate standard distance of each entry of Lambda, (q, q).

    Information on s in N(0, I + s^2 w): D'' = sum (2 s w / (1 + s^2 w))^2; an entry below
    the diagonal moves the mean of one effect with another.
    """
    # At a variance of zero the information on it vanishes; a small one stands for it.
    least = _LEAST_DEVIATION / np.sqrt(np.maximum(information.mean(axis=1), 1e-300))
    deviation = np.maximum(deviation, least)
    shrunk = information / (1.0 + deviation[:, None] ** 2 * information)
    q = deviation.size
    curvature = np.empty((q, q))
    for i in range(q):
        for j in range(q):
            if i == j and deviation[i] == 0.0:
                # At zero D is a function of s^2 with curvature sum w^2: its root has that of s.
                curvature[i, j] = np.sqrt(np.sum(shrunk[i] ** 2))
            elif i == j:
                curvature[i, j] = np.sum((2.0 * deviation[i] * shrunk[i]) ** 2)
            else:
                curvature[i, j] = 2.0 * np.sum(shrunk[i] * deviation[j] ** 2 * shrunk[j])
    spread: FloatArray = 1.0 / np.sqrt(np.maximum(curvature, 1e-12 * max(curvature.max(), 1e-300)))
    return spread


def _absorbed(
    problem: Problem,
    roots: Sequence[Root],
    second: Mapping[tuple[int, int], FloatArray],
    factors: Factorization,
) -> FloatArray:
    """``X'WM H^-1 M'WX``, (n_beta, n_beta)."""
    latent, most = problem.latent, max(1, _MOST_NUMBERS // max(problem.n, 1))
    cross: list[list[FloatArray]] = []
    for k, X in enumerate(problem.X):
        for start in range(0, X.shape[1], most):
            columns, rows = X.T[start : start + most], {}
            for a in latent.random_predictors:
                weight = second.get((a, k) if a <= k else (k, a))
                rows[a] = np.zeros(columns.shape) if weight is None else weight * columns
            cross.append(scatter_each(latent, rows))
    sums = [np.concatenate(parts, axis=1) for parts in zip(*cross, strict=True)]
    scaled = [scale_each(root.T, part) for root, part in zip(roots, sums, strict=True)]
    if latent.forest:
        solved = solve_each(nested_factors(factors), scaled)
    else:
        each = [factors.solve([part[:, j] for part in scaled]) for j in range(problem.n_beta)]
        solved = [np.stack(parts, axis=1) for parts in zip(*each, strict=True)]
    left, right = (
        np.concatenate([part.swapaxes(0, 1).reshape(problem.n_beta, -1) for part in side], axis=1)
        for side in (scaled, solved)
    )
    out: FloatArray = left @ right.T
    return out


def _inverse_root(matrix: FloatArray) -> FloatArray:
    """L^-T of a Cholesky factorisation, floored where the matrix is nearly singular."""
    if not np.isfinite(matrix).all():
        raise ConvergenceError(
            "the information on the parameters is not finite, because predictors or weights are so "
            "large that their squares are infinite; divide them"
        )
    deviations = np.sqrt(np.maximum(np.diag(matrix), 1e-300))
    scaled = matrix / np.outer(deviations, deviations)
    root: FloatArray = np.empty_like(scaled)
    if not deviations.size:
        return root
    lower, failed = lapack.dpotrf(scaled, lower=1, clean=1)
    # With a diagonal of ones the other eigenvalues have a product below e.
    if not failed and float(np.prod(lower.diagonal())) ** 2 > math.e * _LEAST_EIGENVALUE:
        root = lapack.dtrtri(lower, lower=1)[0].T
        return root / deviations[:, None]
    values, vectors = np.linalg.eigh(scaled)
    if values.min() < _LEAST_EIGENVALUE:
        root = vectors / np.sqrt(np.maximum(values, _LEAST_EIGENVALUE))
    else:
        root = np.linalg.inv(np.linalg.cholesky(scaled)).T
    return root / deviations[:, None]
