"""Derivatives of a log density whose zeros have a part of their own, by the chain rule."""

from __future__ import annotations

import numpy as np
from scipy import special

from mixcheck.arrays import BoolArray, FloatArray
from mixcheck.families.derivatives import Derivatives, mask_derivatives
from mixcheck.families.responses import Observed

__all__ = ["derive_inflated", "derive_separate"]

# A logit beyond this is as good as this: the exponential of neither overflows.
_Z_MAX = 700.0


def _log_expit(z: FloatArray) -> FloatArray:
    """Log of the logistic function, ``(n,)``."""
    return -np.logaddexp(0.0, -z)


def derive_separate(zero: BoolArray, base: Derivatives, z: FloatArray, order: int) -> Derivatives:
    """Derivatives of a hurdle: the base where there is no zero, and a Bernoulli of the zeros.

    ``log pi`` of a zero and ``log(1 - pi) + l`` of another response: in z the derivatives are
    ``1 - pi`` or ``-pi``, then ``-pi (1 - pi)`` and ``pi (1 - pi) (2 pi - 1)``.
    """
    k = len(base.first)

    def keep(values: FloatArray) -> FloatArray:
        return np.where(zero, 0.0, values)

    pi, other = special.expit(z), special.expit(-z)
    value = np.where(zero, _log_expit(z), base.value + _log_expit(-z))
    first = (*map(keep, base.first), np.where(zero, other, -pi))
    second = {pair: keep(d) for pair, d in base.second.items()}
    third = {triple: keep(d) for triple, d in base.third.items()}
    if order < 1:
        return Derivatives(value, (), {}, {})
    if order > 1:
        second[k, k] = -pi * other
    if order > 2:
        third[k, k, k] = pi * other * (pi - other)
    return Derivatives(value, first, second, third)


def derive_inflated(data: Observed, base: Derivatives, z: FloatArray, order: int) -> Derivatives:
    """Derivatives of zero inflation, inside the domain of the base and outside."""
    inside = base.value > -np.inf
    if inside.all():
        return _inflate(data.y == 0.0, base, z, order)
    finite = Derivatives(np.where(inside, base.value, 0.0), base.first, base.second, base.third)
    return mask_derivatives(_inflate(data.y == 0.0, finite, z, order), inside)


def _inflate(zero: BoolArray, base: Derivatives, z: FloatArray, order: int) -> Derivatives:
    """Derivatives of zero inflation.

    With ``w`` the probability that a zero is an additional one, ``v = 1 - w`` and ``l`` the log
    density of the base, the log density of a zero is ``log(pi + (1 - pi) e^l)``, whose
    derivatives are ``v`` in l and ``w - pi = w (1 - pi) (1 - e^l)`` in z.
    """
    pi, other = special.expit(z), special.expit(-z)
    value = _log_expit(-z) + base.value
    value = np.where(zero, np.logaddexp(_log_expit(z), value), value)
    if order < 1:
        return Derivatives(value, (), {}, {})
    log_odds = np.clip(z, -_Z_MAX, _Z_MAX) - base.value
    w = np.where(zero, special.expit(log_odds), 0.0)
    v = np.where(zero, special.expit(-log_odds), 1.0)
    scores = tuple(np.where(v > 0.0, d, 0.0) for d in base.first)
    rise = np.where(zero, w * other * -np.expm1(np.minimum(base.value, 0.0)), -pi)
    first = (*(v * d for d in scores), rise)
    if order < 2:
        return Derivatives(value, first, {}, {})
    spread = w * v
    # Where the spread is zero a score may be too large to be squared.
    scores = tuple(np.where(spread > 0.0, d, 0.0) for d in scores)
    second = _inflate_second(base, scores, (v, spread))
    k = len(scores)
    second[k, k] = np.where(zero, rise * (v - pi), -pi * other)
    if order < 3:
        return Derivatives(value, first, second, {})
    third = _inflate_third(base, scores, (v, spread, spread * (v - w)))
    third[k, k, k] = _bend_zero_part((w, v), (pi, other), rise)
    return Derivatives(value, first, second, third)


def _bend_zero_part(
    after: tuple[FloatArray, FloatArray], before: tuple[FloatArray, FloatArray], rise: FloatArray
) -> FloatArray:
    """``w v (v - w)`` less the same of pi; by its factor ``w - pi`` where the two are close."""
    (w, v), (pi, other) = after, before
    factor = 1.0 - 3.0 * (w + pi) + 2.0 * (w * w + w * pi + pi * pi)
    direct = w * v * (v - w) - pi * other * (other - pi)
    return np.where(rise > 0.0, np.where(rise < 0.5, rise * factor, direct), direct)


def _inflate_second(
    base: Derivatives, scores: tuple[FloatArray, ...], slopes: tuple[FloatArray, FloatArray]
) -> dict[tuple[int, int], FloatArray]:
    """Second derivatives but for that in z twice; slopes are ``v`` and ``w v``.

    ``v l_ab + w v l_a l_b`` and, with z, ``-w v l_a``.
    """
    v, spread = slopes
    k = len(scores)
    second = {(a, k): -spread * score for a, score in enumerate(scores)}
    for a in range(k):
        for b in range(a, k):
            bend = base.second.get((a, b))
            square = spread * scores[a] * scores[b]
            second[a, b] = square if bend is None else square + v * bend
    return second


def _inflate_third(
    base: Derivatives,
    scores: tuple[FloatArray, ...],
    slopes: tuple[FloatArray, FloatArray, FloatArray],
) -> dict[tuple[int, int, int], FloatArray]:
    """Third derivatives but for that in z thrice; slopes are ``v``, ``w v``, ``w v (v - w)``.

    ``v l_abc + w v (l_ab l_c + l_ac l_b + l_bc l_a) - w v (v - w) l_a l_b l_c``; with z once,
    ``w v (v - w) l_a l_b - w v l_ab``; and with z twice, ``-w v (v - w) l_a``.
    """
    v, spread, tilt = slopes
    k = len(scores)
    third = {(a, k, k): -tilt * score for a, score in enumerate(scores)}
    for a in range(k):
        for b in range(a, k):
            bend = base.second.get((a, b), np.zeros_like(v))
            third[a, b, k] = tilt * scores[a] * scores[b] - spread * bend
            for c in range(b, k):
                total = -tilt * scores[a] * scores[b] * scores[c]
                for pair, other in (((a, b), c), ((a, c), b), ((b, c), a)):
                    if pair in base.second:
                        total = total + spread * base.second[pair] * scores[other]
                if (a, b, c) in base.third:
                    total = total + v * base.third[a, b, c]
                third[a, b, c] = total
    return third
