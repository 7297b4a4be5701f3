"""The exact Hessian of the Laplace deviance where the random effects are chains in order.

As in :mod:`.laplace_hessian`, with the effects ``b = Lambda w`` of which ``T = Lambda^2 G + K^-1``
is tridiagonal, ``G = Z'WZ``. Along direction j the modes move by

``u_j = T^-1 (Lambda Z' l'' e_j + Lambda_j s - P_j u)``,   ``P = K^-1``,

and the second derivatives of the prior and of ``log det T`` are

``2 u_j'P u_k + [(2 u - v)'P_j u_k + its mirror image] + (u - v)'P_jk u``,
``tr(V P_jk) + 2 tr(V Lambda_j G Lambda_k) - tr(V T_j V T_k)``.

The last trace goes through the recursion of the pivots of T, so that no entry of V is needed but
those on its diagonal and beside it.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.design.levels import Dependence
from mixcheck.fitting.latent.block_elimination import nested_factors
from mixcheck.fitting.latent.directions import add_effects, gram_of_each, scatter_each
from mixcheck.fitting.latent.tridiagonal import (
    Tridiagonal,
    differentiate_log_det,
    factor_tridiagonal,
    multiply_blocks,
    trace_of_products,
)
from mixcheck.fitting.likelihood.adjoint import find_adjoint, through_mode
from mixcheck.fitting.likelihood.laplace_hessian import sum_products
from mixcheck.fitting.likelihood.objective import Evaluation
from mixcheck.fitting.likelihood.problem import Problem
from mixcheck.fitting.likelihood.row_weights import row_weights

__all__ = ["differentiate_chains_twice", "has_hessian_of_chains"]

# Numbers in one array of what rows do along all directions.
_MOST_NUMBERS = 60_000_000


def has_hessian_of_chains(problem: Problem) -> bool:
    """Whether the only random effects are chains in one predictor, and the rows fit."""
    latent = problem.latent
    if len(problem.terms) != 1 or len(latent.factors) != 1 or not latent.factors[0].neighbours:
        return False
    rows = max(problem.n, latent.factors[0].m)
    return (problem.n_beta + problem.n_theta) * rows <= _MOST_NUMBERS


def differentiate_chains_twice(problem: Problem, at: Evaluation) -> FloatArray:
    """``d^2 D / d psi d psi'``, (P, P), at an evaluation with modes."""
    mode, latent, n_beta = at.mode, problem.latent, problem.n_beta
    assert mode is not None
    theta, (term,), point = at.psi[n_beta:], problem.terms, mode.point
    factors, derivatives = nested_factors(mode.system.factorization), point.derivatives
    (lower,), block = factors.lower, term.dependence_of_block(theta)
    assert isinstance(lower, Tridiagonal)
    assert block is not None
    curvature, entries = problem.observed(derivatives), factors.inverse_entries()
    adjoint = find_adjoint(problem, mode, curvature, entries, None)
    held, size = through_mode(problem, mode, adjoint.t, adjoint.v), float(term.units(theta)[0, 0])
    a = term.predictor
    through = held[a]
    slopes = -2.0 * derivatives.first[a]
    y = latent.scatter({a: slopes if through is None else through + slopes})[0][0]
    v = np.zeros_like(y) if adjoint.v is None else adjoint.v[0][0]
    u, s, gram = point.u[0][0], point.scores[0][0], mode.system.gram[0, 0][0, 0]
    prior = _Prior(block, lower.pivots.size // term.covariance.q)
    shifts = latent.gather([size * v[None]], len(problem.X))
    weight = row_weights(problem, mode, adjoint.leverages, shifts)

    count, first = at.psi.size, n_beta + 1
    eta = [np.zeros((count, problem.n)) for _ in problem.X]
    for rows, X, where in zip(eta, problem.X, problem.beta_slices, strict=True):
        rows[where] = X.T
    add_effects(latent, [u[None, None]], [rows[n_beta:first] for rows in eta])
    rhs = size * _score_tangents(problem, derivatives.second, eta)
    rhs[n_beta] += s
    for i in range(prior.k):
        rhs[first + i] -= prior.slope(i, u)
    moved = lower.solve(rhs)
    add_effects(latent, [size * moved[None]], eta)

    # ``P u_j = T u_j - Lambda^2 G u_j``.
    pulls = rhs - (size * size * gram) * moved
    out = sum_products(eta, weight) + 2.0 * moved @ pulls.T
    sums = _score_tangents(problem, derivatives.second, eta)
    grams = _gram_tangents(problem, curvature.third, eta)
    variances, beside = lower.inverse
    ways = np.zeros((count - n_beta, count))
    ways[0] = moved @ y + sums @ v + 2.0 * size * (grams @ variances)
    for i in range(prior.k):
        ways[1 + i] = moved @ prior.slope(i, 2.0 * u - v)
    out[n_beta:] += ways
    out[:, n_beta:] += ways.T
    out[n_beta, n_beta] += 2.0 * float(gram @ variances)
    out[first:, first:] += prior.bends(u - v, u, variances, beside)
    diagonals = (size * size) * grams
    diagonals[n_beta] += 2.0 * size * gram
    besides = np.zeros((prior.k, lower.pivots.size))
    for i in range(prior.k):
        diagonals[first + i] += prior.entries(i, 0)
        besides[i] = prior.entries(i, 1)
    out -= trace_of_products(lower, diagonals, besides)
    half: FloatArray = 0.5 * (out + out.T)
    return half


class _Prior:
    """``P = K^-1`` of equal blocks, and its derivatives in the k parameters of K."""

    def __init__(self, block: Dependence, blocks: int) -> None:
        self.diagonal, beside = block.precision()
        assert beside is not None
        self.beside, self.blocks = beside, blocks
        self.slopes, self.twice = block.precision_derivatives()
        self.k = len(self.slopes)

    def slope(self, i: int, w: FloatArray) -> FloatArray:
        """``P_i w``, (m,)."""
        return multiply_blocks(self.slopes[i, 0], self.slopes[i, 1], w)

    def entries(self, i: int, part: int) -> FloatArray:
        """Diagonal of ``P_i``, or what is beside it, (m,)."""
        return np.tile(self.slopes[i, part], self.blocks)

    def bends(
        self, one: FloatArray, other: FloatArray, variances: FloatArray, beside: FloatArray
    ) -> FloatArray:
        """``w'P_ij u + tr(V P_ij) - d^2 log det P``, (k, k)."""
        q, out = self.diagonal.size, np.zeros((self.k, self.k))
        alone = factor_tridiagonal(self.diagonal, self.beside)
        assert alone is not None
        near = variances.reshape(-1, q).sum(axis=0), 2.0 * beside.reshape(-1, q).sum(axis=0)
        for i in range(self.k):
            for j in range(self.k):
                diagonal, beside_it = self.twice[i, j]
                out[i, j] = float(one @ multiply_blocks(diagonal, beside_it, other))
                out[i, j] += float(diagonal @ near[0]) + float(beside_it @ near[1])
        counts = np.full(q, float(self.blocks))
        return out - differentiate_log_det(alone, self.slopes, self.twice, counts)[1]


def _score_tangents(
    problem: Problem, second: Mapping[tuple[int, int], FloatArray], eta: list[FloatArray]
) -> FloatArray:
    """``Z' l'' eta`` along each direction, (P, m)."""
    (a,) = problem.latent.random_predictors
    pairs = [((a, c) if a <= c else (c, a), c) for c in range(len(eta))]
    terms = [second[key] * eta[c] for key, c in pairs if key in second]
    rows = sum(terms[1:], terms[0])
    out: FloatArray = scatter_each(problem.latent, {a: rows})[0][0]
    return out


def _gram_tangents(
    problem: Problem, third: Mapping[tuple[int, int, int], FloatArray], eta: list[FloatArray]
) -> FloatArray:
    """``Z' W_j Z`` along each direction, (P, m), W_j the tangent of the information."""
    (a,) = problem.latent.random_predictors
    terms = [third[a, a, c] * eta[c] for c in range(len(eta)) if (a, a, c) in third]
    if not terms:
        return np.zeros((len(eta[0]), problem.latent.factors[0].m))
    moved = {(a, a): sum(terms[1:], terms[0])}
    out: FloatArray = gram_of_each(problem.latent, moved)[0, 0][0, 0]
    return out
