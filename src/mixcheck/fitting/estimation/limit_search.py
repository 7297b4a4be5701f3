"""Search where a part of the model may have no finite estimate.

What the support of the family shows is left out of the search (see
:mod:`mixcheck.fitting.estimation.limits`). What it does not show is tried: a dispersion without
variation beyond the mean's part, and a zero part without zeros beyond it, are fitted at their limit
where a search has sent them far out, or has come to no end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.errors import ConvergenceError
from mixcheck.families.family import FREE
from mixcheck.fitting.estimation.constant_groups import determined_terms
from mixcheck.fitting.estimation.limits import (
    Limits,
    expand_optimum,
    find_limits,
    reason_at,
    reduce_problem,
    ways_of,
)
from mixcheck.fitting.estimation.optimize import Optimum
from mixcheck.fitting.estimation.separation import find_separation
from mixcheck.fitting.estimation.start import FixedFit
from mixcheck.fitting.likelihood.approximation import objective_of
from mixcheck.fitting.likelihood.laplace import Laplace
from mixcheck.fitting.likelihood.problem import Problem

__all__ = ["at_simplest", "estimate_at_limits", "find_near_limits", "has_limits"]

# Predictors of a dispersion or a zero part beyond this may be on their way to infinity: they
# are if the deviance there is larger by no more than what follows.
_FAR = 6.0
_NEAR = 2.0
_NO_WORSE = 2e-6
# A share of the rows at the simplest end beyond which that is the reason.
_MOST = 0.5
# Rows that are tried as the only one that stays.
_MOST_CORNERS = 8
# Values of a column that may lie beyond the one whose rows stay.
_MOST_BEYOND = 5


_Ended = TypeVar("_Ended", tuple[Optimum, Limits], tuple[Optimum, Limits] | None)


def find_near_limits(
    problem: Problem, limits: Limits | None, psi: FloatArray
) -> tuple[Limits, ...]:
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
    eta = _in_units(problem, problem.fixed(psi))
    far, fewer = known, known
    for k in _simplifying(problem):
        out = np.abs(eta[k]) > _FAR
        if not out.any():
            continue
        far = _with_part(problem, far, k, np.sign(eta[k]) * out)
        nearest = np.argsort(np.abs(eta[k]), kind="stable")
        rows = nearest[: problem.X[k].shape[1] - 1]
        if out.all() and rows.size:
            same = np.isin(eta[k], eta[k][rows])
            fewer = _with_part(problem, fewer, k, np.where(same, 0.0, np.sign(eta[k])))
    return tuple(guess for guess in (far, fewer) if guess is not known)


def _in_units(problem: Problem, eta: list[FloatArray]) -> list[FloatArray]:
    """Predictors with the logarithm of a deviation in the unit of the responses.

    ``eta - log(unit)`` for a dispersion, and eta for the others.
    """
    unit = float(np.log(problem.family.response_scale(problem.data.y)))
    names = problem.family.predictors
    return [e - unit if name == "dispersion" else e for name, e in zip(names, eta, strict=True)]


def at_simplest(problem: Problem, limits: Limits | None) -> tuple[Limits, ...]:
    """Each part that has a simpler end at that end, with what is known already."""
    known = limits or _nothing(problem)
    ends = problem.family.simplest
    found = [
        _with_part(problem, known, k, np.full(problem.n, float(ends[k])))
        for k in _simplifying(problem)
        if ends[k] != 0
    ]
    return tuple(guess for guess in found if guess is not known)


def at_one_end(problem: Problem, limits: Limits | None) -> tuple[Limits, ...]:
    """Each part at its simplest but for the rows at one end of one of its columns.

    Rows beyond those that stay may be at the other end of the part, if they are such that their
    density is largest there (counts of zero, without end to their variation).
    """
    known = limits or _nothing(problem)
    ways, ends = ways_of(problem), problem.family.simplest
    found = []
    for k in _simplifying(problem):
        if ends[k] == 0:
            continue
        X, counted = problem.X[k], ways[k] != FREE
        for column in X[:, np.ptp(X, axis=0) > 0.0].T:
            for turned in (column, -column):
                beyond = np.zeros(problem.n, dtype=np.bool_)
                for value in np.unique(turned[counted])[:_MOST_BEYOND]:
                    stays = turned == value
                    side = np.where(beyond, -float(ends[k]), np.where(stays, 0.0, float(ends[k])))
                    found.append(_with_part(problem, known, k, side))
                    if not (ways[k][stays & counted] == -ends[k]).all():
                        break
                    beyond |= stays
    return tuple(guess for guess in found if guess is not known)


def at_one_row(problem: Problem, limits: Limits | None, optimum: Optimum) -> tuple[Limits, ...]:
    """Each part at its simplest but for one row, at a corner of its columns.

    Along a mixture of columns all rows but one go to an end where that one is a vertex of the
    convex hull of the rows of X; of those that gain most from staying behind, each is tried.

    Parameters
    ----------
    problem : Problem
    limits : Limits or None
        What is known already.
    optimum : Optimum
        With the part at its simplest in all rows.
    """
    known, mode = limits or _nothing(problem), optimum.evaluation.mode
    ends, found = problem.family.simplest, []
    if mode is None:
        return ()
    for k in _simplifying(problem):
        X = problem.X[k]
        if ends[k] == 0 or np.count_nonzero(np.ptp(X, axis=0)) < 2:
            continue
        gain = _gain_of_staying(problem, mode.point.eta, k)
        for row in np.argsort(-gain, kind="stable")[:_MOST_CORNERS]:
            if gain[row] > _NO_WORSE:
                stays = np.equal(X, X[row]).all(axis=1)
                found.append(_with_part(problem, known, k, np.where(stays, 0.0, float(ends[k]))))
    return tuple(guess for guess in found if guess is not known)


def _gain_of_staying(problem: Problem, eta: Sequence[FloatArray], k: int) -> FloatArray:
    """What the log density of each row gains at best by a predictor k that is at no end, (n,).

    ``max_t l_i(t) - l_i(eta)`` over five values t of the predictor.
    """
    best = np.full(problem.n, -np.inf)
    here = problem.derivatives(eta, 0).value
    for value in np.linspace(-_NEAR, _NEAR, 5):
        moved = [np.full(problem.n, value) if j == k else e for j, e in enumerate(eta)]
        best = np.maximum(best, problem.derivatives(moved, 0).value - here)
    return best


def _simplifying(problem: Problem) -> list[int]:
    """Predictors other than the mean's that may come to an end: no random effects, no priors."""
    family, random = problem.family, {term.predictor for term in problem.terms}
    known = problem.penalty
    return [
        k
        for k, name in enumerate(family.predictors)
        if k
        and k not in random
        and (name not in family.shapes or family.ends[k])
        and not (known and known.bounds(k, problem.X[k].shape[1]).any())
    ]


def _nothing(problem: Problem) -> Limits:
    ways = ways_of(problem)
    free = tuple(way == FREE for way in ways)
    none = np.zeros(problem.n, dtype=np.bool_)
    return Limits((None,) * len(ways), none, free, ({},) * len(ways))


def _with_part(problem: Problem, known: Limits, k: int, side: FloatArray) -> Limits:
    """Limits with rows of predictor k at one of their ends; the same where that is not new."""
    found = find_separation(problem.X[k], side < 0.0, side > 0.0, known.free[k])
    before = known.reasons[k]
    if found is None or not set(found.columns) > set(before):
        return known
    part = known.parts[k]
    new = found.rows if part is None else found.rows & ~part.rows
    simplest = bool(np.mean(side[new] == problem.family.simplest[k]) > _MOST)
    why = reason_at(problem.family.predictors[k], simplest=simplest)
    parts, reasons = list(known.parts), list(known.reasons)
    parts[k], reasons[k] = found, dict.fromkeys(found.columns, why) | dict(before)
    return replace(known, parts=tuple(parts), reasons=tuple(reasons))


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
    for further in find_near_limits(problem, limits, optimum.psi):
        d = problem.derivatives(problem.fixed(optimum.psi), 2)
        start = FixedFit(optimum.psi[: problem.n_beta], d)
        try:
            beyond = _search_within(problem, further, start, search)
        except ConvergenceError:
            continue
        if beyond.evaluation.deviance <= optimum.evaluation.deviance + _NO_WORSE:
            found = beyond, further
            if not _is_at_simplest(problem, further):
                return found
            others = at_one_end(problem, limits), at_one_row(problem, limits, beyond)
            return _best_end(problem, limits, fixed, search, (*others[0], *others[1]), found)
    return optimum, limits


def _is_at_simplest(problem: Problem, limits: Limits) -> bool:
    """Whether a part of several columns is at one end in all rows."""
    parts = zip(problem.X[1:], limits.parts[1:], strict=True)
    return any(part is not None and part.complete and X.shape[1] > 1 for X, part in parts)


def _draw_in(problem: Problem, fixed: FixedFit) -> FixedFit:
    """The start with no part far out that may run to a limit, where a search has no scale.

    A dispersion that is far out on the side without a limit is what the data say: the logarithm
    of a deviation has the unit of the response, and large counts vary much.
    """
    family = problem.family
    eta, beta = problem.fixed(fixed.beta), fixed.beta.copy()
    for k in range(1, len(problem.X)):
        towards = np.abs(eta[k]) if family.two_ended[k] else family.ends[k] * eta[k]
        if problem.X[k].shape[1] and towards.min() > _FAR:
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
    """A part at its simplest, in all rows or in most, if the likelihood falls on the way back."""
    whole = _best_end(problem, limits, fixed, search, at_simplest(problem, limits), None)
    return _best_end(problem, limits, fixed, search, at_one_end(problem, limits), whole)


def _best_end(
    problem: Problem,
    limits: Limits | None,
    fixed: FixedFit,
    search: Callable[[Problem, FixedFit], Optimum],
    candidates: tuple[Limits, ...],
    best: _Ended,
) -> _Ended:
    """The best of the candidates from which the likelihood falls, or what was there before."""
    for further in candidates:
        try:
            optimum = _search_within(problem, further, fixed, search)
        except ConvergenceError:
            continue
        if best is not None:
            gain = best[0].evaluation.deviance - optimum.evaluation.deviance
            if not gain > _NO_WORSE:
                continue
        before = (None,) * len(further.parts) if limits is None else limits.parts
        new = [k for k, part in enumerate(further.parts) if part is not before[k]]
        if all(_falls_back(problem, further, k, optimum) for k in new):
            best = optimum, further
    return best


def _falls_back(problem: Problem, limits: Limits, k: int, optimum: Optimum) -> bool:
    """Whether the joint log density at the modes falls as predictor k comes back.

    All rows at once, and along the direction, where the nearest rows come first.
    """
    mode = optimum.evaluation.mode
    part = limits.parts[k]
    if mode is None or part is None:
        return False
    here = problem.derivatives(mode.point.eta, 1).value.sum()
    along = _FAR * (problem.X[k] @ part.direction)
    for back in (np.sign(along) * _FAR, along):
        eta = list(mode.point.eta)
        eta[k] = np.where(part.rows, back, eta[k])
        if not problem.derivatives(eta, 1).value.sum() <= here:
            return False
    return True


def has_limits(problem: Problem, optimum: Optimum) -> bool:
    """Whether a search that has not looked for limits should have.

    Parameters
    ----------
    problem : Problem
    optimum : Optimum
        Where it ended, whose scores prove at little cost that most data have none.
    """
    ends = any((np.abs(way) == 1).any() for way in problem.recession)
    mode = optimum.evaluation.mode
    if not ends or mode is None:
        return False
    fixed = FixedFit(optimum.psi[: problem.n_beta], mode.point.derivatives)
    return find_limits(problem, fixed) is not None or bool(determined_terms(problem))


def _search_within(
    problem: Problem,
    limits: Limits | None,
    fixed: FixedFit,
    search: Callable[[Problem, FixedFit], Optimum],
) -> Optimum:
    if limits is None:
        return search(problem, fixed)
    reduced, start = reduce_problem(problem, limits, fixed)
    if reduced.weights is not None and not reduced.weights.any():
        return expand_optimum(problem, limits, _nowhere(reduced))
    return expand_optimum(problem, limits, search(reduced, start))


def _nowhere(problem: Problem) -> Optimum:
    """The optimum of a problem whose rows count nothing: a likelihood of one, no variance."""
    psi = np.zeros(problem.n_beta + problem.n_theta)
    evaluation = objective_of(problem, Laplace())(psi, None)
    flat = np.zeros((psi.size, psi.size))
    return Optimum(psi, evaluation, np.eye(psi.size), 0.0, flat, 0.0, 1, flat=psi.size)
