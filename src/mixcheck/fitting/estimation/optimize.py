"""Outer optimisation: quasi-Newton on whitened parameters, then Newton's method.

A covariance parameter at zero is a symmetric stationary point, so a zero gradient there
proves nothing: the curvature across the face decides, and the search restarts along any
direction of negative curvature.
"""

from __future__ import annotations

import math

import numpy as np

from mixcheck.arrays import BoolArray, FloatArray
from mixcheck.errors import ConvergenceError
from mixcheck.fitting.estimation.optimum import RUNAWAY, Optimum
from mixcheck.fitting.estimation.quasi_newton import MAX_POLES, Leaves, Whitened, descend, largest
from mixcheck.fitting.likelihood.objective import Evaluation, Hessian, Objective, RoughObjective

__all__ = [
    "REFIT_TOLERANCE",
    "differentiate_gradient",
    "explain_wall",
    "minimise",
    "restrict_scale",
]

# Gradients are in units of deviance per standard error (whitened coordinates).
_SEARCH_TOLERANCE = 1e-4
_TOLERANCE = 1e-7
REFIT_TOLERANCE = 1e-6
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
# A last step of fewer standard errors changes them by no more than about ten times this share.
_MOVED = 1e-6
# Rows times parameters up to which the Hessian by its formula is cheap.
_CHEAP = 10_000
# Eigenvalues of the whitened Hessian below this are not curvature at all.
_FLAT = 1e-6
_LIMIT = 1e-9


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
    formula: bool = True,
    rough: RoughObjective | None = None,
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
    formula : bool
        Whether that costs no evaluations of the objective, and may lead far.
    rough : callable, optional
        The objective, with modes that are as near as they have to be.
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
    search = Whitened(
        objective,
        start,
        scale,
        rounding,
        known=known,
        exact=exact,
        rough=rough,
        leaves=leaves,
        last=first,
    )
    z = np.zeros(scale.shape[1])
    evaluation, gradient = search(z, np.inf) if first is None else (first, scale.T @ first.gradient)
    if not math.isfinite(evaluation.deviance):
        return Optimum(start, evaluation, scale, np.nan, None, np.nan, search.count, free=free)
    if not z.size:
        none = np.zeros((start.size,) * 2)
        return Optimum(start, evaluation, scale, 0.0, none, np.inf, search.count, free=free)
    many = rows >= _MANY_ROWS
    # Of few rows and parameters the Hessian costs as much as a step, and saves two or three.
    once = exact is not None and formula and rows * z.size <= _CHEAP
    # With it the last step is that of the polish, and standard errors are those of the end.
    end = REFIT_TOLERANCE if once else _EARLY_TOLERANCE if many else _SEARCH_TOLERANCE
    if not hessian:
        end = REFIT_TOLERANCE if tolerance is None else tolerance
    z, evaluation, gradient = _descend(search, z, evaluation, gradient, end, once=once)
    if leaves is not None and largest(gradient) < end:
        search.left |= leaves(None, evaluation, scale)
    if not hessian or search.left:
        return Optimum(
            psi=search.psi(z),
            evaluation=evaluation,
            scale=scale,
            gradient=largest(gradient),
            hessian=None,
            smallest_eigenvalue=np.nan,
            evaluations=search.count,
            free=free,
            on_tail=search.left,
        )
    search.leaves = None
    there, bend = _leave_saddles(search, (z, evaluation, gradient), end, one_sided=many)
    z, evaluation, gradient = _polish(search, *there, *bend[1:])
    curvature, values, vectors = _bend_at(search, z, evaluation, there[0], bend) if once else bend
    if -_FLAT < values[0] < RUNAWAY and largest(gradient) > _TOLERANCE:
        metric = (vectors / np.maximum(values, _FLAT)) @ vectors.T
        z, evaluation, gradient = _follow(search, z, evaluation, gradient, metric)
        curvature = _curvature(search, z, evaluation, one_sided=False)
        values, _ = np.linalg.eigh(curvature)
    return Optimum(
        psi=search.psi(z),
        evaluation=evaluation,
        scale=scale,
        gradient=largest(gradient),
        hessian=_unwhiten(search, curvature, free),
        smallest_eigenvalue=float(values[0]),
        evaluations=search.count,
        free=free,
        on_tail=leaves is not None and leaves(None, evaluation, scale),
    )


def _leave_saddles(
    search: Whitened,
    there: tuple[FloatArray, Evaluation, FloatArray],
    tolerance: float,
    *,
    one_sided: bool,
) -> tuple[tuple[FloatArray, Evaluation, FloatArray], tuple[FloatArray, FloatArray, FloatArray]]:
    """Where no direction is curved down, or none of these leads on.

    With the curvature there, its eigenvalues and its eigenvectors.
    """
    for _ in range(_MAX_RESTARTS):
        curvature = _curvature(search, there[0], there[1], one_sided=one_sided)
        values, vectors = np.linalg.eigh(curvature)
        if values[0] > -_FLAT or search.poles > MAX_POLES:
            break
        escaped = _escape(search, there[0], there[1], vectors[:, 0])
        if escaped is None:
            break
        there = _descend(search, *escaped, tolerance)
    return there, (curvature, values, vectors)


def _bend_at(
    search: Whitened,
    z: FloatArray,
    evaluation: Evaluation,
    before: FloatArray,
    bend: tuple[FloatArray, FloatArray, FloatArray],
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """The curvature with its eigenvalues and eigenvectors; that before, where it is as good."""
    step = z - before
    if float(step.dot(bend[0]).dot(step)) <= _MOVED**2:
        return bend
    curvature = _curvature(search, z, evaluation, one_sided=False)
    values, vectors = np.linalg.eigh(curvature)
    return curvature, values, vectors


def _descend(
    search: Whitened,
    z: FloatArray,
    evaluation: Evaluation,
    gradient: FloatArray,
    tolerance: float,
    metric: FloatArray | None = None,
    *,
    once: bool = False,
) -> tuple[FloatArray, Evaluation, FloatArray]:
    """`descend`, and the modes at its end to rounding, where there are any."""
    z, at, slope = descend(search, z, evaluation, gradient, tolerance, metric, once=once)
    if at.mode is None or not at.mode.left:
        return z, at, slope
    exact = search(z)
    return (z, at, slope) if exact[0].mode is None else (z, *exact)


def _follow(
    search: Whitened,
    z: FloatArray,
    evaluation: Evaluation,
    gradient: FloatArray,
    metric: FloatArray,
) -> tuple[FloatArray, Evaluation, FloatArray]:
    """Follow a parameter to a limit, where the deviance falls exponentially.

    Or a correlation that is lost with its variances. The search is all but at rest: where the
    likelihood ends on the way, there is no more to gain.
    """
    try:
        return _descend(search, z, evaluation, gradient, _LIMIT, metric)
    except ConvergenceError:
        return z, evaluation, gradient


def restrict_scale(scale: FloatArray, free: BoolArray) -> FloatArray:
    """Whitening of some parameters, the others held, (P, f), from that of all, (P, P).

    ``S'HS = I`` gives ``H = B'B`` with ``B = S^-1``. By ``B_f = QR`` the block of the free ones
    is ``R'R``, which ``R^-1`` whitens.
    """
    out = np.zeros((free.size, int(free.sum())))
    triangle = np.linalg.qr(np.linalg.inv(scale)[:, free], mode="r")
    out[free] = np.linalg.inv(triangle)
    return out


def _unwhiten(search: Whitened, curvature: FloatArray, free: BoolArray | None) -> FloatArray:
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


def _curvature(
    search: Whitened, z: FloatArray, evaluation: Evaluation, *, one_sided: bool
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
    objective: Objective,
    psi: FloatArray,
    scale: FloatArray,
    evaluation: Evaluation,
    *,
    rows: int = 0,
) -> FloatArray:
    """Hessian of the deviance at psi, (P, P): ``S^-T C S^-1``.

    C has central differences of the gradient, ``S' (g(psi + h s_j) - g(psi - h s_j)) / 2h`` for
    the column s_j of the scale S; with many `rows` behind the deviance, differences to one side.
    """
    search = Whitened(objective, psi, scale)
    many = rows >= _MANY_ROWS
    curvature = _curvature(search, np.zeros(psi.size), evaluation, one_sided=many)
    return _unwhiten(search, curvature, None)


def _escape(
    search: Whitened, z: FloatArray, evaluation: Evaluation, direction: FloatArray
) -> tuple[FloatArray, Evaluation, FloatArray] | None:
    """Step down a direction v of negative curvature, ``z + t v`` for t of 1, -1, 0.1 or -0.1."""
    for length in (1.0, -1.0, 0.1, -0.1):
        trial = z + length * direction
        after, gradient = search(trial)
        if after.deviance < evaluation.deviance - max(1e-9, search.rounding):
            return trial, after, gradient
    return None


def _polish(
    search: Whitened,
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
        if largest(gradient) < _TOLERANCE:
            break
        step = -vectors @ ((vectors.T @ gradient) / safe)
        after, after_gradient = search(z + step)
        risen = after.deviance - evaluation.deviance > max(_RISEN, search.rounding)
        if risen or not largest(after_gradient) < largest(gradient):
            break
        z, evaluation, gradient = z + step, after, after_gradient
    return z, evaluation, gradient
