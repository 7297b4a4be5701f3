"""Parameters at infinity: found before the search, left out of it, and put back.

Where a direction of the coefficients of one predictor separates the data (see
:mod:`mixcheck.fitting.separation`), the likelihood rises along it to that of a smaller
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
from mixcheck.errors import ConvergenceError
from mixcheck.families.family import FREE, Derivatives
from mixcheck.fitting.laplace import Evaluation
from mixcheck.fitting.mode import Mode, find_mode
from mixcheck.fitting.optimize import Optimum
from mixcheck.fitting.problem import Problem
from mixcheck.fitting.separation import Separation, find_separation
from mixcheck.fitting.start import FixedFit
from mixcheck.model import LimitReason

__all__ = [
    "Limits",
    "estimate_at_limits",
    "expand_optimum",
    "find_limits",
    "look_further",
    "mute_rows",
    "reduce_problem",
    "restrict_parameters",
]

# Predictors this far out are at their limit: exp(-40) is below the rounding of one.
_DEPTH = 40.0
# What random effects may take from an offset that is fixed before they are known.
_RESERVE = 20.0
# A row does not depend on a predictor if its derivatives in it are below this.
_NOTHING = 1e-10
_MAX_PASSES = 3
# Predictors of a dispersion or a zero part beyond this may be on their way to infinity: they
# are if the deviance there is larger by no more than what follows.
_FAR = 6.0
_NEAR = 2.0
_NO_WORSE = 2e-6
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
    ways = _ways(problem)
    if not any(way.any() for way in ways):
        return None
    parts: list[Separation | None] = [None] * len(ways)
    freed = [np.zeros(problem.n, dtype=np.bool_) for _ in ways]
    for _ in range(_MAX_PASSES):
        before = list(parts)
        for k in range(len(ways)):
            parts[k] = _look(problem, fixed, k, np.where(freed[k], FREE, ways[k]))
            for j, rows in enumerate(_freed(problem, fixed, k, parts[k], ways[k])):
                freed[j] |= rows
        if not any(rows.any() for rows in freed) or _alike(before, parts):
            break
    if not any(parts):
        return None
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


def _ways(problem: Problem) -> tuple[IntArray, ...]:
    """Recession of each row; one of weight zero depends on nothing."""
    ways = problem.family.recession(problem.data)
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
            along = _reason_at(problem.family.predictors[k], simplest=True)
    return {j: along if part.direction[j] != 0.0 else "not identified" for j in part.columns}


def look_further(problem: Problem, limits: Limits | None, psi: FloatArray) -> tuple[Limits, ...]:
    """Limits of predictors other than the mean's that a search has all but reached.

    Where the data show no variation or no zeros beyond the mean's part, the likelihood rises,
    exponentially little, towards the family without that part. No row tells so alone; but rows
    whose predictors a search has sent far out are at their end for all that can be seen.

    Parameters
    ----------
    problem : Problem
    limits : Limits or None
        What is known already.
    psi : (P,)
        Where the search ended.

    Returns
    -------
    tuple of Limits
        With what was known, the simplest first: all rows beyond a distance at their limit, or
        as many as leave no more rows than one coefficient less can fit.
    """
    if len(problem.X) == 1:
        return ()
    known = limits or _nothing(problem)
    eta = problem.fixed(psi)
    far, fewer = known, known
    for k in _simplifying(problem):
        out = np.abs(eta[k]) > _FAR
        if not out.any():
            continue
        far = _with_part(problem, far, k, np.sign(eta[k]) * out)
        nearest = np.argsort(np.abs(eta[k]), kind="stable")
        held = nearest[: problem.X[k].shape[1] - 1]
        if out.all() and held.size:
            same = np.isin(eta[k], eta[k][held])
            fewer = _with_part(problem, fewer, k, np.where(same, 0.0, np.sign(eta[k])))
    return tuple(held for held in (far, fewer) if held is not known)


def at_simplest(problem: Problem, limits: Limits | None) -> tuple[Limits, ...]:
    """Each part that has a simpler end at that end, with what is known already."""
    known = limits or _nothing(problem)
    ends = problem.family.simplest
    found = [
        _with_part(problem, known, k, np.full(problem.n, float(ends[k])))
        for k in _simplifying(problem)
        if ends[k] != 0
    ]
    return tuple(held for held in found if held is not known)


def _simplifying(problem: Problem) -> list[int]:
    """Predictors other than the mean's, without random effects."""
    random = {term.predictor for term in problem.terms}
    return [k for k in range(1, len(problem.X)) if k not in random]


def _nothing(problem: Problem) -> Limits:
    ways = _ways(problem)
    free = tuple(way == FREE for way in ways)
    none = np.zeros(problem.n, dtype=np.bool_)
    return Limits((None,) * len(ways), none, free, ({},) * len(ways))


def _with_part(problem: Problem, known: Limits, k: int, side: FloatArray) -> Limits:
    """Limits with rows of predictor k at one of their ends; the same where that is not new."""
    found = find_separation(problem.X[k], side < 0.0, side > 0.0, known.free[k])
    before = known.reasons[k]
    if found is None or not set(found.columns) > set(before):
        return known
    simplest = bool((side[found.rows] == problem.family.simplest[k]).all())
    why = _reason_at(problem.family.predictors[k], simplest=simplest)
    parts, reasons = list(known.parts), list(known.reasons)
    parts[k], reasons[k] = found, dict.fromkeys(found.columns, why) | dict(before)
    return replace(known, parts=tuple(parts), reasons=tuple(reasons))


def _reason_at(predictor: str, *, simplest: bool) -> LimitReason:
    if not simplest:
        return "flat"
    return "zero part" if predictor == "zi" else "dispersion"


def _look(problem: Problem, fixed: FixedFit, k: int, way: IntArray) -> Separation | None:
    return find_separation(
        problem.X[k], way == -1, way == 1, way == FREE, fixed.derivatives.first[k]
    )


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
    reduced = replace(mute_rows(problem, limits), X=tuple(matrices), offsets=tuple(offsets))
    beta = restrict_parameters(problem, limits) @ np.append(fixed.beta, np.zeros(problem.n_theta))
    start = beta[: reduced.n_beta]
    return reduced, FixedFit(start, reduced.derivatives(reduced.fixed(start), 2))


def mute_rows(problem: Problem, limits: Limits | None) -> Problem:
    """The problem with the rows that are at their limit counting nothing."""
    if limits is None or not limits.muted.any():
        return problem
    weights = np.ones(problem.n) if problem.weights is None else problem.weights
    return replace(problem, weights=np.where(limits.muted, 0.0, weights))


def _reach() -> float:
    return _DEPTH + _RESERVE


def _movement(X: FloatArray, part: Separation) -> FloatArray:
    """What one step along the direction does to the predictor of each row, exactly none to most."""
    return np.where(part.rows, X @ part.direction, 0.0)


def restrict_parameters(problem: Problem, limits: Limits) -> FloatArray:
    """Parameters of the smaller problem as a linear map of those of the whole, (P', P)."""
    size = problem.n_beta + problem.n_theta
    columns = np.eye(size)
    keep = np.ones(size, dtype=np.bool_)
    for part, where in zip(limits.parts, problem.beta_slices, strict=True):
        if part is None:
            continue
        held = np.zeros((where.stop - where.start, len(part.dropped)))
        held += part.basis
        held[list(part.dropped)] = 0.0
        columns[where, np.arange(where.start, where.stop)[list(part.dropped)]] -= held
        keep[where] = _kept(part, where.stop - where.start)
    return columns[keep]


def expand_optimum(problem: Problem, limits: Limits, optimum: Optimum) -> Optimum:
    """The optimum of the smaller problem as one of the whole.

    Parameters
    ----------
    problem : Problem
    limits : Limits
    optimum : Optimum
        Of the smaller problem.

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
    psi, mode = _settle_outside(problem, limits, optimum, keep, inner)
    scale = np.zeros((keep.size, keep.size))
    scale[np.ix_(keep, np.arange(int(keep.sum())))] = optimum.scale
    scale[:, int(keep.sum()) :] = np.hstack(flat)
    hessian = optimum.hessian
    gradient = onto.T @ optimum.evaluation.gradient
    return Optimum(
        psi=psi,
        evaluation=Evaluation(psi, optimum.evaluation.deviance, gradient, mode),
        scale=scale,
        gradient=optimum.gradient,
        hessian=None if hessian is None else onto.T @ hessian @ onto,
        smallest_eigenvalue=optimum.smallest_eigenvalue,
        evaluations=optimum.evaluations,
        flat=optimum.flat + keep.size - int(keep.sum()),
    )


def _settle_outside(
    problem: Problem, limits: Limits, optimum: Optimum, keep: BoolArray, inner: Mode
) -> tuple[FloatArray, Mode]:
    """Parameters far enough out, and the modes there."""
    psi = np.zeros(keep.size)
    psi[keep] = optimum.psi
    roots = problem.roots(psi[problem.n_beta :])
    distances = [_distance(problem, limits, k, inner.point.eta[k]) for k in range(len(problem.X))]
    share = 1.0
    for _ in range(_MAX_SHORTENED):
        out = psi.copy()
        for part, where, distance in zip(limits.parts, problem.beta_slices, distances, strict=True):
            if part is not None:
                out[where] += share * distance * part.direction
        mode = find_mode(problem, problem.fixed(out), roots, inner.point.u)
        if mode is not None:
            return out, mode
        share *= _SHORTER
    return psi, inner


def _distance(problem: Problem, limits: Limits, k: int, eta: FloatArray) -> float:
    """How far to go along the direction of predictor k for its rows to be at their limit."""
    part = limits.parts[k]
    if part is None or not part.rows.any():
        return 0.0
    change = _movement(problem.X[k], part)
    gone = np.where(limits.muted, 0.0, _reach() * change)
    step = change[part.rows]
    here = (eta - gone)[part.rows] * np.sign(step)
    furthest = float(((_DEPTH - here) / np.abs(step)).max())
    return max(furthest, 0.0 if limits.muted[part.rows].all() else _reach())


def estimate_at_limits(
    problem: Problem,
    limits: Limits | None,
    fixed: FixedFit,
    search: Callable[[Problem, FixedFit], Optimum],
) -> tuple[Optimum, Limits | None]:
    """Search the smaller problem, and give the optimum of the whole with its limits.

    Parameters
    ----------
    problem : Problem
    limits : Limits or None
        Known before the search.
    fixed : FixedFit
        The model without random effects.
    search : callable
        Maximises the likelihood of a problem, given its model without random effects.
    """
    fixed = _draw_in(problem, fixed)
    try:
        optimum = _search_within(problem, limits, fixed, search)
    except ConvergenceError:
        found = _search_simplest(problem, limits, fixed, search)
        if found is None:
            raise
        return found
    for further in look_further(problem, limits, optimum.psi):
        d = problem.derivatives(problem.fixed(optimum.psi), 2)
        start = FixedFit(optimum.psi[: problem.n_beta], d)
        try:
            beyond = _search_within(problem, further, start, search)
        except ConvergenceError:
            continue
        if beyond.evaluation.deviance <= optimum.evaluation.deviance + _NO_WORSE:
            return beyond, further
    return optimum, limits


def _draw_in(problem: Problem, fixed: FixedFit) -> FixedFit:
    """The start with no dispersion or zero part far out, where a search has no scale."""
    eta, beta = problem.fixed(fixed.beta), fixed.beta.copy()
    for k in range(1, len(problem.X)):
        if problem.X[k].shape[1] and np.abs(eta[k]).min() > _FAR:
            wanted = np.clip(eta[k], -_NEAR, _NEAR) - problem.offsets[k]
            beta[problem.beta_slices[k]] = np.linalg.lstsq(problem.X[k], wanted, rcond=None)[0]
    if np.array_equal(beta, fixed.beta):
        return fixed
    return FixedFit(beta, problem.derivatives(problem.fixed(beta), 2))


def _search_simplest(
    problem: Problem,
    limits: Limits | None,
    fixed: FixedFit,
    search: Callable[[Problem, FixedFit], Optimum],
) -> tuple[Optimum, Limits] | None:
    """A part at its simplest, if the likelihood falls as it comes back from there."""
    for further in at_simplest(problem, limits):
        try:
            optimum = _search_within(problem, further, fixed, search)
        except ConvergenceError:
            continue
        before = (None,) * len(further.parts) if limits is None else limits.parts
        new = [k for k, part in enumerate(further.parts) if part is not before[k]]
        if all(_falls_back(problem, further, k, optimum) for k in new):
            return optimum, further
    return None


def _falls_back(problem: Problem, limits: Limits, k: int, optimum: Optimum) -> bool:
    """Whether the joint log density at the modes falls as predictor k comes back."""
    mode = optimum.evaluation.mode
    part = limits.parts[k]
    if mode is None or part is None:
        return False
    here = problem.derivatives(mode.point.eta, 1).value.sum()
    eta = list(mode.point.eta)
    eta[k] = np.where(part.rows, np.sign(eta[k]) * _FAR, eta[k])
    return bool(problem.derivatives(eta, 1).value.sum() <= here)


def _search_within(
    problem: Problem,
    limits: Limits | None,
    fixed: FixedFit,
    search: Callable[[Problem, FixedFit], Optimum],
) -> Optimum:
    if limits is None:
        return search(problem, fixed)
    reduced, start = reduce_problem(problem, limits, fixed)
    return expand_optimum(problem, limits, search(reduced, start))
