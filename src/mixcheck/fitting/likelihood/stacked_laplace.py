"""The Laplace deviance of many copies of a problem at once, each at its own parameters.

A look at all copies costs the calls of one. It need not be at the modes: with r the gradient of
``-h`` there, ``s = H^-1 r`` the step of Newton's method and D the deviance as a function of the
modes, ``D(u + s) = 2 h(u) - r's + log det H + <d log det H / du, s>`` up to terms of second order
in s in the log determinant and of third order in h, and the gradient likewise up to terms of first
order in the log determinant alone. So a search may go on before the modes are found to the last
digit, as long as the decrement ``r's`` is far below the square of the gradient.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mixcheck.arrays import BoolArray, FloatArray
from mixcheck.fitting.latent.block_elimination import BlockElimination, nested_factors
from mixcheck.fitting.latent.layout import Gram
from mixcheck.fitting.latent.roots import change, scale
from mixcheck.fitting.likelihood.adjoint import Adjoint, energy_slopes, find_adjoint, pull_through
from mixcheck.fitting.likelihood.copies import Copies, merge_copies, sum_copies
from mixcheck.fitting.likelihood.laplace import HessianKind
from mixcheck.fitting.likelihood.mode import Mode, System, ascent, build_system, predictors
from mixcheck.fitting.likelihood.points import DensityPoint
from mixcheck.fitting.likelihood.problem import Curvature, Problem

__all__ = ["Look", "follow", "look_at"]

# As for a single mode: the energy may rise by this much, relative to itself, through rounding
# alone; effects that move by more are not predicted linearly.
_ROUNDING = 1e-9
_FAR = 2.0


@dataclass(frozen=True, eq=False)
class Look:
    """What was seen of c copies at their parameters and random effects.

    Deviance and gradient are not a number in a copy whose likelihood is not finite, or whose H is
    not positive definite; the step then is that of a rougher information.

    Attributes
    ----------
    psi : (c, P)
    mode : Mode
        Of all copies; its point may be a step away from the modes.
    left : list of (q, c m)
        Gradient of ``-h``.
    step : list of (q, c m)
        Newton's step to the modes.
    decrement : (c,)
        Of that step.
    energy : (c,)
        ``h``.
    deviance : (c,)
    gradient : (c, P)
    spread : (c,)
        Largest variance of a standardised random effect, as `Evaluation.spread`.
    """

    psi: FloatArray
    mode: Mode
    left: list[FloatArray]
    step: list[FloatArray]
    decrement: FloatArray
    energy: FloatArray
    deviance: FloatArray
    gradient: FloatArray
    spread: FloatArray

    @property
    def usable(self) -> BoolArray:
        """Which copies have a deviance and a gradient, (c,)."""
        out: BoolArray = np.isfinite(self.deviance + self.gradient.sum(axis=1))
        return out

    def overshoots(self, before: FloatArray, rounding: FloatArray) -> BoolArray:
        """Whether the energy has risen from what it was, (c,), or is no longer finite."""
        noise = np.maximum(_ROUNDING * (1.0 + np.abs(before)), rounding)
        over: BoolArray = np.isfinite(before) & ~(self.energy <= before + noise)
        return over


def look_at(
    copies: Copies,
    problem: Problem,
    psi: FloatArray,
    u: list[FloatArray],
    information: HessianKind,
) -> Look:
    """Deviance and gradient of each copy near its modes.

    Parameters
    ----------
    copies : Copies
    problem : Problem
        Of c copies with their responses.
    psi : (c, P)
    u : list of (q, c m)
        Standardised random effects.
    information : {"observed", "expected"}
        Which information enters ``log det H``.
    """
    count, roots = len(psi), copies.roots(psi)
    eta = predictors(problem, copies.fixed(psi), roots, u)
    point = DensityPoint(u, eta, problem.derivatives(eta, 3), 3, np.nan, problem.latent, u)
    energy = 0.5 * sum_copies([part * part for part in u], count)
    energy = energy - sum_copies([point.derivatives.value], count)
    curvature = problem.observed(point.derivatives)
    system = _require(build_system(problem, roots, curvature, observed=True, each=True))
    mode = Mode(point, system, roots, 1)
    left = ascent(problem, roots, point)
    step = system.factorization.solve(left)
    decrement = sum_copies([a * b for a, b in zip(left, step, strict=True)], count)
    if not np.isfinite(decrement).all():
        step, decrement = _step_roughly(problem, mode, left, step, decrement)
    weighed = system
    if information == "expected":
        curvature = problem.expected(eta)
        weighed = _require(build_system(problem, roots, curvature, observed=False, each=True))
    entries = weighed.factorization.inverse_entries()
    bent = find_adjoint(problem, mode, curvature, entries, None)
    deviance = 2.0 * energy - decrement + _log_det(nested_factors(weighed.factorization), count)
    if bent.v is not None:
        deviance += sum_copies([a * b for a, b in zip(left, bent.v, strict=True)], count)
    gradient = _differentiate(copies, problem, psi, mode, bent, step, weighed.gram, entries)
    return Look(
        psi, mode, left, step, decrement, energy, deviance, gradient, _spread(entries, count)
    )


def _step_roughly(
    problem: Problem,
    mode: Mode,
    left: list[FloatArray],
    step: list[FloatArray],
    decrement: FloatArray,
) -> tuple[list[FloatArray], FloatArray]:
    """``H^-1 g`` by an information that is never negative, in copies without one by the observed.

    And its decrement ``g' H^-1 g``.
    """
    rough = Curvature(problem.step_information(mode.point.eta), {})
    system = _require(build_system(problem, mode.roots, rough, observed=False, each=True))
    other, lost = system.factorization.solve(left), ~np.isfinite(decrement)
    slope = sum_copies([a * b for a, b in zip(left, other, strict=True)], decrement.size)
    return merge_copies(lost, other, step), np.where(lost, slope, decrement)


def _require(system: System | None) -> System:
    assert system is not None
    return system


def _differentiate(
    copies: Copies,
    problem: Problem,
    psi: FloatArray,
    mode: Mode,
    bent: Adjoint,
    step: Sequence[FloatArray],
    gram: Gram,
    entries: Gram,
) -> FloatArray:
    """Gradients of the deviances, with the modes' slope of ``2 h`` where it is left.

    Short of a mode ``2 h`` has the slope ``-2 g`` in the effects, g the ascent, which adds
    ``-2 H^-1 g`` to the adjoint v: minus twice Newton's step.
    """
    v = [-2.0 * part for part in step]
    if bent.v is not None:
        v = [a + b for a, b in zip(bent.v, v, strict=True)]
    whole = Adjoint(bent.leverages, bent.t, v)
    rows, roots = pull_through(problem, mode, whole, gram, entries, energy_slopes(mode))
    return copies.pull_back(psi, rows, roots)


def _log_det(factorization: BlockElimination, count: int) -> FloatArray:
    """``log det H`` of each copy."""
    blocks = [factorization.blocks(f) for f in range(len(factorization.lower))]
    return 2.0 * sum_copies([np.log(b[j, j]) for b in blocks for j in range(len(b))], count)


def _spread(entries: Gram, count: int) -> FloatArray:
    out = np.zeros(count)
    for (f, g), block in entries.items():
        if f == g:
            largest = block.diagonal().reshape(count, -1).max(axis=1)
            out = np.maximum(out, largest)
    return out


def follow(copies: Copies, problem: Problem, look: Look, psi: FloatArray) -> list[FloatArray]:
    """Modes at parameters (c, P) to first order, from a look near the modes at others.

    ``du = H^-1 (r + Lambda' Z' d(l') + dLambda' Z' l')``; Newton's step where the parameters
    stay, or where an effect would move too far with them.

    Returns
    -------
    list of (q, c m)
    """
    mode, latent, count = look.mode, problem.latent, len(psi)
    point = mode.point
    changes = [change(b, a) for a, b in zip(mode.roots, copies.roots(psi), strict=True)]
    effects = [scale(moved, u) for moved, u in zip(changes, point.u, strict=True)]
    shifts = copies.shift(psi - look.psi)
    for k, part in enumerate(latent.gather(effects, len(shifts))):
        shifts[k] = shifts[k] if part is None else shifts[k] + part
    slopes = {a: np.zeros(problem.n) for a in latent.random_predictors}
    for a in slopes:
        for k, shift in enumerate(shifts):
            second = point.derivatives.second.get((a, k) if a <= k else (k, a))
            if second is not None:
                slopes[a] += second * shift
    rhs = [
        scale(root.T, r) + scale(moved.T, s)
        for root, moved, r, s in zip(
            mode.roots, changes, latent.scatter(slopes), point.scores, strict=True
        )
    ]
    du = mode.system.factorization.solve(rhs)
    far = np.zeros(count)
    for part in du:
        far = np.maximum(far, np.abs(part).reshape(len(part), count, -1).max(axis=(0, 2)))
    near = (far <= _FAR)[:, None]
    out = []
    for u, step, part in zip(point.u, look.step, du, strict=True):
        moved_by = np.where(near, part.reshape(len(part), count, -1), 0.0)
        out.append(u + step + moved_by.reshape(part.shape))
    return out
