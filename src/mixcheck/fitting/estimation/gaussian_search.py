"""The search for the covariance parameters of a linear mixed model.

With one grouping factor Fisher's scoring in the covariances, then Newton's method; with several,
BFGS from the average information, and Newton's method with a Hessian by differences at its end.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.fitting.estimation.gaussian_ends import (
    NothingLeft,
    explain_nothing_left,
    is_next_to_nothing,
    is_steep,
    reproduces,
    reproduces_anything,
)
from mixcheck.fitting.estimation.gaussian_start import (
    least_deviations,
    restart,
    start_by_moments,
    start_by_scoring,
)
from mixcheck.fitting.estimation.pivoted_cholesky import Chart, entries_of, is_correlated
from mixcheck.fitting.estimation.quasi_newton import update_inverse
from mixcheck.fitting.likelihood.problem import Problem
from mixcheck.fitting.likelihood.profiled_deviance import (
    Entries,
    Profile,
    ProfiledDeviance,
    newton_step,
)
from mixcheck.fitting.likelihood.profiled_jointly import (
    average_information,
    evaluate_jointly,
)
from mixcheck.fitting.likelihood.profiled_levels import Levels, evaluate_levels

__all__ = ["find_optimum"]

# Newton's method stops where the next step promises less, in units of the deviance.
_DECREMENT = 1e-15
# With several factors it takes over here, and a Hessian from there is that at the optimum.
_NEAR = 1e-13
_CLOSE = 1e-11
_MAX_STEPS = 200
_MAX_HALVINGS = 40
_MAX_ESCAPES = 5
_MAX_POLISH = 5
# A step moves the largest entry of Lambda by this many times its size, or the size of the
# residual deviation, at most.
_GROWTH = 4.0
_SUFFICIENT = 1e-4
# Negative curvature, per unit of the scaled Hessian, that is not rounding.
_NEGATIVE = -1e-7
# An entry of Lambda below this is tried at zero.
_TINY = 1e-4
# Residuals of this many times the rounding of the response are nothing.
_ROUNDING = 8.0
# Shares of the sum of squares below which the search has no digits left, for several effects
# of a level and for several factors.
_LOST_VECTOR = 1e-15
_LOST_SEVERAL = 1e-11
# Where random effects leave nothing over, the search begins again from deviations of this size,
# relative to the residual one, and from this share of those of the moments.
_SMALL = 0.3
_SHARE = 0.1
# Another optimum is better than the limit by more than this, in units of the deviance.
_BETTER = 1e-3
# Step of the differences of the gradient, in standard errors, over two pairs of points; over one
# where random effects are many, so that the deviance is all but quadratic within a few steps.
_STEP = 0.01
_STENCIL = ((1.0, 2.0 / 3.0), (2.0, -1.0 / 12.0))
_ONE_PAIR = ((1.0, 0.5),)
_MANY_EFFECTS = 1_000


@dataclass(frozen=True, eq=False)
class Search:
    """A deviance to be minimised.

    Attributes
    ----------
    deviance : ProfiledDeviance
    evaluate : callable
        Gives the profile at entries and theta.
    chart : Chart
    """

    deviance: ProfiledDeviance
    evaluate: Callable[[Entries, FloatArray], Profile]
    chart: Chart


def find_optimum(
    problem: Problem, deviance: ProfiledDeviance, previous: FloatArray | None
) -> tuple[Profile, int]:
    """Minimise the profiled deviance.

    Parameters
    ----------
    problem : Problem
    deviance : ProfiledDeviance
    previous : (P,) or None
        Estimates to start from.

    Returns
    -------
    Profile
        With its Hessian.
    int
        Number of evaluations.

    Raises
    ------
    ConvergenceError
        If the random effects leave nothing over, and no other optimum is better.
    """
    least = [least_deviations(w) for w in deviance.products.diagonals]
    if previous is None:
        roots = start_by_moments(deviance, least)
    else:
        roots = restart(problem, deviance, previous, least)
    levels, chart = Levels(deviance), Chart(problem.terms)
    search = Search(deviance, _evaluator(levels), chart)
    go = _search_jointly if len(deviance.sizes) > 1 else _search
    if not roots:
        return go(search, roots)
    scored = 0
    try:
        starts = roots
        if len(roots) == 1:
            root, scored = start_by_scoring(levels, chart, roots[0], least[0])
            starts = [root]
        found, count = go(search, starts)
        if not (is_next_to_nothing(deviance, found) and reproduces(deviance)):
            return found, count + scored
        end, count = found, count + scored
    except NothingLeft as stopped:
        end, count = stopped.profile, scored
    other, used = _with_residuals(search, go, roots, end)
    if other is None:
        raise explain_nothing_left(problem, deviance)
    return other, count + used


def _with_residuals(
    search: Search,
    go: Callable[[Search, list[FloatArray]], tuple[Profile, int]],
    roots: list[FloatArray],
    end: Profile,
) -> tuple[Profile | None, int]:
    """An optimum with a residual variance that is better than the limit without one, if any.

    With nearly as many levels as rows the likelihood may be finite at either place, or have no
    bound where a covariance is turned towards the response: then the largest local maximum. Random
    slopes in the response itself leave nothing over, however large their variance, and have none.
    """
    best, count = None, 0
    if not (math.isfinite(end.deviance) and reproduces_anything(search.deviance)):
        return None, 0
    bound = math.inf if is_steep(end) else end.deviance - _BETTER
    for start in ([_SHARE * root for root in roots], [_SMALL * np.eye(len(r)) for r in roots]):
        try:
            found, used = go(search, start)
        except NothingLeft:
            continue
        count += used
        if found.deviance < bound and not is_next_to_nothing(search.deviance, found):
            best, bound = found, found.deviance
    return best, count


def _evaluator(levels: Levels) -> Callable[[Entries, FloatArray], Profile]:
    deviance = levels.deviance
    sizes = deviance.sizes

    def evaluate(entries: Entries, theta: FloatArray) -> Profile:
        roots = entries.roots(theta, sizes)
        if len(roots) == 1:
            return evaluate_levels(levels, entries, theta, roots)
        if not roots:
            return _evaluate_alone(deviance, entries, theta)
        return evaluate_jointly(deviance, entries, theta, roots)

    return evaluate


def _evaluate_alone(at: ProfiledDeviance, entries: Entries, theta: FloatArray) -> Profile:
    """Without random effects: least squares."""
    square, none = at.products.weights.total, np.zeros((0, 0))
    return Profile(
        entries=entries,
        theta=theta,
        deviance=at.profile(square, 0.0),
        gradient=theta,
        hessian=none,
        roots=[],
        coefficients=np.zeros(at.p),
        square=square,
        information=np.eye(at.p),
        scores=[],
    )


def _search(search: Search, roots: list[FloatArray]) -> tuple[Profile, int]:
    """Newton's method with the curvature turned positive, off every saddle."""
    here, count = _first(search, roots)
    for _ in range(_MAX_ESCAPES):
        here, used = _descend(search, here)
        away = _escape(search, here)
        count += used
        if away is None:
            break
        here = away
    return _zero_tiny_pivots(search, here), count


def _first(search: Search, roots: list[FloatArray]) -> tuple[Profile, int]:
    """The profile at a start, or nearer to no random effects where it is not finite."""
    for count in range(1, _MAX_HALVINGS):
        here = search.evaluate(*search.chart.at(roots))
        if math.isfinite(here.deviance):
            return here, count
        roots = [0.3 * root for root in roots]
    raise NothingLeft(here)


def _floor(deviance: ProfiledDeviance) -> float:
    """``r^2`` below which the residuals are rounding, or are lost in that of the search."""
    rounding = (_ROUNDING * deviance.moments.noise) ** 2
    sizes = deviance.sizes
    lost = _LOST_SEVERAL if len(sizes) > 1 else _LOST_VECTOR if sizes and sizes[0] > 1 else 0.0
    return max(rounding, lost) * deviance.products.weights.total


def _descend(search: Search, here: Profile) -> tuple[Profile, int]:
    count, floor = 0, _floor(search.deviance)
    for _ in range(_MAX_STEPS if here.theta.size else 0):
        if not search.chart.fits(here.theta):
            here, count = search.evaluate(*search.chart.at(here.roots)), count + 1
        step, decrement = here.newton
        if decrement < _DECREMENT:
            break
        after, used = _advance(search, here, step)
        count += used
        if after is None:
            break
        here = after
        if here.square < floor:
            raise NothingLeft(here)
    return here, count


def _advance(search: Search, here: Profile, step: FloatArray) -> tuple[Profile | None, int]:
    reach = _GROWTH * max(float(np.abs(here.theta).max()), 1.0)
    longest = float(np.abs(step).max())
    if longest > reach:
        step = step * (reach / longest)
    slope = float(here.gradient @ step)
    total = search.deviance.products.weights.total
    noise = 1e-13 * (total + abs(here.deviance))
    if len(here.roots) > 1:
        # The condition of the whole system goes with what the effects explain.
        noise += 1e-15 * total / here.square
    length = 1.0
    for count in range(1, _MAX_HALVINGS):
        after = search.evaluate(here.entries, here.theta + length * step)
        if after.deviance <= here.deviance + _SUFFICIENT * length * slope:
            return after, count
        if after.deviance <= here.deviance + noise:
            # The rest is rounding: go on only as long as the gradient falls.
            smaller = np.abs(after.gradient).max() < np.abs(here.gradient).max()
            return (after if smaller else None), count
        if math.isfinite(after.deviance):
            excess = after.deviance - here.deviance - length * slope
            length *= min(0.5, max(0.1, -0.5 * length * slope / excess))
        else:
            length *= 0.25
    return None, count


def _escape(search: Search, here: Profile) -> Profile | None:
    """A better point beside a saddle, or off a face that is not the optimum."""
    if here.least_curvature > 0.0:
        return None
    assert here.hessian is not None
    values, vectors = np.linalg.eigh(here.hessian)
    if values[0] < _NEGATIVE * max(values[-1], 1.0):
        for length in (0.3, -0.3, 0.03, -0.03):
            after = search.evaluate(here.entries, here.theta + length * vectors[:, 0])
            if after.deviance < here.deviance - 1e-9:
                return after
    return None


def _zero_tiny_pivots(search: Search, here: Profile) -> Profile:
    """The same with tiny entries of the diagonal of Lambda at zero, where that is as good.

    Rows behind the last pivot, which have no variance of their own, keep the order of the
    effects: a triangular Lambda in that order is then as smooth there.
    """
    found = here.theta.tolist()
    diagonals = [found[t.theta.start + k] for t in search.chart.terms for k in t.covariance.even]
    if all(abs(value) >= _TINY for value in diagonals):
        return here
    rows, theta = here.entries.rows.copy(), here.theta.copy()
    for term in search.chart.terms:
        local = entries_of(term)
        diagonal = local[0] == local[1]
        own = theta[term.theta]
        own[diagonal & (np.abs(own) < _TINY)] = 0.0
        rank = int(np.count_nonzero(own[diagonal])) if is_correlated(term) else len(own)
        if rank == 0:
            own[:] = 0.0
        if is_correlated(term) and rank < term.covariance.q:
            order = rows[term.theta][diagonal]
            last = np.argsort(order[rank:])
            order = np.concatenate([np.arange(rank), rank + last])
            lower = term.covariance.root(own)[order]
            own[:] = lower[local[0], local[1]]
            rows[term.theta] = rows[term.theta][diagonal][order][local[0]]
        theta[term.theta] = own
    if np.array_equal(rows, here.entries.rows) and np.array_equal(theta, here.theta):
        return here
    after = search.evaluate(replace(here.entries, rows=rows), theta)
    return after if after.deviance <= here.deviance + 1e-12 * abs(here.deviance) else here


def _search_jointly(search: Search, roots: list[FloatArray]) -> tuple[Profile, int]:
    """BFGS, whitened by the average information; then the curvature."""
    here, count = _first(search, roots)
    for _ in range(_MAX_ESCAPES):
        for _ in range(_MAX_ESCAPES):
            here, used = _descend_jointly(search, here)
            count += used
            if search.chart.fits(here.theta):
                break
            here = search.evaluate(*search.chart.at(here.roots))
        here = _zero_tiny_pivots(search, here)
        here, used = _newton_jointly(search, here)
        count += used
        away = _escape(search, here)
        if away is None:
            break
        here = away
    return here, count


def _newton_jointly(search: Search, here: Profile) -> tuple[Profile, int]:
    """Newton's method with the Hessian by differences, until that is the one at the optimum."""
    count = 0
    for _ in range(_MAX_POLISH):
        hessian = _differentiate(search, here, _scale(search.deviance, here))
        count += 2 * len(_stencil(search)) * here.theta.size
        before = newton_step(here.gradient, hessian)[1]
        here, used = _polish(search, replace(here, hessian=hessian), hessian)
        count += used
        if before < _CLOSE or (hessian.size and np.linalg.eigvalsh(hessian)[0] < 0.0):
            break
    return here, count


def _polish(search: Search, here: Profile, hessian: FloatArray) -> tuple[Profile, int]:
    """Newton steps with one Hessian, as long as they bring the gradient down."""
    count = 0
    while count < _MAX_POLISH:
        step, decrement = newton_step(here.gradient, hessian)
        if decrement < _DECREMENT:
            break
        after, count = search.evaluate(here.entries, here.theta + step), count + 1
        if not newton_step(after.gradient, hessian)[1] < decrement:
            break
        here = replace(after, hessian=hessian)
    return here, count


def _descend_jointly(search: Search, here: Profile) -> tuple[Profile, int]:
    """BFGS from the average information, to where Newton's method converges at once."""
    scale, floor = _scale(search.deviance, here), _floor(search.deviance)
    metric = scale @ scale.T
    inverse, count = metric, 0
    for _ in range(_MAX_STEPS):
        step = -(inverse @ here.gradient)
        if -float(here.gradient @ step) < _NEAR:
            break
        after, used = _advance(search, here, step)
        count += used
        if after is None:
            if inverse is metric:
                break
            inverse = metric
            continue
        if after.square < floor:
            raise NothingLeft(after)
        inverse = update_inverse(inverse, after.theta - here.theta, after.gradient - here.gradient)
        here = after
    return here, count


def _scale(deviance: ProfiledDeviance, here: Profile) -> FloatArray:
    """Scale of theta in standard errors, about; that of an entry at zero is finite too.

    Across a boundary the deviance is of the fourth order, ``L^4 sum B^2``.
    """
    information = average_information(deviance, here)
    diagonals = deviance.products.diagonals
    for s, (f, a) in enumerate(zip(here.entries.factors, here.entries.rows, strict=True)):
        w = diagonals[f][a]
        shrunk = w / (1.0 + w * float(here.roots[f][a] @ here.roots[f][a]))
        information[s, s] = max(information[s, s], math.sqrt(2.0 * float(shrunk @ shrunk)))
    return _inverse_root(information)


def _inverse_root(matrix: FloatArray) -> FloatArray:
    """R with ``R R'`` the inverse, directions without curvature at a moderate length."""
    deviations = np.sqrt(
        np.maximum(matrix.diagonal(), 1e-12 * max(matrix.diagonal().max(), 1e-300))
    )
    values, vectors = np.linalg.eigh(matrix / np.outer(deviations, deviations))
    root: FloatArray = vectors / np.sqrt(np.maximum(values, 1e-4)) / deviations[:, None]
    return root


def _stencil(search: Search) -> tuple[tuple[float, float], ...]:
    """Lengths and weights of differences."""
    many = search.deviance.products.latent.size >= _MANY_EFFECTS
    return _ONE_PAIR if many else _STENCIL


def _differentiate(search: Search, here: Profile, scale: FloatArray) -> FloatArray:
    """Hessian ``G S^-1``, symmetrised, by differences along whitened axes, the columns of S.

    ``G_j = sum_k w_k (g(theta + k h S_j) - g(theta - k h S_j)) / h``, whose error is ``h^4`` with
    two pairs of points and ``h^2`` with one.
    """
    columns = []
    for direction in scale.T:
        total = np.zeros_like(here.theta)
        for factor, weight in _stencil(search):
            ahead, behind = (
                search.evaluate(
                    here.entries, here.theta + side * factor * _STEP * direction
                ).gradient
                for side in (1.0, -1.0)
            )
            total += weight * (ahead - behind) / _STEP
        columns.append(total)
    slopes = np.column_stack(columns) @ np.linalg.inv(scale)
    out: FloatArray = 0.5 * (slopes + slopes.T)
    return out
