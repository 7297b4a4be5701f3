"""Outer optimisation: quasi-Newton on whitened parameters, then Newton's method.

The search is BFGS with the exact gradient. It is written here, not taken from a
library, because the scale from :mod:`mixcheck.fitting.estimation.start` makes the full first step
the right one, where general-purpose searches begin with a step of unit length, and
because every evaluation costs a mode search that is warm-started from the last.

A covariance parameter at zero is a symmetric stationary point, so a zero gradient there
proves nothing: the curvature across the face decides, and the search restarts along any
direction of negative curvature.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from mixcheck.arrays import BoolArray, FloatArray
from mixcheck.errors import ConvergenceError
from mixcheck.fitting.likelihood.objective import Evaluation, Hessian, Objective

__all__ = [
    "POLE",
    "REFIT_TOLERANCE",
    "RUNAWAY",
    "Optimum",
    "differentiate_gradient",
    "explain_wall",
    "is_near",
    "minimise",
    "restrict_scale",
    "update_inverse",
]

# Gradients are in units of deviance per standard error (whitened coordinates).
_SEARCH_TOLERANCE = 1e-4
_TOLERANCE = 1e-7
REFIT_TOLERANCE = 1e-6
_MAX_ITERATIONS = 500
_MAX_POLISH = 12
_MAX_RESTARTS = 4
# Step of the central differences, in standard errors: truncation is of its square.
_DIFFERENCE = 4e-3
# With many rows the deviance is all but quadratic within standard errors: a short step to
# one side then does as well at half the cost, and so does an earlier end of the search.
_MANY_ROWS = 50_000
_ONE_SIDED = 3e-4
_EARLY_TOLERANCE = 1e-3
# From one Newton step to the next the deviance rises by no more than this, through rounding.
_RISEN = 1e-6
# Eigenvalues of the whitened Hessian below this are not curvature at all.
_FLAT = 1e-6
# An eigenvalue of the whitened Hessian below this belongs to a parameter that runs to a limit,
# and there the whitened gradient is followed to the second number.
RUNAWAY = 1e-3
_LIMIT = 1e-9
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
# Where the deviance is above that of an optimum by no more than this, and so far as its
# curvature says, a search would end at that optimum.
_NEIGHBOUR = 0.01
_MAX_POLES = 12
# Evaluations without a finite deviance that one search may meet.
_MAX_LOST = 60
# Evaluations that one search may take: this many, and this many for each parameter.
_EVALUATIONS = 150
_EVALUATIONS_EACH = 10
# Steps in a row that promise less than the rounding of the deviance and do not halve the gradient:
# nothing tells whether they come closer.
_IDLE = 4


@dataclass(frozen=True, eq=False)
class Optimum:
    """Where the search ended.

    Attributes
    ----------
    psi : (P,)
    evaluation : Evaluation
    scale : (P, P')
        Whitening of the parameters; its rows of parameters that were held are zero.
    gradient : float
        Largest entry of the whitened gradient; nan where it was not asked for, after one step.
    hessian : (P, P) or None
        Of the deviance, in psi; None if it was not asked for. Zero beside parameters that were
        held.
    smallest_eigenvalue : float
        Of the whitened Hessian; nan without it.
    evaluations : int
    flat : int
        How many of the last columns of `scale` are directions in which the deviance is constant,
        left out of the search because a coefficient has no finite estimate.
    curvature : (P', P') or None
        The whitened Hessian, where it is known better than from `hessian` and `scale`.
    free : (P,) bool or None
        Which parameters were free; None where all were.
    integrated : bool
        Whether the likelihood is integrated exactly, in place of the approximation asked for.
    one_step : bool
        Whether this is where one Newton step from another fit has led, and no optimum.
    on_tail : bool
        Whether the search has stopped on its way to a limit of some part.
    """

    psi: FloatArray
    evaluation: Evaluation
    scale: FloatArray
    gradient: float
    hessian: FloatArray | None
    smallest_eigenvalue: float
    evaluations: int
    flat: int = 0
    curvature: FloatArray | None = None
    free: BoolArray | None = None
    integrated: bool = False
    one_step: bool = False
    on_tail: bool = False

    @property
    def searched(self) -> FloatArray:
        """Scale of the directions that were searched, (P, P'): S without its `flat` columns."""
        return self.scale[:, : self.scale.shape[1] - self.flat]

    def whitened_hessian(self) -> FloatArray | None:
        """Hessian in the directions searched, ``S' H S``, (P', P'); None if there is none."""
        if self.curvature is not None or self.hessian is None:
            return self.curvature
        out: FloatArray = self.searched.T @ self.hessian @ self.searched
        return out

    @cached_property
    def axes(self) -> tuple[FloatArray, FloatArray] | None:
        """Eigenvalues, (P',), and axes, (P', P'), of `whitened_hessian`; None if there is none."""
        whitened = self.whitened_hessian()
        if whitened is None:
            return None
        values, vectors = np.linalg.eigh(whitened)
        return values, vectors


Leaves = Callable[[Evaluation | None, Evaluation, FloatArray], bool]
"""Whether all that is left of a search is a tail: where it was and is, and in which scale.

It was nowhere if it is at rest.
"""


@dataclass(eq=False)
class _Whitened:
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
    leaves: Leaves | None = None
    left: bool = False
    hessian: FloatArray | None = field(default=None, repr=False)
    last: Evaluation | None = field(default=None, repr=False)

    def psi(self, z: FloatArray) -> FloatArray:
        """``psi_0 + S z``."""
        return self.origin + self.scale @ z

    def __call__(self, z: FloatArray) -> tuple[Evaluation, FloatArray]:
        """The evaluation at z, and its gradient there, ``dD / dz = S' g``."""
        evaluation = self.objective(self.psi(z), self.last)
        self.count += 1
        if evaluation.mode is not None:
            self.last = evaluation
        self.lost += not math.isfinite(evaluation.deviance)
        return evaluation, self.scale.T @ evaluation.gradient


def minimise(
    objective: Objective,
    start: FloatArray,
    scale: FloatArray,
    *,
    first: Evaluation | None = None,
    hessian: bool = True,
    rows: int = 0,
    known: Optimum | None = None,
    free: BoolArray | None = None,
    rounding: float = 0.0,
    exact: Hessian | None = None,
    tolerance: float | None = None,
    leaves: Leaves | None = None,
) -> Optimum:
    """Minimise a deviance.

    Parameters
    ----------
    objective : callable
        ``objective(psi, nearby)`` evaluates at psi, warm-started from `nearby`.
    start : (P,)
    scale : (P, P)
        Whitening: ``psi = start + scale z``.
    first : Evaluation, optional
        At the start, where it is known.
    hessian : bool
        Whether to compute the Hessian, check the curvature and polish with it.
    rows : int
        Number of rows behind the deviance; many allow cheaper differences.
    known : Optimum, optional
        Found before: the search ends where it has come into its neighbourhood.
    free : (P,) bool, optional
        Parameters over which to minimise; the others stay as they are at the start.
    rounding : float
        What the deviance is known to.
    exact : callable, optional
        The Hessian; differences tell it otherwise.
    tolerance : float, optional
        Whitened gradient at which a search without Hessian ends.
    leaves : callable, optional
        ``leaves(before, evaluation, scale)`` says where the search may stop on its way to a limit.

    Returns
    -------
    Optimum
        Its evaluation has an infinite deviance if the start has none.
    """
    if free is not None:
        scale = restrict_scale(scale, free)
    search = _Whitened(
        objective, start, scale, rounding, last=first, known=known, exact=exact, leaves=leaves
    )
    z = np.zeros(scale.shape[1])
    evaluation, gradient = search(z) if first is None else (first, scale.T @ first.gradient)
    if not math.isfinite(evaluation.deviance):
        return Optimum(start, evaluation, scale, np.nan, None, np.nan, search.count, free=free)
    if not z.size:
        none = np.zeros((start.size,) * 2)
        return Optimum(start, evaluation, scale, 0.0, none, np.inf, search.count, free=free)
    many = rows >= _MANY_ROWS
    end = _EARLY_TOLERANCE if many else _SEARCH_TOLERANCE
    if not hessian:
        end = REFIT_TOLERANCE if tolerance is None else tolerance
    z, evaluation, gradient = _search(search, z, evaluation, gradient, end)
    if leaves is not None and _largest(gradient) < end:
        search.left |= leaves(None, evaluation, scale)
    if not hessian or search.left:
        return Optimum(
            psi=search.psi(z),
            evaluation=evaluation,
            scale=scale,
            gradient=_largest(gradient),
            hessian=None,
            smallest_eigenvalue=np.nan,
            evaluations=search.count,
            free=free,
            on_tail=search.left,
        )
    search.leaves = None
    for _ in range(_MAX_RESTARTS):
        curvature = _curvature(search, z, evaluation, one_sided=many)
        values, vectors = np.linalg.eigh(curvature)
        if values[0] > -_FLAT or search.poles > _MAX_POLES:
            break
        escaped = _escape(search, z, evaluation, vectors[:, 0])
        if escaped is None:
            break
        z, evaluation, gradient = _search(search, *escaped, end)
    z, evaluation, gradient = _polish(search, z, evaluation, gradient, values, vectors)
    if -_FLAT < values[0] < RUNAWAY and _largest(gradient) > _TOLERANCE:
        # A parameter runs to a limit, where the deviance falls exponentially, or a correlation
        # is lost with its variances: follow it.
        metric = (vectors / np.maximum(values, _FLAT)) @ vectors.T
        z, evaluation, gradient = _search(search, z, evaluation, gradient, _LIMIT, metric)
        curvature = _curvature(search, z, evaluation, one_sided=False)
        values = np.linalg.eigvalsh(curvature)
    return Optimum(
        psi=search.psi(z),
        evaluation=evaluation,
        scale=scale,
        gradient=_largest(gradient),
        hessian=_unwhiten(search, curvature, free),
        smallest_eigenvalue=float(values[0]),
        evaluations=search.count,
        free=free,
        on_tail=leaves is not None and leaves(None, evaluation, scale),
    )


def restrict_scale(scale: FloatArray, free: BoolArray) -> FloatArray:
    """Whitening of some parameters, the others held, (P, f), from that of all, (P, P).

    ``S'HS = I`` gives ``H = B'B`` with ``B = S^-1``. By ``B_f = QR`` the block of the free ones
    is ``R'R``, which ``R^-1`` whitens.
    """
    out = np.zeros((free.size, int(free.sum())))
    triangle = np.linalg.qr(np.linalg.inv(scale)[:, free], mode="r")
    out[free] = np.linalg.inv(triangle)
    return out


def _unwhiten(search: _Whitened, curvature: FloatArray, free: BoolArray | None) -> FloatArray:
    """Hessian in the parameters, (P, P), from the whitened one, where it is not known itself.

    ``H = S^-T C S^-1`` of ``C = S' H S``.
    """
    if search.hessian is not None and free is None:
        return search.hessian
    scale = search.scale
    searched = np.ones(scale.shape[0], dtype=np.bool_) if free is None else free
    back = np.linalg.inv(scale[searched])
    out = np.zeros((searched.size, searched.size))
    out[np.ix_(searched, searched)] = _finite(back.T @ curvature @ back)
    return out


def is_near(psi: FloatArray, evaluation: Evaluation, known: Optimum) -> bool:
    """Whether the deviance here is that of a neighbour of a known optimum, by its curvature."""
    if known.hessian is None or abs(evaluation.deviance - known.evaluation.deviance) > _NEIGHBOUR:
        return False
    change = psi - known.psi
    return 0.5 * float(change @ known.hessian @ change) < _NEIGHBOUR


def _largest(gradient: FloatArray) -> float:
    return float(np.abs(gradient).max(initial=0.0))


def _search(
    search: _Whitened,
    z: FloatArray,
    evaluation: Evaluation,
    gradient: FloatArray,
    tolerance: float,
    metric: FloatArray | None = None,
) -> tuple[FloatArray, Evaluation, FloatArray]:
    """BFGS with backtracking; the inverse Hessian B starts as `metric`, or the identity.

    Steps are ``-t B g``, no longer than three times the step before or three standard errors; B
    is updated after each, and begins anew where no t lowers the deviance.
    """
    inverse, reach = np.eye(z.size) if metric is None else metric, np.inf
    most = search.count + _EVALUATIONS + _EVALUATIONS_EACH * z.size
    least, idle = np.inf, 0
    for _ in range(_MAX_ITERATIONS):
        if _largest(gradient) < tolerance or search.count > most:
            break
        if search.poles > _MAX_POLES or search.lost > _MAX_LOST:
            break
        if search.known is not None and is_near(search.psi(z), evaluation, search.known):
            break
        direction = _bounded(-inverse @ gradient, reach)
        blind = -float(gradient @ direction) < search.rounding
        idle = idle + 1 if blind and _largest(gradient) > 0.5 * least else 0
        least = min(least, _largest(gradient))
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


def _length(step: FloatArray) -> float:
    return math.sqrt(float(step @ step))


def _bounded(direction: FloatArray, reach: float) -> FloatArray:
    length = _length(direction)
    return direction if length <= reach else direction * (reach / length)


def _backtrack(
    search: _Whitened,
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
    slope = float(gradient @ direction)
    # Below this, differences of the deviance are rounding: trust the gradient instead.
    noise = max(1e-11 * (1.0 + abs(evaluation.deviance)), search.rounding)
    length = 1.0
    for _ in range(_MAX_HALVINGS):
        trial = z + length * direction
        after, after_gradient = search(trial)
        bound = evaluation.deviance + _SUFFICIENT * length * slope + noise
        near_pole = after.spread > max(POLE, evaluation.spread)
        if near_pole:
            search.last = evaluation
            search.poles += 1
        elif after.deviance <= bound:
            return trial, after, after_gradient
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
    sy = float(s @ y)
    if sy <= 1e-10 * math.sqrt(float(s @ s) * float(y @ y)):
        return inverse
    left = inverse @ y
    half = s[:, None] * ((0.5 * (1.0 + float(y @ left) / sy) * s - left) / sy)
    out: FloatArray = inverse + (half + half.T)
    return out


def _curvature(
    search: _Whitened, z: FloatArray, evaluation: Evaluation, *, one_sided: bool
) -> FloatArray:
    """Whitened Hessian; by differences of the exact gradient where it is not known.

    Its column j is ``(g(z + h e_j) - g(z - h e_j)) / 2h``, or ``(g(z + h e_j) - g(z)) / h`` to one
    side, and then it is averaged with its transpose.
    """
    if search.exact is not None:
        search.hessian = _finite(search.exact(evaluation))
        return _finite(search.scale.T @ search.hessian @ search.scale)
    here = search.scale.T @ evaluation.gradient
    length = _ONE_SIDED if one_sided else _DIFFERENCE
    columns = []
    for step in length * np.eye(z.size):
        search.last = evaluation
        ahead = search(z + step)[1]
        if one_sided:
            columns.append((ahead - here) / length)
            continue
        search.last = evaluation
        behind = search(z - step)[1]
        columns.append((ahead - behind) / (2.0 * length))
    search.last = evaluation
    raw = _finite(np.column_stack(columns))
    return 0.5 * (raw + raw.T)


def _finite(curvature: FloatArray) -> FloatArray:
    """The same curvature.

    Raises
    ------
    ConvergenceError
        If some of it is not finite.
    """
    if not np.isfinite(curvature).all():
        raise ConvergenceError(explain_wall())
    return curvature


def explain_wall() -> str:
    """Where a search has ended at which the likelihood cannot be computed."""
    return (
        "the likelihood is not finite next to where the search ended: a parameter has run to the "
        "edge of what the family or its link allows. Leave out a dispersion, an inflation or a "
        "random effect that the data do not show, divide responses or weights that are extremely "
        "large, or try another link"
    )


def differentiate_gradient(
    objective: Objective, psi: FloatArray, scale: FloatArray, evaluation: Evaluation
) -> FloatArray:
    """Hessian of the deviance at psi, (P, P): ``S^-T C S^-1``.

    C has central differences of the gradient, ``S' (g(psi + h s_j) - g(psi - h s_j)) / 2h`` for
    the column s_j of the scale S.
    """
    search = _Whitened(objective, psi, scale)
    curvature = _curvature(search, np.zeros(psi.size), evaluation, one_sided=False)
    return _unwhiten(search, curvature, None)


def _escape(
    search: _Whitened, z: FloatArray, evaluation: Evaluation, direction: FloatArray
) -> tuple[FloatArray, Evaluation, FloatArray] | None:
    """Step down a direction v of negative curvature, ``z + t v`` for t of 1, -1, 0.1 or -0.1."""
    for length in (1.0, -1.0, 0.1, -0.1):
        trial = z + length * direction
        after, gradient = search(trial)
        if after.deviance < evaluation.deviance - max(1e-9, search.rounding):
            return trial, after, gradient
    return None


def _polish(
    search: _Whitened,
    z: FloatArray,
    evaluation: Evaluation,
    gradient: FloatArray,
    values: FloatArray,
    vectors: FloatArray,
) -> tuple[FloatArray, Evaluation, FloatArray]:
    """Newton steps with a fixed Hessian until the gradient no longer falls, or the deviance rises.

    ``-sum v_j v_j' g / c_j`` over the eigenvalues c_j that are not rounding.
    """
    safe = np.where(values > _FLAT, values, np.inf)
    for _ in range(_MAX_POLISH):
        if _largest(gradient) < _TOLERANCE:
            break
        step = -vectors @ ((vectors.T @ gradient) / safe)
        after, after_gradient = search(z + step)
        risen = after.deviance - evaluation.deviance > max(_RISEN, search.rounding)
        if risen or not _largest(after_gradient) < _largest(gradient):
            break
        z, evaluation, gradient = z + step, after, after_gradient
    return z, evaluation, gradient
