"""All parts together: sums over them, and the search for the largest likelihood of the whole.

The search is that of a problem in one piece (`mixcheck.fitting.estimation.searches`). What it asks
of rows is asked of the parts and summed; what it asks of columns and covariances, a problem of the
few rows that show them answers.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Concatenate, ParamSpec, TypeVar

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.design import Design
from mixcheck.errors import ConvergenceError
from mixcheck.execution.crews import Crew
from mixcheck.fitting.estimation.canonical import canonical_optimum
from mixcheck.fitting.estimation.estimate import explained
from mixcheck.fitting.estimation.optimum import Optimum
from mixcheck.fitting.estimation.searches import Searches
from mixcheck.fitting.estimation.start import Moments, climb, newton_step
from mixcheck.fitting.likelihood.approximation import Approximation
from mixcheck.fitting.likelihood.mode import Mode
from mixcheck.fitting.likelihood.objective import Evaluation, Hessian, Objective
from mixcheck.fitting.likelihood.problem import Problem
from mixcheck.fitting.partitions import part as parts
from mixcheck.fitting.partitions.part import Part
from mixcheck.trial_values import may_overflow

__all__ = ["HeldModes", "PartsSearches", "Whole", "climb_without_effects", "estimate_whole"]

P = ParamSpec("P")
Answer = TypeVar("Answer")


@dataclass(frozen=True, eq=False, init=False)
class HeldModes(Mode):
    """Modes that parts hold.

    Attributes
    ----------
    number : int
        Of the evaluation that they belong to.
    """

    number: int = 0

    def __init__(self, number: int) -> None:
        object.__setattr__(self, "number", number)


@dataclass(frozen=True, eq=False)
class Whole:
    """The parts of the rows, and what all of them have in common.

    Attributes
    ----------
    crew : Crew of Part
    design : Design
        Of the few rows that show what the columns hold.
    problem : Problem
        The same, arranged.
    n : int
        Rows of all parts.
    rounding : float
        What the log-likelihood is known to.
    levels : mapping of str to int
        Number of levels of each grouping factor.
    dropped : int
        Rows left out because a value is missing.
    """

    crew: Crew[Part]
    design: Design
    problem: Problem
    n: int
    rounding: float
    levels: dict[str, int]
    dropped: int
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def ask(
        self, question: Callable[Concatenate[Part, P], Answer], *args: P.args, **kwargs: P.kwargs
    ) -> list[Answer]:
        """The answers of the parts that have rows, in order."""
        found = self.crew.ask(parts.answer, question, *args, **kwargs)
        return [one for one in found if one is not None]

    def ask_each(self, question: Callable[..., Answer | None], *args: Any) -> list[Answer]:
        """The answers of the parts that have rows to a question that is told which part it is."""
        found = self.crew.ask_each(question, range(self.crew.size), *args)
        return [one for one in found if one is not None]

    def objective(self, method: Approximation) -> Objective:
        """The deviance of all rows: the sum of those of the parts."""

        def deviance(psi: FloatArray, nearby: Evaluation | None) -> Evaluation:
            number, near = next(self.numbers), number_of(nearby)
            shares = self.ask(parts.evaluate, psi, number, near, method)
            if not all(share.found for share in shares):
                return Evaluation(psi, np.inf, np.full(psi.size, np.nan), None)
            return Evaluation(
                psi,
                sum(share.deviance for share in shares),
                np.sum([share.gradient for share in shares], axis=0),
                HeldModes(number),
                max(share.spread for share in shares),
            )

        return deviance

    def hessian(self, at: Evaluation, method: Approximation) -> FloatArray | None:
        """Hessian of that deviance, (P, P); None where some part has no formula."""
        number = number_of(at)
        assert number is not None
        found = self.crew.ask(parts.answer, parts.hessian_of_part, at.psi, number, method)
        known = [one for one in found if one is not None]
        return np.sum(known, axis=0) if len(known) == self.filled else None

    @cached_property
    def filled(self) -> int:
        """Number of parts with rows."""
        return len(self.ask(parts.has_formula))

    @cached_property
    def has_hessian(self) -> bool:
        """Whether every part has a formula of the Hessian."""
        return all(self.ask(parts.has_formula))


def number_of(at: Evaluation | None) -> int | None:
    """The number of an evaluation whose modes parts hold."""
    return at.mode.number if at is not None and isinstance(at.mode, HeldModes) else None


@dataclass(frozen=True, eq=False)
class _Around:
    """See `mixcheck.fitting.estimation.surroundings.Surroundings`."""

    whole: Whole
    method: Approximation
    _known: dict[int, tuple[FloatArray, list[FloatArray]]] = field(default_factory=dict)

    def _scales(self, at: Evaluation) -> tuple[FloatArray, list[FloatArray]]:
        number = number_of(at)
        assert number is not None
        if number not in self._known:
            found = self.whole.ask(parts.look_around, at.psi, number, self.method)
            information = np.sum([one.information for one in found], axis=0)
            spreads = [
                _join_spreads([one.spreads[k] for one in found])
                for k in range(len(self.whole.problem.terms))
            ]
            self._known.clear()
            self._known[number] = information, spreads
        return self._known[number]

    def fixed_information(self, at: Evaluation) -> FloatArray:
        return self._scales(at)[0]

    def spreads(self, at: Evaluation) -> list[FloatArray]:
        return self._scales(at)[1]

    def kept_variance(self, at: Evaluation) -> float:
        levels = look_at_levels(self.whole, at, self.method)
        effects = [
            m * term.block.Z.shape[1]
            for m, term in zip(levels.m, self.whole.problem.terms, strict=True)
        ]
        return float(sum(levels.kept) / sum(effects))

    def second_moments(self, at: Evaluation) -> list[FloatArray]:
        levels = look_at_levels(self.whole, at, self.method)
        return [moment / m for moment, m in zip(levels.moments, levels.m, strict=True)]


def look_at_levels(whole: Whole, at: Evaluation, method: Approximation) -> parts.Levels:
    """What the levels of all parts say at an evaluation, summed."""
    number = number_of(at)
    assert number is not None
    found = whole.ask(parts.look_at_levels, at.psi, number, method)
    terms = range(len(whole.problem.terms))
    return parts.Levels(
        moments=[np.sum([one.moments[k] for one in found], axis=0) for k in terms],
        precision=[np.sum([one.precision[k] for one in found], axis=0) for k in terms],
        kept=[sum(one.kept[k] for one in found) for k in terms],
        m=[sum(one.m[k] for one in found) for k in terms],
    )


def _join_spreads(spreads: list[FloatArray]) -> FloatArray:
    """R with ``(R R')^-1`` the sum of those of the parts, (k, k)."""
    inverse = [np.linalg.inv(spread) for spread in spreads]
    lower = np.linalg.cholesky(np.sum([one.T @ one for one in inverse], axis=0))
    out: FloatArray = np.linalg.inv(lower).T
    return out


@dataclass(frozen=True, eq=False)
class PartsSearches(Searches):
    """The searches of a problem whose rows lie in parts.

    Attributes
    ----------
    whole : Whole
    """

    whole: Whole | None = None

    @property
    def _parts(self) -> Whole:
        assert self.whole is not None
        return self.whole

    @property
    def _laplace(self) -> Approximation:
        assert isinstance(self.method, Approximation)
        return self.method

    @cached_property
    def around(self) -> _Around:
        """What the rows of all parts say around an evaluation."""
        return _Around(self._parts, self._laplace)

    @property
    def rows(self) -> int:
        """Rows of all parts."""
        return self._parts.n

    @property
    def rounding(self) -> float:
        """What the log-likelihood of all rows is known to."""
        return self._parts.rounding

    @cached_property
    def objective(self) -> Objective:
        """The sum of the deviances of the parts."""
        return self._parts.objective(self._laplace)

    @property
    def rough(self) -> None:
        """None: parts find their modes to rounding."""
        return None

    @cached_property
    def exact(self) -> Hessian | None:
        """The sum of the Hessians of the parts."""
        if not self._parts.has_hessian:
            return None

        def hessian(at: Evaluation) -> FloatArray:
            found = self._parts.hessian(at, self._laplace)
            assert found is not None
            return found

        return hessian


@dataclass(frozen=True, eq=False)
class _PartsScore:
    """The log-likelihood of all parts without random effects; see `FixedScore`."""

    whole: Whole
    beta: FloatArray
    value: float
    gradient: FloatArray
    information: FloatArray

    @classmethod
    def at(cls, whole: Whole, beta: FloatArray) -> _PartsScore:
        found = whole.ask(parts.score_fixed, beta)
        value, gradient, information = (sum(values) for values in zip(*found, strict=True))
        return cls(whole, beta, float(value), np.asarray(gradient), np.asarray(information))

    def slopes(self) -> tuple[FloatArray, FloatArray]:
        return self.gradient, self.information

    def rough_information(self) -> FloatArray:
        out: FloatArray = np.sum(self.whole.ask(parts.rough_information, self.beta), axis=0)
        return out


@may_overflow()
def climb_without_effects(whole: Whole) -> FloatArray:
    """Fixed effects with every random effect at zero, (n_beta,)."""
    found = whole.ask(parts.project)
    first = _PartsScore.at(whole, _closest(whole.problem, found, constant=False))
    if not np.isfinite(first.value):
        first = _PartsScore.at(whole, _closest(whole.problem, found, constant=True))
    return climb(first, lambda beta: _PartsScore.at(whole, beta)).beta


def _closest(problem: Problem, found: list[parts.Projection], *, constant: bool) -> FloatArray:
    """Fixed effects closest to where the family starts, or to its mean over all rows."""
    beta = np.zeros(problem.n_beta)
    n = sum(one.n for one in found)
    means = np.sum([one.total for one in found], axis=0) / n
    for k, where in enumerate(problem.beta_slices):
        gram = np.sum([one.gram[k] for one in found], axis=0)
        offset = np.sum([one.towards_offset[k] for one in found], axis=0)
        wanted = (
            means[k] * np.sum([one.ones[k] for one in found], axis=0)
            if constant
            else np.sum([one.towards[k] for one in found], axis=0)
        )
        step = newton_step(gram, wanted - offset)
        if step is not None:
            beta[where] = step
    return beta


def find_start(whole: Whole, beta: FloatArray) -> FloatArray:
    """Starting values of all parameters, (P,); see `mixcheck.fitting.estimation.start`."""
    problem = whole.problem
    theta = np.zeros(problem.n_theta)
    found = whole.ask(parts.moments, beta)
    for k, term in enumerate(problem.terms):
        total: Moments = found[0][k]
        for one in found[1:]:
            total = total + one[k]
        theta[term.theta] = term.covariance.start(total.deviations())
    return np.concatenate([beta, theta])


@explained
def estimate_whole(whole: Whole, method: Approximation, beta: FloatArray) -> Optimum:
    """Maximise the likelihood of all parts, with curvature.

    Parameters
    ----------
    whole : Whole
    method : Approximation
    beta : (n_beta,)
        Fixed effects without random ones.

    Raises
    ------
    ConvergenceError
        If the likelihood is not finite at any starting point.
    """
    searches = PartsSearches(whole.problem, method, whole=whole)
    found = searches.from_start(find_start(whole, beta))
    optimum = canonical_optimum(whole.problem, found, method, searches.objective)
    if optimum.evaluation.mode is None:
        raise ConvergenceError(
            "the likelihood is not finite where the search for its maximum ended: the link may "
            f"not fit these data (family {whole.problem.family!r}). Try another link, or rescale "
            "the predictors."
        )
    return optimum
