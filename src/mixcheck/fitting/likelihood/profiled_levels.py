"""The profiled deviance with one grouping factor, with its first two derivatives.

Level i has ``B = (G^-1 + S)^-1`` for ``G = Z_i'WZ_i`` and ``d = (I + G S)^-1 Z_i'W[X y]``, and, w
being the d of the residuals and N the matrix ``X'V^-1 X``,

- ``dD/dS = sum B - nu / r^2 sum w w' [- sum d_x N^-1 d_x']``,
- ``dB = -B dS B``, ``dd = -B dS d``, which give the second derivative.

By expectation ``nu / r^2 sum w w'`` is ``sum B``, and the second derivative along dS
``sum tr(B dS B dS) - (sum tr B dS)^2 / nu``. Fisher's scoring with it is Newton's method where
all levels have the same G, and its single step is then all but exact: it comes near the optimum
from anywhere, where the deviance as a function of Lambda is far from quadratic.

References
----------
Longford (1987), Biometrika 74(4), 817-827: scoring for nested random effects.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from scipy.linalg import lapack

from mixcheck.arrays import FloatArray, IntArray
from mixcheck.fitting.likelihood.profiled_deviance import (
    SMALL_SHARE,
    Entries,
    Profile,
    ProfiledDeviance,
)

__all__ = ["Levels", "evaluate_levels", "score_levels"]

_REFINEMENTS = 3

_Answer = Callable[[FloatArray, FloatArray, FloatArray], float]
"""Writes ``[d B]`` of all levels at Lambda and S, and returns ``log det (I + G S)``."""


@dataclass(frozen=True, eq=False)
class Levels:
    """What all levels of one factor say, prepared for many S.

    Attributes
    ----------
    deviance : ProfiledDeviance
    """

    deviance: ProfiledDeviance

    @cached_property
    def p(self) -> int:
        """Number of fixed effects."""
        return self.deviance.p

    @cached_property
    def q(self) -> int:
        """Number of effects of a level."""
        return len(self.deviance.products.gram[0, 0])

    @cached_property
    def total(self) -> float:
        """``e'We``, e the residuals of least squares."""
        return self.deviance.products.weights.total

    @cached_property
    def sides(self) -> FloatArray:
        """``Z'W [Q e Z]``, (p + 1 + q, q, m)."""
        products, moments = self.deviance.products, self.deviance.moments
        return np.concatenate([products.fixed[0], moments.random[0][None], products.gram[0, 0]])

    @cached_property
    def cross(self) -> FloatArray:
        """``[Q e]'W Z``, (p + 1, q m)."""
        return self.sides[: self.p + 1].reshape(self.p + 1, -1)

    @cached_property
    def start(self) -> FloatArray:
        """``[Q e]'W [Q e]``, (p + 1, p + 1)."""
        out = np.eye(self.p + 1)
        out[-1, -1] = self.total
        return out

    @cached_property
    def room(self) -> FloatArray:
        """Evaluations write here ``d``, ``B``, ``w w'`` [and ``d_x N^-1 d_x'``], (.., q, m)."""
        blocks = self.p + 1 + (3 if self.deviance.restricted else 2) * self.q
        return np.empty((blocks, *self.sides.shape[1:]))

    @cached_property
    def answer(self) -> _Answer:
        """``(I + G S)^-1 X`` and ``sum log det(I + G S)`` of all levels, from Lambda and S."""
        if self.q == 1:
            return _answer_one(self.sides)
        if self.q == 2:
            return _answer_two(self.sides)
        return _answer_many(self.sides)

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


def _answer_one(sides: FloatArray) -> _Answer:
    """One effect: ``x / (1 + g s)``, and ``sum log(1 + g s)``."""
    gram = sides[-1, 0]

    def answer(_: FloatArray, S: FloatArray, out: FloatArray) -> float:
        grown = gram * S[0, 0]
        np.multiply(sides, 1.0 / (1.0 + grown), out=out)
        return float(np.add.reduce(np.log1p(grown)))

    return answer


def _answer_two(sides: FloatArray) -> _Answer:
    """Two effects in closed form: sums of what is positive, so that nothing cancels.

    ``(I + G S)^-1 = (I + adj(S) adj(G)) / det(I + G S)``.
    """
    gram = sides[-2:]
    det = gram[0, 0] * gram[1, 1] - gram[0, 1] * gram[1, 0]
    basis = np.concatenate([gram.reshape(4, -1), det[None]])
    # adj(G) Z'W[Q e Z]
    turned = np.empty_like(sides)
    turned[:, 0] = gram[1, 1] * sides[:, 0] - gram[0, 1] * sides[:, 1]
    turned[:, 1] = gram[0, 0] * sides[:, 1] - gram[1, 0] * sides[:, 0]
    turned[-2:] = 0.0
    turned[-2, 0] = turned[-1, 1] = det

    def answer(root: FloatArray, S: FloatArray, out: FloatArray) -> float:
        (a, b), (_, c) = S.tolist()
        (r, s), (t, u) = root.tolist()
        grown = np.array([a, b, b, c, (r * u - s * t) ** 2]) @ basis
        np.matmul(np.array([[c, -b], [-b, a]]), turned, out=out)
        out += sides
        out *= 1.0 / (1.0 + grown)
        return float(np.add.reduce(np.log1p(grown)))

    return answer


def _answer_many(sides: FloatArray) -> _Answer:
    """``(I + G S)^-1 X`` level by level."""
    q = sides.shape[1]
    by_level = np.ascontiguousarray(sides.transpose(2, 1, 0))
    gram = np.ascontiguousarray(by_level[:, :, -q:])

    def answer(_: FloatArray, S: FloatArray, out: FloatArray) -> float:
        system = gram @ S
        system[:, range(q), range(q)] += 1.0
        out[:] = np.linalg.solve(system, by_level).transpose(2, 1, 0)
        return float(np.linalg.slogdet(system)[1].sum())

    return answer


class _Solved(NamedTuple):
    """Generalised least squares from ``[Q e]'V^-1 [Q e]``.

    Attributes
    ----------
    back : (p, p)
        ``L^-1`` of ``N = Q'V^-1 Q = L L'``.
    contrast : (p + 1,)
        What of [Q e] the residuals are: minus the coefficients, and one.
    square : float
    """

    back: FloatArray
    contrast: FloatArray
    square: float

    def log_volume(self, *, restricted: bool) -> float:
        """``-log det N`` where it counts."""
        return 2.0 * float(np.log(self.back.diagonal()).sum()) if restricted else 0.0


def _solve_shares(shares: FloatArray) -> _Solved | None:
    """By the Cholesky factor of all shares: its last row is ``[L^-1 Q'V^-1 e, r]``."""
    p = len(shares) - 1
    lower, info = lapack.dpotrf(shares, lower=1, clean=1)
    if 0 < info <= p:
        return None
    square = lower[p, p] ** 2
    if info:
        half = lower[p, :p]
        square = shares[p, p] - half @ half
        lower[p, p] = 1.0
    inverse: FloatArray = lapack.dtrtri(lower, lower=1)[0]
    return _Solved(inverse[:p, :p], inverse[p] / inverse[p, p], float(square))


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
    contrast, square = solved.contrast.copy(), solved.square
    for _ in range(_REFINEMENTS):
        alone, w, b = contrast @ left, contrast @ flat, contrast @ grown
        square = float(alone @ times(alone) + w @ b)
        rest = left[:p] @ times(alone) + flat[:p] @ b
        contrast[:p] -= solved.back.T @ (solved.back @ rest)
    return shares, solved._replace(contrast=contrast, square=square)


class _Evaluated(NamedTuple):
    """What the levels say at one S; the arrays of all levels are written anew by the next one.

    Attributes
    ----------
    log_det : float
        ``log det (I + G S)``, summed.
    shares : (p + 1, p + 1)
        ``[Q e]'V^-1 [Q e]``.
    solved : _Solved
    d : (p + 1, q, m)
    w : (q, m)
        Its own.
    absorbed : (p, q, m) or None
        ``L^-1 d_x`` where the fixed effects are integrated out; its own.
    outer : (2 or 3, q, q, m)
        ``B``, ``w w'`` [and ``d_x N^-1 d_x'``].
    sums : (2 or 3, q, q)
        Over the levels.
    rate : float
        ``nu / r^2``.
    slopes : (q, q)
        ``dD/dS``.
    """

    log_det: float
    shares: FloatArray
    solved: _Solved
    d: FloatArray
    w: FloatArray
    absorbed: FloatArray | None
    outer: FloatArray
    sums: FloatArray
    rate: float
    slopes: FloatArray

    def absorb(self) -> FloatArray:
        """``d_x w'``, summed over the levels, (p, q, q)."""
        d = self.d[:-1]
        p, q, m = d.shape
        return (d.reshape(p * q, m) @ self.w.T).reshape(p, q, q)


def _evaluate_at(levels: Levels, root: FloatArray, S: FloatArray) -> _Evaluated | None:
    """Value and slopes at S; None where the model leaves nothing over."""
    p, room = levels.p, levels.room
    _, q, m = room.shape
    d, restricted = room[: p + 1], levels.deviance.restricted
    log_det = levels.answer(root, S, room[: p + 1 + q])
    flat = d.reshape(p + 1, -1)
    shares = levels.start - levels.cross @ (S @ d).reshape(p + 1, -1).T
    solved = _solve_shares(shares)
    if solved is None or _is_small(shares, solved, levels.total):
        refined = _solve_by_rows(levels, S, d)
        if refined is None:
            return None
        shares, solved = refined
    if not solved.square > 0.0:
        return None
    w = (solved.contrast @ flat).reshape(q, m)
    outer = room[p + 1 :].reshape(-1, q, q, m)
    np.multiply(w[:, None], w, out=outer[1])
    absorbed = None
    if restricted:
        absorbed = (solved.back @ flat[:p]).reshape(p, q, m)
        np.einsum("kam,kbm->abm", absorbed, absorbed, out=outer[2])
    sums = np.add.reduce(outer, axis=3)
    rate = levels.deviance.degrees / solved.square
    slopes = sums[0] - rate * sums[1]
    if restricted:
        slopes -= sums[2]
    return _Evaluated(log_det, shares, solved, d, w, absorbed, outer, sums, rate, slopes)


def _is_small(shares: FloatArray, solved: _Solved, total: float) -> bool:
    """Whether the effects leave so little of a column that a difference has lost its digits."""
    *columns, _ = shares.diagonal().tolist()
    return bool(min([*columns, solved.square / total]) < SMALL_SHARE)


def score_levels(
    levels: Levels, root: FloatArray, free: IntArray | None, *, observed: bool = False
) -> tuple[FloatArray, float] | None:
    """One step of Fisher's scoring in S, or of Newton's method, and what it promises.

    ``S - (d2D/dS2)^-1 dD/dS``, with the second derivative or its expectation, restricted to the
    free entries; it promises the decrement.

    Parameters
    ----------
    levels : Levels
    root : (q, q)
        Any root of S.
    free : (k,) int or None
        Entries of S that are not held at zero, of those in one row after another.
    observed : bool
        Whether to step by the second derivative itself, near the optimum.

    Returns
    -------
    (q, q)
        S, which need not be positive.
    float
        The decrease of the deviance, about.
    """
    S = root @ root.T
    value = _evaluate_at(levels, root, S)
    if value is None:
        return None
    if observed:
        information = _bend(levels.deviance, value, value.absorb())
    else:
        information = _expect(levels.deviance, value)
    slopes = value.slopes.ravel()
    if free is not None:
        information, slopes = information[free[:, None], free], slopes[free]
    _, step, info = lapack.dposv(information, slopes)
    promise = float(slopes @ step)
    if info != 0 or not math.isfinite(promise):
        return None
    if free is None:
        return S - step.reshape(S.shape), promise
    S.flat[free] -= step
    return S, promise


def evaluate_levels(
    levels: Levels, entries: Entries, theta: FloatArray, roots: list[FloatArray]
) -> Profile:
    """One grouping factor, with second derivatives."""
    at, root = levels.deviance, roots[0]
    value = _evaluate_at(levels, root, root @ root.T)
    if value is None:
        return at.nowhere(entries, theta, roots)
    p, solved, absorbed = levels.p, value.solved, value.absorb()
    gradient, hessian = _chain(entries, root, value.slopes, _bend(at, value, absorbed))
    return Profile(
        entries=entries,
        theta=theta,
        deviance=at.profile(
            solved.square, value.log_det - solved.log_volume(restricted=at.restricted)
        ),
        gradient=gradient,
        hessian=hessian,
        roots=roots,
        coefficients=-solved.contrast[:p],
        square=solved.square,
        information=value.shares[:p, :p],
        scores=[value.w],
        absorbed=[absorbed],
    )


def _expect(at: ProfiledDeviance, value: _Evaluated) -> FloatArray:
    """``sum B (x) B - (sum B)(sum B)' / nu``, (q q, q q): expected second derivative of D in S.

    The fixed effects are held.
    """
    size = value.slopes.size
    flat, sums = value.outer[0].reshape(size, -1), value.sums[0].ravel()
    out: FloatArray = _turn_pairs(flat @ flat.T) - sums[:, None] * (sums / at.degrees)
    return out


def _bend(at: ProfiledDeviance, value: _Evaluated, absorbed: FloatArray) -> FloatArray:
    """Second derivative of D in S, (q q, q q), symmetric for symmetric dS.

    Along dS it is ``2 nu / r^2 sum w'dS B dS w - sum tr(B dS B dS)``, less what the fixed effects
    and the residual variance take by moving along [, and, restricted, the second derivative of
    ``log det N``, ``2 sum tr(B dS d_x N^-1 d_x' dS) - tr(N^-1 dN N^-1 dN)``].
    """
    rate, size = value.rate, value.slopes.size
    flat = value.outer.reshape(len(value.outer), size, -1)
    across = rate * (flat[1] @ flat[0].T)
    if value.absorbed is not None:
        across += flat[2] @ flat[0].T
    out = _turn_pairs(across + across.T - flat[0] @ flat[0].T)
    if value.absorbed is not None:
        turns = _turn_of_information(value.absorbed)
        out -= turns @ turns.T
    squares = value.sums[1].ravel()
    moved = value.solved.back @ absorbed.reshape(-1, size)
    moved = moved + moved.reshape(absorbed.shape).swapaxes(1, 2).reshape(-1, size)
    out -= (0.5 * rate) * (moved.T @ moved)
    out -= squares[:, None] * ((rate * rate / at.degrees) * squares)
    return out


def _turn_pairs(products: FloatArray) -> FloatArray:
    """``sum X_ac Y_bd``, (q q, q q), from (ac, bd) to (ab, cd): what gives ``X dS Y``."""
    size = len(products)
    q = math.isqrt(size)
    out: FloatArray = products.reshape(q, q, q, q).swapaxes(1, 2).reshape(size, size)
    return out


def _turn_of_information(absorbed: FloatArray) -> FloatArray:
    """``-N^-1/2 dN N^-1/2`` for each entry of S, (q q, p p)."""
    p, q, m = absorbed.shape
    flat = absorbed.reshape(p * q, m)
    products = (flat @ flat.T).reshape(p, q, p, q).transpose(1, 3, 0, 2)
    out: FloatArray = 0.5 * (products + products.swapaxes(0, 1)).reshape(q * q, p * p)
    return out


def _directions(entries: Entries, root: FloatArray) -> FloatArray:
    """``dS / dtheta`` of one factor, (k, q, q): ``dL L' + L dL'``."""
    k, q = len(entries.rows), len(root)
    half = np.zeros((k, q, q))
    half[range(k), entries.rows] = root.T[entries.columns]
    return half + half.swapaxes(1, 2)


def _chain(
    entries: Entries, root: FloatArray, slopes: FloatArray, curvature: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Gradient and Hessian in theta: ``dS = dL L' + L dL'``, ``d2S = 2 dL dL'``."""
    turns = _directions(entries, root).reshape(len(entries.rows), -1)
    hessian = turns @ curvature @ turns.T
    across, shared = entries.beside
    hessian += slopes[across, entries.rows] * shared
    return turns @ slopes.ravel(), 0.5 * (hessian + hessian.T)
