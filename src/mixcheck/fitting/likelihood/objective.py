"""The objective of a search: minus twice a log-likelihood, with its gradient, at parameters psi."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.fitting.latent.layout import Gram
from mixcheck.fitting.latent.roots import units_of
from mixcheck.fitting.likelihood.mode import Mode
from mixcheck.fitting.likelihood.problem import Problem
from mixcheck.fitting.likelihood.remainder import Remainder

__all__ = ["Evaluation", "Hessian", "Objective", "RoughObjective", "scale_roots"]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Deviance at one parameter vector.

    Attributes
    ----------
    psi : (n_beta + n_theta,)
    deviance : float
        Minus twice the log-likelihood; inf where there is no mode. With priors, the penalty is
        part of it.
    gradient : (n_beta + n_theta,)
    mode : Mode or None
    spread : float
        Largest variance of a standardised random effect by the curvature at the mode. At most
        one where the log density is concave; at a pole of the approximation it is infinite.
    penalty : float
        Minus twice the log prior density.
    """

    psi: FloatArray
    deviance: float
    gradient: FloatArray
    mode: Mode | None
    spread: float = 1.0
    penalty: float = 0.0

    @property
    def llf(self) -> float:
        """The log-likelihood, without priors: ``-(D - penalty) / 2``."""
        return -0.5 * (self.deviance - self.penalty)

    def plus(self, remainder: Remainder) -> Evaluation:
        """The same with what an approximate deviance has left."""
        value, slope = remainder.at(self.psi)
        return replace(self, deviance=self.deviance + value, gradient=self.gradient + slope)

    @property
    def gram(self) -> Gram:
        """``Z' W Z`` at the mode."""
        assert self.mode is not None
        return self.mode.system.gram

    def scaled_roots(self, problem: Problem) -> list[FloatArray]:
        """Lambda of each factor in units of the precision that the data of one level give."""
        return scale_roots(problem, self.psi[problem.n_beta :], self.gram)


def scale_roots(problem: Problem, theta: FloatArray, gram: Gram) -> list[FloatArray]:
    """``diag(c)^1/2 Lambda`` of each factor, c the mean over levels of ``diag Z'WZ``, (q, q)."""
    out = []
    for f, root in enumerate(problem.roots(theta)):
        information = gram[f, f].diagonal().mean(axis=0)
        out.append(np.sqrt(np.maximum(information, 0.0))[:, None] * units_of(root))
    return out


@dataclass(frozen=True, eq=False)
class GroupEvaluation:
    """Deviance of each group at one parameter vector.

    Attributes
    ----------
    deviance : (G,)
    gradient : (G, P)
    whole : Evaluation
        Of all groups together.
    """

    deviance: FloatArray
    gradient: FloatArray
    whole: Evaluation


Objective = Callable[[FloatArray, Evaluation | None], Evaluation]


class RoughObjective(Protocol):
    """An objective that is told how near the modes have to be; far from its minimum, not very.

    Modes with a decrement d leave an error of the order of d in the deviance, and of its root in
    the gradient.
    """

    def __call__(
        self, psi: FloatArray, nearby: Evaluation | None, near: float = 0.0, /
    ) -> Evaluation:
        """The evaluation at psi; see `mixcheck.fitting.likelihood.mode.find_mode` for `near`."""
        ...


Hessian = Callable[[Evaluation], FloatArray]
"""The Hessian of an objective, (P, P), at one of its evaluations that has a mode."""
