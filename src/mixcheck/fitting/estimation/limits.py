"""Parameters at infinity: found before the search, left out of it, and put back.

Where a direction of the coefficients of one predictor separates the data (see
:mod:`mixcheck.fitting.estimation.separation`), the likelihood rises along it to that of a smaller
problem: the rows at the end of their support say nothing more, and the columns that the
other rows do not identify are not needed. The smaller problem is what is searched, by
whatever method; so the log-likelihood of the fit is the supremum, and all that has a finite
estimate has the estimate and the standard error of the model without these rows and columns.

Reported of a coefficient without finite estimate is a number: where the column is dropped, a
distance along the direction at which the rows that it moves are at their limit to rounding.
Its standard error is infinite.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mixcheck.arrays import BoolArray, FloatArray, IntArray
from mixcheck.families.derivatives import Derivatives
from mixcheck.families.recession import FREE
from mixcheck.fitting.estimation.optimum import Optimum
from mixcheck.fitting.estimation.separation import Separation, find_separation
from mixcheck.fitting.estimation.start import FixedFit
from mixcheck.fitting.likelihood.approximation import Method, objective_of
from mixcheck.fitting.likelihood.mode import Mode, find_mode
from mixcheck.fitting.likelihood.objective import Evaluation
from mixcheck.fitting.likelihood.problem import Problem
from mixcheck.port.estimates import LimitReason

__all__ = [
    "Limits",
    "distances_of",
    "expand_optimum",
    "find_limits",
    "go_out",
    "mute_rows",
    "reason_at",
    "reduce_problem",
    "restrict_parameters",
    "spread_limits",
    "ways_of",
    "within_limits",
]

# Predictors this far out are at their limit: exp(-40) is below the rounding of one.
_DEPTH = 40.0
# What random effects may take from an offset that is fixed before they are known.
_RESERVE = 20.0
# A row does not depend on a predictor if its derivatives in it are below this.
_NOTHING = 1e-10
_MAX_PASSES = 3
# A direction moves rows by one or more, or by nothing but rounding.
_MOVED = 0.5
# A distance is shortened so where the density overflows at the rows furthest out.
_SHORTER = 0.7
_MAX_SHORTENED = 20


@dataclass(frozen=True, eq=False)
class Limits:
    """Coefficients without a finite estimate.

    Attributes
    ----------
    parts : tuple of Separation or None
        One for each predictor.
    muted : (n,) bool
        Rows whose whole log density is at its limit, whatever the other parameters.
    free : tuple of (n,) bool
        Rows that do not depend on each predictor.
    reasons : tuple of mapping from int to str
        Why each column of each predictor has no finite estimate.
    """

    parts: tuple[Separation | None, ...]
    muted: BoolArray
    free: tuple[BoolArray, ...]
    reasons: tuple[Mapping[int, LimitReason], ...]


def find_limits(problem: Problem, fixed: FixedFit) -> Limits | None:
    """Find what has no finite estimate, by the support of the family and the matrices.

    Parameters
    ----------
    problem : Problem
    fixed : FixedFit
        The model without random effects.

    Returns
    -------
    Limits or None
        None where every coefficient has a finite estimate, as far as the support tells.
    """
    ways = ways_of(problem)
    if not any(way.any() for way in ways):
        return None
    parts: list[Separation | None] = [None] * len(ways)
    freed = [np.zeros(problem.n, dtype=np.bool_) for _ in ways]
    for _ in range(_MAX_PASSES):
        before = list(parts)
        for k in range(len(ways)):
            parts[k] = _separation_along(
                problem, fixed, k, np.where(freed[k], FREE, ways[k]) if freed[k].any() else ways[k]
            )
            for j, rows in enumerate(_freed(problem, fixed, k, parts[k], ways[k])):
                freed[j] |= rows
        if not any(rows.any() for rows in freed) or _alike(before, parts):
            break
    if not any(parts):
        return None
    return _limits(problem, parts, freed, ways)


def spread_limits(problem: Problem, known: Limits, beta: FloatArray) -> Limits:
    """Limits that were found in rows which show all others, in the rows of a problem.

    Parameters
    ----------
    problem : Problem
        With the columns of the problem in which they were found.
    known : Limits
    beta : (n_beta,)
        Of the model without random effects.
    """
    ways = ways_of(problem)
    parts = [
        part if part is None else replace(part, rows=_is_moved(X, part, way))
        for X, part, way in zip(problem.X, known.parts, ways, strict=True)
    ]
    fixed = FixedFit(beta, problem.derivatives(problem.fixed(beta), 2))
    freed = [np.zeros(problem.n, dtype=np.bool_) for _ in ways]
    for k, part in enumerate(parts):
        for j, rows in enumerate(_freed(problem, fixed, k, part, ways[k])):
            freed[j] |= rows
    return replace(_limits(problem, parts, freed, ways), reasons=known.reasons)


def _is_moved(X: FloatArray, part: Separation, way: IntArray) -> BoolArray:
    """Rows at an end that the direction moves: by one or more, where it moves others by none."""
    moved: BoolArray = (np.abs(way) == 1) & (np.abs(X @ part.direction) > _MOVED)
    return moved


def _limits(
    problem: Problem,
    parts: Sequence[Separation | None],
    freed: Sequence[BoolArray],
    ways: Sequence[IntArray],
) -> Limits:
    """Limits of directions and rows."""
    moved = np.zeros(problem.n, dtype=np.bool_)
    whole = np.ones(problem.n, dtype=np.bool_)
    for k, part in enumerate(parts):
        rows = np.zeros(problem.n, dtype=np.bool_) if part is None else part.rows
        moved |= rows
        whole &= rows | freed[k] | (ways[k] == FREE)
    return Limits(
        tuple(parts),
        moved & whole,
        tuple(rows | (way == FREE) for rows, way in zip(freed, ways, strict=True)),
        tuple(_reasons_of(problem, k, part) for k, part in enumerate(parts)),
    )


def ways_of(problem: Problem) -> tuple[IntArray, ...]:
    """Recession of each row; one of weight zero depends on nothing."""
    ways = problem.recession
    if problem.weights is None:
        return ways
    return tuple(np.where(problem.weights == 0.0, FREE, way) for way in ways)


def _reasons_of(problem: Problem, k: int, part: Separation | None) -> dict[int, LimitReason]:
    if part is None:
        return {}
    along: LimitReason = "separation"
    if k > 0 and part.complete and problem.family.simplest[k] != 0:
        side = np.sign(problem.X[k] @ part.direction)[part.rows]
        if (side == problem.family.simplest[k]).all():
            along = reason_at(problem.family.predictors[k], simplest=True)
    return {j: "not identified" if j in part.unseen else along for j in part.columns}


def reason_at(predictor: str, *, simplest: bool) -> LimitReason:
    """Why a predictor other than the mean's is at an end, its simplest or the other."""
    if not simplest:
        return "flat"
    parts: dict[str, LimitReason] = {"zi": "zero part", "dispersion": "dispersion"}
    return parts.get(predictor, "shape")


def _separation_along(
    problem: Problem, fixed: FixedFit, k: int, way: IntArray
) -> Separation | None:
    """A coefficient with a prior has a finite estimate: no direction goes along it."""
    X, slopes = problem.X[k], fixed.derivatives.first[k]
    known = None if problem.penalty is None else problem.penalty.bounds(k, X.shape[1])
    if known is None or not known.any():
        return find_separation(X, way == -1, way == 1, way == FREE, slopes)
    found = find_separation(X[:, ~known], way == -1, way == 1, way == FREE, slopes)
    return None if found is None else found.among(np.flatnonzero(~known), X.shape[1])


def _alike(before: Sequence[Separation | None], after: Sequence[Separation | None]) -> bool:
    return all(
        (a is None and b is None)
        or (a is not None and b is not None and np.array_equal(a.rows, b.rows))
        for a, b in zip(before, after, strict=True)
    )


def _freed(
    problem: Problem, fixed: FixedFit, k: int, part: Separation | None, way: IntArray
) -> list[BoolArray]:
    """Rows that no longer depend on each predictor once predictor k is at its limit."""
    none = np.zeros(problem.n, dtype=np.bool_)
    if part is None or not part.rows.any():
        return [none for _ in problem.X]
    eta = problem.fixed(fixed.beta)
    eta[k] = np.where(part.rows, way * (_DEPTH + _RESERVE), eta[k])
    d = problem.derivatives(eta, 2)
    return [none if j == k else part.rows & _is_flat(d, j) for j in range(len(problem.X))]


def _is_flat(d: Derivatives, j: int) -> BoolArray:
    flat: BoolArray = np.abs(d.first[j]) < _NOTHING
    bend = d.second.get((j, j))
    return flat if bend is None else flat & (np.abs(bend) < _NOTHING)


def _kept(part: Separation | None, p: int) -> BoolArray:
    keep = np.ones(p, dtype=np.bool_)
    if part is not None:
        keep[list(part.dropped)] = False
    return keep


def reduce_problem(problem: Problem, limits: Limits, fixed: FixedFit) -> tuple[Problem, FixedFit]:
    """The problem whose likelihood is the limit, and where to start.

    Parameters
    ----------
    problem : Problem
    limits : Limits
    fixed : FixedFit
        The model without random effects.
    """
    matrices, offsets = [], []
    for k, (X, part) in enumerate(zip(problem.X, limits.parts, strict=True)):
        matrices.append(np.asfortranarray(X[:, _kept(part, X.shape[1])]))
        offset = problem.offsets[k]
        if part is not None:
            offset = offset + np.where(limits.muted, 0.0, _reach() * _movement(X, part))
        offsets.append(offset)
    kept = [_kept(part, X.shape[1]) for X, part in zip(problem.X, limits.parts, strict=True)]
    reduced = replace(
        mute_rows(problem, limits),
        X=tuple(matrices),
        offsets=tuple(offsets),
        penalty=None if problem.penalty is None else problem.penalty.keep(kept),
    )
    beta = restrict_parameters(problem, limits) @ np.append(fixed.beta, np.zeros(problem.n_theta))
    start = beta[: reduced.n_beta]
    return reduced, FixedFit(start, reduced.derivatives(reduced.fixed(start), 2))


def mute_rows(problem: Problem, limits: Limits | None) -> Problem:
    """The problem with the rows that are at their limit counting nothing."""
    if limits is None or not limits.muted.any():
        return problem
    return problem.without(limits.muted)


def _reach() -> float:
    """How far a row is moved whose inner predictor is near zero: to its limit, and some more."""
    return _DEPTH + _RESERVE


def _movement(X: FloatArray, part: Separation) -> FloatArray:
    """What one step along the direction d does to the predictor of each row, (n,).

    ``x_i' d`` in the rows that it moves, and exactly zero in the others.
    """
    return np.where(part.rows, X @ part.direction, 0.0)


def restrict_parameters(problem: Problem, limits: Limits) -> FloatArray:
    """Parameters of the smaller problem as a linear map of those of the whole, (P', P).

    In the rows that are left the columns dropped are ``X_d = -X_k B`` with the part B of the
    basis in the columns kept, so that ``X beta = X_k (beta_k - B beta_d)``.
    """
    size = problem.n_beta + problem.n_theta
    columns = np.eye(size)
    keep = np.ones(size, dtype=np.bool_)
    for part, where in zip(limits.parts, problem.beta_slices, strict=True):
        if part is None:
            continue
        basis = np.zeros((where.stop - where.start, len(part.dropped)))
        basis += part.basis
        basis[list(part.dropped)] = 0.0
        columns[where, np.arange(where.start, where.stop)[list(part.dropped)]] -= basis
        keep[where] = _kept(part, where.stop - where.start)
    return columns[keep]


Place = Callable[[FloatArray], tuple[FloatArray, Mode]]
"""Takes parameters without what has no finite estimate to some far enough out, with modes there."""


def expand_optimum(
    problem: Problem, limits: Limits, optimum: Optimum, place: Place | None = None
) -> Optimum:
    """The optimum of the smaller problem as one of the whole.

    Parameters
    ----------
    problem : Problem
    limits : Limits
    optimum : Optimum
        Of the smaller problem.
    place : callable, optional
        By default by the modes of the optimum and the rows of the problem.

    Returns
    -------
    Optimum
        Its deviance is that of the smaller problem: the limit. The Hessian is flat along the
        directions left out, which are the last columns of its scale.
    """
    inner = optimum.evaluation.mode
    if inner is None:
        return optimum
    onto = restrict_parameters(problem, limits)
    keep = np.ones(onto.shape[1], dtype=np.bool_)
    flat = []
    for part, where in zip(limits.parts, problem.beta_slices, strict=True):
        if part is not None:
            keep[where] = _kept(part, where.stop - where.start)
            column = np.zeros((onto.shape[1], len(part.dropped)))
            column[where] = part.basis
            flat.append(column)
    if place is None:
        psi, mode = _place_outside(problem, limits, optimum, keep, inner)
    else:
        within = np.zeros(keep.size)
        within[keep] = optimum.psi
        psi, mode = place(within)
    scale = np.zeros((keep.size, keep.size))
    scale[np.ix_(keep, np.arange(int(keep.sum())))] = optimum.scale
    scale[:, int(keep.sum()) :] = np.hstack(flat)
    hessian = optimum.hessian
    at = optimum.evaluation
    gradient = onto.T @ at.gradient
    return Optimum(
        psi=psi,
        evaluation=Evaluation(psi, at.deviance, gradient, mode, penalty=at.penalty),
        scale=scale,
        gradient=optimum.gradient,
        hessian=None if hessian is None else onto.T @ hessian @ onto,
        smallest_eigenvalue=optimum.smallest_eigenvalue,
        evaluations=optimum.evaluations,
        flat=optimum.flat + keep.size - int(keep.sum()),
        integrated=optimum.integrated,
        on_tail=optimum.on_tail,
    )


def _place_outside(
    problem: Problem, limits: Limits, optimum: Optimum, keep: BoolArray, inner: Mode
) -> tuple[FloatArray, Mode]:
    """Parameters far enough out, and the modes there."""
    psi = np.zeros(keep.size)
    psi[keep] = optimum.psi
    roots = problem.roots(psi[problem.n_beta :])
    distances = distances_of(problem, limits, inner)
    found = go_out(
        problem,
        limits,
        psi,
        distances,
        lambda out: find_mode(problem, problem.fixed(out), roots, inner.point.u),
    )
    return (psi, inner) if found is None else found


def distances_of(problem: Problem, limits: Limits, inner: Mode) -> list[float]:
    """How far to go along the direction of each predictor, from the modes of the smaller problem.

    Of rows in parts, the largest of the distances that the parts need.
    """
    return [_distance(problem, limits, k, inner.point.eta[k]) for k in range(len(problem.X))]


def go_out(
    problem: Problem,
    limits: Limits,
    psi: FloatArray,
    distances: Sequence[float],
    modes: Callable[[FloatArray], Mode | None],
) -> tuple[FloatArray, Mode] | None:
    """Parameters far enough out that have modes; None if there are none.

    Parameters
    ----------
    problem : Problem
    limits : Limits
    psi : (P,)
        Without what has no finite estimate.
    distances : sequence of float
        One for each predictor.
    modes : callable
        The modes at parameters.
    """
    share = 1.0
    for _ in range(_MAX_SHORTENED):
        out = psi.copy()
        for part, where, distance in zip(limits.parts, problem.beta_slices, distances, strict=True):
            if part is not None:
                out[where] += share * distance * part.direction
        mode = modes(out)
        if mode is not None:
            return out, mode
        share *= _SHORTER
    return None


def _distance(problem: Problem, limits: Limits, k: int, eta: FloatArray) -> float:
    """How far to go along the direction d of predictor k for its rows to be at their limit.

    The least t with ``sign(x_i' d) (eta_i + t x_i' d) >= 40`` in all of them, eta without what
    was moved before; and no less than `_reach` unless none of them counts any more.
    """
    part = limits.parts[k]
    if part is None or not part.rows.any():
        return 0.0
    change = _movement(problem.X[k], part)
    gone = np.where(limits.muted, 0.0, _reach() * change)
    step = change[part.rows]
    here = (eta - gone)[part.rows] * np.sign(step)
    furthest = float(((_DEPTH - here) / np.abs(step)).max())
    return max(furthest, 0.0 if limits.muted[part.rows].all() else _reach())


def within_limits(
    problem: Problem, limits: Limits, optimum: Optimum, method: Method
) -> tuple[Problem, Optimum, IntArray]:
    """The smaller problem, the optimum in its parameters, and which of the whole these are.

    Parameters
    ----------
    problem : Problem
    limits : Limits
    optimum : Optimum
        Of the whole problem.
    method : Method
    """
    start = FixedFit(
        optimum.psi[: problem.n_beta], problem.derivatives(problem.fixed(optimum.psi), 2)
    )
    reduced, _ = reduce_problem(problem, limits, start)
    psi = restrict_parameters(problem, limits) @ optimum.psi
    evaluation = objective_of(reduced, method)(psi, None)
    size = psi.size
    keep = np.ones(optimum.psi.size, dtype=np.bool_)
    for part, where in zip(limits.parts, problem.beta_slices, strict=True):
        keep[where] = _kept(part, where.stop - where.start)
    scale = optimum.scale[np.ix_(keep, np.arange(size))]
    inner = Optimum(psi, evaluation, scale, optimum.gradient, None, np.nan, 1)
    return reduced, inner, np.flatnonzero(keep)
