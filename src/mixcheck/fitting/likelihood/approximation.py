"""How parameters are estimated, and how the likelihood is approximated."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from mixcheck.arguments.options import require_flag
from mixcheck.arrays import FloatArray, IntArray
from mixcheck.errors import ConvergenceError, OptionError
from mixcheck.fitting.latent.factorization import Factorization
from mixcheck.fitting.likelihood.adjoint import Adjoint
from mixcheck.fitting.likelihood.bent_mode import bend_mode, bends
from mixcheck.fitting.likelihood.mode import Mode, first_effects, predict_mode
from mixcheck.fitting.likelihood.objective import (
    Evaluation,
    GroupEvaluation,
    Hessian,
    RoughObjective,
)
from mixcheck.fitting.likelihood.penalty import penalise
from mixcheck.fitting.likelihood.problem import Problem
from mixcheck.fitting.likelihood.scalar_laplace import ScalarRows
from mixcheck.port import LikelihoodKind

__all__ = [
    "RESTRICTED",
    "Approximation",
    "Expansion",
    "Method",
    "Option",
    "floor_of",
    "hessian_of",
    "objective_of",
    "require_random_effects",
]

# Residual deviations below this share of that of the response are rounding.
_EXACT = 1e-6
# What the deviance of an unbounded likelihood falls by, and more, in each step.
_FALL = 0.5
_UNBOUNDED = (
    "the model reproduces the responses exactly, so the residual deviation tends to zero and the "
    "likelihood is unbounded. Look for a response that is constant, also within some level, or a "
    "function of predictors and groups, and leave these out"
)


@dataclass(frozen=True)
class Option:
    """An argument of `mixcheck.glmm` that belongs to a way of estimating.

    Attributes
    ----------
    attribute : str
        Where the method holds it.
    read : callable
        Takes a value, and gives None where it is what holds without it; raises `OptionError` for
        what is not allowed.
    refusal : str
        Sentence for other methods, with places for ``{value}`` and ``{method}``.
    idle : object
        A value that means nothing to other methods, and is not refused.
    """

    attribute: str
    read: Callable[[object], Any]
    refusal: str
    idle: object = None


def _read_restricted(value: object) -> bool | None:
    return require_flag("reml", value) or None


RESTRICTED = Option(
    "restricted", _read_restricted, "reml={value} is not for method={method}; leave it out"
)


class Method(ABC):
    """A way of estimating the parameters of a mixed model.

    Attributes
    ----------
    spelling : str
        What is written in ``glmm(method=)``.
    takes : mapping of str to Option
        Arguments of `mixcheck.glmm` that belong to it.
    refusals : mapping of str to str
        Sentences of its own on arguments that do not.
    """

    spelling: ClassVar[str]
    takes: ClassVar[Mapping[str, Option]] = {}
    refusals: ClassVar[Mapping[str, str]] = {}

    @property
    @abstractmethod
    def approximation(self) -> Approximation:
        """Approximation of the likelihood whose curvature gives standard errors."""

    @property
    def restricted(self) -> bool:
        """Whether the fixed effects of the mean are integrated out under a flat prior (REML)."""
        return False

    @property
    def joint(self) -> bool:
        """Whether the fixed effects of the mean are sought together with the random ones."""
        return self.restricted

    @property
    def kind(self) -> LikelihoodKind:
        """What is maximised."""
        return "restricted" if self.restricted else "full"

    @property
    def options(self) -> dict[str, Any]:
        """Arguments of `mixcheck.glmm` that ask for this method."""
        values = {name: getattr(self, option.attribute) for name, option in self.takes.items()}
        return {"method": self.spelling, **values}

    @classmethod
    def of(cls, **given: Any) -> Self:
        """The method with what was given of its attributes."""
        return cls(**given)

    def require(self, problem: Problem) -> None:
        """Refuse a model that this method cannot estimate.

        Raises
        ------
        OptionError
        """
        if self.joint:
            require_random_effects(problem, self)

    def refine(self, problem: Problem, at: Evaluation) -> Self:
        """The same method, as fine as it takes at some parameters to be exact enough.

        Raises
        ------
        ConvergenceError
            If no fineness is enough.
        """
        return self

    @property
    def fineness(self) -> int:
        """How fine it is: points of a rule, or draws."""
        return 1

    @property
    def settled(self) -> bool:
        """Whether its fineness is given, not to be found by `refine`."""
        return True

    def settle(self) -> Self:
        """The same with the fineness that it has."""
        return self


class Approximation(Method):
    """An approximation of the marginal likelihood, as a function of the parameters.

    Attributes
    ----------
    even : bool
        Whether it is the same for all parameters of one covariance.
    splits : bool
        Whether it is told apart into a deviance of each group.
    tabulates : bool
        Whether its deviance is that of `mixcheck.fitting.likelihood.step_table`.
    """

    even: ClassVar[bool] = True
    splits: ClassVar[bool] = False
    tabulates: ClassVar[bool] = False

    @property
    def approximation(self) -> Approximation:
        """Itself."""
        return self

    @property
    def preliminary(self) -> Approximation | None:
        """A cheaper approximation at whose optimum the search begins; None for none."""
        return None

    def is_closed(self, problem: Problem) -> bool:
        """Whether the modes of a problem need no start."""
        return False

    @abstractmethod
    def evaluate(
        self,
        problem: Problem,
        psi: FloatArray,
        start: list[FloatArray],
        *,
        chord: Factorization | None = None,
        close: bool = False,
        sloped: bool = True,
        near: float = 0.0,
    ) -> Evaluation:
        """Deviance and its exact gradient.

        Parameters
        ----------
        problem : Problem
        psi : (n_beta + n_theta,)
            Fixed effects of each predictor in turn, then covariance parameters.
        start : list of (q, m)
            Standardised random effects to start from.
        chord, close
            See `mixcheck.fitting.likelihood.mode.find_mode`.
        sloped : bool
            Whether the gradient is asked for; where it is not, it may be nan, and the spread one.
        near : float
            How near modes have to be at least; see `mixcheck.fitting.likelihood.mode.find_mode`.

        Returns
        -------
        Evaluation
            Deviance inf and gradient nan where no mode exists.
        """

    def factorize(self, problem: Problem, mode: Mode) -> Factorization:
        """The factors of the H whose log determinant is part of the deviance."""
        return mode.system.factorization

    def verify(self, problem: Problem, at: Evaluation) -> None:
        """Refuse estimates at which the approximation does not hold.

        Raises
        ------
        ConvergenceError
        """

    def facts(self, problem: Problem, at: Evaluation) -> Mapping[str, float]:
        """Numbers that tell how good the approximation is at the estimates, by their names."""
        return {}

    def hessian(self, problem: Problem) -> Hessian | None:
        """Hessian of the deviance without priors; None where it has no formula here."""
        return None

    def scalar(self, problem: Problem) -> ScalarRows | None:
        """The rows of a problem whose Hessian is in closed form; None for other problems."""
        return None

    @abstractmethod
    def expand(self, problem: Problem, at: Evaluation) -> Expansion:
        """Where and how much the log density of each row enters the deviance."""

    def evaluate_groups(
        self,
        problem: Problem,
        psi: FloatArray,
        codes: IntArray,
        nearby: Evaluation | None = None,
    ) -> GroupEvaluation | None:
        """Deviance of each group, all at once; None where each must be a problem of its own.

        Parameters
        ----------
        problem : Problem
        psi : (P,)
        codes : (n,) int
            Group of each row, 0 to G - 1; every level lies within one group.
        nearby : Evaluation, optional
            To start from.

        Raises
        ------
        ConvergenceError
            If there is no mode at these parameters.
        """
        if not self.splits:
            return None
        whole = objective_of(problem, self)(psi, nearby)
        if whole.mode is None:
            raise ConvergenceError("the likelihood is not finite at these parameters")
        return self.split(problem, whole, whole.mode, codes)

    def split(
        self, problem: Problem, whole: Evaluation, mode: Mode, codes: IntArray
    ) -> GroupEvaluation:
        """Deviance of each group and its gradient from those of all; where it `splits`."""
        raise NotImplementedError


@dataclass(frozen=True, eq=False)
class Expansion:
    """The points at which log densities enter a deviance, and how it moves with modes and H.

    Attributes
    ----------
    weights : list of (n,)
        Posterior weight of each point for each row; they sum to one over the points.
    eta : list of list of (n,)
        Predictors at each point.
    values : list of (n,)
        Log density of each row at each point.
    adjoint : Adjoint
    observed : bool
        Whether H holds the observed information, which moves with the responses.
    """

    weights: list[FloatArray]
    eta: list[list[FloatArray]]
    values: list[FloatArray]
    adjoint: Adjoint
    observed: bool = True


def require_random_effects(problem: Problem, method: Method) -> None:
    """Refuse what has no variance to estimate beside the fixed effects of the mean.

    Raises
    ------
    OptionError
    """
    if not problem.terms and not (method.restricted and len(problem.X) > 1):
        raise OptionError(
            f"the model has no random effects, so there is nothing to approximate by {method}; "
            "leave method and reml out"
        )


def objective_of(
    problem: Problem,
    method: Method,
    *,
    sloped: bool = True,
    effects: list[FloatArray] | None = None,
    close: bool = False,
) -> RoughObjective:
    """The deviance of a problem as a function of its parameters, warm-started.

    Without `sloped` its gradient is not asked for; see `Approximation.evaluate`. Without an
    evaluation nearby, a search for the modes begins at `effects` where these are given; they are
    expected to be the modes where they are `close`.
    """
    certain = problem.family.normal_error
    approximation = method.approximation

    def deviance(psi: FloatArray, nearby: Evaluation | None, near: float = 0.0) -> Evaluation:
        if nearby is None or nearby.mode is None or not problem.terms:
            start = first_effects(problem, psi) if effects is None else effects
            found = approximation.evaluate(
                problem, psi, start, close=close, sloped=sloped, near=near
            )
        else:
            u, predicted, bent = nearby.mode.point.u, False, None
            if not approximation.is_closed(problem):
                if near and not sloped and bends(problem):
                    bent = bend_mode(problem, nearby.mode, nearby.psi, psi)
                if bent is None:
                    u, predicted = predict_mode(problem, nearby.mode, nearby.psi, psi)
                else:
                    u, predicted = bent, True
            chord = nearby.mode.system.factorization
            found = approximation.evaluate(
                problem, psi, u, chord=chord, close=predicted, sloped=sloped, near=near
            )
        # A dispersion may vanish at a finite likelihood, as where each row has a random effect:
        # there the deviance no longer falls. Beside a normal error no such effect is allowed.
        falls = nearby is not None and found.deviance < nearby.deviance - _FALL
        if (certain or falls) and _is_exact(problem, found):
            raise ConvergenceError(_UNBOUNDED)
        if problem.remainder is not None and found.mode is not None:
            return found.plus(problem.remainder)
        if problem.penalty is not None and found.mode is not None:
            return penalise(problem, problem.penalty, found)
        return found

    return deviance


def hessian_of(problem: Problem, method: Method) -> Hessian | None:
    """Hessian of that deviance; None where only differences of its gradient tell it."""
    return None if problem.penalty is not None else method.approximation.hessian(problem)


def floor_of(problem: Problem) -> float:
    """``log(e s)``: a deviation from the mean below which a response is reproduced exactly.

    s is the size of the responses, and e the share of it that is rounding.
    """
    return float(np.log(_EXACT * problem.family.response_scale(problem.data.y)))


def _is_exact(problem: Problem, found: Evaluation) -> bool:
    """Whether some response lies on its mean to rounding, where the density has no bound."""
    if found.mode is None:
        return False
    deviation = problem.family.log_deviation(problem.data.y, tuple(found.mode.point.eta))
    return deviation is not None and bool(deviation.min() < floor_of(problem))
