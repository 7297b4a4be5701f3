"""The search for the covariance parameters of a linear mixed model.

With one grouping factor Fisher's scoring in the covariances, then Newton's method; with several,
BFGS from the average information, and Newton's method with a Hessian by differences at its end.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from scipy.linalg import lapack

from mixcheck.arrays import BoolArray, FloatArray, IntArray
from mixcheck.errors import ConvergenceError
from mixcheck.fitting.estimation.optimize import update_inverse
from mixcheck.fitting.latent.roots import units_of
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
    least_residual,
)
from mixcheck.fitting.likelihood.profiled_levels import Levels, evaluate_levels, score_levels
from mixcheck.fitting.likelihood.term import Term

__all__ = ["Chart", "above_diagonal", "entries_of", "find_optimum", "newton_step", "to_lower"]

# Newton's method stops where the next step promises less, in units of the deviance.
_DECREMENT = 1e-15
# With several factors it takes over here, and a Hessian from there is that at the optimum.
_NEAR = 1e-13
_CLOSE = 1e-11
_MAX_STEPS = 200
# Fisher's scoring gives way to Newton's method where a step has promised less, and that ends
# where the next step would be rounding.
_SCORED = 1.0
_STEPPED = 1e-7
_MAX_SCORINGS = 6
_MAX_HALVINGS = 40
_MAX_ESCAPES = 5
_MAX_POLISH = 5
# A step moves the largest entry of Lambda by this many times its size, or the size of the
# residual deviation, at most.
_GROWTH = 4.0
_SUFFICIENT = 1e-4
# A starting variance contributes at least this share of the information of a level.
_LEAST_SHRINKAGE = 0.1
# A starting residual variance is at least this share of the whole.
_LEAST_LEFT = 0.01
_TINIEST = 1e-300
# Negative curvature, per unit of the scaled Hessian, that is not rounding.
_NEGATIVE = -1e-7
# A pivot of Lambda is this share of the largest one possible, at least.
_PIVOT = 0.1
# An entry of Lambda below this is tried at zero.
_TINY = 1e-4
# Residuals of this many times the rounding of the response are nothing.
_ROUNDING = 8.0
# Shares of the sum of squares below which the search has no digits left, for several effects
# of a level and for several factors; the solver of least squares reaches the last.
_LOST_VECTOR = 1e-15
_LOST_SEVERAL = 1e-11
_SOLVED = 1e-13
# A share of the sum of squares below which it is asked whether anything need be left at all.
_NEXT_TO_NOTHING = 1e-6
# Step of the differences of the gradient, in standard errors, over two pairs of points.
_STEP = 0.01
_STENCIL = ((1.0, 2.0 / 3.0), (2.0, -1.0 / 12.0))


_EXACT_BY_GROUPS = (
    "the model reproduces the responses exactly with its random effects, so the residual variance "
    "tends to zero and the likelihood is unbounded; leave out the grouping factor within which the "
    "response does not vary, or write a simpler random term"
)


@dataclass(frozen=True, eq=False)
class Chart:
    """Parameters for covariance matrices, chosen where they are needed.

    Where the first variance of a correlated term is zero, a lower-triangular Lambda has a
    circle of equal covariances, on which a search stalls. With the rows in the order of a
    pivoted Cholesky factor what goes to zero is the end of the diagonal, and the deviance is
    smooth there.
    """

    terms: tuple[Term, ...]

    def at(self, roots: list[FloatArray]) -> tuple[Entries, FloatArray]:
        """Entries, and theta with the covariances of any `roots`.

        Of a correlated term theta is L with ``P' S P = L L'``, where ``S = Lambda Lambda'`` and
        P brings its rows into the order of the pivots.
        """
        factors, rows, columns, theta = [], [], [], []
        for term in self.terms:
            before, root = term.columns.start, roots[term.factor][term.columns, term.columns]
            order, triangle = list(range(len(root))), root
            if _correlated(term):
                pivots, triangle = _pivoted(root @ root.T)
                order = pivots.tolist()
            down, along = entries_of(term)
            factors += [term.factor] * len(down)
            rows += [before + order[row] for row in down.tolist()]
            columns += [before + column for column in along.tolist()]
            theta += triangle[down, along].tolist()
        places = (np.array(part, dtype=np.intp) for part in (factors, rows, columns))
        return Entries(*places), np.array(theta)

    def free_of_one(self, q: int) -> IntArray | None:
        """Entries of S of a single factor that some term has, None where these are all."""
        if q == 1 or (len(self.terms) == 1 and _correlated(self.terms[0])):
            return None
        correlated = np.zeros((q, q), dtype=np.bool_)
        for term in self.terms:
            correlated[term.columns, term.columns] |= _correlated(term) | np.eye(
                term.covariance.q, dtype=np.bool_
            )
        return None if correlated.all() else np.flatnonzero(correlated)

    def fits(self, here: Profile) -> bool:
        """Whether no row would be a far better pivot than the one that it stands behind."""
        for term in self.terms:
            if not _correlated(term):
                continue
            q, squares = term.covariance.q, np.square(here.theta[term.theta]).tolist()
            # What the columns from c on give each row; theta has them one after another.
            left, at = [0.0] * q, len(squares)
            for c in reversed(range(q)):
                at -= q - c
                for row in range(c, q):
                    left[row] += squares[at + row - c]
                if left[c] < _PIVOT * max(left[c:]):
                    return False
        return True


def entries_of(term: Term) -> tuple[IntArray, IntArray]:
    """Row and column in Lambda of every parameter of a term."""
    entries = term.covariance.entries
    assert entries is not None  # a problem with another structure has no cross products
    return entries


def _correlated(term: Term) -> bool:
    return term.covariance.unrestricted and term.covariance.q > 1


def _pivoted(S: FloatArray) -> tuple[IntArray, FloatArray]:
    """Order of the rows, and lower-triangular L with ``L L' = S`` in that order.

    Of a matrix that is not positive it is a part that is.
    """
    lower, order, rank, _ = lapack.dpstrf(S, lower=1)
    lower[above_diagonal(len(S))] = 0.0
    lower[:, rank:] = 0.0
    return order - 1, lower


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
        If the random effects leave nothing over.
    """
    least = [_least(w) for w in deviance.products.diagonals]
    if previous is None:
        roots = _start(deviance, least)
    else:
        roots = _restart(problem, deviance, previous, least)
    levels, chart = Levels(deviance), Chart(problem.terms)
    search = Search(deviance, _evaluator(levels), chart)
    if len(deviance.sizes) > 1:
        found, count = _search_jointly(search, roots)
    elif not roots:
        return _search(search, roots)
    else:
        root, scored = _start_by_scoring(levels, chart, roots[0], least[0])
        found, count = _search(search, [root])
        count += scored
    _require_residuals(deviance, found)
    return found, count


def _require_residuals(deviance: ProfiledDeviance, found: Profile) -> None:
    """Refuse an end on the way to no residual variance, where there is nothing to stop it.

    Random slopes in the response itself leave nothing over, however large their variance: the
    deviance falls without bound, and where a search stops on its way is an accident of rounding.
    """
    if found.square > _NEXT_TO_NOTHING * deviance.products.weights.total:
        return
    if least_residual(deviance) <= max(_ROUNDING * deviance.moments.noise, _SOLVED):
        raise ConvergenceError(_EXACT_BY_GROUPS)


def _start_by_scoring(
    levels: Levels, chart: Chart, root: FloatArray, least: FloatArray
) -> tuple[FloatArray, int]:
    """Lambda by Fisher's scoring and then Newton's method in S, made positive after each step.

    Both have few steps to go where the optimum is inside: the search from their end looks once.
    """
    free, promise, count = chart.free_of_one(len(root)), math.inf, 0
    while count < _MAX_SCORINGS:
        before, count = promise, count + 1
        scored = score_levels(levels, root, free, observed=before < _SCORED)
        if scored is None:
            break
        S, promise = scored
        if promise > before:
            break
        root = _positive_root(S, least)
        if promise < _STEPPED:
            break
    return root, count


def _positive_root(S: FloatArray, least: FloatArray) -> FloatArray:
    """R with ``R R' = S`` of a matrix that need not be positive.

    Where a pivot of the factorisation is below that of `least`, it takes its value. Rows and
    columns are in the order of those of S, so that blocks stay blocks.
    """
    lower, info = lapack.dpotrf(S, lower=1, clean=1)
    if info == 0 and (lower.diagonal() >= least).all():
        return np.asarray(lower)
    order, lower = _pivoted(S)
    lower.flat[:: len(S) + 1] = np.maximum(lower.diagonal(), least[order])
    root = np.empty_like(lower)
    root[order[:, None], order] = lower
    return root


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


@lru_cache(maxsize=32)
def above_diagonal(q: int) -> BoolArray:
    """Where a (q, q) matrix is above its diagonal."""
    out = ~np.tri(q, dtype=np.bool_)
    out.flags.writeable = False
    return out


def to_lower(root: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Lower-triangular L and orthogonal O with ``M O = L``; the diagonal of L not negative."""
    if not root[above_diagonal(len(root))].any():
        signs = np.where(root.diagonal() < 0.0, -1.0, 1.0)
        return root * signs + 0.0, _diagonal(signs)
    turned, upper = np.linalg.qr(root.T)
    signs = np.where(upper.diagonal() < 0.0, -1.0, 1.0)
    return np.tril((signs[:, None] * upper).T), turned * signs


def _diagonal(entries: FloatArray) -> FloatArray:
    out = np.zeros((entries.size, entries.size))
    out.flat[:: entries.size + 1] = entries
    return out


def _least(w: FloatArray) -> FloatArray:
    """Starting deviations that each effect has at least, ``sqrt(0.1 / mean(w))``, (q,).

    So the information w of a level on it shrinks it by a tenth at least: ``w s^2 = 0.1``.
    """
    means = w.sum(axis=1) / w.shape[1]
    out: FloatArray = np.sqrt(_LEAST_SHRINKAGE / np.maximum(means, 1e-300))
    return out


def _start(deviance: ProfiledDeviance, least: list[FloatArray]) -> list[FloatArray]:
    """Diagonal Lambda by moment estimates from the scores r of the levels.

    ``E sum r_a^2 = v sum g_aa + sum_b t_b sum g_ab^2`` for effects of variances t and residuals
    of variance v, ``v + sum_b t_b mean(z_b^2 W) = 1``; factors are taken one by one.
    """
    products, total = deviance.products, deviance.products.weights.total
    parts, share, noise = [], 0.0, 0.0
    levels = zip(products.diagonals, products.squares, deviance.moments.random, strict=True)
    for w, known, r in levels:
        squares = known.copy()
        squares.flat[:: len(w) + 1] += _TINIEST
        sums = w.sum(axis=1)
        sides = np.array([(r * r).sum(axis=1), sums])
        _, _, solved, info = lapack.dgesv(squares, sides.T)
        at_none, by_noise = np.asarray(solved).T if info == 0 else np.zeros_like(sides)
        share += float(sums @ np.maximum(at_none, 0.0)) / total
        noise += float(sums @ np.where(at_none > 0.0, by_noise, 0.0)) / total
        parts.append((at_none, by_noise))
    left = min(max((1.0 - share) / max(1.0 - noise, _LEAST_LEFT), _LEAST_LEFT), 1.0)
    return [
        _diagonal(np.maximum(np.sqrt(np.maximum(at_none / left - by_noise, 0.0)), low))
        for low, (at_none, by_noise) in zip(least, parts, strict=True)
    ]


def _restart(
    problem: Problem,
    deviance: ProfiledDeviance,
    previous: FloatArray,
    least: list[FloatArray],
) -> list[FloatArray]:
    """Lambda of a previous fit, off the boundary.

    ``C^-1 Lambda / sigma`` with Lambda of the user's effects and C their change of covariates,
    turned to lower triangular form, its diagonal raised to `least`.
    """
    log_sd = previous[problem.beta_slices[1]][0] + deviance.products.weights.shift
    theta = previous[problem.n_beta :] / math.exp(log_sd)
    roots = []
    for root, change, least_of_factor in zip(
        problem.roots(theta), deviance.products.changes, least, strict=True
    ):
        lower = to_lower(np.linalg.solve(change, units_of(root)).astype(np.float64))[0]
        low = np.maximum(least_of_factor - lower.diagonal(), 0.0)
        roots.append(lower + np.diag(low))
    return roots


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
    raise _explain_exact(search.deviance)


def _floor(deviance: ProfiledDeviance) -> float:
    """``r^2`` below which the residuals are rounding, or are lost in that of the search."""
    rounding = (_ROUNDING * deviance.moments.noise) ** 2
    sizes = deviance.sizes
    lost = _LOST_SEVERAL if len(sizes) > 1 else _LOST_VECTOR if sizes and sizes[0] > 1 else 0.0
    return max(rounding, lost) * deviance.products.weights.total


def _explain_exact(deviance: ProfiledDeviance) -> ConvergenceError:
    """The error of a model that leaves nothing over, or next to nothing."""
    least = least_residual(deviance)
    if least <= max(_ROUNDING * deviance.moments.noise, _SOLVED):
        return ConvergenceError(_EXACT_BY_GROUPS)
    return ConvergenceError(
        f"fixed and random effects together leave {least:.0e} of the deviation that the fixed "
        "effects leave, which is too little to be told from rounding in this model; leave out a "
        "grouping factor or a random slope within which the response hardly varies"
    )


def _descend(search: Search, here: Profile) -> tuple[Profile, int]:
    count, floor = 0, _floor(search.deviance)
    for _ in range(_MAX_STEPS if here.theta.size else 0):
        if not search.chart.fits(here):
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
            raise _explain_exact(search.deviance)
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
        rank = int(np.count_nonzero(own[diagonal])) if _correlated(term) else len(own)
        if rank == 0:
            own[:] = 0.0
        if _correlated(term) and rank < term.covariance.q:
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
            if search.chart.fits(here):
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
        count += 4 * here.theta.size
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
            raise _explain_exact(search.deviance)
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


def _differentiate(search: Search, here: Profile, scale: FloatArray) -> FloatArray:
    """Hessian by differences of the gradient over two pairs of points: the error is h^4."""
    columns = []
    for direction in scale.T:
        total = np.zeros_like(here.theta)
        for factor, weight in _STENCIL:
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
