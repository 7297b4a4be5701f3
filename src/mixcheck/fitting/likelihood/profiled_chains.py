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

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.fitting.latent.tridiagonal import differentiate_log_det, factor_tridiagonal
from mixcheck.fitting.likelihood.chains import (
    ChainPrecision,
    Chains,
    apply_entries,
    factor_chains,
    pair_entries,
)

__all__ = [
    "ChainsAt",
    "Curvature",
    "curvature_in_fixed",
    "differentiate_chains",
    "evaluate_chains",
]

# Where the effects leave less than this share of the sum of squares, a difference has lost digits
# that estimates are to have.
_LEAST_SHARE = 1e-3


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
    precision : ChainPrecision
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
    precision: ChainPrecision

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
    precision = factor_chains(chains, theta)
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
    slopes[p:] = [pair_entries(precision.slope(i), squares) for i in range(theta.size)]
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
        apply_entries(chains, precision.slope(i), at.u, moved[i])
    # The sign of all is turned.
    moved[0] -= at.scores
    solved = precision.solve(chains, moved).reshape(k, -1)
    moved = moved.reshape(k, -1)
    square[p:, p:] = -2.0 * moved @ solved.T
    for i in range(k):
        for j in range(k):
            square[p + i, p + j] += pair_entries(precision.bend(i, j), at.squares)
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

    def __init__(self, chains: Chains, precision: ChainPrecision, size: float) -> None:
        self.chains, self.precision = chains, precision
        p, k = chains.n_fixed, precision.k
        self.u = size * _solve_columns(chains, precision).reshape(chains.fixed.shape)
        self.turned = np.empty((k, *chains.fixed.shape))
        for i in range(k):
            apply_entries(chains, precision.slope(i), self.u, self.turned[i])
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
                apply_entries(chains, precision.bend(i, j), self.u, held)
                second = held.reshape(u.shape) @ u.T - 2.0 * moved[i] @ solved[j].T
                along = inverse @ self.first[i] @ inverse
                value = float(np.vdot(inverse, second)) - float(np.vdot(along, self.first[j]))
                out[i, j] = out[j, i] = value
        return out


def _solve_columns(chains: Chains, precision: ChainPrecision) -> FloatArray:
    """``T^-1 Z'WQ``, (p, B q); of columns that are alike in all blocks once."""
    fixed, alike = chains.fixed, chains.alike
    if not alike.any():
        return precision.solve(chains, fixed).reshape(chains.columns.shape)
    out = np.empty_like(fixed)
    out[alike] = precision.solve(chains, fixed[alike, :1])
    if not alike.all():
        out[~alike] = precision.solve(chains, fixed[~alike])
    return out.reshape(chains.columns.shape)


def _log_det(chains: Chains, precision: ChainPrecision) -> tuple[float, FloatArray]:
    """``sum_j log det T_j + log det K`` with its derivatives, ``tr V_j T_i - tr K P_i``."""
    dependence, (patterns, q) = precision.dependence, chains.information.shape
    blocks, counts = float(chains.counts.sum()), chains.counts[:, None]
    logs = np.log(precision.matrix.pivots).reshape(patterns, q)
    value = float(chains.counts @ logs.sum(axis=1)) + blocks * dependence.log_det()
    variances, beside = (part.reshape(patterns, q) for part in precision.matrix.inverse)
    sums = np.stack([counts * variances, 2.0 * counts * beside])
    slopes = np.array([pair_entries(precision.slope(i), sums) for i in range(precision.k)])
    none = np.zeros(q)
    # What is left of it at V = 0 is ``d log det K``.
    slopes[1:] += blocks * dependence.log_det_slope(none, none)
    return value, slopes


def _bends_of_log_det(chains: Chains, precision: ChainPrecision) -> FloatArray:
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
