"""Newton's method with the exact Hessian, for models with one scalar random effect.

Where rows are few the general search takes most of its time in calls. Here an evaluation with the
Hessian is a few dozen of them (:mod:`mixcheck.fitting.likelihood.scalar_laplace`), and three to six
evaluations mostly lead to an optimum in the interior. What is not one is left to the general
search.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.fitting.estimation.start import newton_step
from mixcheck.fitting.likelihood.scalar_laplace import (
    SHORTEST,
    ScalarModes,
    ScalarRows,
    ScalarSlopes,
    differentiate_twice,
    find_modes,
    look_at,
    raised,
)

__all__ = ["ScalarEnd", "search_scalar"]

_MOST_STEPS = 12
_MOST_LOOKS = 40
_MOST_HALVINGS = 3
# A step of Newton's method from this length, in standard errors, is the last one: the next has
# about its square.
_LAST = 3e-4
# The deviation does not fall to less than this share in one step, nor rise by more than
# the inverse of it.
_LEAST_SHARE = 0.3
# From further than this coefficients and effects are first sought together, to this decrement.
_FAR, _TOGETHER = 6.0, 1e-2
# A deviation below this, in units of the precision of a level, may go to zero.
_SMALL = 0.1
# Decrement of the first modes; after a step of length d the next one has about d^2, and modes may
# leave an error of this share of that, and of this much at most.
_FIRST = 1e-2
_SHARE, _ROUGH = 3e-3, 1e-2
# The deviance may rise by this much, relative to itself, through rounding.
_ROUNDING = 1e-10
# A bend smaller than this is none, and the least that it may add to one.
_STRAIGHT, _LEAST = 1e-3, -0.9
# A moment estimate of the variance below this, in units of the precision of a level, is the least.
_LEAST_START = 0.1001


@dataclass(frozen=True, eq=False)
class ScalarEnd:
    """Where such a search has ended.

    Attributes
    ----------
    psi : (P,)
    u : (m,)
        The modes there, to second order.
    evaluations : int
    """

    psi: FloatArray
    u: FloatArray
    evaluations: int


def search_scalar(rows: ScalarRows, start: FloatArray) -> ScalarEnd | None:
    """Newton's method from near there; None where it ends at no optimum in the interior.

    ``psi <- psi - C^-1 g`` with the exact Hessian C, until ``g' C^-1 g`` is 1e-7.

    Parameters
    ----------
    rows : ScalarRows
    start : (P,)
        Of the model without random effects, and a moment estimate of the deviation of effects.
    """
    near = _nearer(rows, start) if start[-1] > 0.0 else None
    modes = None if near is None else find_modes(rows, *near, _FIRST)
    if modes is None:
        return None
    at, count, together = differentiate_twice(rows, modes), 1, False
    for _ in range(_MOST_STEPS):
        sigma, known = float(modes.psi[-1]), float(modes.information.mean())
        if sigma * sigma * known < _SMALL * _SMALL:
            return None
        step = _newton_step(at, sigma, known)
        length = np.inf if step is None else math.sqrt(max(-float(at.gradient.dot(step)), 0.0))
        if length > _FAR and not together:
            together, joint = True, _climb_together(rows, modes, _TOGETHER)
            if joint is None:
                return None
            modes, at, count = joint, differentiate_twice(rows, joint), count + 1
            continue
        if step is None:
            return None
        if length < _LAST:
            return ScalarEnd(modes.psi + step, _moved(modes, at, step), count)
        step = _bounded(step, sigma, known)
        moved = _descend(rows, modes, at, step, min(_SHARE * length * length, _ROUGH) ** 2)
        if moved is None:
            return None
        modes, at, used = moved
        count += used
    return None


def _nearer(rows: ScalarRows, start: FloatArray) -> tuple[FloatArray, FloatArray] | None:
    """Parameters and effects nearer to the optimum, from those of the model without effects.

    With the bend ``a = sum l''' / sum l''``, one for counts with the logarithm as link, scores of
    a level have the variance ``w + w^2 (exp(a^2 s^2) - 1) / a^2``, and not ``w + w^2 s^2``.
    Averaged over effects of variance s^2 the scores of coefficients are about
    ``X' (l' + l''' z^2 s^2 / 2)``, which is zero a step ``I^-1 X' l''' z^2 s^2 / 2`` on. A step d
    of Newton's method for intercepts becomes ``log(1 + a d) / a``.

    None where the moment estimate is the least there is: the deviation is likely to be zero.
    """
    at = look_at(rows, start, np.zeros(rows.sums.size))
    second, third = at.density.second[0, 0], at.density.third[0, 0, 0]
    whole = float(np.add.reduce(second))
    bend = float(np.add.reduce(third)) / whole if whole < 0.0 else 0.0
    square, known = float(start[-1]) ** 2, float(np.add.reduce(at.information))
    if square * known <= _LEAST_START * at.u.size:
        return None
    effects = start[-1] * (at.left / at.precision)
    if abs(bend) > _STRAIGHT:
        unit = bend * bend * known / -whole
        square = math.log1p(unit * square) / unit
        if rows.z is None:
            effects = np.log1p(np.maximum(bend * effects, _LEAST)) / bend
    columns = rows.columns
    push = columns.dot(rows.times_square(third))
    shift = newton_step((columns * -second).dot(columns.T), (0.5 * square) * push)
    if shift is None:
        return None
    psi = start.copy()
    psi[:-1] += shift
    psi[-1] = sigma = math.sqrt(square)
    return psi, effects / sigma


def _climb_together(rows: ScalarRows, at: ScalarModes, near: float) -> ScalarModes | None:
    """Coefficients and effects that maximise their joint density at a given deviation.

    Newton's method for both: with ``w = -l''``, ``B_j = sigma sum z w x_j`` and
    ``S = X'wX - sum B B' / H``, steps are ``d beta = S^-1 (X'l' - sum B r / H)`` and
    ``du = (r - B' d beta) / H``.

    Parameters
    ----------
    rows : ScalarRows
    at : ScalarModes
        Where it begins.
    near : float
        A decrement at which it ends.

    Returns
    -------
    ScalarModes or None
        None where it does not come to an end.
    """
    columns, sigma = rows.columns, float(at.psi[-1])
    for _ in range(_MOST_LOOKS):
        second = at.density.second[0, 0]
        weighted = columns * -second
        met = sigma * rows.sums.each(rows.times(weighted))
        shared = met / at.precision
        slope = columns.dot(at.density.first[0]) - shared.dot(at.left)
        step = newton_step(weighted.dot(columns.T) - shared.dot(met.T), slope)
        if step is None:
            return None
        if float(slope.dot(step)) + at.decrement < near:
            return at
        effects, limit = (at.left - step.dot(met)) / at.precision, raised(at.energy)
        psi, u, length = at.psi, at.u, 1.0
        while True:
            after = psi.copy()
            after[:-1] += length * step
            at = look_at(rows, after, u + length * effects)
            if at.energy <= limit:
                break
            length *= 0.5
            if length < SHORTEST:
                return None
    return None


def _newton_step(at: ScalarSlopes, sigma: float, known: float) -> FloatArray | None:
    """The step in the coefficients and ``(1 + w s^2)^-1/2``, in units of the deviation s, (P,).

    With f that function of s, ``C_ss - g_s f'' / f'`` takes the place of C_ss. By what levels say,
    with information w each, D is about ``m (log V + S / V)`` with ``V = 1 + w s^2``, and nearer to
    a parabola in ``V^-1/2`` than in s.
    """
    hessian = at.hessian.copy()
    square = known * sigma * sigma
    hessian[-1, -1] -= float(at.gradient[-1]) * (1.0 - 2.0 * square) / (sigma * (1.0 + square))
    return newton_step(hessian, -at.gradient)


def _bounded(step: FloatArray, sigma: float, known: float) -> FloatArray:
    """The step of the parameters, with s where that of V^-1/2 leads, but no further than may be.

    ``V_1 = V / (1 - w s d / V)^2`` for a step d.
    """
    V = 1.0 + known * sigma * sigma
    root = 1.0 - known * sigma * float(step[-1]) / V
    step = step.copy()
    after = V / (root * root) - 1.0 if root > 0.0 else math.inf
    least, most = _LEAST_SHARE * sigma, sigma / _LEAST_SHARE
    step[-1] = min(max(math.sqrt(max(after, 0.0) / known), least), most) - sigma
    return step


def _moved(modes: ScalarModes, at: ScalarSlopes, step: FloatArray) -> FloatArray:
    """The modes after a step s, (m,), to first order: ``u + r / H + sum u_j s_j``."""
    u: FloatArray = step.dot(at.moved)
    u += modes.u
    u += modes.left / modes.precision
    return u


def _descend(
    rows: ScalarRows, modes: ScalarModes, at: ScalarSlopes, step: FloatArray, near: float
) -> tuple[ScalarModes, ScalarSlopes, int] | None:
    """The first of ``psi + s / 4^k`` where the deviance falls, and how often it looked."""
    bound = at.deviance + _ROUNDING * (1.0 + abs(at.deviance))
    for used in range(1, _MOST_HALVINGS + 1):
        after = find_modes(rows, modes.psi + step, _moved(modes, at, step), near)
        if after is not None:
            found = differentiate_twice(rows, after)
            if found.deviance <= bound and np.isfinite(found.hessian).all():
                return after, found, used
        step = 0.25 * step
    return None
