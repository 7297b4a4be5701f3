"""The profiled deviance with one grouping factor, with its first two derivatives.

Level i has ``B = (G^-1 + S)^-1`` for ``G = Z_i'WZ_i`` and ``d = (I + G S)^-1 Z_i'W[X y]``, and, w
being the d of the residuals and N the matrix ``X'V^-1 X``,

- ``dD/dS = sum B - nu / r^2 sum w w' [- sum d_x N^-1 d_x']``,
- ``dB = -B dS B``, ``dd = -B dS d``, which give the second derivative.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.linalg import lapack

from mixcheck.arrays import FloatArray
from mixcheck.fitting.likelihood.profiled_deviance import (
    SMALL_SHARE,
    Entries,
    Profile,
    ProfiledDeviance,
)

__all__ = ["Levels", "absorb_levels", "evaluate_levels"]

_REFINEMENTS = 3


_Levels = tuple[float, FloatArray, FloatArray]
"""``log det (I + G S)``, B (q, q, m) and d (p + 1, q, m)."""


@dataclass(frozen=True, eq=False)
class Levels:
    """What all levels of one factor say, prepared for many S.

    Attributes
    ----------
    deviance : ProfiledDeviance
    """

    deviance: ProfiledDeviance

    @property
    def p(self) -> int:
        """Number of fixed effects."""
        return self.deviance.p

    @cached_property
    def answer(self) -> Callable[[FloatArray, FloatArray], _Levels]:
        """The response of all levels of one factor to Lambda and S."""
        gram = self.deviance.products.gram[0, 0]
        cross = np.concatenate(
            [self.deviance.products.fixed[0], self.deviance.moments.random[0][None]]
        )
        if len(gram) == 1:
            return lambda _, S: _answer_one(gram[0, 0], cross, S)
        if len(gram) == 2:
            return _answer_two(gram, cross)
        return _answer_many(gram, cross)

    @cached_property
    def cross(self) -> FloatArray:
        """``[Q e]'W Z`` of one factor, (p + 1, q m)."""
        held = np.concatenate(
            [self.deviance.products.fixed[0], self.deviance.moments.random[0][None]]
        )
        out: FloatArray = held.reshape(len(held), -1)
        return out

    @cached_property
    def start(self) -> FloatArray:
        """``[Q e]'W [Q e]``, (p + 1, p + 1)."""
        out = np.eye(self.p + 1)
        out[-1, -1] = self.deviance.products.weights.total
        return out

    def remainders(self, S: FloatArray, d: FloatArray) -> FloatArray:
        """``[Q e] - Z S d`` of the rows, (p + 1, n)."""
        latent, left = self.deviance.products.latent, []
        for k in range(len(d)):
            part = latent.gather([S @ d[k]], 1)[0]
            assert part is not None
            left.append(
                (self.deviance.products.Q[:, k] if k < self.p else self.deviance.moments.residual)
                - part
            )
        return np.stack(left)


def _answer_one(g: FloatArray, cross: FloatArray, S: FloatArray) -> _Levels:
    grown = g * S[0, 0]
    shrunk = 1.0 / (1.0 + grown)
    return float(np.log1p(grown).sum()), (g * shrunk)[None, None], cross * shrunk


def _answer_two(gram: FloatArray, cross: FloatArray) -> Callable[[FloatArray, FloatArray], _Levels]:
    """Two effects in closed form: sums of what is positive, so that nothing cancels."""
    flat = gram.reshape(4, -1)
    det = flat[0] * flat[3] - flat[1] * flat[2]
    # adj(G) Z'W[Q e]
    turned = np.stack(
        [
            flat[3] * cross[:, 0] - flat[1] * cross[:, 1],
            flat[0] * cross[:, 1] - flat[2] * cross[:, 0],
        ],
        axis=1,
    )

    def answer(root: FloatArray, S: FloatArray) -> _Levels:
        (a, b), (_, c) = S.tolist()
        adjoint = np.array([[c, -b], [-b, a]])
        (r, s), (t, u) = root.tolist()
        volume = (r * u - s * t) ** 2
        grown = S.ravel() @ flat + volume * det
        shrunk = 1.0 / (1.0 + grown)
        B = (gram + adjoint[:, :, None] * det) * shrunk
        d = (cross + adjoint @ turned) * shrunk
        return float(np.log1p(grown).sum()), B, d

    return answer


def _answer_many(
    gram: FloatArray, cross: FloatArray
) -> Callable[[FloatArray, FloatArray], _Levels]:
    q = len(gram)
    by_level = np.ascontiguousarray(gram.transpose(2, 0, 1))
    sides = np.concatenate([by_level, cross.transpose(2, 1, 0)], axis=2)

    def answer(root: FloatArray, S: FloatArray) -> _Levels:
        system = by_level @ S
        system[:, range(q), range(q)] += 1.0
        solved = np.linalg.solve(system, sides)
        log_det = float(np.linalg.slogdet(system)[1].sum())
        B = np.ascontiguousarray(solved[:, :, :q].transpose(1, 2, 0))
        return log_det, B, np.ascontiguousarray(solved[:, :, q:].transpose(2, 1, 0))

    return answer


def evaluate_levels(
    levels: Levels, entries: Entries, theta: FloatArray, roots: list[FloatArray]
) -> Profile:
    """One grouping factor, with second derivatives."""
    at = levels.deviance
    p, nu, root = at.p, at.degrees, roots[0]
    S = root @ root.T
    log_det, B, d = levels.answer(root, S)
    flat, grown = d.reshape(p + 1, -1), (S @ d).reshape(p + 1, -1)
    shares = levels.start - levels.cross @ grown.T
    solved = _solve_shares(shares)
    least = float((shares.diagonal() / levels.start.diagonal()).min())
    if solved is None or min(least, solved.square / levels.start[p, p]) < SMALL_SHARE:
        refined = _solve_by_rows(levels, S, d)
        if refined is None:
            return at.nowhere(entries, theta, roots)
        shares, solved = refined
    information, back = shares[:p, :p], solved.back
    square, coefficients = solved.square, solved.coefficients
    if not square > 0.0:
        return at.nowhere(entries, theta, roots)
    w = (flat[p] - coefficients @ flat[:p]).reshape(d.shape[1:])
    absorbed = (back @ flat[:p]).reshape(p, *w.shape)
    slopes, curvature = _derive(B, w, absorbed, nu / square, nu, restricted=at.restricted)
    gradient, hessian = _chain(entries, root, slopes, curvature)
    if at.restricted:
        hessian -= _turn_of_information(entries, root, absorbed)
    return Profile(
        entries=entries,
        theta=theta,
        deviance=at.profile(square, log_det - solved.log_volume(restricted=at.restricted)),
        gradient=gradient,
        hessian=hessian,
        roots=roots,
        coefficients=coefficients,
        square=square,
        information=information,
        scores=[w],
    )


@dataclass(frozen=True, eq=False)
class _Solved:
    """Generalised least squares from ``[Q e]'V^-1 [Q e]``.

    Attributes
    ----------
    back : (p, p)
        ``L^-1`` of ``Q'V^-1 Q = L L'``.
    coefficients : (p,)
    square : float
    """

    back: FloatArray
    coefficients: FloatArray
    square: float

    def log_volume(self, *, restricted: bool) -> float:
        """``-log det Q'V^-1 Q`` where it counts."""
        return 2.0 * float(np.log(self.back.diagonal()).sum()) if restricted else 0.0


def _solve_shares(shares: FloatArray) -> _Solved | None:
    p = len(shares) - 1
    if p == 0:
        return _Solved(np.zeros((0, 0)), np.zeros(0), float(shares[0, 0]))
    lower, info = lapack.dpotrf(shares[:p, :p], lower=1, clean=1)
    if info != 0:
        return None
    back: FloatArray = lapack.dtrtri(lower, lower=1)[0]
    half = back @ shares[:p, p]
    return _Solved(back, back.T @ half, float(shares[p, p] - half @ half))


def _solve_by_rows(
    levels: Levels, S: FloatArray, d: FloatArray
) -> tuple[FloatArray, _Solved] | None:
    """The same from residuals of the rows: ``R'WR + d'S d`` is a sum of what is positive.

    Products of large residuals with small ones lose digits, so that the coefficients are
    refined with the residuals that they leave.
    """
    p, times = levels.p, levels.deviance.products.weights.times
    left, flat = levels.remainders(S, d), d.reshape(len(d), -1)
    grown = (S @ d).reshape(flat.shape)
    shares = np.stack([times(row) for row in left]) @ left.T + flat @ grown.T
    solved = _solve_shares(shares)
    if solved is None:
        return None
    coefficients, square = solved.coefficients, solved.square
    for _ in range(_REFINEMENTS):
        v = np.append(-coefficients, 1.0)
        alone, w, b = v @ left, v @ flat, v @ grown
        square = float(alone @ times(alone) + w @ b)
        rest = left[:p] @ times(alone) + flat[:p] @ b
        coefficients = coefficients + solved.back.T @ (solved.back @ rest)
    return shares, replace(solved, coefficients=coefficients, square=square)


def _derive(
    B: FloatArray,
    w: FloatArray,
    absorbed: FloatArray,
    rate: float,
    nu: float,
    *,
    restricted: bool,
) -> tuple[FloatArray, FloatArray]:
    """First and second derivative of D in S, (q, q) and (q, q, q, q).

    `absorbed` is ``L^-1 d_x``, L a root of N. The part ``tr(N^-1 dN N^-1 dN)`` of the
    restricted one is left out.
    """
    q, m = w.shape
    flat = B.reshape(q * q, m)
    pairs = (w[:, None] * w).reshape(q * q, m)
    squares = np.add.reduce(pairs, axis=1)
    slopes = np.add.reduce(flat, axis=1) - rate * squares
    # [d, a, b, c] -> [a, b, c, d], and [a, d, b, c] -> [a, b, c, d].
    traces = (flat @ flat.T).reshape(q, q, q, q).transpose(1, 2, 3, 0)
    middle = 2.0 * rate * pairs
    if restricted:
        spread = (absorbed[:, :, None] * absorbed[:, None]).sum(axis=0).reshape(q * q, m)
        slopes = slopes - spread.sum(axis=1)
        middle += 2.0 * spread
    curvature = (middle @ flat.T).reshape(q, q, q, q).transpose(0, 2, 3, 1) - traces
    moved = (absorbed.reshape(-1, m) @ w.T).reshape(-1, q * q)
    together = 2.0 * rate * (moved.T @ moved) + (rate * rate / nu) * (squares[:, None] * squares)
    return slopes.reshape(q, q), curvature - together.reshape(q, q, q, q)


def _directions(entries: Entries, root: FloatArray) -> FloatArray:
    """``dS / dtheta`` of one factor, (k, q, q)."""
    k, q = entries.rows.size, len(root)
    out = np.zeros((k, q, q))
    out[np.arange(k), entries.rows] = root[:, entries.columns].T
    return out + out.swapaxes(1, 2)


def _chain(
    entries: Entries, root: FloatArray, slopes: FloatArray, curvature: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Gradient and Hessian in theta: ``dS = dL L' + L dL'``, ``d2S = 2 dL dL'``."""
    rows, columns, q = entries.rows, entries.columns, len(root)
    gradient = 2.0 * (slopes @ root)[rows, columns]
    turns = _directions(entries, root).reshape(rows.size, q * q)
    hessian = turns @ curvature.reshape(q * q, q * q) @ turns.T
    across, shared = entries.beside
    hessian += 2.0 * slopes[across, rows] * shared
    return gradient, 0.5 * (hessian + hessian.T)


def _turn_of_information(entries: Entries, root: FloatArray, absorbed: FloatArray) -> FloatArray:
    """``tr(N^-1 dN_s N^-1 dN_t)``, (k, k)."""
    p, q, m = absorbed.shape
    if p == 0:
        return np.zeros((entries.rows.size,) * 2)
    flat = absorbed.reshape(p * q, m)
    products = (flat @ flat.T).reshape(p, q, p, q)
    turned = np.einsum("kalb,sab->skl", products, _directions(entries, root), optimize=True)
    turned = turned.reshape(len(turned), -1)
    out: FloatArray = turned @ turned.T
    return out


def absorb_levels(at: ProfiledDeviance, here: Profile) -> list[FloatArray]:
    """``Q'V^-1 Z``, (p, q, m)."""
    root = here.roots[0]
    return [Levels(at).answer(root, root @ root.T)[2][:-1]]
