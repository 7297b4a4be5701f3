"""Conditional modes of the random effects, by Newton's method.

``h(u) = -sum_i l_i + u'u / 2`` is minimised at given parameters; where levels are tied,
``w'K^-1 w / 2`` stands for the square of their effects, and ``K^-1`` for I in H. With crossed
factors, where a factorisation is dear, steps reuse the last one while they converge fast.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mixcheck.arrays import BoolArray, FloatArray
from mixcheck.fitting.latent.factorization import Factorization, factorize
from mixcheck.fitting.latent.layout import Gram, Latent
from mixcheck.fitting.latent.roots import (
    Root,
    TiedRoot,
    change,
    scale,
    units_of,
    unwhiten,
    weigh,
    whiten_effects,
)
from mixcheck.fitting.likelihood.points import DensityPoint, Point
from mixcheck.fitting.likelihood.problem import Curvature, Problem

__all__ = [
    "DECREMENT",
    "STEEP",
    "Mode",
    "System",
    "ascent",
    "build_system",
    "evaluate_density",
    "find_mode",
    "first_effects",
    "is_normal",
    "predict_mode",
    "predictors",
    "stalls",
    "step_to_mode",
    "whitened",
]

# The mode is accepted where the Newton decrement falls below this: through log det H
# the errors of the deviance and of its gradient are of the order of its square root.
DECREMENT = 1e-16
# The gradient in a deviation of random effects moves with the modes, in units of their own
# precision, by the root of what a row says of its effects: beyond this much, modes are sought
# more closely.
STEEP = 1e4
# Newton's method squares the decrement: a step from below this ends below 1e-16, and where it is
# found by iterations there is no factor to look at the end with.
_LAST_STEP = 1e-9
# A step this small is probably the last one: third derivatives are then wanted.
_NEARLY = 1e-3
# Weights that have moved by less than this share leave H with the same sign.
_HALF = 0.5
# Chord steps must shrink the decrement by this much, or H is factored again.
_CHORD_RATIO = 0.1
# The energy may rise by this much, relative to itself, through rounding alone.
_ROUNDING = 1e-9
_MAX_STEPS = 200
# Looks at the density that one search may take.
_MAX_LOOKS = 150
# A decrement below this that does not fall from one step of Newton's method to the next is
# rounding: with counts of 1e9 the gradient of a level is known to no more than that.
_ROUNDED = 1e-8
_ROUNDED_SHARE = 1e-14
# Steps in a row without that fall, where the decrement is below the rounding of the energy:
# nothing then tells whether they come closer.
_IDLE = 4
# Standardised effects that move by more are not predicted linearly.
_FAR = 2.0
# Those that all move by less are predicted as well as they can be found.
_CLOSE = 0.02
_MAX_HALVINGS = 40


@dataclass(frozen=True, eq=False)
class System:
    """A factored latent system and whether it holds the observed information."""

    factorization: Factorization
    gram: Gram
    observed: bool


@dataclass(frozen=True, eq=False)
class Mode:
    """Conditional modes of the random effects and what was computed there.

    Attributes
    ----------
    point : Point
        With derivatives to third order.
    system : System
        The observed H, factored.
    roots : list of (q, q)
        ``Lambda`` of each factor.
    steps : int
    left : float
        Decrement of the step that would follow, where the search was asked to end before it was
        rounding; zero otherwise.
    """

    point: Point
    system: System
    roots: Sequence[Root]
    steps: int
    left: float = 0.0


def predictors(
    problem: Problem,
    base: Sequence[FloatArray],
    roots: Sequence[Root],
    u: Sequence[FloatArray],
) -> list[FloatArray]:
    """``eta_k = base_k + Z_k Lambda u``: predictors at standardised random effects u, (n,) each."""
    effects = list(map(scale, roots, u))
    parts = problem.latent.gather(effects, len(base))
    return [b if part is None else b + part for b, part in zip(base, parts, strict=True)]


def _inner(a: Sequence[FloatArray], b: Sequence[FloatArray]) -> float:
    total = 0.0
    for x, y in zip(a, b, strict=True):
        total += float(np.vdot(x, y))
    return total


def whitened(
    problem: Problem, roots: Sequence[Root], rows: Mapping[int, FloatArray]
) -> list[FloatArray]:
    """``sum_k M_k' r_k`` per factor."""
    sums = problem.latent.scatter(rows)
    return [scale(root.T, part) for root, part in zip(roots, sums, strict=True)]


def evaluate_density(
    problem: Problem,
    base: Sequence[FloatArray],
    roots: Sequence[Root],
    u: list[FloatArray],
    order: int,
) -> Point:
    """``h(u) = u'u / 2 - sum_i l_i`` and derivatives of l; ``u'u`` without fixed effects."""
    eta = predictors(problem, base, roots, u)
    d = problem.derivatives(eta, order)
    white = _shrunk(problem, u)
    if problem.latent.tied:
        white = [whiten_effects(root, e) for root, e in zip(roots, white, strict=False)]
    energy = 0.5 * _inner(white, white) - float(np.add.reduce(d.value))
    return DensityPoint(u, eta, d, order, energy, problem.latent, white)


def _shrunk(problem: Problem, u: list[FloatArray]) -> list[FloatArray]:
    """The effects that have a prior: all but the fixed ones."""
    return u if problem.latent.fixed is None else u[:-1]


def ascent(problem: Problem, roots: Sequence[Root], point: Point) -> list[FloatArray]:
    """Gradient of ``-h``, (q, m) per factor: ``Lambda' Z' l' - u``, for fixed effects without u."""
    out = [scale(root.T, part) for root, part in zip(roots, point.scores, strict=True)]
    pulls = point.white
    if problem.latent.tied:
        pulls = [unwhiten(root, e) for root, e in zip(roots, pulls, strict=False)]
    for f, e in enumerate(pulls):
        out[f] -= e
    return out


def build_system(
    problem: Problem,
    roots: Sequence[Root],
    curvature: Curvature,
    *,
    observed: bool,
    each: bool = False,
) -> System | None:
    """``H = Lambda' Z' W Z Lambda + I``, factored; None if not positive; see `factorize`."""
    latent, second = problem.latent, curvature.second
    gram = latent.gram(second)
    convex = latent.iterative and _is_convex(latent, second)
    factorization = factorize(latent, gram, roots, each=each, convex=convex)
    return None if factorization is None else System(factorization, gram, observed)


def _is_convex(latent: Latent, second: Mapping[tuple[int, int], FloatArray]) -> bool:
    """Whether W is seen to be non-negative, with random effects in one predictor alone."""
    a, *others = latent.random_predictors
    return not others and float(second[a, a].min(initial=0.0)) >= 0.0


def _newton_system(problem: Problem, roots: Sequence[Root], point: Point) -> System | None:
    """The observed system, or a rougher one where that is not positive definite."""
    observed = Curvature({key: -value for key, value in point.derivatives.second.items()}, {})
    system = build_system(problem, roots, observed, observed=True)
    if system is None:
        rough = Curvature(problem.step_information(point.eta), {})
        system = build_system(problem, roots, rough, observed=False)
    return system


def _advance(
    problem: Problem,
    base: Sequence[FloatArray],
    roots: Sequence[Root],
    point: Point,
    step: Sequence[FloatArray],
    order: int,
) -> tuple[Point | None, int]:
    """The first of ``u + s / 2^k`` where the energy does not rise; and how often it looked."""
    limit = point.energy + max(_ROUNDING * (1.0 + abs(point.energy)), problem.rounding)
    length = 1.0
    for looked in range(1, _MAX_HALVINGS + 1):
        part = step if length == 1.0 else [length * b for b in step]
        u = [a + b for a, b in zip(point.u, part, strict=True)]
        after = evaluate_density(problem, base, roots, u, order)
        if after.energy <= limit:
            return after, looked
        length *= 0.5
    return None, _MAX_HALVINGS


def stalls(decrement: FloatArray | float, least: FloatArray | float, energy: Any) -> BoolArray:
    """Whether decrements of Newton's steps are rounding: small, and hardly below the least yet."""
    rounded = np.maximum(_ROUNDED, _ROUNDED_SHARE * np.abs(energy))
    out: BoolArray = (0.25 * np.asarray(least) <= decrement) & (decrement < rounded)
    return out


def _share(problem: Problem, roots: Sequence[Root], point: Point) -> float:
    """The share of a decrement to end at, ``min(1, 1e4 / c)``.

    c is a bound of the information of one row on its standardised effects, ``max |l''| max
    Lambda_ab^2``.
    """
    second, largest, entry = point.derivatives.second, 0.0, 0.0
    for k in problem.latent.random_predictors:
        if (k, k) in second:
            largest = max(largest, float(np.maximum.reduce(np.abs(second[k, k]))))
    for root in roots:
        entry = max(entry, float(np.maximum.reduce(np.abs(units_of(root)), axis=None)))
    return STEEP / max(largest * entry**2, STEEP)


def _ends(
    problem: Problem, roots: Sequence[Root], before: Point, after: Point, decrement: float
) -> bool:
    """Whether a step of Newton's method has ended at the mode, seen without another solution.

    Along the step s the weights move by a share r of themselves at most, so that the gradient left
    is ``(H - H') s`` with ``|H - H'| <= r H``: the next decrement is at most about ``r^2 d``. It is
    worth while where chains of effects make a solution as dear as a look at the rows.
    """
    if not problem.latent.tied or decrement > _NEARLY:
        return False
    a, *others = problem.latent.random_predictors
    one, other = before.derivatives.second[a, a], after.derivatives.second[a, a]
    if others or not one.max() < 0.0:
        return False
    moved = float(np.abs(other / one - 1.0).max())
    bound = 2.0 * moved * moved * decrement
    return moved < _HALF and bound < DECREMENT * _share(problem, roots, after)


def is_normal(problem: Problem) -> bool:
    """Whether random effects given the data are normal: those of the mean of a normal response.

    H is then the same wherever they are, and one step of Newton's method leads to the mode.
    """
    return problem.family.is_linear and problem.latent.random_predictors == (0,)


def find_mode(
    problem: Problem,
    base: Sequence[FloatArray],
    roots: Sequence[Root],
    start: list[FloatArray],
    *,
    chord: Factorization | None = None,
    close: bool = False,
    near: float = 0.0,
) -> Mode | None:
    """Minimise ``h`` over the random effects by Newton's method with step halving.

    ``u <- u + H^-1 g`` with ``g = Lambda' Z' l' - u``, until the decrement ``g' H^-1 g`` is
    1e-16.

    Parameters
    ----------
    base : list of (n,)
        Predictors without random effects.
    roots : list of (q, q)
        ``Lambda`` of each factor.
    start : list of (q, m)
        Standardised random effects to start from.
    chord : Factorization, optional
        Of a nearby system, used for steps as long as they converge fast. Worth while
        only where factors are crossed and a factorisation is dear.
    close : bool
        Whether the start is expected to be the mode.
    near : float
        A decrement at which the effects are near enough to the mode.

    Returns
    -------
    Mode or None
        None where no finite mode was found, or H is not positive definite there.
    """
    dear, constant = problem.latent.dear, is_normal(problem)
    stepper = chord if dear else None
    fresh: System | None = None
    ending = max(near, DECREMENT)
    # Newton's method squares the decrement: where it may end sooner, the last step is longer.
    close, nearly = close or ending > _LAST_STEP, max(_NEARLY, 10.0 * math.sqrt(ending))
    point = evaluate_density(problem, base, roots, start, 3 if close else 2)
    decrement = np.inf
    if not math.isfinite(point.energy):
        return None
    looks, least, idle = 1, np.inf, 0
    for count in range(1, _MAX_STEPS):
        if stepper is None:
            fresh = _newton_system(problem, roots, point)
            if fresh is None:
                return None
            stepper = fresh.factorization
        gradient = ascent(problem, roots, point)
        step = stepper.solve(gradient)
        previous, decrement = decrement, _inner(gradient, step)
        slow = fresh is not None and decrement >= 0.25 * least
        idle = idle + 1 if slow else 0
        blind = idle >= _IDLE and decrement < problem.rounding
        stalled = slow and (blind or bool(stalls(decrement, least, point.energy)))
        share = _share(problem, roots, point) if decrement < ending and not stalled else 0.0
        if stalled or decrement < ending * share:
            left = decrement if decrement >= DECREMENT * share > 0.0 else 0.0
            return _complete_mode(problem, base, roots, point, fresh, count, left)
        if fresh is None and decrement > _CHORD_RATIO * previous:
            stepper, decrement = None, np.inf
            continue
        least = min(least, decrement) if fresh is not None else least
        order = 3 if decrement < nearly else 2
        advanced, looked = _advance(problem, base, roots, point, step, order)
        looks += looked
        if advanced is None or looks > _MAX_LOOKS:
            return None
        if (problem.latent.iterative and decrement < _LAST_STEP) or (
            fresh is not None and _ends(problem, roots, point, advanced, decrement)
        ):
            return _complete_mode(problem, base, roots, advanced, None, count)
        point, fresh = advanced, fresh if constant else None
        stepper = stepper if dear or constant else None
    return None


def first_effects(problem: Problem, psi: FloatArray) -> list[FloatArray]:
    """Where a search for the modes may begin without any nearby: zeros, or better where it matters.

    Effects of tied levels are many, and far from zero where few rows say much of each; and crossed
    ones that are solved by iterations are dear to search for. There the
    responses themselves are taken for means: with their predictors ``eta_0`` and the information W
    there, u is that of a normal response, ``H u = Lambda' Z' W (eta_0 - eta)``.
    """
    zeros = problem.latent.zeros()
    latent = problem.latent
    if not (latent.tied or latent.iterative) or latent.random_predictors != (0,):
        return zeros
    family, base = problem.family, problem.fixed(psi)
    roots = problem.roots(psi[problem.n_beta :])
    at = family.links[0].link(family.start_parameters(problem.data)[0])
    weight = problem.step_information([at, *base[1:]])[0, 0]
    system = build_system(problem, roots, Curvature({(0, 0): weight}, {}), observed=False)
    if system is None:
        return zeros
    return system.factorization.solve(whitened(problem, roots, {0: weight * (at - base[0])}))


def step_to_mode(
    problem: Problem,
    base: Sequence[FloatArray],
    roots: Sequence[Root],
    start: list[FloatArray],
) -> tuple[list[FloatArray], System] | None:
    """One Newton step towards the mode, and the system at the start; None where there is none.

    ``u + H^-1 (Lambda' Z' l' - u)``.
    """
    point = evaluate_density(problem, base, roots, start, 2)
    system = _newton_system(problem, roots, point) if math.isfinite(point.energy) else None
    if system is None:
        return None
    step = system.factorization.solve(ascent(problem, roots, point))
    return [a + b for a, b in zip(start, step, strict=True)], system


def _complete_mode(
    problem: Problem,
    base: Sequence[FloatArray],
    roots: Sequence[Root],
    point: Point,
    fresh: System | None,
    steps: int,
    left: float = 0.0,
) -> Mode | None:
    """Complete a mode: third derivatives and the observed system there."""
    if point.order < 3:
        point = evaluate_density(problem, base, roots, point.u, 3)
    if fresh is None or not fresh.observed:
        curvature = problem.observed(point.derivatives)
        fresh = build_system(problem, roots, curvature, observed=True)
    return None if fresh is None else Mode(point, fresh, roots, steps, left)


def predict_mode(
    problem: Problem, mode: Mode, before: FloatArray, psi: FloatArray
) -> tuple[list[FloatArray], bool]:
    """Conditional modes at `psi` to first order, from the mode at `before`.

    ``du = H^-1 (Lambda' Z' d(l') + dLambda' Z' l' - d(K^-1) u)``, and the step that was left to it.

    Returns
    -------
    u : list of (q, m)
        The old modes where the change is too large for a linear prediction.
    close : bool
        Whether the change is so small that the prediction is as good as the mode.
    """
    roots, point, latent = mode.roots, mode.point, problem.latent
    moved_roots = problem.roots(psi[problem.n_beta :])
    changes = list(map(change, moved_roots, roots))
    parts = latent.gather(list(map(scale, changes, point.u)), len(problem.X))
    shift, second = psi - before, point.derivatives.second
    slopes: dict[int, FloatArray] = {}
    for k, (X, where) in enumerate(zip(problem.X, problem.beta_slices, strict=True)):
        moved_eta, part = X.dot(shift[where]), parts[k]
        if part is not None:
            moved_eta += part
        for a in latent.random_predictors:
            weight = second.get((a, k) if a <= k else (k, a))
            if weight is not None:
                slope = weight * moved_eta
                slopes[a] = slopes[a] + slope if a in slopes else slope
    for a in latent.random_predictors:
        if a not in slopes:
            slopes[a] = np.zeros(problem.n)
    rhs = [
        scale(root.T, r) + scale(d_root.T, s)
        for root, d_root, r, s in zip(
            roots, changes, latent.scatter(slopes), point.scores, strict=True
        )
    ]
    if mode.left:
        rhs = list(map(np.add, rhs, ascent(problem, roots, point)))
    for f, moved_root in enumerate(moved_roots):
        if isinstance(moved_root, TiedRoot) and moved_root.dependence.n_parameters:
            before = unwhiten(roots[f], point.white[f])
            rhs[f] = rhs[f] + before - weigh(moved_root, point.u[f])
    du = mode.system.factorization.solve(rhs)
    furthest = max([float(np.maximum.reduce(np.abs(part), axis=None)) for part in du])
    if furthest > _FAR:
        return point.u, False
    return list(map(np.add, point.u, du)), furthest < _CLOSE
