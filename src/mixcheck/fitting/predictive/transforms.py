"""Where responses stand in their distributions, with what the data say of their predictors.

Given the data the predictors of a row are as good as normal around their values at the modes, with
the covariances ``z_a' Lambda H^-1 Lambda' z_b``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.fitting.latent.roots import Root, covariances_of_effects
from mixcheck.fitting.likelihood.mode import System, build_system
from mixcheck.fitting.likelihood.problem import Curvature, Problem
from mixcheck.port import FoundTransform, ProbabilityTransform
from mixcheck.predictive import (
    ConditionalDistribution,
    Distribution,
    known_normal,
    mean_squares,
    probability_transform,
)
from mixcheck.trial_values import may_overflow

__all__ = ["CopyTransform", "Known", "KnownNormal", "Transforms", "known_spread", "system_at"]

# Nodes in each coordinate of the predictors of a row, by how many have random effects.
_NODES = {1: 7, 2: 4}
# Three nodes are exact to the fifth moment and two to the third, and where rows are many each says
# little.
_FEW = 3
_MANY_ROWS = {20_000: 3, 50_000: 2}


def known_spread(
    problem: Problem, roots: Sequence[Root], systems: Sequence[System]
) -> Callable[[], FloatArray]:
    """How well the predictors of each row are known given the data, when it is asked for.

    Parameters
    ----------
    problem : Problem
        Of each system.
    roots : sequence of Root
    systems : sequence of System
        Of data sets that stand one after another.

    Returns
    -------
    callable
        To (k, k, n) for n rows of all data sets: ``z_a' Lambda H^-1 Lambda' z_b`` of the k
        predictors with random effects.
    """

    def find() -> FloatArray:
        each = [_covariance_of_rows(problem, roots, system) for system in systems]
        return each[0] if len(each) == 1 else np.concatenate(each, axis=2)

    return find


def system_at(
    problem: Problem, roots: Sequence[Root], eta: tuple[FloatArray, ...]
) -> System | None:
    """The observed system at some predictors; None if it is not positive definite."""
    second = {key: -value for key, value in problem.derivatives(eta, 2).second.items()}
    return build_system(problem, roots, Curvature(second, {}), observed=True)


def _covariance_of_rows(problem: Problem, roots: Sequence[Root], system: System) -> FloatArray:
    random = problem.latent.random_predictors
    entries = covariances_of_effects(roots, system.factorization.inverse_entries())
    out = np.zeros((len(random), len(random), problem.n))
    for (a, b), leverage in problem.latent.leverages(entries).items():
        j, k = random.index(a), random.index(b)
        out[j, k] = out[k, j] = leverage
    return out


@dataclass(frozen=True, eq=False)
class Known:
    """A distribution of which nothing is averaged over."""

    distribution: Distribution

    def __call__(self) -> tuple[FloatArray, Sequence[Distribution]]:
        """One, of weight one."""
        return np.ones(1), [self.distribution]


@dataclass(frozen=True, eq=False)
class KnownNormal:
    """Distributions given predictors that are normal around their values at the modes."""

    problem: Problem
    eta: tuple[FloatArray, ...]
    spread: Callable[[], FloatArray]

    def __call__(self) -> tuple[FloatArray, Sequence[Distribution]]:
        """Weights of a rule, and the distributions at its nodes."""
        problem, size = self.problem, self.problem.data.trials
        random = problem.latent.random_predictors
        if not random:
            return np.ones(1), [ConditionalDistribution(problem.family, self.eta, size)]
        many = [count for rows, count in _MANY_ROWS.items() if problem.n > rows]
        count = many[-1] if many else _NODES.get(len(random), _FEW)
        weights, given = known_normal(problem.family, self.eta, random, self.spread(), size, count)
        if problem.family.may_leave:
            given = [self._inside(one) for one in given]
        return weights, given

    def _inside(self, given: ConditionalDistribution) -> ConditionalDistribution:
        """Predictors at the modes for rows where those of a node leave the domain of the link."""
        family, data = self.problem.family, self.problem.data
        with may_overflow():
            inside = np.isfinite(family.log_density(data, given.eta))
        pairs = zip(given.eta, self.eta, strict=True)
        eta = tuple(np.where(inside, node, mode) for node, mode in pairs)
        return ConditionalDistribution(family, eta, given.size)


@dataclass(frozen=True, eq=False)
class Transforms:
    """Where the responses of each copy stand, in the order of the design; found once."""

    problem: Problem
    copies: int
    given: Callable[[], tuple[FloatArray, Sequence[Distribution]]]
    known: list[ProbabilityTransform] = field(default_factory=list)

    def __call__(self) -> ProbabilityTransform:
        """Arrays (J, copies, n)."""
        if not self.known:
            self.known.append(self._find())
        return self.known[0]

    def __reduce__(self) -> tuple[type[FoundTransform], tuple[ProbabilityTransform]]:
        return FoundTransform, (self(),)

    def _find(self) -> ProbabilityTransform:
        """Arrays (J, copies, n)."""
        weights, distributions = self.given()
        y = self.problem.data.y
        found: list[tuple[FloatArray, ...]] = []

        def transformed(which: int) -> FloatArray:
            if not found:
                with may_overflow():
                    each = [probability_transform(one, y) for one in distributions]
                found.extend(zip(*each, strict=True))
            return self._of_copies(found[which])

        def averaged() -> FloatArray:
            if found:
                known: FloatArray = np.einsum("jcn,j->cn", transformed(2) ** 2, weights)
                return known
            with may_overflow():
                squares = mean_squares(distributions, weights, y)
            averages: FloatArray = self._of_copies([squares])[0]
            return averages

        return ProbabilityTransform(
            lambda: (transformed(0), transformed(1)), lambda: transformed(2), weights, averaged
        )

    def _of_copies(self, parts: Sequence[FloatArray]) -> FloatArray:
        out, places = np.empty((len(parts), parts[0].size)), self.problem.inverse_order
        for target, part in zip(out, parts, strict=True):
            # Without mode="clip" NumPy writes by way of another array.
            np.take(part, places, out=target, mode="clip")
        return out.reshape(len(parts), self.copies, -1)


@dataclass(frozen=True, eq=False)
class CopyTransform:
    """Where the responses of one copy stand, (J, n)."""

    transform: Callable[[], ProbabilityTransform]
    copy: int

    def __call__(self) -> ProbabilityTransform:
        """Arrays (J, n)."""
        whole = self.transform()
        return ProbabilityTransform(
            lambda: (whole.below[:, self.copy], whole.mass[:, self.copy]),
            lambda: whole.scores[:, self.copy],
            whole.weights,
            lambda: whole.squares[self.copy],
        )
