"""How the likelihood is approximated, and what is maximised in its place."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.errors import ConvergenceError
from mixcheck.fitting.likelihood.laplace import HessianKind, evaluate
from mixcheck.fitting.likelihood.mode import predict_mode
from mixcheck.fitting.likelihood.objective import Evaluation, Objective
from mixcheck.fitting.likelihood.problem import Problem
from mixcheck.fitting.likelihood.quadrature import MOST_EFFECTS, evaluate_quadrature

__all__ = ["Method", "MethodName", "choose_nodes", "objective_of"]

MethodName = Literal["laplace", "agq", "profiled", "pql"]

# Nodes tried by nodes="auto", and how far two successive log-likelihoods may differ.
_LADDER = (1, 5, 9, 13, 17, 21, 25, 31, 41, 51, 71, 101, 151, 201)
_AGREEMENT = 1e-5
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
class Method:
    """An approximation of the marginal likelihood.

    Attributes
    ----------
    name : {"laplace", "agq", "profiled", "pql"}
    hessian : {"observed", "expected"}
        Information in the log determinant of the Laplace approximation.
    nodes : int
        Quadrature nodes per dimension; 1 for Laplace.
    reml : bool
        Whether the fixed effects of the mean are integrated out.
    """

    name: MethodName = "laplace"
    hessian: HessianKind = "observed"
    nodes: int = 1
    reml: bool = False

    @property
    def joint(self) -> bool:
        """Whether the fixed effects of the mean are sought together with the random ones."""
        return self.reml or self.name in ("profiled", "pql")

    @property
    def likelihood(self) -> bool:
        """Whether what is maximised is a likelihood of the responses."""
        return self.name != "pql"

    def __str__(self) -> str:
        if self.name == "agq":
            return f"adaptive quadrature, {self.nodes} nodes"
        if self.name == "pql":
            kind = (
                "restricted pseudo-likelihood (RSPL)" if self.reml else "pseudo-likelihood (MSPL)"
            )
            return f"PQL, {kind}"
        if self.name == "profiled":
            return f"Laplace, {self.hessian} information, fixed effects at their joint mode"
        return f"Laplace, {self.hessian} information" + (", REML" if self.reml else "")


def objective_of(problem: Problem, method: Method) -> Objective:
    """The deviance of a problem as a function of its parameters, warm-started."""
    certain = problem.family.normal_error
    floor = float(np.log(_EXACT * problem.family.response_scale(problem.data.y)))

    def deviance(psi: FloatArray, nearby: Evaluation | None) -> Evaluation:
        if nearby is None or nearby.mode is None or not problem.terms:
            found = _evaluate(problem, method, psi, problem.latent.zeros(), None, close=False)
        else:
            u, close = predict_mode(problem, nearby.mode, nearby.psi, psi)
            found = _evaluate(problem, method, psi, u, nearby, close=close)
        # A dispersion may vanish at a finite likelihood, as where each row has a random effect:
        # there the deviance no longer falls. Beside a normal error no such effect is allowed.
        falls = nearby is not None and found.deviance < nearby.deviance - _FALL
        if (certain or falls) and _is_exact(problem, found, floor):
            raise ConvergenceError(_UNBOUNDED)
        return found

    return deviance


def _is_exact(problem: Problem, found: Evaluation, floor: float) -> bool:
    """Whether some response lies on its mean to rounding, where the density has no bound."""
    if found.mode is None:
        return False
    deviation = problem.family.log_deviation(problem.data.y, tuple(found.mode.point.eta))
    return deviation is not None and bool(deviation.min() < floor)


def _evaluate(
    problem: Problem,
    method: Method,
    psi: FloatArray,
    start: list[FloatArray],
    nearby: Evaluation | None,
    *,
    close: bool,
) -> Evaluation:
    if method.name == "agq":
        return evaluate_quadrature(problem, psi, start, method.nodes, close=close)
    chord = None if nearby is None or nearby.mode is None else nearby.mode.system.factorization
    return evaluate(
        problem,
        psi,
        start,
        hessian=method.hessian,
        restricted=method.reml,
        chord=chord,
        close=close,
    )


def choose_nodes(problem: Problem, at: Evaluation, method: Method) -> Method:
    """Raise the nodes until two successive log-likelihoods agree, twice.

    The error of adaptive quadrature does not fall monotonically with the nodes, so one
    agreement may be an accident.

    Raises
    ------
    ConvergenceError
        If the largest rule has not settled.
    """
    before, agreed = None, 0
    most = _LADDER[-1] if problem.latent.factors[0].q == 1 else _LADDER[-1] // MOST_EFFECTS
    for nodes in (k for k in _LADDER if k <= most):
        tried = replace(method, nodes=nodes)
        llf = -0.5 * objective_of(problem, tried)(at.psi, at).deviance
        agreed = agreed + 1 if before is not None and abs(llf - before) < _AGREEMENT else 0
        if agreed == 2:
            return tried
        before = llf
    raise ConvergenceError(
        f'nodes="auto" found no number of nodes up to {most} at which the log-likelihood settles '
        f"to {_AGREEMENT:g}; give a number, such as nodes=51, and compare"
    )
