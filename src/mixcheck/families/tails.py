"""Logarithms of both tails of the distributions behind the links, with derivatives.

A pair of tails is log F and log(1 - F), each with up to three derivatives in eta. The
distributions symmetric about zero are evaluated at ``x = |eta|``: ``far`` is log F(-x),
``near`` log F(x), each with its derivatives in its own argument. Nothing is computed as a
difference of nearly equal numbers.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from scipy import special

from mixcheck.arrays import BoolArray, FloatArray

__all__ = [
    "DENSITY_AT_ZERO",
    "EXP_MAX",
    "SMALLEST",
    "Tail",
    "cauchy_tails",
    "exponential_tails",
    "extreme_value_tails",
    "linear_tails",
    "logistic_tails",
    "mask_tails",
    "normal_tails",
    "one_minus",
    "reflect_tails",
]

Tail: TypeAlias = tuple[FloatArray, ...]
"""A log probability and its derivatives in eta: ``order + 1`` arrays of shape ``(n,)``."""

EXP_MAX = 700.0
"""Largest argument of an exponential that leaves room for a product."""
SMALLEST = 1e-100
"""Smallest probability or mean whose reciprocal can be cubed."""

DENSITY_AT_ZERO = 1.0 / np.sqrt(2.0 * np.pi)
"""Of the standard normal distribution."""
_MILLS_AT_ZERO = np.sqrt(2.0 / np.pi)
_FRACTION_FROM = 5.0
_FRACTION_LEVELS = 24


def reflect_tails(eta: FloatArray, far: Tail, near: Tail) -> tuple[Tail, Tail]:
    """Tails of a distribution symmetric about zero, from those at ``|eta|``."""
    left = eta < 0.0
    p = tuple(np.where(left, a, b) for a, b in zip(far, near, strict=True))
    q = tuple(
        np.where(left, b, a) if k % 2 == 0 else np.where(left, -b, -a)
        for k, (a, b) in enumerate(zip(far, near, strict=True))
    )
    return p, q


def logistic_tails(x: FloatArray, order: int) -> tuple[Tail, Tail]:
    """Far and near tail of the logistic distribution at ``x >= 0``, shape (n,)."""
    small = np.exp(-x)
    soft = -np.log1p(small)
    if order == 0:
        return (soft - x,), (soft,)
    large = 1.0 / (1.0 + small)
    small *= large
    density = small * large
    third = -density * np.tanh(0.5 * x)
    far = (soft - x, large, -density, third)
    near = (soft, small, -density, -third)
    return _cut(far, near, order)


def normal_tails(x: FloatArray, order: int) -> tuple[Tail, Tail]:
    """Far and near tail of the normal distribution at ``x >= 0``, shape (n,), by scaled erfc."""
    capped = np.minimum(x, 1e150)
    scaled = special.erfcx(capped * np.sqrt(0.5))
    kernel = np.exp(-0.5 * capped * capped)
    upper = 0.5 * scaled * kernel
    far = [np.log(0.5 * scaled) - 0.5 * capped * capped]
    near = [np.log1p(-upper)]
    if order == 0:
        return tuple(far), tuple(near)
    mills_far = _MILLS_AT_ZERO / scaled
    mills_near = DENSITY_AT_ZERO * kernel / (1.0 - upper)
    shallow = np.minimum(capped, 40.0)
    far += [mills_far, *_mills_derivatives(-shallow, np.minimum(mills_far, 41.0))]
    near += [mills_near, *_mills_derivatives(shallow, mills_near)]
    deep = capped > _FRACTION_FROM
    if deep.any():
        for values, exact in zip(far[1:], _mills_fraction(capped[deep]), strict=True):
            values[deep] = exact
    return _cut(tuple(far), tuple(near), order)


def _mills_derivatives(eta: FloatArray, mills: FloatArray) -> list[FloatArray]:
    """Second and third derivative of log Phi from its first, the inverse Mills ratio."""
    delta = eta + mills
    slope = mills * delta
    return [-slope, mills * (delta * delta + slope - 1.0)]


def _mills_fraction(x: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """First three derivatives of log Phi at ``-x``, by Laplace's continued fraction.

    With ``c_k = k / (x + c_{k+1})`` the inverse Mills ratio is ``m = x + c_1``; then
    ``m c_1 = 1 - c_1 c_2 + c_1^2`` and the third derivative is ``m c_1^2 c_2 (c_3 - c_2)``,
    in which nothing cancels (Abramowitz & Stegun 26.2.14).
    """
    c3 = np.zeros_like(x)
    for k in range(_FRACTION_LEVELS, 2, -1):
        c3 = k / (x + c3)
    c2 = 2.0 / (x + c3)
    c1 = 1.0 / (x + c2)
    mills = x + c1
    return mills, -mills * c1, mills * c1 * c1 * c2 * (c3 - c2)


def cauchy_tails(x: FloatArray, order: int) -> tuple[Tail, Tail]:
    """Far and near tail of the Cauchy distribution at ``0 <= x <= 1e150``, shape (n,)."""
    upper = np.arctan2(1.0, x) / np.pi
    w = 1.0 / (1.0 + x * x)
    far = (np.log(upper), *_cauchy_derivatives(-x, w, upper))
    near = (np.log1p(-upper), *_cauchy_derivatives(x, w, 1.0 - upper))
    return _cut(far, near, order)


def _cauchy_derivatives(
    eta: FloatArray, w: FloatArray, cdf: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Derivatives of log F, with ``w = 1 / (1 + eta^2)`` and F the distribution function."""
    first = w / (np.pi * cdf)
    score = -2.0 * eta * w
    second = first * (score - first)
    third = second * (score - first) + first * (2.0 * w - 4.0 * w * w - second)
    return first, second, third


def extreme_value_tails(eta: FloatArray, order: int) -> tuple[Tail, Tail]:
    """Tails of ``F = 1 - exp(-exp(eta))``."""
    x = np.clip(eta, -EXP_MAX, EXP_MAX)
    hazard = np.exp(x)
    cdf = -np.expm1(-hazard)
    lower = np.log(cdf) + np.minimum(eta + EXP_MAX, 0.0)
    log_cdf = np.where(hazard < 0.7, lower, np.log1p(-np.exp(-np.maximum(hazard, 0.7))))
    first = np.exp(x - hazard) / cdf
    curvature = one_minus(first, hazard) - hazard
    second = first * curvature
    third = second * curvature - first * (second + hazard)
    beyond = eta > EXP_MAX
    slope = -np.where(beyond, 0.0, hazard)
    log_survival = np.where(beyond, -np.inf, -hazard)
    p = (log_cdf, first, second, third)
    return _cut(p, (log_survival, slope, slope, slope), order)


_BERNOULLI = (1 / 12, -1 / 720, 1 / 30240, -1 / 1209600, 1 / 47900160, -691 / 1307674368000)


def one_minus(first: FloatArray, hazard: FloatArray) -> FloatArray:
    """``1 - h / expm1(h)``; by its Bernoulli series where the difference would cancel."""
    h = np.minimum(hazard, 0.5)
    square = h * h
    series = np.full_like(h, 1 / 74724249600)
    for coefficient in reversed(_BERNOULLI):
        series = series * square + coefficient
    return np.where(hazard < 0.5, 0.5 * h - square * series, 1.0 - first)


def exponential_tails(eta: FloatArray, order: int) -> tuple[Tail, Tail]:
    """Tails of ``F = exp(eta)`` for ``eta < 0``."""
    odds = 1.0 / np.expm1(-np.maximum(eta, -EXP_MAX))
    log_q = np.where(eta < -0.7, np.log1p(-np.exp(np.minimum(eta, -0.7))), np.log(-np.expm1(eta)))
    slope = odds * (1.0 + odds)
    zero = np.zeros_like(eta)
    q = (log_q, -odds, -slope, -slope * (1.0 + 2.0 * odds))
    return _cut((eta, np.ones_like(eta), zero, zero), q, order)


def linear_tails(eta: FloatArray, order: int) -> tuple[Tail, Tail]:
    """Tails of ``F = eta`` for ``0 < eta < 1``."""
    a, b = 1.0 / eta, 1.0 / (1.0 - eta)
    p = (np.log(eta), a, -a * a, 2.0 * a * a * a)
    q = (np.log1p(-eta), -b, -b * b, -2.0 * b * b * b)
    return _cut(p, q, order)


def mask_tails(inside: BoolArray, p: Tail, q: Tail) -> tuple[Tail, Tail]:
    """Log probability ``-inf`` and derivatives zero outside the domain."""
    if inside.all():
        return p, q
    fill = (-np.inf, 0.0, 0.0, 0.0)
    masked = [
        tuple(np.where(inside, a, f) for a, f in zip(tail, fill, strict=False)) for tail in (p, q)
    ]
    return masked[0], masked[1]


def _cut(p: Tail, q: Tail, order: int) -> tuple[Tail, Tail]:
    """The logarithms and the first ``order`` derivatives."""
    return p[: order + 1], q[: order + 1]
