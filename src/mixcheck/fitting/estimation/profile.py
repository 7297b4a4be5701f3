"""The profile likelihood: all parameters searched again with a function of them held.

The function is held by a chart of the parameters at which it has a value: in whitened
coordinates its gradient is one direction, the search goes along the others, and what this
changes of the function is taken back along that direction. Where the function is one of the
parameters that is the search over the others; where it is a standard deviation or a correlation
it is exact too, with an exact gradient. By the multiplier of the constraint the slope of the
profile is known with its value, and a search starts where the last ones, nearby, lead.
"""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from mixcheck.arrays import BoolArray, FloatArray, IntArray
from mixcheck.errors import ConvergenceError
from mixcheck.fitting.estimation.chart import EXACT, IDLE, MOST_STEPS, Chart, OnChart
from mixcheck.fitting.estimation.features import Feature
from mixcheck.fitting.estimation.optimize import minimise
from mixcheck.fitting.likelihood.approximation import Method, objective_of
from mixcheck.fitting.likelihood.objective import Evaluation, Objective
from mixcheck.fitting.likelihood.problem import Problem
from mixcheck.inference.profile import Curve, Root, find_end
from mixcheck.trial_values import may_overflow

__all__ = ["ProfileLikelihood"]

# Whitened gradient at which a search ends: the deviance is then exact to its square.
_TOLERANCE = 1e-4
# Where it is above this, the search has found no maximum.
_NO_REST = 1e-2
# A value that no search reaches is approached in so many steps, each half the way that is left.
_MOST_HALVES = 4
# A covariance parameter this close to zero, in standard errors, is moved away, since zero is a
# stationary point by symmetry.
_AT_ZERO, _NUDGE = 1e-3, 0.5
# A profile is followed to so many times the distance of its end.
_BEYOND = 1.2
# Values closer to an end than this share of a standard error are the end.
_SAME = 1e-6
# A deviance this much below that of the estimates is another optimum.
_BELOW = 1e-4


@dataclass(frozen=True, eq=False)
class _Point:
    """Where a search with the function held at a value ended, with its whitened gradient."""

    value: float
    psi: FloatArray
    at: Evaluation
    rate: float
    gradient: float


def _is_maximum(point: _Point | None, bound: float) -> bool:
    """Whether a search came to rest below a deviance."""
    return point is not None and point.gradient <= _NO_REST and point.at.deviance < bound


def _higher(one: _Point | None, other: _Point | None) -> _Point | None:
    """Where the likelihood is higher."""
    known = [point for point in (one, other) if point is not None]
    return min(known, key=lambda point: point.at.deviance, default=None)


@dataclass(frozen=True)
class _Within(Feature):
    """A function of all parameters where only some of them are parameters of a problem."""

    feature: Feature
    whole: FloatArray = field(compare=False)
    kept: IntArray = field(compare=False)

    def _fill(self, psi: FloatArray) -> FloatArray:
        out = self.whole.copy()
        out[self.kept] = psi
        return out

    def value(self, psi: FloatArray) -> float:
        """The function."""
        return self.feature.value(self._fill(psi))

    def slope(self, psi: FloatArray) -> FloatArray:
        """Its gradient."""
        return self.feature.slope(self._fill(psi))[self.kept]

    @property
    def ends(self) -> tuple[float, float]:
        """Those of the function."""
        return self.feature.ends

    @property
    def lost_with(self) -> tuple[Feature, ...]:
        """Likewise, of the parameters of the problem."""
        return tuple(_Within(part, self.whole, self.kept) for part in self.feature.lost_with)

    def at_low_end(self, psi: FloatArray) -> tuple[FloatArray, BoolArray] | None:
        """The parameters of the problem among those of the function there."""
        found = self.feature.at_low_end(self._fill(psi))
        return None if found is None else (found[0][self.kept], found[1][self.kept])

    def placed(self, psi: FloatArray, value: float) -> FloatArray:
        """Likewise."""
        return self.feature.placed(self._fill(psi), value)[self.kept]


@dataclass(frozen=True, eq=False)
class ProfileLikelihood:
    """A likelihood at its maximum, to be followed away from it.

    Attributes
    ----------
    problem : Problem
    method : Method
    psi : (P,)
        Where its maximum is.
    scale : (P, P)
        Root of the inverse Hessian of the deviance there.
    whole, kept : (W,), (P,)
        All parameters of the fit, and which of them are those of the problem.
    """

    problem: Problem
    method: Method
    psi: FloatArray
    scale: FloatArray
    whole: FloatArray
    kept: IntArray

    def __getstate__(self) -> dict[str, object]:
        return {k: v for k, v in self.__dict__.items() if k not in ("_objective", "_best")}

    @cached_property
    def _objective(self) -> Objective:
        return objective_of(self.problem, self.method)

    @cached_property
    def _best(self) -> Evaluation:
        return self._objective(self.psi, None)

    @may_overflow()
    def find_end(self, feature: Feature, quantile: float) -> float:
        """Where the signed root of a function of all parameters is `quantile`.

        Raises
        ------
        ConvergenceError
            If the likelihood cannot be followed there.
        """
        return _Path(self, _Within(feature, self.whole, self.kept)).find_end(quantile)

    @may_overflow()
    def follow(self, feature: Feature, quantile: float, points: int) -> Curve:
        """The signed root along a function of all parameters, somewhat beyond a quantile.

        Parameters
        ----------
        feature : Feature
        quantile : float
            Positive.
        points : int
            How many values on each side of the estimate; the ends are among the values too.

        Raises
        ------
        ConvergenceError
            If the likelihood cannot be followed there.
        """
        path, ends = _Path(self, _Within(feature, self.whole, self.kept)), []
        start, values = path.estimate, [path.estimate]
        for sign in (-1.0, 1.0):
            end = path.find_end(sign * quantile)
            reach = start + _BEYOND * (end - start)
            if math.isinf(end):
                reach = start + sign * _BEYOND * quantile * path.deviation
            last = min(max(reach, feature.ends[0]), feature.ends[1])
            between = np.linspace(start, last, points + 1)[1:]
            apart = np.abs(between - end) > _SAME * path.deviation
            values += [*between[apart].tolist(), *([end] if math.isfinite(end) else [])]
            ends.append(end)
        every = np.unique(np.array(values))
        zeta = np.zeros(every.size)
        # From the estimate outwards, so that each search begins beside the last.
        for k in np.argsort(np.abs(every - start))[1:]:
            zeta[k] = path.root(float(every[k])).zeta
        (low, high), curved = ends, path.curvature is not None
        return Curve(every, zeta, low, high, start, path.deviation, curved)


@dataclass(eq=False)
class _Path:
    """Maxima along the values of a function, each searched from those before.

    A correlation has any value where one of its deviations is zero. The maximum there bounds the
    profile from below, and is the profile wherever the search runs into it.
    """

    likelihood: ProfileLikelihood
    feature: _Within
    points: list[_Point] = field(default_factory=list)
    missed: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        best, psi = self.likelihood._best, self.likelihood.psi
        self.points.append(_Point(self.feature.value(psi), psi, best, 0.0, 0.0))

    @property
    def estimate(self) -> float:
        """The function at the estimates, within its ends."""
        low, high = self.feature.ends
        return min(max(self.points[0].value, low), high)

    @property
    def curvature(self) -> float | None:
        """Standard error of the function by the curvature at the estimates, if it has one."""
        along = self.likelihood.scale.T @ self.feature.slope(self.likelihood.psi)
        found = math.sqrt(2.0 * float(along @ along))
        return found if found > 0.0 and math.isfinite(found) else None

    @property
    def deviation(self) -> float:
        """That, or the size of a step where it has none."""
        found = self.curvature
        if found is not None:
            return found
        # On the boundary it has no slope; the spread of the parameters it depends on is one.
        low = self.feature.at_low_end(self.likelihood.psi)
        spread = np.sqrt(2.0 * np.einsum("ij,ij->i", *[self.likelihood.scale] * 2))
        return 1.0 if low is None else float(np.linalg.norm(spread[~low[1]])) or 1.0

    def find_end(self, quantile: float) -> float:
        """Where the signed root is `quantile`; see `ProfileLikelihood.find_end`."""
        limit = self.feature.ends[0 if quantile < 0.0 else 1]
        if self.highest < abs(quantile):
            return limit
        end = find_end(self.root, self.estimate, self.deviation, quantile, limit)
        if math.isnan(end):
            end = self._edge(math.copysign(1.0, quantile))
        if math.isnan(end):
            raise ConvergenceError("no value was found at which the likelihood ratio is the bound")
        return end

    def _edge(self, sign: float) -> float:
        """The last value that the function can have on one side, where it was come close to."""
        missed = (sign * v for v in self.missed if sign * (v - self.estimate) > 0.0)
        last, close = max(sign * point.value for point in self.points), _SAME * self.deviation
        if min(missed, default=math.inf) - last > close:
            return math.nan
        return self.estimate if last - sign * self.estimate < close else sign * last

    @cached_property
    def lost(self) -> _Point | None:
        """The maximum where the function is not defined; None where it is everywhere."""
        known = []
        for part in self.feature.lost_with:
            assert isinstance(part, _Within)
            with suppress(ConvergenceError, np.linalg.LinAlgError):
                point = _Path(self.likelihood, part)._hold(0.0)
                known += [] if point is None else [point]
        return min(known, key=lambda point: point.at.deviance, default=None)

    @property
    def highest(self) -> float:
        """What the signed root cannot exceed, in absolute value."""
        if self.lost is None:
            return math.inf
        return math.sqrt(max(self.lost.at.deviance - self.points[0].at.deviance, 0.0))

    def root(self, value: float) -> Root:
        """The signed root at a value."""
        point = self._hold(value)
        estimate = self.points[0]
        if point is None:
            return Root(value, math.copysign(math.inf, value - estimate.value), math.nan)
        excess = point.at.deviance - estimate.at.deviance
        if excess < -_BELOW:
            raise ConvergenceError(
                "the likelihood is higher elsewhere than at the estimates, which are no maximum"
            )
        zeta = math.copysign(math.sqrt(max(excess, 0.0)), value - estimate.value)
        slope = 0.5 * point.rate / zeta if zeta != 0.0 else math.nan
        return Root(value, zeta, slope)

    def _hold(self, value: float) -> _Point | None:
        """The maximum with the function at a value; None where the likelihood is not finite."""
        if value <= self.feature.ends[0]:
            at_end = self.feature.at_low_end(self._near(value).psi)
            if at_end is not None:
                return self._at_rest(self._hold_at_low_end(value, *at_end))
        bound = math.inf if self.lost is None else self.lost.at.deviance - _BELOW
        point = self._search(value, self._start(value))
        if not _is_maximum(point, bound):
            # Along a line the other parameters may have left where the function is defined.
            point = _higher(point, self._search(value, self._place(value)))
        for _ in range(_MOST_HALVES if self.lost is not None else 0):
            if _is_maximum(point, bound):
                break
            half = 0.5 * (value + self._near(value).value)
            if not _is_maximum(self._search(half, self._place(half)), bound):
                break
            point = _higher(point, self._search(value, self._place(value)))
        self.missed += [value] if point is None and self._place(value) is None else []
        if self.lost is not None and (point is None or point.at.deviance >= bound):
            return replace(self.lost, value=value, rate=math.nan)
        return self._at_rest(point)

    @staticmethod
    def _at_rest(point: _Point | None) -> _Point | None:
        if point is not None and point.gradient > _NO_REST:
            raise ConvergenceError("the search over the other parameters did not come to rest")
        return point

    def _search(self, value: float, start: FloatArray | None) -> _Point | None:
        """Where the search from these parameters has ended, the function held at its value."""
        if start is None:
            return None
        near = self._near(value).at
        chart = Chart(self.feature, value, start, self.likelihood.scale)
        found = minimise(
            chart.objective(self.likelihood._objective, near),
            np.zeros(chart.size),
            np.eye(chart.size),
            hessian=False,
            rows=self.likelihood.problem.n,
            rounding=2.0 * self.likelihood.problem.rounding,
            tolerance=_TOLERANCE,
        )
        at = found.evaluation
        if not (isinstance(at, OnChart) and at.whole is not None):
            return None
        point = _Point(value, at.psi, at.whole, chart.rate(at.whole), found.gradient)
        if point.gradient <= _NO_REST:
            self.points.append(point)
        return point

    def _hold_at_low_end(self, value: float, start: FloatArray, free: BoolArray) -> _Point | None:
        """The maximum where a standard deviation is zero."""
        likelihood = self.likelihood
        found = minimise(
            likelihood._objective,
            start,
            likelihood.scale,
            free=free,
            hessian=False,
            rows=likelihood.problem.n,
            rounding=2.0 * likelihood.problem.rounding,
            tolerance=_TOLERANCE,
        )
        if not np.isfinite(found.evaluation.deviance):
            return None
        # A deviance that is even in the parameters has no slope at zero.
        return _Point(value, found.psi, found.evaluation, math.nan, found.gradient)

    def _near(self, value: float) -> _Point:
        return min(self.points, key=lambda point: abs(point.value - value))

    def _start(self, value: float) -> FloatArray | None:
        """Parameters with the function at a value, where the known points lead."""
        by_distance = sorted(self.points, key=lambda point: abs(point.value - value))
        psi = by_distance[0].psi
        if len(by_distance) > 1:
            a, b = by_distance[:2]
            if a.value != b.value:
                psi = a.psi + ((value - a.value) / (a.value - b.value)) * (a.psi - b.psi)
        psi = self._off_zero(psi)
        moved = self._move(psi, value)
        return self._place(value) if moved is None else moved

    def _place(self, value: float) -> FloatArray | None:
        """The nearest known parameters with the function alone changed, where that is possible."""
        return self._move(self.feature.placed(self._near(value).psi, value), value)

    def _off_zero(self, psi: FloatArray) -> FloatArray:
        problem, scale = self.likelihood.problem, self.likelihood.scale
        spread = np.sqrt(np.einsum("ij,ij->i", scale, scale))
        out = psi.copy()
        for term in problem.terms:
            for k in term.covariance.even:
                j = problem.n_beta + term.theta.start + k
                if abs(out[j]) < _AT_ZERO * spread[j]:
                    out[j] = _NUDGE * spread[j]
        return out

    def _move(self, psi: FloatArray, value: float) -> FloatArray | None:
        """Newton steps ``C f' (value - f) / f' C f'``, C the covariance, until f is there."""
        scale, least, idle = self.likelihood.scale, math.inf, 0
        for _ in range(MOST_STEPS):
            excess = value - self.feature.value(psi)
            if abs(excess) <= EXACT * (1.0 + abs(value)):
                return psi
            idle = 0 if abs(excess) < least else idle + 1
            least = min(least, abs(excess))
            if idle > IDLE:
                return None
            along = scale.T @ self.feature.slope(psi)
            square = float(along @ along)
            if not (square > 0.0 and math.isfinite(excess)):
                return None
            psi = psi + scale @ along * (excess / square)
        return None
