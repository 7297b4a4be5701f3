"""Differences of log-gamma functions that do not cancel.

Every count or proportion with extra variation has ratios of gamma functions whose
logarithms agree in almost all digits when the variation is small. Here they are taken
apart into Stirling's main terms, which are differenced by hand, and his small error
``delta(x) = lgamma(x) - (x - 1/2) log x + x - log(2 pi) / 2`` (Abramowitz & Stegun 6.1.40).
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import special

from mixcheck.arrays import FloatArray

__all__ = ["Column", "gap_of_share", "log1p_ratio", "log_gap", "rising_logs", "stirling_errors"]

Column: TypeAlias = tuple[FloatArray, ...]
"""A function of one log parameter and its derivatives in it, each ``(n,)``."""

_HALF_LOG_2PI = 0.5 * np.log(2.0 * np.pi)
_SERIES_FROM = 11.0
"""Above it nine terms of the asymptotic series give every derivative to 1e-13."""
_SERIES = (
    1 / 12,
    -1 / 360,
    1 / 1260,
    -1 / 1680,
    1 / 1188,
    -691 / 360360,
    1 / 156,
    -3617 / 122400,
    43867 / 244188,
)
_ATANH = tuple(2.0 / (2 * k + 3) for k in range(10))
_NEAR = 0.25
_STEPS = 16
"""Below it, a whole count is reached step by step, which is faster than any series."""
_TERMS = 8192
"""Below so many terms, they are faster than the many small steps or series that save them."""


def stirling_errors(x: FloatArray, order: int) -> Column:
    """Stirling's error and its derivatives in ``log x``.

    Parameters
    ----------
    x : (n,) array
        Positive numbers.
    order : {0, 1, 2, 3}
        Number of derivatives.

    Returns
    -------
    tuple of ``order + 1`` arrays (n,)
    """
    if x.size > 1 and x.min() == x.max():
        return tuple(np.full(x.shape, value) for value in stirling_errors(x[:1], order))
    small = x < _SERIES_FROM
    if not small.any():
        return _sum_series(x, order)
    found = _sum_series(np.where(small, x + _SERIES_FROM, x), order)
    low = x[small]
    shifted = _shift_down(low, tuple(values[small] for values in found))
    for values, right in zip(found, shifted, strict=True):
        values[small] = right
    return found


def _sum_series(x: FloatArray, order: int) -> Column:
    """The asymptotic series; a derivative in log x multiplies each power by its exponent."""
    inverse = 1.0 / x
    square = inverse * inverse
    found = []
    for derivative in range(order + 1):
        total = np.zeros_like(x)
        for k in reversed(range(len(_SERIES))):
            total *= square
            total += _SERIES[k] * float(-(2 * k + 1)) ** derivative
        total *= inverse
        found.append(total)
    return tuple(found)


def _shift_down(x: FloatArray, above: Column) -> Column:
    """The errors at ``x`` from those at ``x + 11``, by the recurrence of the gamma function.

    ``x psi(x) = x psi(x + N) - sum x / (x + k)``, and the like for the derivatives.
    """
    order = len(above) - 1
    log = np.log(x)
    found = [special.gammaln(x) - (x - 0.5) * log + x - _HALF_LOG_2PI]
    if order < 1:
        return tuple(found)
    ratio = x / (x + _SERIES_FROM)
    sums = _sum_ratios(x, order)
    plain = _log_to_plain(above, ratio)
    digamma = -x * np.log(ratio) - 0.5 * ratio + plain[0] - sums[0]
    found.append(digamma + 0.5)
    if order > 1:
        trigamma = ratio * x + 0.5 * ratio * ratio + plain[1] + sums[1]
        found.append(digamma + trigamma - x)
    if order > 2:
        tetragamma = -ratio * ratio * (x + ratio) + plain[2] - 2.0 * sums[2]
        found.append(digamma + 3.0 * trigamma + tetragamma - 2.0 * x)
    return tuple(found)


def _sum_ratios(x: FloatArray, order: int) -> list[FloatArray]:
    """``sum over k < 11 of (x / (x + k))^j`` for j from 1 to ``order``."""
    sums = [np.ones_like(x) for _ in range(order)]
    for k in range(1, int(_SERIES_FROM)):
        ratio = x / (x + k)
        power = ratio
        for total in sums:
            total += power
            power = power * ratio
    return sums


def _log_to_plain(column: Column, ratio: FloatArray) -> list[FloatArray]:
    """``x^j delta^(j)(X)`` from the derivatives of delta in ``log X``; ratio is x / X."""
    found = [ratio * column[1]]
    if len(column) > 2:
        square = ratio * ratio
        found.append(square * (column[2] - column[1]))
    if len(column) > 3:
        found.append(square * ratio * (column[3] - 3.0 * column[2] + 2.0 * column[1]))
    return found


def log_gap(z: FloatArray, log: FloatArray) -> FloatArray:
    """``z - log(1 + z)``, accurate near zero, given the logarithm for use elsewhere; (n,)."""
    near = np.abs(z) < _NEAR
    if not near.any():
        return z - log
    s = z / (2.0 + z)
    small = np.where(near, s, 0.0)
    return np.where(near, s * z - _atanh_rest(small), z - log)


def _atanh_rest(s: FloatArray) -> FloatArray:
    """``2 atanh(s) - 2 s`` for ``|s| <= 1/7``."""
    square = s * s
    total = np.full_like(s, _ATANH[-1])
    for coefficient in reversed(_ATANH[:-1]):
        total *= square
        total += coefficient
    total *= square
    total *= s
    return total


def rising_logs(y: FloatArray, theta: FloatArray, order: int) -> Column:
    """``sum over k < y of log(1 + k / theta)`` and its derivatives in ``log theta``.

    It is the logarithm of the rising factorial of ``theta`` over ``theta^y``: what a negative
    binomial or a beta-binomial has beyond the Poisson or the binomial. It is exactly zero
    where ``y <= 1``, and goes to zero with ``1 / theta`` without cancellation.

    Parameters
    ----------
    y : (n,) array
        Counts; numbers that are not whole are interpolated by the gamma function.
    theta : (n,) array
        Positive numbers.
    order : {0, 1, 2, 3}
        Number of derivatives.

    Returns
    -------
    tuple of ``order + 1`` arrays (n,)
    """
    if y.size and y.max() < max(y.size, _TERMS) and theta.min() == theta.max():
        counts = y.astype(np.intp)
        if (counts == y).all():
            most, one = int(y.max()), theta[:1]
            if most < _TERMS:
                table = _rise_to(most, one, order)
            else:
                table = _rise(np.arange(most + 1.0), np.full(most + 1, one[0]), order)
            return tuple(column[counts] for column in table)
    return _rise(y, theta, order)


def _rise_to(most: int, theta: FloatArray, order: int) -> Column:
    """The sums for every count up to the largest, with one theta, ``(most + 1,)``.

    In long doubles, since those of a beta-binomial nearly cancel.
    """
    terms = _log_factors(np.arange(1.0, max(most, 1)), theta, order)
    sums = np.zeros((order + 1, most + 1))
    sums[:, 2:] = np.cumsum(terms, axis=1, dtype=np.longdouble)
    return tuple(sums)


def _rise(y: FloatArray, theta: FloatArray, order: int) -> Column:
    if y.sum() < _TERMS and (y == np.floor(y)).all():
        return _rise_by_terms(y.astype(np.intp), theta, order)
    direct = (y < _STEPS) & (y == np.floor(y))
    if direct.all():
        return _rise_by_steps(y.astype(np.int8), theta, order)
    if not direct.any():
        return _rise_by_stirling(y, theta, order)
    found = tuple(np.empty_like(theta) for _ in range(order + 1))
    steps = _rise_by_steps(y[direct].astype(np.int8), theta[direct], order)
    rest = _rise_by_stirling(y[~direct], theta[~direct], order)
    for column, few, many in zip(found, steps, rest, strict=True):
        column[direct] = few
        column[~direct] = many
    return found


def _rise_by_terms(counts: NDArray[np.intp], theta: FloatArray, order: int) -> Column:
    """The sums themselves, all terms of all rows at once."""
    rows = np.flatnonzero(counts > 1)
    found = np.zeros((order + 1, theta.size))
    if rows.size:
        lengths = counts[rows] - 1
        ends = np.cumsum(lengths)
        firsts = ends - lengths
        k = np.arange(1.0, ends[-1] + 1.0) - np.repeat(firsts, lengths)
        terms = _log_factors(k, np.repeat(theta[rows], lengths), order)
        found[:, rows] = np.add.reduceat(terms, firsts, axis=1, dtype=np.longdouble)
    return tuple(found)


def _log_factors(k: FloatArray, theta: FloatArray, order: int) -> FloatArray:
    """``log(1 + k / theta)`` for k above zero, and its derivatives in ``log theta``.

    Below a theta of one it is ``log(theta + k) - log(theta)``, which does not overflow.
    """
    found = np.empty((order + 1, k.size))
    least = np.minimum(theta, 1.0)
    found[0] = np.log1p(k / np.maximum(theta, 1.0) + (least - 1.0)) - np.log(least)
    if order > 0:
        inverse = 1.0 / (theta + k)
        above, below = k * inverse, theta * inverse
        found[1] = -above
    if order > 1:
        found[2] = above * below
    if order > 2:
        found[3] = found[2] * (above - below)
    return found


def _rise_by_steps(counts: NDArray[np.int8], theta: FloatArray, order: int) -> Column:
    """The sum itself, one k at a time over the rows that reach it: columns sorted by count."""
    rank = np.argsort(-counts, kind="stable")
    left = np.searchsorted(-counts[rank], -np.arange(1, _STEPS), side="left")
    t = theta[rank]
    least = np.minimum(t, 1.0)
    inverse, offset = 1.0 / np.maximum(t, 1.0), least - 1.0
    sums = [np.zeros_like(t) for _ in range(order + 1)]
    for k in range(1, int(counts.max(initial=0))):
        rows = slice(0, int(left[k - 1]))
        excess = k * inverse[rows] + offset[rows]  # the factor less one, or theta + k - 1
        sums[0][rows] += excess + excess * sums[0][rows]
        _add_step(k, t[rows], [column[rows] for column in sums[1:]])
    sums[0] = np.log1p(sums[0]) - np.maximum(counts[rank] - 1.0, 0.0) * np.log(least)
    for column in sums:
        t = column.copy()
        column[rank] = t
    return tuple(sums)


def _add_step(k: int, theta: FloatArray, sums: list[FloatArray]) -> None:
    """Add the derivatives of ``log(1 + k / theta)`` in ``log theta`` to their sums."""
    if not sums:
        return
    inverse = 1.0 / (theta + k)
    above = k * inverse
    sums[0] -= above
    if len(sums) > 1:
        below = theta * inverse
        term = above * below
        sums[1] += term
    if len(sums) > 2:
        above -= below
        term *= above
        sums[2] += term


def _rise_by_stirling(y: FloatArray, theta: FloatArray, order: int) -> Column:
    top, low = y + theta, stirling_errors(theta, order)
    high = stirling_errors(top, order)
    x, share = y / theta, y / top
    log = np.log1p(x)
    gap = log_gap(x, log)
    found = [y * log - theta * gap - 0.5 * log + (high[0] - low[0])]
    if order > 0:
        ratio = theta / top
        plain = _log_to_plain(high, ratio)
        found.append(0.5 * share - theta * gap + plain[0] - low[1])
    if order > 1:
        bend = theta * gap_of_share(x, share, log)
        slope = share * ratio
        found.append(bend - 0.5 * slope + plain[0] + plain[1] - low[2])
    if order > 2:
        third = bend - y * slope + 0.5 * slope * (ratio - share)
        found.append(third + plain[0] + 3.0 * plain[1] + plain[2] - low[3])
    return tuple(found)


def gap_of_share(x: FloatArray, share: FloatArray, log: FloatArray) -> FloatArray:
    """``log(1 + x) - x / (1 + x)``, which is the gap at minus the share ``x / (1 + x)``."""
    near = x < _NEAR
    s = x / (2.0 + x)
    small = np.where(near, s, 0.0)
    return np.where(near, s * share + _atanh_rest(small), log - share)


def log1p_ratio(x: FloatArray) -> FloatArray:
    """``log(1 + x) / x`` for positive x, ``(n,)``."""
    return np.log1p(x) / x
