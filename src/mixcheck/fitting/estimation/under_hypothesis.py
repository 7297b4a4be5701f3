"""A model under linear hypotheses on its coefficients, and the scores of the whole model there.

With ``L b = r`` the coefficients are ``b = b_0 + N c``: b_0 is one solution, and the columns of N
span what L does not see. The restricted model has the columns ``X N`` and the offset ``X b_0``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.errors import ConvergenceError
from mixcheck.fitting.estimation.marginal_covariance import MarginalCovariance
from mixcheck.fitting.estimation.optimize import differentiate_gradient
from mixcheck.fitting.estimation.optimum import Optimum
from mixcheck.fitting.likelihood.approximation import Method, hessian_of, objective_of
from mixcheck.fitting.likelihood.problem import Problem

__all__ = ["Restriction", "restrict", "score_statistic"]

# Rows of L beside those before them, in units of their lengths.
_RANK = 1e-9
# Smallest eigenvalue of an information that is scaled to a diagonal of one.
_LEAST = 1e-8


@dataclass(frozen=True, eq=False)
class Restriction:
    """A problem under hypotheses.

    Attributes
    ----------
    problem : Problem
        With fewer columns.
    df : int
        Number of coefficients that the hypotheses take away.
    base : (n_beta,)
        ``b_0``.
    null : (n_beta, n_beta - df)
        N.
    """

    problem: Problem
    df: int
    base: FloatArray
    null: FloatArray

    def whole(self, psi: FloatArray) -> FloatArray:
        """All parameters of the whole model at those of the restricted one."""
        beta = self.base + self.null @ psi[: self.null.shape[1]]
        return np.concatenate([beta, psi[self.null.shape[1] :]])


def restrict(problem: Problem, L: FloatArray, value: FloatArray) -> Restriction:
    """The problem under ``L b = value``.

    Parameters
    ----------
    problem : Problem
    L : (k, n_beta)
        On the coefficients of all predictors; a row may be about one predictor alone.
    value : (k,)
    """
    base, nulls, X, offsets = [], [], [], []
    df = 0
    for k, where in enumerate(problem.beta_slices):
        own = L[:, where]
        mine = np.any(own != 0.0, axis=1)
        null, solution, rank = _solve(own[mine], value[mine], where.stop - where.start)
        base.append(solution)
        nulls.append(null)
        X.append(np.asfortranarray(problem.X[k] @ null))
        offsets.append(problem.offsets[k] + problem.X[k] @ solution)
        df += rank
    restricted = replace(problem, X=tuple(X), offsets=tuple(offsets), remainder=None)
    out = Restriction(restricted, df, np.concatenate(base), _block_diagonal(nulls))
    if problem.remainder is None:
        return out
    theta = problem.remainder.psi[problem.n_beta :]
    inside = np.linalg.lstsq(out.null, problem.remainder.psi[: problem.n_beta] - out.base)[0]
    psi, jacobian = np.concatenate([inside, theta]), _block_diagonal([out.null, np.eye(theta.size)])
    remainder = problem.remainder.carried(psi, out.whole(psi), jacobian)
    return replace(out, problem=replace(restricted, remainder=remainder))


def _solve(L: FloatArray, value: FloatArray, p: int) -> tuple[FloatArray, FloatArray, int]:
    """Null space (p, p - r), least solution (p,) and rank of ``L b = value``.

    Where L takes single coefficients to zero, the others stay as they are.
    """
    if not len(L):
        return np.eye(p), np.zeros(p), 0
    lengths = np.linalg.norm(L, axis=1)
    unit, size = L / lengths[:, None], value / lengths
    left, values, right = np.linalg.svd(unit)
    rank = int(np.sum(values > _RANK * values[0]))
    solution = right[:rank].T @ ((left.T @ size)[:rank] / values[:rank])
    touched = np.any(np.abs(L) > 0.0, axis=0)
    if np.linalg.matrix_rank(unit[:, touched]) == touched.sum():
        return np.eye(p)[:, ~touched], solution, rank
    return right[rank:].T, solution, rank


def _block_diagonal(blocks: Sequence[FloatArray]) -> FloatArray:
    out = np.zeros((sum(len(b) for b in blocks), sum(b.shape[1] for b in blocks)))
    i = j = 0
    for block in blocks:
        out[i : i + len(block), j : j + block.shape[1]] = block
        i, j = i + len(block), j + block.shape[1]
    return out


def score_statistic(
    problem: Problem, method: Method, restriction: Restriction, search: Callable[[Problem], Optimum]
) -> float:
    """Rao's score statistic, ``g' H^-1 g / 2`` at the estimates under the hypotheses.

    D is minus twice the log-likelihood of the whole model, g its gradient and H its Hessian there.
    A linear mixed model has the expected Hessian in place of H, in which coefficients and
    variances do not meet: ``g' C g / 4`` with ``C = (X' V^-1 X)^-1``. Where H is not positive
    definite there, its block of the coefficients is taken.

    Parameters
    ----------
    problem : Problem
    method : Method
    restriction : Restriction
    search : callable
        Gives the optimum of the restricted problem.

    Raises
    ------
    ConvergenceError
        If the information is not positive definite there.
    """
    found = search(restriction.problem)
    psi = restriction.whole(found.psi)
    at = objective_of(problem, method)(psi, None)
    if problem.family.is_linear and problem.latent.random_predictors in ((), (0,)):
        marginal = MarginalCovariance(problem, psi)
        slope = marginal.orthonormal[1].T @ at.gradient[problem.beta_slices[0]]
        return 0.25 * float(slope @ marginal.covariance @ slope)
    exact = hessian_of(problem, method)
    if exact is not None:
        H = exact(at)
    else:
        scale = np.eye(psi.size) * np.maximum(1e-2 * np.abs(psi), 1e-2)
        H = differentiate_gradient(objective_of(problem, method), psi, scale, at)
    # Far from the estimates the variances may have no curvature: they are then held.
    for size in (psi.size, problem.n_beta):
        square = _whitened_square(H[:size, :size], at.gradient[:size])
        if square is not None:
            return 0.5 * square
    raise ConvergenceError(
        "the information is not positive definite at the estimates under the hypothesis, where a "
        'score test is taken; write test="lrt" or test="wald"'
    )


def _whitened_square(H: FloatArray, gradient: FloatArray) -> float | None:
    """``g' H^-1 g``; None where H is not positive definite."""
    deviations = np.sqrt(np.maximum(H.diagonal(), 1e-300))
    values, vectors = np.linalg.eigh(H / deviations / deviations[:, None])
    if not values[0] > _LEAST:
        return None
    return float(np.sum((vectors.T @ (gradient / deviations)) ** 2 / values))
