"""The profiled deviance of a linear mixed model whose effects are chains of positions in order.

With the residual variance ``v = s^2 / N`` profiled and Lambda and the covariance K of one chain in
units of it, blocks j of q positions have ``T_j = Lambda^2 G_j + K^-1``, tridiagonal, where G_j is
what the rows of each position weigh. With ``h = Lambda Z'We`` of ``e = y - X b``

``D = sum_j log det T_j + log det K + N (1 + log(2 pi s^2 / N))``, ``s^2 = e'We - h'T^-1 h``.

Restricted, N is less by the number of fixed effects, and ``log det S`` is added, with
``S = X'V^-1 X = X'WX - H_x'T^-1 H_x``.

Blocks that are seen at the same positions, with the same weights, have one T: it is factored, and
its log determinant differentiated, once for all of them. What remains are solutions of T for each
block: one for the deviance with its gradient; for the Hessian one for each parameter of K and
Lambda, and one for each fixed effect.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mixcheck.arrays import BoolArray, FloatArray, IntArray
from mixcheck.design.levels import Dependence
from mixcheck.fitting.latent.tridiagonal import (
    Tridiagonal,
    differentiate_log_det,
    factor_tridiagonal,
)
from mixcheck.fitting.likelihood.cross_products import Moments, Products
from mixcheck.fitting.likelihood.term import Term

__all__ = [
    "Chains",
    "ChainsAt",
    "Curvature",
    "curvature_in_fixed",
    "differentiate_chains",
    "evaluate_chains",
]

# Where the effects leave less than this share of the sum of squares, a difference has lost digits
# that estimates are to have.
_LEAST_SHARE = 1e-3
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
class _Precision:
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


def _apply(
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


def _pair(entries: tuple[FloatArray, FloatArray], sums: FloatArray) -> float:
    """``sum a s_0 + b s_1`` over patterns and positions, of sums (2, P, q)."""
    diagonal, beside = entries
    out = float(np.vdot(np.broadcast_to(diagonal, sums[0].shape), sums[0]))
    return out + float(beside @ sums[1].sum(axis=0)) if beside.any() else out


@dataclass(frozen=True, eq=False)
class ChainsAt:
    """The profiled deviance at fixed effects gamma of the orthonormal columns, and at theta.

    Attributes
    ----------
    gamma : (p,)
    theta : (k,)
        Relative to the residual deviation.
    deviance : float
    gradient : (p + k,)
    square : float
        ``s^2``.
    square_slopes : (p + k,)
        Its derivatives.
    log_det_slopes : (k,)
        Derivatives of ``log det V``.
    scores : (B, q)
        ``Z'We`` at gamma, ``h = Lambda Z'We``.
    u : (B, q)
        ``T^-1 h``.
    squares : (2, P, q)
        ``u_t^2`` and ``2 u_t u_(t+1)``, summed over the blocks of each pattern.
    precision : _Precision
    """

    gamma: FloatArray
    theta: FloatArray
    deviance: float
    gradient: FloatArray
    square: float
    square_slopes: FloatArray
    log_det_slopes: FloatArray
    scores: FloatArray
    u: FloatArray
    squares: FloatArray
    precision: _Precision

    @property
    def parameters(self) -> FloatArray:
        """Gamma and theta, (p + k,)."""
        return np.concatenate([self.gamma, self.theta])


def evaluate_chains(chains: Chains, gamma: FloatArray, theta: FloatArray) -> ChainsAt | None:
    """The profiled deviance and its gradient; None where they have too few digits.

    ``ds^2 = u'(dT)u - 2 (dh)'u`` in theta, and in gamma ``2 (gamma + Q'WZ Lambda u)``, since the
    columns Q are orthogonal to the residuals at zero.
    """
    term, p, nu = chains.term, chains.n_fixed, chains.degrees
    precision = _factor(chains, theta)
    if precision is None:
        return None
    size = float(term.units(theta)[0, 0])
    scores = chains.residual
    if p:
        scores = scores - (gamma @ chains.columns).reshape(scores.shape)
    u = precision.solve(chains, scores[None])[0]
    u *= size
    explained = float(np.vdot(scores, u))
    square = chains.total + float(gamma @ gamma) - size * explained
    if not square > _LEAST_SHARE * chains.total:
        return None
    squares = _sum_squares(chains, u)
    slopes = np.empty(p + theta.size)
    slopes[:p] = 2.0 * (gamma + size * (chains.columns @ u.ravel()))
    slopes[p:] = [_pair(precision.slope(i), squares) for i in range(theta.size)]
    # Only Lambda, the first parameter, moves h.
    slopes[p] -= 2.0 * explained
    log_det, log_det_slopes = _log_det(chains, precision)
    gradient = nu / square * slopes
    gradient[p:] += log_det_slopes
    if chains.restricted:
        fixed = _Integrated(chains, precision, size)
        log_det += fixed.log_det
        gradient[p:] += fixed.slopes
    if not np.isfinite(gradient).all():
        return None
    deviance = log_det + nu * (1.0 + math.log(2.0 * math.pi * square / nu))
    return ChainsAt(
        gamma=gamma,
        theta=theta,
        deviance=deviance,
        gradient=gradient,
        square=square,
        square_slopes=slopes,
        log_det_slopes=log_det_slopes,
        scores=scores,
        u=u,
        squares=squares,
        precision=precision,
    )


def _sum_squares(chains: Chains, u: FloatArray) -> FloatArray:
    """``u_t^2``, and ``2 u_t u_(t+1)``, which the entries of a symmetric matrix multiply twice."""
    if len(chains.information) == 1:
        out = np.zeros((2, 1, u.shape[1]))
        np.einsum("bt,bt->t", u, u, out=out[0, 0])
        np.einsum("bt,bt->t", u[:, :-1], u[:, 1:], out=out[1, 0, :-1])
    else:
        out = np.zeros((2, *u.shape))
        np.multiply(u, u, out=out[0])
        np.multiply(u[:, :-1], u[:, 1:], out=out[1, :, :-1])
        if chains.pattern is not None:
            order = np.argsort(chains.pattern, kind="stable")
            starts = np.cumsum(chains.counts).astype(np.intp) - chains.counts.astype(np.intp)
            out = np.add.reduceat(out[:, order], starts, axis=1)
    out[1] *= 2.0
    return out


@dataclass(frozen=True, eq=False)
class Curvature:
    """Second derivatives at one point.

    Attributes
    ----------
    square : (p + k, p + k)
        Of ``s^2``.
    log_det : (k, k)
        Of all log determinants.
    profiled : (p + k, p + k)
        Of the profiled deviance.
    """

    square: FloatArray
    log_det: FloatArray
    profiled: FloatArray


def differentiate_chains(chains: Chains, at: ChainsAt) -> Curvature:
    """``d^2 s^2`` and that of the profiled deviance, ``d^2 log det + N (d^2 s^2 / s^2 - ..)``.

    With ``g_i = dh - (dT)u`` it is ``-2 g_i'T^-1 g_j + u'(d^2 T)u`` in two parameters,
    ``2 (u_x'g_i + h_x'u [i = Lambda])`` in a column x and a parameter, with ``u_x = T^-1 h_x`` of
    the column, and ``2 (x'Wz - h_x'u_z)`` in two columns.
    """
    p, k, precision = chains.n_fixed, at.theta.size, at.precision
    size = float(chains.term.units(at.theta)[0, 0])
    square = np.empty((p + k, p + k))
    moved = np.empty((k, *at.u.shape))
    for i in range(k):
        _apply(chains, precision.slope(i), at.u, moved[i])
    # The sign of all is turned.
    moved[0] -= at.scores
    solved = precision.solve(chains, moved).reshape(k, -1)
    moved = moved.reshape(k, -1)
    square[p:, p:] = -2.0 * moved @ solved.T
    for i in range(k):
        for j in range(k):
            square[p + i, p + j] += _pair(precision.bend(i, j), at.squares)
    columns, effects = chains.columns, _solve_columns(chains, precision)
    square[:p, :p] = 2.0 * (np.eye(p) - (size * size) * (columns @ effects.T))
    mixed = (-2.0 * size) * (effects @ moved.T)
    mixed[:, 0] += 2.0 * (columns @ at.u.ravel())
    square[:p, p:], square[p:, :p] = mixed, mixed.T
    relative = at.square_slopes / at.square
    profiled = chains.degrees * (square / at.square - np.outer(relative, relative))
    log_det = _bends_of_log_det(chains, precision)
    if chains.restricted:
        log_det = log_det + _Integrated(chains, precision, size).bends()
    profiled[p:, p:] += log_det
    return Curvature(square, log_det, profiled)


def curvature_in_fixed(chains: Chains, at: ChainsAt) -> FloatArray:
    """The part of ``d^2 s^2`` in the fixed effects alone, (p, p)."""
    size = float(chains.term.units(at.theta)[0, 0])
    shared = chains.columns @ _solve_columns(chains, at.precision).T
    out: FloatArray = 2.0 * (np.eye(chains.n_fixed) - (size * size) * shared)
    return out


class _Integrated:
    """``log det S`` of the fixed effects with its derivatives in theta.

    ``S_i = U'T_i U - (dH)'U - U'dH`` with ``U = T^-1 H`` of all columns, and with
    ``G_i = dH - T_i U`` the second derivatives are ``U'T_ij U - G_i'T^-1 G_j - G_j'T^-1 G_i``.
    """

    def __init__(self, chains: Chains, precision: _Precision, size: float) -> None:
        self.chains, self.precision = chains, precision
        p, k = chains.n_fixed, precision.k
        self.u = size * _solve_columns(chains, precision).reshape(chains.fixed.shape)
        self.turned = np.empty((k, *chains.fixed.shape))
        for i in range(k):
            _apply(chains, precision.slope(i), self.u, self.turned[i])
        u = self.u.reshape(p, -1) if p else chains.columns
        crossed = chains.columns @ u.T
        S = np.eye(p) - size * crossed
        self.first = self.turned.reshape(k, *chains.columns.shape) @ u.T
        self.first[0] -= crossed + crossed.T
        self.inverse = np.linalg.inv(S)
        self.log_det = float(np.linalg.slogdet(S)[1])
        self.slopes = np.einsum("ab,iba->i", self.inverse, self.first)

    def bends(self) -> FloatArray:
        """``tr(S^-1 S_ij) - tr(S^-1 S_i S^-1 S_j)``, (k, k)."""
        chains, precision, inverse = self.chains, self.precision, self.inverse
        k, shape = precision.k, (precision.k, *chains.columns.shape)
        moved = -self.turned
        moved[0] += chains.fixed
        solved = precision.solve(chains, moved.reshape(-1, *chains.residual.shape)).reshape(shape)
        moved, u = moved.reshape(shape), self.u.reshape(chains.columns.shape)
        out, held = np.empty((k, k)), np.empty_like(self.u)
        for i in range(k):
            for j in range(i + 1):
                _apply(chains, precision.bend(i, j), self.u, held)
                second = held.reshape(u.shape) @ u.T - 2.0 * moved[i] @ solved[j].T
                along = inverse @ self.first[i] @ inverse
                value = float(np.vdot(inverse, second)) - float(np.vdot(along, self.first[j]))
                out[i, j] = out[j, i] = value
        return out


def _solve_columns(chains: Chains, precision: _Precision) -> FloatArray:
    """``T^-1 Z'WQ``, (p, B q); of columns that are alike in all blocks once."""
    fixed, alike = chains.fixed, chains.alike
    if not alike.any():
        return precision.solve(chains, fixed).reshape(chains.columns.shape)
    out = np.empty_like(fixed)
    out[alike] = precision.solve(chains, fixed[alike, :1])
    if not alike.all():
        out[~alike] = precision.solve(chains, fixed[~alike])
    return out.reshape(chains.columns.shape)


def _factor(chains: Chains, theta: FloatArray) -> _Precision | None:
    """T of each pattern with its derivatives; None if it is not positive."""
    term, information = chains.term, chains.information
    dependence, size = term.dependence_of_block(theta), float(term.units(theta)[0, 0])
    assert dependence is not None
    diagonal, beside = dependence.precision()
    assert beside is not None
    whole = (size * size) * information + diagonal
    matrix = factor_tridiagonal(whole.ravel(), np.broadcast_to(beside, whole.shape).ravel())
    return None if matrix is None else _Precision(matrix, size, information, dependence)


def _log_det(chains: Chains, precision: _Precision) -> tuple[float, FloatArray]:
    """``sum_j log det T_j + log det K`` with its derivatives, ``tr V_j T_i - tr K P_i``."""
    dependence, (patterns, q) = precision.dependence, chains.information.shape
    blocks, counts = float(chains.counts.sum()), chains.counts[:, None]
    logs = np.log(precision.matrix.pivots).reshape(patterns, q)
    value = float(chains.counts @ logs.sum(axis=1)) + blocks * dependence.log_det()
    variances, beside = (part.reshape(patterns, q) for part in precision.matrix.inverse)
    sums = np.stack([counts * variances, 2.0 * counts * beside])
    slopes = np.array([_pair(precision.slope(i), sums) for i in range(precision.k)])
    none = np.zeros(q)
    # What is left of it at V = 0 is ``d log det K``.
    slopes[1:] += blocks * dependence.log_det_slope(none, none)
    return value, slopes


def _bends_of_log_det(chains: Chains, precision: _Precision) -> FloatArray:
    """Its second derivatives, (k, k)."""
    k, shape = precision.k, chains.information.shape
    slopes, bends = np.zeros((k, 2, *shape)), np.zeros((k, k, 2, *shape))
    for i in range(k):
        slopes[i, 0], slopes[i, 1] = precision.slope(i)
        for j in range(k):
            bends[i, j, 0], bends[i, j, 1] = precision.bend(i, j)
    flat = slopes.reshape(k, 2, -1), bends.reshape(k, k, 2, -1)
    counts = np.repeat(chains.counts, shape[1])
    out = differentiate_log_det(precision.matrix, *flat, counts)[1]
    # ``log det K = -log det K^-1``.
    dependence = precision.dependence
    diagonal, beside = dependence.precision()
    assert beside is not None
    alone = factor_tridiagonal(diagonal, beside)
    assert alone is not None
    blocks = np.full(shape[1], float(chains.counts.sum()))
    out[1:, 1:] -= differentiate_log_det(alone, *dependence.precision_derivatives(), blocks)[1]
    return out
