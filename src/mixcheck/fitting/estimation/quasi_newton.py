"""A quasi-Newton search in whitened parameters: BFGS with backtracking and the exact gradient.

It is written here, not taken from a library, because the scale from
:mod:`mixcheck.fitting.estimation.start` makes the full first step the right one, where
general-purpose searches begin with a step of unit length, and because every evaluation costs a
mode search that is warm-started from the last.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.fitting.estimation.optimum import Optimum, is_near
from mixcheck.fitting.likelihood.objective import Evaluation, Hessian, Objective, RoughObjective

__all__ = ["MAX_POLES", "POLE", "Leaves", "Whitened", "descend", "largest", "update_inverse"]

_MAX_ITERATIONS = 500
_SUFFICIENT = 1e-4
# A step may be this many times as long as the one before, or as a standard error.
_GROWTH = 3.0
_MAX_HALVINGS = 40
# A step of less than this many standard errors, at which the likelihood is still not finite, leads
# nowhere.
_SHORTEST = 1e-6
# Laplace's approximation has poles where the curvature at a conditional mode vanishes, and the
# deviance falls to them without bound. No step may end where a random effect seems to vary more
# than this, in units of its variance before the data: the approximation has broken down there.
POLE = 6.0
MAX_POLES = 12
# Evaluations without a finite deviance that one search may meet.
_MAX_LOST = 60
# Evaluations that one search may take: this many, and this many for each parameter.
_EVALUATIONS = 150
_EVALUATIONS_EACH = 10
# A gradient from where the deviance is all but quadratic, in deviance per standard error, and
# the least curvature of a direction that is not flat, where standard errors give one.
_NEAR, _LEAST_CURVATURE = 0.1, 1e-3
# From a gradient as large as this, Newton's method leaves about its square of it: the next one may
# be off by this share of that through the modes.
_STEEP, _SHARE = 1e-2, 1e-3
# Deviances at such modes have a smaller error than this.
_DOUBT = 1e-3
# Steps in a row that promise less than the rounding of the deviance and do not halve the gradient:
# nothing tells whether they come closer.
_IDLE = 4


Leaves = Callable[[Evaluation | None, Evaluation, FloatArray], bool]
"""Whether all that is left of a search is a tail: where it was and is, and in which scale.

It was nowhere if it is at rest.
"""


@dataclass(eq=False)
class Whitened:
    """The objective in whitened coordinates; keeps the last evaluation with a mode."""

    objective: Objective
    origin: FloatArray
    scale: FloatArray
    rounding: float = 0.0
    count: int = 0
    poles: int = 0
    lost: int = 0
    walled: bool = False
    known: Optimum | None = field(default=None, repr=False)
    exact: Hessian | None = None
    rough: RoughObjective | None = None
    leaves: Leaves | None = None
    left: bool = False
    hessian: FloatArray | None = field(default=None, repr=False)
    last: Evaluation | None = field(default=None, repr=False)

    def psi(self, z: FloatArray) -> FloatArray:
        """``psi_0 + S z``."""
        moved: FloatArray = self.origin + self.scale.dot(z)
        return moved

    def __call__(self, z: FloatArray, slope: float = 0.0) -> tuple[Evaluation, FloatArray]:
        """The evaluation at z, and its gradient there, ``dD / dz = S' g``.

        After a gradient that is steep the modes need not be known to rounding.
        """
        if self.rough is None or slope < _STEEP:
            evaluation = self.objective(self.psi(z), self.last)
        else:
            near = (_SHARE * min(slope, 1.0) ** 2) ** 2
            evaluation = self.rough(self.psi(z), self.last, near)
        self.count += 1
        if evaluation.mode is not None:
            self.last = evaluation
        self.lost += not math.isfinite(evaluation.deviance)
        return evaluation, self.scale.T.dot(evaluation.gradient)


def largest(gradient: FloatArray) -> float:
    """Largest entry of a gradient, by its size."""
    entries = gradient.tolist()
    if not math.isfinite(sum(entries)):
        return float(np.abs(gradient).max())
    return max(map(abs, entries), default=0.0)


def descend(
    search: Whitened,
    z: FloatArray,
    evaluation: Evaluation,
    gradient: FloatArray,
    tolerance: float,
    metric: FloatArray | None = None,
    *,
    once: bool = False,
) -> tuple[FloatArray, Evaluation, FloatArray]:
    """BFGS with backtracking; the inverse Hessian B starts as `metric`, or the identity.

    Steps are ``-t B g``, no longer than three times the step before or three standard errors; B
    is updated after each, and begins anew where no t lowers the deviance. With `once` it becomes
    the inverse of the Hessian itself as soon as the search has come near.
    """
    inverse, reach = np.eye(z.size) if metric is None else metric, np.inf
    most = search.count + _EVALUATIONS + _EVALUATIONS_EACH * z.size
    least, idle = np.inf, 0
    for _ in range(_MAX_ITERATIONS):
        slope = largest(gradient)
        if slope < tolerance or search.count > most:
            break
        if search.poles > MAX_POLES or search.lost > _MAX_LOST:
            break
        if search.known is not None and is_near(search.psi(z), evaluation, search.known):
            break
        if once and slope < _NEAR:
            once = False
            inverse = _inverse_at(search, evaluation, inverse)
        direction = _bounded(-inverse.dot(gradient), reach)
        blind = -float(gradient.dot(direction)) < search.rounding
        idle = idle + 1 if blind and slope > 0.5 * least else 0
        least = min(least, slope)
        if idle >= _IDLE:
            break
        moved = _backtrack(search, z, evaluation, gradient, direction)
        if moved is None:
            if search.walled:
                break
            if np.array_equal(inverse, np.eye(z.size)):
                break
            inverse = np.eye(z.size)
            continue
        before = evaluation
        z_new, evaluation, gradient_new = moved
        step = z_new - z
        reach = _GROWTH * max(_length(step), 1.0)
        inverse = update_inverse(inverse, step, gradient_new - gradient)
        z, gradient = z_new, gradient_new
        if search.leaves is not None and search.leaves(before, evaluation, search.scale):
            search.left = True
            break
    return z, evaluation, gradient


def _inverse_at(search: Whitened, evaluation: Evaluation, known: FloatArray) -> FloatArray:
    """The inverse of the whitened Hessian, (P, P); what is known where it is not positive."""
    assert search.exact is not None
    whitened = search.scale.T @ search.exact(evaluation) @ search.scale
    values, vectors = np.linalg.eigh(whitened)
    if not values[0] > _LEAST_CURVATURE:
        return known
    out: FloatArray = (vectors / values) @ vectors.T
    return out


def _length(step: FloatArray) -> float:
    return math.sqrt(step.dot(step))


def _bounded(direction: FloatArray, reach: float) -> FloatArray:
    length = _length(direction)
    return direction if length <= reach else direction * (reach / length)


def _backtrack(
    search: Whitened,
    z: FloatArray,
    evaluation: Evaluation,
    gradient: FloatArray,
    direction: FloatArray,
) -> tuple[FloatArray, Evaluation, FloatArray] | None:
    """The first point along a direction p whose deviance is low enough; None if there is none.

    Armijo's condition, ``D(z + t p) <= D(z) + 1e-4 t g'p`` but for rounding. Where it fails, the
    next t is the minimum ``-g'p t^2 / (2 (D(z + t p) - D(z) - t g'p))`` of a parabola, between a
    tenth and a half of this one.
    """
    slope, steepest = float(gradient.dot(direction)), largest(gradient)
    # Below this, differences of the deviance are rounding: trust the gradient instead.
    noise = max(1e-11 * (1.0 + abs(evaluation.deviance)), search.rounding)
    length, rough = 1.0, evaluation.mode is not None and evaluation.mode.left > 0.0
    for _ in range(_MAX_HALVINGS):
        trial = z + length * direction
        after, after_gradient = search(trial, steepest)
        bound = evaluation.deviance + _SUFFICIENT * length * slope + noise
        near_pole = after.spread > max(POLE, evaluation.spread)
        if near_pole:
            search.last = evaluation
            search.poles += 1
        elif after.deviance <= bound:
            return trial, after, after_gradient
        if rough and after.deviance < bound + _DOUBT:
            # Of deviances that are known roughly the higher one may be the better.
            search.last, steepest, rough = evaluation, 0.0, False
            exact, _ = search(z)
            evaluation = evaluation if exact.mode is None else exact
            continue
        if math.isfinite(after.deviance) and not near_pole:
            # Minimum of the parabola through value, slope and new value; rounding may leave none.
            excess = after.deviance - evaluation.deviance - length * slope
            share = -0.5 * length * slope / excess if excess > 0.0 else 0.5
            length *= min(0.5, max(0.1, share))
        else:
            length *= 0.25
            if length * _length(direction) < _SHORTEST and not near_pole:
                search.walled = True
                break
    return None


def update_inverse(inverse: FloatArray, s: FloatArray, y: FloatArray) -> FloatArray:
    """BFGS update of an inverse Hessian B, (P, P); skipped where the curvature is not positive.

    ``(I - s y' / s'y) B (I - y s' / s'y) + s s' / s'y``, s the step and y the change of the
    gradient, multiplied out.

    References
    ----------
    Nocedal & Wright (2006), Numerical Optimization, equation 6.17.
    """
    sy = float(s.dot(y))
    if sy <= 1e-10 * math.sqrt(float(s.dot(s)) * float(y.dot(y))):
        return inverse
    left = inverse.dot(y)
    half = s[:, None] * ((0.5 * (1.0 + float(y.dot(left)) / sy) * s - left) / sy)
    out: FloatArray = inverse + (half + half.T)
    return out
