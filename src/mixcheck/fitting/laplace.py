"""The Laplace deviance of a mixed model and its exact gradient.

With ``h(u) = -sum_i l_i + u'u / 2``, its minimiser ``u_hat``, and
``H = I + sum_ab M_a' diag(W_ab) M_b`` (W the observed or expected information),
``D = 2 h(u_hat) + log det H`` is minus twice the log-likelihood, every constant kept.

The gradient needs one solve beyond the factorisation of H, whatever the number of
parameters: with leverages ``s^ab_i = m_ia' H^-1 m_ib``,
``t_c = sum_ab dW_ab/d eta_c s^ab`` and ``v = H^-1 sum_c M_c' t_c``,
``dD/d eta_k = -2 l_k + t_k + sum_a l_ak M_a v``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.families.family import Derivatives
from mixcheck.fitting.blocks import sandwich
from mixcheck.fitting.factorization import Factorization, factorize
from mixcheck.fitting.latent import Gram
from mixcheck.fitting.problem import Curvature, Problem

__all__ = [
    "Direct",
    "Evaluation",
    "HessianKind",
    "Mode",
    "evaluate",
    "find_mode",
    "predict_mode",
    "predictors",
    "pull_back",
    "scale",
]

HessianKind = Literal["observed", "expected"]

# The mode is accepted where the Newton decrement falls below this: through log det H
# the errors of the deviance and of its gradient are of the order of its square root.
_DECREMENT = 1e-16
# A step this small is probably the last one: third derivatives are then wanted.
_NEARLY = 1e-3
# Chord steps must shrink the decrement by this much, or H is factored again.
_CHORD_RATIO = 0.1
# The energy may rise by this much, relative to itself, through rounding alone.
_ROUNDING = 1e-9
_MAX_STEPS = 200
# Standardised effects that move by more are not predicted linearly.
_FAR = 2.0
# Those that all move by less are predicted as well as they can be found.
_CLOSE = 0.02
_MAX_HALVINGS = 40


@dataclass(frozen=True, eq=False)
class Point:
    """Random effects and what the data say of them.

    Attributes
    ----------
    u : list of (q, m)
        Standardised random effects per factor.
    eta : list of (n,)
    derivatives : Derivatives
    order : int
        Order of the derivatives.
    energy : float
        ``h(u)``.
    """

    u: list[FloatArray]
    eta: list[FloatArray]
    derivatives: Derivatives
    order: int
    energy: float


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
    """

    point: Point
    system: System
    roots: list[FloatArray]
    steps: int


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Deviance at one parameter vector.

    Attributes
    ----------
    psi : (n_beta + n_theta,)
    deviance : float
        Minus twice the log-likelihood; inf where there is no mode.
    gradient : (n_beta + n_theta,)
    mode : Mode or None
    """

    psi: FloatArray
    deviance: float
    gradient: FloatArray
    mode: Mode | None


def predictors(
    problem: Problem,
    base: Sequence[FloatArray],
    roots: Sequence[FloatArray],
    u: Sequence[FloatArray],
) -> list[FloatArray]:
    """Predictors at standardised random effects u, (n,) each."""
    effects = [scale(root, part) for root, part in zip(roots, u, strict=True)]
    parts = problem.latent.gather(effects, len(base))
    return [b if part is None else b + part for b, part in zip(base, parts, strict=True)]


def scale(root: FloatArray, u: FloatArray) -> FloatArray:
    """``Lambda u`` of every level: (q, q) times (q, m)."""
    return root[0, 0] * u if root.size == 1 else root @ u


def _inner(a: Sequence[FloatArray], b: Sequence[FloatArray]) -> float:
    return float(sum(np.vdot(x, y) for x, y in zip(a, b, strict=True)))


def _whitened(
    problem: Problem, roots: Sequence[FloatArray], rows: Mapping[int, FloatArray]
) -> list[FloatArray]:
    """``sum_k M_k' r_k`` per factor."""
    sums = problem.latent.scatter(rows)
    return [scale(root.T, part) for root, part in zip(roots, sums, strict=True)]


def look(
    problem: Problem,
    base: Sequence[FloatArray],
    roots: Sequence[FloatArray],
    u: list[FloatArray],
    order: int,
) -> Point:
    """Evaluate the joint log density at u."""
    eta = predictors(problem, base, roots, u)
    d = problem.derivatives(eta, order)
    return Point(u, eta, d, order, 0.5 * _inner(u, u) - float(d.value.sum()))


def _ascent(problem: Problem, roots: Sequence[FloatArray], point: Point) -> list[FloatArray]:
    """Gradient of ``-h``."""
    first = {k: point.derivatives.first[k] for k in problem.latent.bearing}
    scores = _whitened(problem, roots, first)
    return [a - b for a, b in zip(scores, point.u, strict=True)]


def _build_system(
    problem: Problem, roots: Sequence[FloatArray], curvature: Curvature, *, observed: bool
) -> System | None:
    gram = problem.latent.gram(curvature.second)
    factorization = factorize(problem.latent, gram, roots)
    return None if factorization is None else System(factorization, gram, observed)


def _newton_system(problem: Problem, roots: Sequence[FloatArray], point: Point) -> System | None:
    """The observed system, or the expected one where that is not positive definite."""
    observed = problem.observed(point.derivatives)
    system = _build_system(problem, roots, observed, observed=True)
    if system is None:
        expected = problem.expected(point.eta)
        system = _build_system(problem, roots, expected, observed=False)
    return system


def _advance(
    problem: Problem,
    base: Sequence[FloatArray],
    roots: Sequence[FloatArray],
    point: Point,
    step: Sequence[FloatArray],
    order: int,
) -> Point | None:
    """Go along `step`, halving it until the energy does not rise."""
    limit = point.energy + _ROUNDING * (1.0 + abs(point.energy))
    length = 1.0
    for _ in range(_MAX_HALVINGS):
        u = [a + length * b for a, b in zip(point.u, step, strict=True)]
        after = look(problem, base, roots, u, order)
        if after.energy <= limit:
            return after
        length *= 0.5
    return None


def find_mode(
    problem: Problem,
    base: Sequence[FloatArray],
    roots: list[FloatArray],
    start: list[FloatArray],
    *,
    chord: Factorization | None = None,
    close: bool = False,
) -> Mode | None:
    """Minimise ``h`` over the random effects by Newton's method with step halving.

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

    Returns
    -------
    Mode or None
        None where no finite mode was found, or H is not positive definite there.
    """
    crossed = bool(problem.latent.rest)
    stepper = chord if crossed else None
    fresh: System | None = None
    point = look(problem, base, roots, start, 3 if close else 2)
    decrement = np.inf
    if not np.isfinite(point.energy):
        return None
    for count in range(1, _MAX_STEPS):
        if stepper is None:
            fresh = _newton_system(problem, roots, point)
            if fresh is None:
                return None
            stepper = fresh.factorization
        gradient = _ascent(problem, roots, point)
        step = stepper.solve(gradient)
        previous, decrement = decrement, _inner(gradient, step)
        if decrement < _DECREMENT:
            return _settle(problem, base, roots, point, fresh, count)
        if fresh is None and decrement > _CHORD_RATIO * previous:
            stepper, decrement = None, np.inf
            continue
        order = 3 if decrement < _NEARLY else 2
        advanced = _advance(problem, base, roots, point, step, order)
        if advanced is None:
            return None
        point, fresh = advanced, None
        stepper = stepper if crossed else None
    return None


def _settle(
    problem: Problem,
    base: Sequence[FloatArray],
    roots: list[FloatArray],
    point: Point,
    fresh: System | None,
    steps: int,
) -> Mode | None:
    """Complete a mode: third derivatives and the observed system there."""
    if point.order < 3:
        point = look(problem, base, roots, point.u, 3)
    if fresh is None or not fresh.observed:
        curvature = problem.observed(point.derivatives)
        fresh = _build_system(problem, roots, curvature, observed=True)
    return None if fresh is None else Mode(point, fresh, roots, steps)


def predict_mode(
    problem: Problem, mode: Mode, before: FloatArray, psi: FloatArray
) -> tuple[list[FloatArray], bool]:
    """Conditional modes at `psi` to first order, from the mode at `before`.

    ``du = H^-1 (Lambda' Z' d(l') + dLambda' Z' l')``.

    Returns
    -------
    u : list of (q, m)
        The old modes where the change is too large for a linear prediction.
    close : bool
        Whether the change is so small that the prediction is as good as the mode.
    """
    roots, point, latent = mode.roots, mode.point, problem.latent
    changes = [b - a for a, b in zip(roots, problem.roots(psi[problem.n_beta :]), strict=True)]
    moved = [scale(change, u) for change, u in zip(changes, point.u, strict=True)]
    parts = latent.gather(moved, len(problem.X))
    shift = psi - before
    slopes: dict[int, FloatArray] = {a: np.zeros(problem.n) for a in latent.bearing}
    for k, (X, where) in enumerate(zip(problem.X, problem.beta_slices, strict=True)):
        change = X @ shift[where]
        part = parts[k]
        if part is not None:
            change += part
        for a in latent.bearing:
            second = point.derivatives.second.get((a, k) if a <= k else (k, a))
            if second is not None:
                slopes[a] += second * change
    first = {k: point.derivatives.first[k] for k in latent.bearing}
    rhs = [
        scale(root.T, r) + scale(change.T, s)
        for root, change, r, s in zip(
            roots, changes, latent.scatter(slopes), latent.scatter(first), strict=True
        )
    ]
    du = mode.system.factorization.solve(rhs)
    furthest = max(float(np.abs(part).max()) for part in du)
    if furthest > _FAR:
        return point.u, False
    return [u + part for u, part in zip(point.u, du, strict=True)], furthest < _CLOSE


def evaluate(
    problem: Problem,
    psi: FloatArray,
    start: list[FloatArray],
    *,
    hessian: HessianKind = "observed",
    chord: Factorization | None = None,
    close: bool = False,
) -> Evaluation:
    """Laplace deviance and its gradient.

    Parameters
    ----------
    problem : Problem
    psi : (n_beta + n_theta,)
        Fixed effects of each predictor in turn, then covariance parameters.
    start : list of (q, m)
        Standardised random effects to start from.
    hessian : {"observed", "expected"}
        Which information enters ``log det H``.
    chord, close
        See `find_mode`.

    Returns
    -------
    Evaluation
        Deviance inf and gradient nan where no mode exists.
    """
    roots = problem.roots(psi[problem.n_beta :])
    mode = find_mode(problem, problem.fixed(psi), roots, start, chord=chord, close=close)
    if mode is None:
        return Evaluation(psi, np.inf, np.full(psi.size, np.nan), None)
    if hessian == "observed":
        curvature, system = problem.observed(mode.point.derivatives), mode.system
    else:
        curvature = problem.expected(mode.point.eta)
        built = _build_system(problem, roots, curvature, observed=False)
        if built is None:
            return Evaluation(psi, np.inf, np.full(psi.size, np.nan), None)
        system = built
    deviance = 2.0 * mode.point.energy + system.factorization.log_det()
    return Evaluation(psi, deviance, _gradient(problem, mode, curvature, system), mode)


def _gradient(problem: Problem, mode: Mode, curvature: Curvature, system: System) -> FloatArray:
    """Gradient of the deviance in all parameters."""
    latent, point = problem.latent, mode.point
    first = {k: point.derivatives.first[k] for k in latent.bearing}
    scores = latent.scatter(first)
    direct = Direct(
        coef=[-2.0 * part for part in point.derivatives.first],
        roots=[-2.0 * (s @ u.T) for s, u in zip(scores, point.u, strict=True)],
        u=None,
    )
    entries = system.factorization.inverse_entries()
    return pull_back(problem, mode, curvature, system.gram, entries, direct)


@dataclass(frozen=True, eq=False)
class Direct:
    """Derivatives of the deviance with the modes and H held.

    Attributes
    ----------
    coef : list of (n,)
        In each predictor.
    roots : list of (q, q)
        In ``Lambda`` of each factor.
    u : list of (q, m) or None
        In the modes; None where it is zero.
    """

    coef: list[FloatArray]
    roots: list[FloatArray]
    u: list[FloatArray] | None


def pull_back(
    problem: Problem,
    mode: Mode,
    curvature: Curvature,
    gram: Gram,
    entries: Gram,
    direct: Direct,
) -> FloatArray:
    """Gradient of a function of the parameters, the modes and H, in the parameters alone.

    Parameters
    ----------
    problem : Problem
    mode : Mode
    curvature : Curvature
        What H is made of.
    gram : Gram
        ``Z' W Z`` of that curvature.
    entries : Gram
        Derivative of the function in H on the pairs of levels that meet (``H^-1`` for
        ``log det H``).
    direct : Direct
        Its derivatives with the modes and H held.

    Returns
    -------
    (P,)
    """
    latent, roots = problem.latent, mode.roots
    scaled = {
        (f, g): sandwich(roots[f].T, block, roots[g].T) for (f, g), block in entries.items()
    }
    t = _curvature_pull(latent.leverages(scaled), curvature, len(problem.X))
    v = _implicit(problem, mode, t, direct.u)
    held = _through_mode(problem, mode, t, v)
    betas = [
        x.T @ (c if h is None else c + h)
        for x, c, h in zip(problem.X, direct.coef, held, strict=True)
    ]
    if not latent.factors:
        return np.concatenate(betas)
    d_roots = _root_derivatives(problem, mode, held, v, gram, entries)
    total = [a + b for a, b in zip(direct.roots, d_roots, strict=True)]
    return np.concatenate([*betas, problem.pull_back(total)])


def _curvature_pull(
    leverages: Mapping[tuple[int, int], FloatArray], curvature: Curvature, n_predictors: int
) -> list[FloatArray | None]:
    """``t_c = sum_ab dW_ab / d eta_c s^ab``; None where identically zero."""
    out: list[FloatArray | None] = [None] * n_predictors
    for (a, b), leverage in leverages.items():
        for c in range(n_predictors):
            slope = curvature.third.get((a, b, c))
            if slope is None:
                continue
            part = slope * leverage if a == b else 2.0 * slope * leverage
            held = out[c]
            out[c] = part if held is None else held + part
    return out


def _implicit(
    problem: Problem,
    mode: Mode,
    t: Sequence[FloatArray | None],
    u_adjoint: list[FloatArray] | None,
) -> list[FloatArray] | None:
    """``v = H^-1 (a + sum_c M_c' t_c)``, always with the observed H; None where zero."""
    bearing = problem.latent.bearing
    if u_adjoint is None and all(t[c] is None for c in bearing):
        return None
    zero = np.zeros(problem.n)
    rows = {c: zero if (part := t[c]) is None else part for c in bearing}
    rhs = _whitened(problem, mode.roots, rows)
    if u_adjoint is not None:
        rhs = [a + b for a, b in zip(rhs, u_adjoint, strict=True)]
    return mode.system.factorization.solve(rhs)


def _through_mode(
    problem: Problem, mode: Mode, t: Sequence[FloatArray | None], v: list[FloatArray] | None
) -> list[FloatArray | None]:
    """``t_k + sum_a l_ak M_a v``: what reaches each predictor through H and the modes."""
    out = list(t)
    if v is None:
        return out
    effects = [scale(root, part) for root, part in zip(mode.roots, v, strict=True)]
    shifts = problem.latent.gather(effects, len(problem.X))
    for k in range(len(out)):
        for a, shift in enumerate(shifts):
            second = mode.point.derivatives.second.get((a, k) if a <= k else (k, a))
            if shift is not None and second is not None:
                part, before = second * shift, out[k]
                out[k] = part if before is None else before + part
    return out


def _root_derivatives(
    problem: Problem,
    mode: Mode,
    held: Sequence[FloatArray | None],
    v: list[FloatArray] | None,
    gram: Gram,
    entries: Gram,
) -> list[FloatArray]:
    """Derivatives in ``Lambda`` through H and the modes, (q, q) per factor."""
    latent, point = problem.latent, mode.point
    zero = np.zeros(problem.n)
    rows = {k: zero if (part := held[k]) is None else part for k in latent.bearing}
    outer = latent.scatter(rows)
    out = [a @ u.T for a, u in zip(outer, point.u, strict=True)]
    if v is not None:
        scores = latent.scatter({k: point.derivatives.first[k] for k in latent.bearing})
        out = [part + s @ w.T for part, s, w in zip(out, scores, v, strict=True)]
    for (f, g), block in gram.items():
        # 2 sum over pairs of G_fg Lambda_g V_gf, and its mirror image for g before f.
        out[f] = out[f] + 2.0 * _contract(block, entries[f, g], mode.roots[g])
        if f != g:
            mirrored = block.swapaxes(0, 1), entries[f, g].swapaxes(0, 1)
            out[g] = out[g] + 2.0 * _contract(*mirrored, mode.roots[f])
    return out


def _contract(gram: FloatArray, inverse: FloatArray, root: FloatArray) -> FloatArray:
    """``sum_P G (V Lambda')'`` for stacks G, V (r, s, P) and one Lambda (s, s)."""
    r, s, _ = gram.shape
    if r == s == 1:
        return np.full((1, 1), root[0, 0] * float(np.vdot(gram, inverse)))
    moved = np.matmul(root, inverse)
    out: FloatArray = gram.reshape(r, -1) @ moved.reshape(r, -1).T
    return out
