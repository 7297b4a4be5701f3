"""Ends of profile intervals: where the signed root of a likelihood ratio is a normal quantile.

With the deviance ``D(v)``, minimised over all else with a function held at v, and its least value
``D(v^)``, the signed root is ``zeta(v) = sign(v - v^) sqrt(D(v) - D(v^))``. It is nearly linear
in v, and its slope ``D'(v) / (2 zeta)`` is known with it, so that Newton's method takes two or
three steps to ``zeta = z``; a bracket keeps it from leaving.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from mixcheck.arrays import FloatArray

__all__ = ["Curve", "Root", "find_end"]

# An end is found where zeta is this close to its quantile: Newton's last step, which is taken
# without a look at where it leads, is then exact to the square.
_CLOSE = 1e-4
_MOST = 60
# A step may be this many times as long as the way so far.
_GROWTH = 3.0
# Where so many times the way so far would not be enough, by its slope, there is no end.
_HOPELESS = 1e5


@dataclass(frozen=True)
class Root:
    """The signed root at a value.

    Attributes
    ----------
    value : float
    zeta : float
        Infinite where the likelihood is zero.
    slope : float
        Its derivative; nan where it is not known.
    """

    value: float
    zeta: float
    slope: float


@dataclass(frozen=True, eq=False)
class Curve:
    """The signed root along the values of a function.

    Attributes
    ----------
    at, zeta : (k,)
        Increasing; infinite where the likelihood is zero.
    low, high : float
        Where the signed root is minus and plus a quantile, as `find_end` has it.
    estimate : float
        The function at the estimates, within its ends.
    deviation : float
        Its standard error there, or a size to begin with.
    curved : bool
        Whether it is a standard error.
    """

    at: FloatArray
    zeta: FloatArray
    low: float
    high: float
    estimate: float
    deviation: float
    curved: bool


def find_end(
    root: Callable[[float], Root], start: float, step: float, quantile: float, limit: float
) -> float:
    """The value at which the signed root is `quantile`.

    Parameters
    ----------
    root : callable
        The signed root at a value, the limit included where it is finite.
    start : float
        The estimate, where it is zero.
    step : float
        A standard error, about.
    quantile : float
        Negative for the lower end.
    limit : float
        The end of the range on this side, or infinite.

    Returns
    -------
    float
        The limit where the signed root does not come as far: infinite where the parameter
        has no end there. NaN where no end is found.

    Examples
    --------
    >>> line = lambda v: Root(v, (v - 3.0) / 2.0, 0.5)
    >>> round(find_end(line, 3.0, 1.0, -1.96, -math.inf), 9)
    -0.92
    >>> find_end(line, 3.0, 1.0, -1.96, 0.0)
    0.0
    """
    sign = math.copysign(1.0, quantile)
    if sign * (limit - start) <= 0.0:
        return limit
    inner, outer, outside = Root(start, 0.0, 1.0 / step), None, 0
    value = start + sign * abs(quantile) * step
    for _ in range(_MOST):
        beyond = sign * (value - limit) >= 0.0
        at = root(limit if beyond else value)
        if abs(at.zeta - quantile) < _CLOSE and at.slope > 0.0:
            last = at.value + (quantile - at.zeta) / at.slope
            return sign * min(sign * last, sign * limit)
        if sign * (at.zeta - quantile) < 0.0:
            if beyond:
                return limit
            inner, outside = at, 0
        else:
            outer, outside = at, outside + 1
        if outer is not None:
            value = _between(inner, outer, at, quantile, chord=outside < 2)
            if abs(outer.value - inner.value) < 1e-12 * (abs(outer.value) + step):
                break
            continue
        way = abs(at.value - start)
        reach = abs(quantile - at.zeta) / at.slope if at.slope > 0.0 else math.inf
        if reach > _HOPELESS * way:
            if math.isinf(limit) and way > _HOPELESS * step:
                return limit
            reach = math.inf
        value = at.value + sign * min(reach, _GROWTH * way)
    return math.nan


def _between(inner: Root, outer: Root, at: Root, quantile: float, *, chord: bool) -> float:
    """Newton's ``v + (q - zeta) / zeta'`` in the bracket, else the chord's, else its middle.

    On a plateau, where no slope is known, one chord after the other would move by a share.
    """
    low, high = sorted((inner.value, outer.value))
    margin = 0.01 * (high - low)
    candidates = []
    if at.slope > 0.0 and math.isfinite(at.zeta):
        candidates.append((at.value + (quantile - at.zeta) / at.slope, 0.0))
    if chord and math.isfinite(outer.zeta):
        share = (quantile - inner.zeta) / (outer.zeta - inner.zeta)
        candidates.append((inner.value + share * (outer.value - inner.value), margin))
    inside = (v for v, m in candidates if low + m < v < high - m)
    return next(inside, 0.5 * (low + high))
