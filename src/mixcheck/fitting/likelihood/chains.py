"""What the rows of a linear mixed model of chains add up to, and the precision of the chains.

Effects at q positions in order, in B independent blocks, are a chain each. A linear mixed model
sees of its rows what they weigh at each position, ``Z'WZ``, which is diagonal, and the products of
the response and of the fixed effects with the positions. Given the rows, the effects of block j
have the precision ``T_j = Lambda^2 G_j + K^-1``, tridiagonal.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mixcheck.arrays import BoolArray, FloatArray, IntArray
from mixcheck.design.levels import Dependence
from mixcheck.fitting.latent.tridiagonal import Tridiagonal, factor_tridiagonal
from mixcheck.fitting.likelihood.cross_products import Moments, Products
from mixcheck.fitting.likelihood.term import Term

__all__ = ["ChainPrecision", "Chains", "apply_entries", "factor_chains", "pair_entries"]

# Patterns are told apart by sums of weights with the fractional parts of multiples of this.
_IRRATIONAL = 0.5 * (math.sqrt(5.0) - 1.0)


@dataclass(frozen=True, eq=False)
class Chains:
    """What the rows add up to at each position of each block.

    Attributes
    ----------
    term : Term
    information : (P, q)
        G of each pattern.
    pattern : (B,) int or None
        Pattern of each block; None where all have the first, or each its own.
    counts : (P,)
        Blocks of each pattern.
    fixed : (p, B, q)
        ``Z'WQ`` of the orthonormal columns Q of the fixed effects.
    residual : (B, q)
        ``Z'We`` of the residuals of least squares.
    total : float
        N, the sum of squares of these residuals as well.
    restricted : bool
        Whether the fixed effects are integrated out.
    """

    term: Term
    information: FloatArray
    pattern: IntArray | None
    counts: FloatArray
    fixed: FloatArray
    residual: FloatArray
    total: float
    restricted: bool = False

    @classmethod
    def of(
        cls, term: Term, products: Products, moments: Moments, *, restricted: bool = False
    ) -> Chains:
        """From cross products of the design, and of the response with it."""
        q = term.covariance.q
        residual = moments.random[0].reshape(-1, q)
        fixed = products.fixed[0].reshape(-1, *residual.shape)
        information, pattern = _tell_apart(products.gram[0, 0].reshape(-1, q))
        counts = np.full(len(information), float(len(residual) // len(information)))
        if pattern is not None:
            counts = np.bincount(pattern).astype(np.float64)
        total = products.weights.total
        return cls(term, information, pattern, counts, fixed, residual, total, restricted)

    @property
    def degrees(self) -> float:
        """N, less the number of fixed effects that are integrated out."""
        return self.total - (self.n_fixed if self.restricted else 0)

    @property
    def n_fixed(self) -> int:
        """Number p of fixed effects."""
        return len(self.fixed)

    @property
    def columns(self) -> FloatArray:
        """``Z'WQ`` as (p, B q)."""
        return self.fixed.reshape(self.n_fixed, self.residual.size)

    @cached_property
    def alike(self) -> BoolArray:
        """Which columns of the fixed effects are the same in all blocks, (p,), as an intercept."""
        if len(self.information) > 1:
            return np.zeros(self.n_fixed, dtype=np.bool_)
        return np.array([bool((x == x[0]).all()) for x in self.fixed], dtype=np.bool_)

    @cached_property
    def weights(self) -> FloatArray:
        """G of each block, (B, q), or of all, (1, q)."""
        return self.information if self.pattern is None else self.information[self.pattern]


def _tell_apart(information: FloatArray) -> tuple[FloatArray, IntArray | None]:
    """Different rows of an array (B, q), and which of them each is; None for one, or for all."""
    if (information == information[0]).all():
        return information[:1], None
    keys = information @ np.modf(_IRRATIONAL * np.arange(1.0, information.shape[1] + 1.0))[0]
    _, first, pattern = np.unique(keys, return_index=True, return_inverse=True)
    different, pattern = information[first], pattern.reshape(-1).astype(np.intp)
    if len(first) == len(keys) or not np.array_equal(different[pattern], information):
        return information, None
    return different, pattern


@dataclass(frozen=True, eq=False)
class ChainPrecision:
    """T of each pattern, factored, with its derivatives in theta.

    Attributes
    ----------
    matrix : Tridiagonal
        T of all patterns, one after another, (P q,).
    size : float
        Lambda.
    information : (P, q)
        G of each pattern.
    dependence : Dependence
        K of one block.
    """

    matrix: Tridiagonal
    size: float
    information: FloatArray
    dependence: Dependence

    @cached_property
    def _of_inverse(self) -> tuple[FloatArray, FloatArray]:
        return self.dependence.precision_derivatives()

    @property
    def k(self) -> int:
        """Number of parameters: Lambda, and those of K."""
        return 1 + self.dependence.n_parameters

    def slope(self, i: int) -> tuple[FloatArray, FloatArray]:
        """``dT / d theta_i``: its diagonal and what is beside it, (P, q), or (q,) for all."""
        if i == 0:
            return 2.0 * self.size * self.information, np.zeros(self.information.shape[1])
        diagonal, beside = self._of_inverse[0][i - 1]
        return diagonal, beside

    def bend(self, i: int, j: int) -> tuple[FloatArray, FloatArray]:
        """``d^2 T / d theta_i d theta_j``."""
        none = np.zeros(self.information.shape[1])
        if i == j == 0:
            return 2.0 * self.information, none
        if i == 0 or j == 0:
            return none, none
        diagonal, beside = self._of_inverse[1][i - 1, j - 1]
        return diagonal, beside

    def solve(self, chains: Chains, rhs: FloatArray) -> FloatArray:
        """``T^-1 b`` for b (s, B, q)."""
        q, (pivots, ratios) = rhs.shape[-1], (self.matrix.pivots, self.matrix.ratios)
        if not rhs.size:
            return rhs
        if chains.pattern is not None:
            pivots, ratios = (x.reshape(-1, q)[chains.pattern].ravel() for x in (pivots, ratios))
        flat = rhs.reshape(-1, pivots.size)
        return Tridiagonal(pivots, ratios).solve(flat).reshape(rhs.shape)


def apply_entries(
    chains: Chains, entries: tuple[FloatArray, FloatArray], u: FloatArray, out: FloatArray
) -> None:
    """A symmetric tridiagonal matrix of each pattern, or of all, times u (.., B, q), to `out`."""
    diagonal, beside = entries
    if chains.pattern is not None and diagonal.ndim == 2:
        diagonal = diagonal[chains.pattern]
    np.multiply(diagonal, u, out=out)
    if beside.any():
        out[..., :-1] += beside[:-1] * u[..., 1:]
        out[..., 1:] += beside[:-1] * u[..., :-1]


def pair_entries(entries: tuple[FloatArray, FloatArray], sums: FloatArray) -> float:
    """``sum a s_0 + b s_1`` over patterns and positions, of sums (2, P, q)."""
    diagonal, beside = entries
    out = float(np.vdot(np.broadcast_to(diagonal, sums[0].shape), sums[0]))
    return out + float(beside @ sums[1].sum(axis=0)) if beside.any() else out


def factor_chains(chains: Chains, theta: FloatArray) -> ChainPrecision | None:
    """T of each pattern with its derivatives; None if it is not positive."""
    term, information = chains.term, chains.information
    dependence, size = term.dependence_of_block(theta), float(term.units(theta)[0, 0])
    assert dependence is not None
    diagonal, beside = dependence.precision()
    assert beside is not None
    whole = (size * size) * information + diagonal
    matrix = factor_tridiagonal(whole.ravel(), np.broadcast_to(beside, whole.shape).ravel())
    return None if matrix is None else ChainPrecision(matrix, size, information, dependence)
