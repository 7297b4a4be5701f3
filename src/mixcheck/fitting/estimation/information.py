"""Uncertainty of the estimates: covariance, intervals, convergence."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from mixcheck.arrays import BoolArray, FloatArray
from mixcheck.fitting.estimation.optimum import RUNAWAY, Optimum
from mixcheck.fitting.latent.factorization import Factorization
from mixcheck.fitting.latent.layout import Gram
from mixcheck.fitting.latent.roots import Root, units_of
from mixcheck.fitting.likelihood.objective import scale_roots
from mixcheck.fitting.likelihood.problem import Problem
from mixcheck.port import ConvergenceFacts
from mixcheck.port.estimates import Limit

__all__ = [
    "NO_VARIANCE",
    "conditional_variances",
    "find_constant",
    "find_runaway",
    "find_singular",
    "invert_axes",
    "invert_curvature",
    "invert_information",
    "judge_convergence",
    "measure_lost_digits",
    "measure_rounding",
    "number_singular",
]

_GRADIENT_LIMIT = 1e-6
# A gradient of this size is not an optimum, however the responses are rounded.
_MOST_ROUNDING = 1e-3
_PROBES = 8
# A random effect that seems to vary this much more given the data than before them.
_BROKEN = 4.0
# A direction of a term whose prior deviation, in units of the precision that the data of
# one level give, is below this has no variance.
NO_VARIANCE = 1e-3
_FLAT = 1e-6


def invert_information(hessian: FloatArray, scale: FloatArray) -> FloatArray:
    """Covariance of the estimates, ``2 H^-1``, (P, P), from the Hessian of the deviance."""
    return invert_curvature(scale.T @ hessian @ scale, scale)


def invert_curvature(whitened: FloatArray, scale: FloatArray) -> FloatArray:
    """Covariance of the estimates, (P, P), from the whitened Hessian of the deviance.

    ``S (sum 2 v_j v_j' / c_j) S'`` with ``S' H S = sum c_j v_j v_j'``, S the whitening.
    Directions without curvature (covariance parameters on a boundary) contribute nothing.
    """
    return invert_axes(*np.linalg.eigh(whitened), scale)


def invert_axes(values: FloatArray, vectors: FloatArray, scale: FloatArray) -> FloatArray:
    """``2 S V diag(1 / c) V' S'`` of eigenvalues c and axes V of the whitened Hessian, scale S."""
    # D is twice minus the log-likelihood.
    inverse = np.where(values > _FLAT, 2.0 / np.maximum(values, _FLAT), 0.0)
    root = scale @ vectors
    covariance: FloatArray = (root * inverse) @ root.T
    return covariance


def conditional_variances(
    problem: Problem, factorization: Factorization, roots: Sequence[Root]
) -> list[FloatArray]:
    """Variances of the random effects given the data and the estimates, (q, m) per factor.

    The diagonals of ``Lambda V_j Lambda'``, V_j the block of level j in H^-1.
    """
    out = []
    for root, block in zip(roots, factorization.level_blocks(), strict=True):
        units = units_of(root)
        out.append(np.einsum("ab,bcm,ac->am", units, block, units))
    return out


def find_singular(problem: Problem, theta: FloatArray, gram: Gram) -> tuple[str, ...]:
    """Random terms with a variance of zero or a correlation of one."""
    found = number_singular(problem, scale_roots(problem, theta, gram))
    return tuple(problem.terms[k].block.name for k in found)


def number_singular(problem: Problem, roots: Sequence[FloatArray]) -> tuple[int, ...]:
    """The same by their numbers, since terms of different parts may have one name.

    Parameters
    ----------
    problem : Problem
    roots : sequence of (q, q)
        Lambda of each factor in units of the precision that the data of one level give.
    """
    return tuple(
        number
        for number, term in enumerate(problem.terms)
        if _is_singular(roots[term.factor][term.columns, term.columns])
    )


def find_constant(problem: Problem, roots: Sequence[FloatArray]) -> tuple[BoolArray, ...]:
    """Effects without variance in each term, (q,): ``c v`` is below a millionth.

    What a search leaves of a variance v of which the data of a level, with information c, can tell
    nothing is rounding. A term with such an effect is singular, by the same numbers.

    Parameters
    ----------
    problem : Problem
    roots : sequence of (q, q)
        Lambda of each factor in units of the precision that the data of one level give.
    """
    return tuple(
        np.sum(roots[term.factor][term.columns, term.columns] ** 2, axis=1) < NO_VARIANCE**2
        for term in problem.terms
    )


def _is_singular(root: FloatArray) -> bool:
    """Whether the smallest singular value is none; of two, both are told by product and squares."""
    if root.size == 1:
        return abs(float(root[0, 0])) < NO_VARIANCE
    if root.size == 4:
        (a, b), (c, d) = root.tolist()
        product, squares = abs(a * d - b * c), a * a + b * b + c * c + d * d
        largest = math.sqrt(0.5 * (squares + math.sqrt(max(squares**2 - 4.0 * product**2, 0.0))))
        return product < NO_VARIANCE * largest or largest == 0.0
    return bool(np.linalg.svd(root, compute_uv=False).min() < NO_VARIANCE)


def find_runaway(optimum: Optimum, names: Sequence[str]) -> tuple[str, ...]:
    """Fixed effects that run to a limit: the deviance has no curvature left in them.

    Directions that were left out of the search are not looked at.

    Parameters
    ----------
    optimum : Optimum
    names : sequence of str, (n_beta,)
    """
    axes = None if optimum.smallest_eigenvalue >= RUNAWAY else optimum.axes
    if axes is None:
        return ()
    scale, (values, vectors) = optimum.searched, axes
    flat = vectors[:, np.abs(values) < RUNAWAY]
    units = np.sqrt(np.einsum("ij,ij->i", scale, scale))
    shares = np.abs(scale @ flat) / np.where(units > 0.0, units, np.inf)[:, None]
    lost = shares[: len(names)].max(axis=1, initial=0.0) > 0.5
    return tuple(name for name, runs in zip(names, lost, strict=True) if runs)


def judge_convergence(
    optimum: Optimum,
    covariance: FloatArray | None,
    singular: tuple[str, ...],
    limits: tuple[Limit, ...] = (),
    explanations: tuple[str, ...] = (),
    rounding: Callable[[], float] = lambda: 0.0,
    lost: Callable[[], float] = lambda: 0.0,
    edge: Callable[[], str] = lambda: "",
    *,
    endless: bool = False,
) -> ConvergenceFacts:
    """Summarise where the optimiser stopped, with a remedy for whatever is wrong.

    The gradient is that of the log-likelihood per standard error (for a refit without a
    Hessian, the standard errors are those of the original fit).

    Parameters
    ----------
    optimum : Optimum
    covariance : (P, P) or None
    singular : tuple of str
    limits : tuple of Limit
        Parameters without a finite estimate, which are left out of the judgement.
    explanations : tuple of str
        Sentences on them.
    rounding : callable
        Size of a scaled gradient that is rounding; asked for where the gradient is large.
    lost : callable
        Size of a scaled gradient that would not be seen.
    edge : callable
        A sentence where predictors lie at the edge of what the link allows; asked for where the
        gradient is large.
    endless : bool
        Whether an explanation says that the numbers are where the search stopped on its way: then
        neither a gradient nor a saddle is a matter of its own.
    """
    messages = list(explanations)
    if limits and optimum.hessian is not None:
        gradient = _curved_gradient(optimum)
    else:
        gradient = scaled_gradient(optimum, covariance)
    reached = gradient < _GRADIENT_LIMIT or gradient < min(rounding(), _MOST_ROUNDING)
    reached = reached and lost() < _MOST_ROUNDING
    told = reached or endless
    if not told and optimum.evaluation.spread > _BROKEN:
        messages.append(
            "The Laplace approximation breaks down where the search ended: the curvature at a "
            "conditional mode vanishes, and no optimum was found away from there. Simplify the "
            'random part, or write method="agq" where there is one grouping factor.'
        )
    elif optimum.one_step:
        messages.append(
            "The estimates are one Newton step from those of the fit to another response, and "
            "are no optimum. Write refit(response) for the optimum."
        )
    elif not told and edge():
        messages.append(edge())
    elif not told and rounding() > _GRADIENT_LIMIT:
        messages.append(
            f"The scaled gradient is {gradient:.1e}, of which up to {rounding():.0e} is rounding: "
            "the optimum cannot be told more exactly. Responses, trials or weights are extremely "
            "large; divide them by a power of ten, or write an offset."
        )
    elif not told:
        messages.append(
            f"The scaled gradient is {gradient:.1e} where {_GRADIENT_LIMIT:.0e} was wanted: "
            "the optimum is not reached. Rescale extreme predictors, or simplify the random part."
        )
    # Along what runs to a limit the curvature is rounding.
    known = {limit.reason for limit in limits} <= {"separation", "not identified"}
    curved = not optimum.smallest_eigenvalue < (-_FLAT if known else -RUNAWAY)
    if not curved and not endless:
        messages.append(
            f"The smallest eigenvalue of the scaled Hessian is {optimum.smallest_eigenvalue:.1e}: "
            "this is a saddle. Standard errors are not valid; simplify the random part."
        )
    messages.extend(
        f"The random term {name} is singular: a variance is zero or a correlation is one. "
        "Its estimate lies on the boundary; drop the term or its slope, or use '||'."
        for name in singular
    )
    return ConvergenceFacts(
        converged=reached and curved,
        gradient=gradient,
        smallest_eigenvalue=optimum.smallest_eigenvalue,
        evaluations=optimum.evaluations,
        singular=singular,
        messages=tuple(messages),
        runaway=tuple(limit.parameter for limit in limits),
        limits=limits,
    )


def measure_rounding(problem: Problem, optimum: Optimum) -> float:
    """Scaled gradient that the rounding of the predictors alone gives.

    A predictor is known to its last digit, d, and the score of a row moves with it by the row's
    information: with counts of 1e9 no gradient is smaller. The gradient in the coefficients of
    predictor k is off by ``2 X_k' (l_kk d z)``, z drawn as standard normal from a fixed stream.
    """
    mode = optimum.evaluation.mode
    if mode is None:
        return 0.0
    second = mode.point.derivatives.second
    return _scale_rounding(
        problem,
        optimum,
        {
            k: second[k, k] * np.spacing(np.abs(eta))
            for k, eta in enumerate(mode.point.eta)
            if (k, k) in second
        },
    )


def measure_lost_digits(problem: Problem, optimum: Optimum) -> float:
    """Scaled gradient that is lost in the sums of the scores of all rows.

    Scores that are large and cancel, as of 1e14 trials each, hide what groups say. A gradient is
    off by ``2 X_k' (d z)``, with d the last digit of each score and z standard normal.
    """
    mode = optimum.evaluation.mode
    if mode is None:
        return 0.0
    digits = {k: np.spacing(np.abs(part)) for k, part in enumerate(mode.point.derivatives.first)}
    if max(float(part.max(initial=0.0)) for part in digits.values()) < _GRADIENT_LIMIT:
        return 0.0
    return _scale_rounding(problem, optimum, digits)


def _scale_rounding(problem: Problem, optimum: Optimum, digits: Mapping[int, FloatArray]) -> float:
    """Scaled gradient of scores that are off by random numbers of these deviations.

    Twice the largest scaled gradient of eight draws of ``2 X_k' (d_k z)``.
    """
    if optimum.axes is None:
        return 0.0
    rng = np.random.default_rng(0)
    found = []
    for _ in range(_PROBES):
        gradient = np.zeros(optimum.psi.size)
        for k, digit in digits.items():
            off = digit * rng.standard_normal(problem.n)
            gradient[problem.beta_slices[k]] = 2.0 * problem.X[k].T @ off
        found.append(_along_axes(optimum, gradient, _FLAT))
    return 2.0 * max(found)


def _curved_gradient(optimum: Optimum) -> float:
    """Largest gradient of the log-likelihood per standard error where there is curvature.

    Along the axes of the whitened Hessian whose eigenvalues are 0.001 or more in size.
    """
    return _along_axes(optimum, optimum.evaluation.gradient, RUNAWAY)


def _along_axes(optimum: Optimum, gradient: FloatArray, least: float) -> float:
    """Largest gradient of the log-likelihood per standard error along the axes of the Hessian.

    From the gradient g of the deviance:

    ``max |v_j' S' g| / sqrt(2 |c_j|)`` over the axes v_j of ``S' H S`` whose eigenvalues c_j are
    `least` or more in size. The deviance is minus twice the log-likelihood, whose gradient along
    v_j is ``v_j' S' g / 2`` in size and whose standard error is there ``sqrt(2 / c_j)``.
    It does not depend on the columns in which the model is written.
    """
    assert optimum.axes is not None
    values, vectors = optimum.axes
    along = vectors.T @ (optimum.searched.T @ gradient)
    curved = np.abs(values) >= least
    return float(np.abs(along[curved] / np.sqrt(2.0 * np.abs(values[curved]))).max(initial=0.0))


def scaled_gradient(optimum: Optimum, covariance: FloatArray | None) -> float:
    """Largest gradient of the log-likelihood per standard error.

    Along the axes of the Hessian; without one it is ``max |g_j / 2| e_j``, with the standard
    errors of `covariance` or, without it, those of the scale of the search.
    """
    if optimum.axes is not None:
        return _along_axes(optimum, optimum.evaluation.gradient, _FLAT)
    if covariance is None:
        return 0.5 * optimum.gradient
    deviations = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    return float(np.abs(0.5 * optimum.evaluation.gradient * deviations).max(initial=0.0))
