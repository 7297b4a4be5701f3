"""What the estimates of the fixed effects take of the scores of a data set.

At the modes of the random effects, which follow the data, the scores of the rows have the
covariance ``V = W - W Z Lambda H^-1 Lambda' Z' W`` with the expected information W: that of the
linear model that Laplace's approximation comes to. In a Gaussian model it is exact.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.errors import ConvergenceError
from mixcheck.fitting.latent.factorization import Factorization
from mixcheck.fitting.latent.roots import Root, scale
from mixcheck.fitting.likelihood.mode import build_system, whitened
from mixcheck.fitting.likelihood.problem import Curvature, Problem
from mixcheck.port import ScoreProjection

__all__ = ["ScoreCovariance", "project_scores"]


@dataclass(frozen=True, eq=False)
class ScoreCovariance:
    """V as a linear map; `information` is W by pairs of predictors."""

    problem: Problem
    roots: Sequence[Root]
    information: Mapping[tuple[int, int], FloatArray]
    factorization: Factorization

    @classmethod
    def at(
        cls, problem: Problem, roots: Sequence[Root], eta: Sequence[FloatArray]
    ) -> ScoreCovariance:
        """V at given predictors.

        Raises
        ------
        ConvergenceError
            If the information has no finite value there.
        """
        information = problem.expected(eta).second
        system = build_system(problem, roots, Curvature(information, {}), observed=False)
        if system is None:
            raise ConvergenceError(
                "the information of the rows is not finite at the estimates, so that it is not "
                "known what estimation takes of their scores; see fit.convergence"
            )
        return cls(problem, roots, information, system.factorization)

    def times(self, part: int, column: FloatArray) -> FloatArray:
        """``V x = W (x - Z Lambda H^-1 Lambda' Z' W x)``, (K, n), for a column x of one part."""
        return self.weigh(self.follow(part, column))

    def weigh(self, moved: FloatArray) -> FloatArray:
        """``sum_a W_ab d_a`` of each part b, (K, n), for what the predictors move by, d."""
        count = len(self.problem.X)
        return np.stack(
            [sum(self._weigh(a, b, moved[a]) for a in range(count)) for b in range(count)]
        )

    def follow(self, part: int, column: FloatArray) -> FloatArray:
        """``x - Z Lambda H^-1 Lambda' Z' W x``, (K, n), for a column x, (n,), of one part.

        How the predictors move as one of them by the column, the modes following.
        """
        out = np.zeros((len(self.problem.X), self.problem.n))
        out[part] = column
        for a, moved in enumerate(self._taken_up(part, column)):
            if moved is not None:
                out[a] -= moved
        return out

    def _taken_up(self, part: int, column: FloatArray) -> Sequence[FloatArray | None]:
        """What the random effects take of a column, ``Z Lambda H^-1 Lambda' Z' W x``, by part."""
        latent, count = self.problem.latent, len(self.problem.X)
        rows = {b: self._weigh(part, b, column) for b in latent.random_predictors}
        solved = self.factorization.solve(whitened(self.problem, self.roots, rows))
        effects = [scale(root, effect) for root, effect in zip(self.roots, solved, strict=True)]
        return latent.gather(effects, count)

    def _weigh(self, a: int, b: int, values: FloatArray) -> FloatArray:
        weight = self.information.get((min(a, b), max(a, b)))
        return np.zeros(self.problem.n) if weight is None else weight * values


def project_scores(
    problem: Problem, roots: Sequence[Root], eta: Sequence[FloatArray]
) -> ScoreProjection:
    """The projection at given predictors, ``V X (X' V X)^-``, ^- the pseudo-inverse.

    Parameters
    ----------
    problem : Problem
    roots : list of (q, q)
        ``Lambda`` of each factor.
    eta : list of (n,)
        Predictors at the conditional modes.

    Raises
    ------
    ConvergenceError
        If the information has no finite value there.
    """
    covariance = ScoreCovariance.at(problem, roots, eta)
    columns = [(k, column) for k, X in enumerate(problem.X) for column in X.T]
    followed = np.empty((len(problem.X), problem.n, len(columns)))
    moved = np.empty_like(followed)
    inner = np.empty((len(columns), len(columns)))
    for j, (k, column) in enumerate(columns):
        followed[:, :, j] = covariance.follow(k, column)
        moved[:, :, j] = covariance.weigh(followed[:, :, j])
        inner[:, j] = [other @ moved[a, :, j] for a, other in columns]
    at_zero = _scores_at_zero(problem, eta)
    order, names = problem.to_design, problem.family.predictors
    return ScoreProjection.of(
        {name: order(X) for name, X in zip(names, problem.X, strict=True)},
        {name: order(part) for name, part in zip(names, moved, strict=True)},
        inner,
        None if at_zero is None else order(np.einsum("an,anp->np", at_zero, followed)),
    )


def _scores_at_zero(problem: Problem, eta: Sequence[FloatArray]) -> FloatArray | None:
    """``E (1(y = 0) / p - 1) s = s(0)`` in each predictor, (K, n); None where zeros have a part."""
    family = problem.family
    if family.zero_part != "inflation" or "zi" in family.predictors:
        return None
    return np.stack(problem.with_rows(np.zeros(problem.n)).derivatives(tuple(eta), 1).first)
