"""Search where a part of the model may have no finite estimate.

What the support of the family shows is left out of the search (see
:mod:`mixcheck.fitting.estimation.limits`). What it does not show is tried: a dispersion without
variation beyond the mean's part, and a zero part without zeros beyond it, are fitted at their limit
where a search has sent them far out, or has come to no end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Protocol, TypeVar

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.errors import ConvergenceError
from mixcheck.families.recession import FREE
from mixcheck.fitting.estimation.constant_groups import determined_terms
from mixcheck.fitting.estimation.estimate import evaluate_standardised
from mixcheck.fitting.estimation.limits import (
    Limits,
    expand_optimum,
    find_limits,
    reason_at,
    reduce_problem,
    ways_of,
)
from mixcheck.fitting.estimation.optimum import Optimum
from mixcheck.fitting.estimation.separation import find_separation
from mixcheck.fitting.estimation.start import FixedFit
from mixcheck.fitting.estimation.tails import FAR, find_tails, in_units, is_limit, simplifying
from mixcheck.fitting.likelihood.approximation import Method, objective_of
from mixcheck.fitting.likelihood.laplace import Laplace
from mixcheck.fitting.likelihood.objective import Evaluation
from mixcheck.fitting.likelihood.problem import Problem

__all__ = ["Search", "at_simplest", "estimate_at_limits", "find_near_limits", "has_limits"]

# A start in which a part is far out is drawn in to this.
_NEAR = 2.0
# A part that a search has sent far out is at its limit if the deviance there is larger by no more.
_NO_WORSE = 2e-6
# A share of the rows at the simplest end beyond which that is the reason.
_MOST = 0.5
# Rows that are tried as the only one that stays.
_MOST_CORNERS = 8
# Values of a column that may lie beyond the one whose rows stay.
_MOST_BEYOND = 5


class Search(Protocol):
    """Maximises the likelihood of a problem, given its model without random effects."""

    def __call__(self, problem: Problem, fixed: FixedFit, /, *, tails: bool = False) -> Optimum:
        """The optimum; with `tails`, where what is left is to follow a part to its limit."""


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
    eta = in_units(problem, problem.fixed(psi))
    far, fewer = known, known
    for k in simplifying(problem):
        out = np.abs(eta[k]) > FAR
        if not out.any():
            continue
        far = _with_part(problem, far, k, np.sign(eta[k]) * out)
        nearest = np.argsort(np.abs(eta[k]), kind="stable")
        rows = nearest[: problem.X[k].shape[1] - 1]
        if out.all() and rows.size:
            same = np.isin(eta[k], eta[k][rows])
            fewer = _with_part(problem, fewer, k, np.where(same, 0.0, np.sign(eta[k])))
    return tuple(guess for guess in (far, fewer) if guess is not known)


def at_simplest(problem: Problem, limits: Limits | None) -> tuple[Limits, ...]:
    """Each part that has a simpler end at that end, with what is known already."""
    known = limits or _nothing(problem)
    ends = problem.family.simplest
    found = [
        _with_part(problem, known, k, np.full(problem.n, float(ends[k])))
        for k in simplifying(problem)
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
    for k in simplifying(problem):
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
    for k in simplifying(problem):
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
    method: Method,
    search: Search,
) -> tuple[Optimum, Limits | None]:
    """Search the smaller problem, and give the optimum of the whole with its limits.

    Parameters
    ----------
    problem : Problem
    limits : Limits or None
        Known before the search.
    fixed : FixedFit
        The model without random effects.
    method : Method
    search : Search
        Maximises the likelihood of a problem, given its model without random effects.
    """
    fixed, known = _draw_in(problem, fixed), limits
    try:
        optimum, limits = _search_with_tails(problem, known, fixed, method, search)
    except ConvergenceError:
        found = _search_simplest(problem, known, fixed, search)
        if found is None:
            raise
        return found
    for further in find_near_limits(problem, limits, optimum.psi):
        try:
            beyond = _search_within(problem, further, _start_at(problem, optimum), search)
        except ConvergenceError:
            continue
        if beyond.evaluation.deviance <= optimum.evaluation.deviance + _NO_WORSE:
            optimum, limits = beyond, further
            break
    if limits is not None and limits is not known and _is_at_simplest(problem, limits):
        ends = *at_one_end(problem, known), *at_one_row(problem, known, optimum)
        return _best_end(problem, known, fixed, search, ends, (optimum, limits))
    return optimum, limits


def _search_with_tails(
    problem: Problem, known: Limits | None, fixed: FixedFit, method: Method, search: Search
) -> tuple[Optimum, Limits | None]:
    """Search, and go to the limit where a tail is left; all the way if that is not an optimum."""
    optimum = _search_within(problem, known, fixed, partial(search, tails=True))
    if not optimum.on_tail:
        return optimum, known
    found = _leave_tails(problem, known, optimum, method, search)
    return found or (_search_within(problem, known, fixed, search), known)


def _leave_tails(
    problem: Problem, known: Limits | None, stopped: Optimum, method: Method, search: Search
) -> tuple[Optimum, Limits] | None:
    """The limits of parts on whose tails a search has stopped; None where they are not optimal."""
    tails, ends = find_tails(problem), problem.family.simplest
    assert tails is not None
    stops: dict[int, Evaluation] = {}
    limits, optimum = known or _nothing(problem), stopped
    while optimum.on_tail:
        before, at = limits, optimum.evaluation
        for k in tails.reached(at):
            stops.setdefault(k, at)
            limits = _with_part(problem, limits, k, np.full(problem.n, float(ends[k])))
        if limits is before:
            return None
        start = _start_at(problem, optimum)
        try:
            optimum = _search_within(problem, limits, start, partial(search, tails=True))
        except ConvergenceError:
            return None

    def evaluate(psi: FloatArray) -> Evaluation:
        return evaluate_standardised(problem, psi, optimum.scale, method)

    lowest = optimum.evaluation.deviance
    confirmed = all(
        is_limit(evaluate, tails, k, optimum.psi, stop, lowest) for k, stop in stops.items()
    )
    return (optimum, limits) if confirmed else None


def _start_at(problem: Problem, optimum: Optimum) -> FixedFit:
    """Fixed effects to start from: where a search has ended."""
    d = problem.derivatives(problem.fixed(optimum.psi), 2)
    return FixedFit(optimum.psi[: problem.n_beta], d)


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
    if len(problem.X) == 1:
        return fixed
    eta, beta = problem.fixed(fixed.beta), fixed.beta.copy()
    for k in range(1, len(problem.X)):
        # Of a part without ends nothing runs there, however far out it is.
        if not (problem.X[k].shape[1] and (family.two_ended[k] or family.ends[k])):
            continue
        towards = np.abs(eta[k]) if family.two_ended[k] else family.ends[k] * eta[k]
        if towards.min() > FAR:
            wanted = np.clip(eta[k], -_NEAR, _NEAR) - problem.offsets[k]
            beta[problem.beta_slices[k]] = np.linalg.lstsq(problem.X[k], wanted, rcond=None)[0]
    if np.array_equal(beta, fixed.beta):
        return fixed
    return FixedFit(beta, problem.derivatives(problem.fixed(beta), 2))


def _search_simplest(
    problem: Problem,
    limits: Limits | None,
    fixed: FixedFit,
    search: Search,
) -> tuple[Optimum, Limits] | None:
    """A part at its simplest, in all rows or in most, if the likelihood falls on the way back."""
    whole = _best_end(problem, limits, fixed, search, at_simplest(problem, limits), None)
    return _best_end(problem, limits, fixed, search, at_one_end(problem, limits), whole)


def _best_end(
    problem: Problem,
    limits: Limits | None,
    fixed: FixedFit,
    search: Search,
    candidates: tuple[Limits, ...],
    best: _Ended,
) -> _Ended:
    """The best of the candidates from which the likelihood falls, or what was there before."""
    for further in candidates:
        try:
            wanted = search if best is None else partial(search, tails=True)
            optimum = _search_within(problem, further, fixed, wanted)
        except ConvergenceError:
            continue
        if optimum.on_tail:
            continue  # its end is that of all rows, which is among what was there
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
    along = FAR * (problem.X[k] @ part.direction)
    for back in (np.sign(along) * FAR, along):
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
    search: Search,
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
