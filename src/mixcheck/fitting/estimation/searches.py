"""The best of several searches: from other starts where one ends badly, or where parts compete."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.errors import ConvergenceError
from mixcheck.fitting.estimation.boundary import face_near, is_settled
from mixcheck.fitting.estimation.cut_deviance import cut_hessian, has_cut, iterated
from mixcheck.fitting.estimation.optimize import explain_wall, minimise
from mixcheck.fitting.estimation.optimum import RUNAWAY, Optimum, is_near
from mixcheck.fitting.estimation.other_starts import (
    distant_covariances,
    drawn_starts,
    ends_well,
    has_many_maxima,
    has_several_parts,
    is_better,
    is_optimum,
    may_be_better,
    other_starts,
    weak_covariances,
    without_zero_part,
)
from mixcheck.fitting.estimation.quasi_newton import POLE
from mixcheck.fitting.estimation.scalar_search import search_scalar
from mixcheck.fitting.estimation.start import improve_start, whiten
from mixcheck.fitting.estimation.surroundings import Surroundings
from mixcheck.fitting.estimation.tails import Tails, find_tails, measure_anew, way_back
from mixcheck.fitting.likelihood.approximation import (
    Approximation,
    Method,
    hessian_of,
    objective_of,
)
from mixcheck.fitting.likelihood.laplace import Laplace
from mixcheck.fitting.likelihood.objective import Evaluation, Hessian, Objective, RoughObjective
from mixcheck.fitting.likelihood.problem import Problem

__all__ = ["Searches"]

# Evaluations that all searches from several starts may take: this many, and this many for
# each parameter.
_EVALUATIONS = 600
_EVALUATIONS_EACH = 40
# What a search has taken, about, that finds the likelihood without a bound.
_EVALUATIONS_LOST = 200
# Effects of crossed factors from which on a search begins with the cut deviance.
_MANY_EFFECTS = 500
# Two searches that stop on tails are on one and the same where their deviances differ by less.
_SAME_TAIL = 0.1
# Decrement of the modes that is small enough at the start of a search.
_FIRST = 1e-4
# The deviance falls on the way back from a limit if it is lower there by more than rounding.
_FALLEN = 2e-6


@dataclass(frozen=True, eq=False)
class Searches:
    """Searches for the largest likelihood of a problem.

    Attributes
    ----------
    problem : Problem
    method : Method
    tails : bool
        Whether to stop where what is left is to follow a part to its limit.
    """

    problem: Problem
    method: Method
    tails: bool = False

    @cached_property
    def objective(self) -> Objective:
        """What is minimised."""
        return self._deviance

    @cached_property
    def _deviance(self) -> RoughObjective:
        return objective_of(self.problem, self.method)

    @property
    def rough(self) -> RoughObjective | None:
        """The same with modes that are as near as they have to be; None where they are exact."""
        return self._deviance if self._is_canonical else None

    @property
    def _is_canonical(self) -> bool:
        """Whether the mean has its canonical link: the density is then concave, with one mode.

        Elsewhere it may have several, and a search that takes large steps, or that does not follow
        the modes closely, may go on around another of them.
        """
        family = self.problem.family
        return family.links[0].name == family.canonical_link

    @property
    def _at_first(self) -> Objective:
        """The same where a search begins."""
        rough = self.rough
        return self.objective if rough is None else lambda psi, at: rough(psi, at, _FIRST)

    @cached_property
    def exact(self) -> Hessian | None:
        """Its Hessian, where there is a formula."""
        return hessian_of(self.problem, self.method)

    @property
    def around(self) -> Surroundings | None:
        """What the rows say around an evaluation; None for those of the problem."""
        return None

    @property
    def rows(self) -> int:
        """Number of rows behind the deviance."""
        return self.problem.n

    @property
    def rounding(self) -> float:
        """What the log-likelihood is known to."""
        return self.problem.rounding

    @cached_property
    def _tails(self) -> Tails | None:
        return find_tails(self.problem) if self.tails else None

    def near(self, preliminary: Approximation, start: FloatArray) -> Optimum:
        """Where a dearer search may begin: the best of the starts by a cheaper approximation."""
        cheap = replace(self, method=preliminary)
        if has_several_parts(self.problem):
            return cheap.from_start(start)
        return cheap._first_finite(start, hessian=False)

    def from_near(self, near: Optimum, *, hessian: bool = True, alone: bool = False) -> Optimum:
        """Maximise the likelihood from the optimum of another approximation, or from other starts.

        Where there may be several optima, curvature tells which ends of searches are one. The
        search from there alone may end without being at rest.
        """
        several = has_several_parts(self.problem) or has_many_maxima(self.problem, self.rows)

        def first() -> Optimum:
            scale = whiten(self.problem, near.evaluation, self.around)
            if hessian or several:
                return self.minimise(near.psi, scale)
            found = self.minimise(near.psi, scale, hessian=False)
            at_rest = alone or found.on_tail or is_optimum(found)
            return found if at_rest else self.minimise(near.psi, scale)

        return first() if alone else self._best(near.psi, first)

    def from_cut(self, near: Optimum) -> Optimum:
        """Maximise the likelihood from the optimum of its cut deviance, by its curvature."""
        curvature = near.whitened_hessian()
        assert curvature is not None
        values, vectors = np.linalg.eigh(curvature)
        scale = near.scale @ (vectors / np.sqrt(values))
        exact = partial(cut_hessian, self.problem, self.method, scale)
        return self._best(near.psi, lambda: self.minimise(near.psi, scale, exact=exact))

    def near_cut(self, start: FloatArray) -> Optimum | None:
        """The optimum of the cut deviance; None where it costs as much, or is not inside."""
        problem = self.problem
        if not has_cut(problem, self.method, _MANY_EFFECTS) or self._tails is not None:
            return None
        if has_several_parts(problem):
            return None
        try:
            near = replace(self, problem=iterated(problem))._first_finite(start)
        except (ConvergenceError, np.linalg.LinAlgError):
            return None
        return near if ends_well(near) else None

    def from_start(self, start: FloatArray) -> Optimum:
        """Search from `start`; from others too where that ends badly or parts may compete."""
        return self._best(start, lambda: self._first_finite(start))

    def _best(self, start: FloatArray, first: Callable[[], Optimum]) -> Optimum:
        """The best end of the first search and, where it takes them, of those from other starts.

        Raises
        ------
        ConvergenceError
            That of the first search, if all others fail too.
        """
        problem = self.problem
        best: Optimum | None = None
        failure: ConvergenceError | None = None
        try:
            best = self.come_back(first())
        except ConvergenceError as error:
            failure = error
        except np.linalg.LinAlgError:
            failure = ConvergenceError(explain_wall())
        compete = has_several_parts(problem)
        count = _EVALUATIONS_LOST if best is None else best.evaluations
        most = _EVALUATIONS + _EVALUATIONS_EACH * start.size

        def explore(
            others: Iterator[FloatArray],
            most: float,
            enough: Callable[[Optimum], bool],
            *,
            rough: bool = True,
        ) -> None:
            nonlocal best, count
            # A start is made only where one more is wanted.
            while count <= most and not (best is not None and enough(best)):
                other = next(others, None)
                if other is None:
                    break
                found, used = self._explore(other, best, rough=rough)
                count += used
                if found is not None:
                    best, used = self._better(found, best)
                    count += used

        def enough(end: Optimum) -> bool:
            ended = not end.on_tail and (ends_well(end) or _is_exhausted(self.rounding, end))
            return not compete and ended

        explore(distant_covariances(problem, start), most, lambda end: end.on_tail)
        explore(weak_covariances(problem, start, best), most, lambda end: end.on_tail)
        explore(other_starts(problem, start), most, enough)
        if problem.terms and not (best is not None and _is_exhausted(self.rounding, best)):
            many = has_many_maxima(problem, self.rows)
            # Where all have found the likelihood without a bound, so will others.
            most = most if best is None else 2 * most

            def rests(end: Optimum) -> bool:
                return (end.on_tail or is_optimum(end)) and not many

            explore(self._away_from_poles(start), most, rests, rough=False)
            explore(drawn_starts(problem, start), most, rests)
            explore(without_zero_part(problem, start), np.inf, rests)
        if best is None:
            assert failure is not None
            raise failure
        if best.evaluation.mode is None:
            raise ConvergenceError(explain_wall())
        best, used = self._settle(best)
        return replace(best, evaluations=count + used)

    def _away_from_poles(self, start: FloatArray) -> Iterator[FloatArray]:
        """The optimum with the expected information in H, which is never less than I.

        The Laplace deviance has no poles then, and the path to its optimum leads around those of
        the observed information.
        """
        method = self.method
        if not isinstance(method, Laplace) or method.information != "observed":
            return
        there = replace(self, method=replace(method, information="expected"), tails=False)
        try:
            yield there._first_finite(start, hessian=False).psi
        except (ConvergenceError, np.linalg.LinAlgError):
            return

    def _better(self, found: Optimum, best: Optimum | None) -> tuple[Optimum, int]:
        """The better of two ends of searches, and evaluations that it took to tell.

        Two that have stopped on tails of one deviance are one. A tail ends no higher than where
        the search has stopped, and hardly lower; where that does not tell, it is followed.
        """
        if best is None:
            return found, 0
        if found.on_tail == best.on_tail:
            if not found.on_tail:
                return (found if is_better(found, best) else best), 0
            gain = best.evaluation.deviance - found.evaluation.deviance
            return (found if gain > _SAME_TAIL else best), 0
        tail, other = (found, best) if found.on_tail else (best, found)
        gap = tail.evaluation.deviance - other.evaluation.deviance
        if not is_optimum(other) or gap < 0.0:
            return tail, 0
        if gap > _SAME_TAIL:
            return other, 0
        try:
            end = self._finish(tail)
        except (ConvergenceError, np.linalg.LinAlgError):
            return other, _EVALUATIONS_LOST
        return (end if is_better(end, other) else other), end.evaluations

    def come_back(self, end: Optimum) -> Optimum:
        """Search anew from nearer where a part has gone so far out that it could not tell a slope.

        The same where it has not, or the deviance rises on the way back.
        """
        back = None if end.on_tail or not is_optimum(end) else way_back(self.problem, end.psi)
        if back is None:
            return end
        at = self.objective(back, end.evaluation)
        if not at.deviance < end.evaluation.deviance - _FALLEN:
            return end
        again = self.minimise(at.psi, whiten(self.problem, at, self.around), first=at)
        return replace(again, evaluations=end.evaluations + again.evaluations)

    def _settle(self, best: Optimum) -> tuple[Optimum, int]:
        """An optimum far out on a scale of its own curvature, and what it takes to reach it so."""
        there = measure_anew(self.problem, best)
        if there is best or is_settled(there):
            return there, 0
        whole = replace(self, tails=False)
        try:
            again = whole.minimise(there.psi, there.scale, first=there.evaluation)
        except ConvergenceError:
            # Next to a limit the likelihood may end on the way to a better place.
            return there, _EVALUATIONS_LOST
        return (again if again.gradient < there.gradient else there), again.evaluations

    def _finish(self, stopped: Optimum) -> Optimum:
        """Follow a tail to its end."""
        at, whole = stopped.evaluation, replace(self, tails=False)
        return whole.minimise(stopped.psi, stopped.scale, first=at)

    def _explore(
        self, start: FloatArray, best: Optimum | None, *, rough: bool
    ) -> tuple[Optimum | None, int]:
        """Search from another start; its curvature is found only where it may be the best.

        A rough start is improved first.

        Returns
        -------
        optimum : Optimum or None
            None where the search fails, or ends no better than `best`.
        evaluations : int
        """
        problem = self.problem
        try:
            if rough:
                first = improve_start(problem, self._at_first, start, self.around)
            else:
                first = self.objective(start, None)
            if first.mode is None or first.spread > POLE:
                return None, 1
            scale = whiten(problem, first, self.around)
            stopped = best is not None and best.on_tail
            known = best if best is not None and not stopped and ends_well(best) else None
            near = self.minimise(first.psi, scale, first=first, hessian=False, known=known)
            if near.on_tail:
                return near, near.evaluations
            if known is not None and is_near(near.psi, near.evaluation, known):
                return None, near.evaluations
            if not (_may_end_lower if stopped else may_be_better)(near, best):
                return None, near.evaluations
            # A scale found anew would have no limit where a variance has gone to zero.
            whole = self.come_back(self.minimise(near.psi, scale, first=near.evaluation))
        except (ConvergenceError, np.linalg.LinAlgError):
            return None, _EVALUATIONS_LOST
        return whole, near.evaluations + whole.evaluations

    def _interior(self, start: FloatArray) -> Optimum | None:
        """The end of Newton's method where a closed Hessian leads to an optimum in the interior."""
        if self.around is not None or self._tails is not None:
            return None
        rows = self.method.approximation.scalar(self.problem)
        end = None if rows is None else search_scalar(rows, start)
        if end is None:
            return None
        there = objective_of(self.problem, self.method, effects=[end.u[None]], close=True)
        first = there(end.psi, None)
        if first.mode is None:
            return None
        found = self.minimise(first.psi, whiten(self.problem, first), first=first)
        if not (is_settled(found) and ends_well(found)):
            return None
        return replace(found, evaluations=end.evaluations + found.evaluations)

    def _first_finite(self, start: FloatArray, *, hessian: bool = True) -> Optimum:
        problem = self.problem
        interior = self._interior(start) if hessian else None
        if interior is not None:
            return interior
        sizes = (1.0, 0.3, 0.03)
        least = sizes[-1]
        for factor in sizes:
            first = improve_start(
                problem, self._at_first, problem.scaled(start, factor), self.around
            )
            if first.mode is not None and (factor == least or first.spread < POLE):
                scale = whiten(problem, first, self.around)
                optimum = self.minimise(first.psi, scale, first=first, hessian=hessian)
                return self._try_face(optimum) if hessian and not optimum.on_tail else optimum
        raise ConvergenceError(
            "the likelihood is not finite at the starting values: the link may not fit these data "
            f"(family {problem.family!r}). Try another link, or rescale the predictors."
        )

    def minimise(
        self,
        start: FloatArray,
        scale: FloatArray,
        *,
        first: Evaluation | None = None,
        hessian: bool = True,
        known: Optimum | None = None,
        exact: Hessian | None = None,
    ) -> Optimum:
        """`optimize.minimise` the deviance, which the rows say how exactly it is known."""
        return minimise(
            self.objective,
            start,
            scale,
            first=first,
            hessian=hessian,
            rows=self.rows,
            known=known,
            rounding=2.0 * self.rounding,
            exact=exact or self.exact,
            formula=exact is None and (self._is_canonical or not hessian),
            rough=self.rough,
            leaves=None if self._tails is None else self._tails.holds,
        )

    def _try_face(self, optimum: Optimum) -> Optimum:
        """Search again from a nearby face where the first search has stalled."""
        face = None if is_settled(optimum) else face_near(self.problem, optimum.psi)
        if face is None:
            return optimum
        again = replace(self, tails=False).minimise(face, optimum.scale)
        better = again.evaluation.deviance <= optimum.evaluation.deviance
        return again if better and is_settled(again) else optimum


def _may_end_lower(one: Optimum, tail: Optimum | None) -> bool:
    """Whether a search that has come to rest may be better than one that has stopped on a tail."""
    assert tail is not None
    return is_optimum(one) and one.evaluation.deviance < tail.evaluation.deviance


def _is_exhausted(rounding: float, optimum: Optimum) -> bool:
    """Whether a search without rest is as close, by its curvature, as rounding lets it come."""
    if is_optimum(optimum) or not optimum.smallest_eigenvalue > RUNAWAY:
        return False
    gain = 0.5 * optimum.psi.size * optimum.gradient**2 / optimum.smallest_eigenvalue
    return gain < rounding
