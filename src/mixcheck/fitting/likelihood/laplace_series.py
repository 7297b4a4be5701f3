"""The term of Laplace's expansion that follows the approximation, summed over pairs of rows.

With ``H = Z' W Z + I`` at the modes, ``B = Z H^-1 Z'`` is the posterior covariance of the
predictors, and with derivatives l of the log density of each row the log-likelihood is
``-D / 2 + c`` and terms of higher order, where

``c = 1/8 sum_i l_i'''' B_ii^2
+ sum_ij l_i''' l_j''' (1/8 B_ii B_ij B_jj + 1/12 B_ij^3)``.

It needs no draws, so that it is known where hundreds of effects are crossed and importance weights
degenerate.

References
----------
Shun & McCullagh (1995), Laplace approximation of high dimensional integrals, J. R. Stat. Soc. B
57, 749-760. Shun (1997), Another look at the salamander mating data, J. Am. Stat. Assoc. 92,
341-349.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.linalg import cho_factor, cho_solve

from mixcheck.arrays import FloatArray
from mixcheck.errors import OptionError
from mixcheck.fitting.latent.roots import units_of
from mixcheck.fitting.likelihood.mode import Mode
from mixcheck.fitting.likelihood.problem import Problem

__all__ = ["next_term", "require_series"]

# One dense matrix of all effects, and all pairs of rows.
_MOST_EFFECTS = 3_000
_MOST_ROWS = 10_000
# Numbers in the covariances of some rows with all.
_SLAB = 4_000_000
# Step of the differences of third derivatives, in posterior deviations of a predictor: their error
# is of its fourth power.
_STEP = 1e-2
_POINTS = ((1.0, 8.0 / 12.0), (-1.0, -8.0 / 12.0), (2.0, -1.0 / 12.0), (-2.0, 1.0 / 12.0))


def require_series(problem: Problem) -> None:
    """Refuse models whose next term is not known, or takes too long.

    Raises
    ------
    OptionError
    """
    latent = problem.latent
    if latent.random_predictors != (0,):
        raise OptionError("random effects stand in another part than the mean")
    if latent.tied or latent.fixed is not None:
        raise OptionError("levels are tied, or fixed effects among the random ones")
    if latent.size > _MOST_EFFECTS or problem.n > _MOST_ROWS:
        raise OptionError(
            f"{latent.size:,} random effects of {problem.n:,} rows are more than the "
            f"{_MOST_EFFECTS:,} and {_MOST_ROWS:,} whose pairs are summed"
        )


def next_term(problem: Problem, mode: Mode) -> float:
    """What the next term adds to the log-likelihood, c of the head of this module.

    Parameters
    ----------
    problem : Problem
        For which `require_series` holds.
    mode : Mode
    """
    Z = _standardised_design(problem, mode)
    derivatives = mode.point.derivatives
    H = (Z.T @ (Z * -derivatives.second[0, 0][:, None])).toarray()
    H[np.diag_indices_from(H)] += 1.0
    V = cho_solve(cho_factor(H, lower=True), np.eye(len(H)))
    size = max(1, _SLAB // problem.n)
    slabs = [slice(start, start + size) for start in range(0, problem.n, size)]
    variances = np.concatenate([(Z[some].multiply(Z[some] @ V)).sum(axis=1) for some in slabs])
    third = derivatives.third.get((0, 0, 0), np.zeros(problem.n))
    fourth = _fourth(problem, mode, np.sqrt(variances))
    pulled = third * variances
    total = 0.125 * float(fourth @ variances**2)
    for some in slabs:
        B = (Z @ (Z[some] @ V).T).T
        total += 0.125 * float(pulled[some] @ (B @ pulled))
        total += float(third[some] @ ((B * B * B) @ third)) / 12.0
    return total


def _standardised_design(problem: Problem, mode: Mode) -> sparse.csr_array:
    """``Z Lambda`` of all random effects, (n, sum of q m)."""
    rows = np.arange(problem.n)
    blocks = []
    for factor, root in zip(problem.latent.factors, mode.roots, strict=True):
        along = factor.covariates @ units_of(root)
        for column in along.T:
            shape = problem.n, factor.m
            blocks.append(sparse.csr_array((column, (rows, factor.sums.index)), shape=shape))
    out: sparse.csr_array = sparse.hstack(blocks, format="csr")
    return out


def _fourth(problem: Problem, mode: Mode, deviations: FloatArray) -> FloatArray:
    """``l''''`` of each row, (n,): ``sum_k w_k l'''(eta + k h) / h``, h a share of a deviation."""
    step = _STEP * np.maximum(deviations, np.finfo(np.float64).tiny ** 0.25)
    total = np.zeros(problem.n)
    for shift, factor in _POINTS:
        eta = [mode.point.eta[0] + shift * step, *mode.point.eta[1:]]
        total += factor * problem.derivatives(eta, 3).third.get((0, 0, 0), 0.0)
    return total / step
