"""Penalised quasi-likelihood: a linear mixed model of a working response, again and again.

At predictors ``eta`` with mean ``mu`` and expected information ``W``, the working response
``z = eta + (y - mu) / (d mu / d eta)`` is taken for normal with variance ``1 / W``: a linear
mixed model with known weights, whose likelihood (MSPL) or restricted likelihood (RSPL) is
maximised over the covariance parameters; then ``z`` and ``W`` are found anew. The estimates
are where that comes to rest. They are biased where the counts of a group are small; they are
here because SAS, SPSS and MATLAB print them.

For given covariance parameters the working response settles at the joint mode of the fixed
and random effects, so what is sought is a zero of the gradient of that model's deviance with
``z`` and ``W`` taken there. A few rounds come close, Newton's method ends it.

References
----------
Breslow & Clayton (1993), Journal of the American Statistical Association 88, 9-25; Wolfinger
& O'Connell (1993), Journal of Statistical Computation and Simulation 48, 233-243.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.errors import ConvergenceError, OptionError
from mixcheck.families import Gaussian
from mixcheck.fitting.estimation.optimize import minimise
from mixcheck.fitting.estimation.optimum import Optimum
from mixcheck.fitting.estimation.reml import Joint, expand
from mixcheck.fitting.estimation.start import whiten
from mixcheck.fitting.latent.roots import whiten_effects
from mixcheck.fitting.likelihood.approximation import (
    RESTRICTED,
    Approximation,
    Method,
    Option,
    objective_of,
    require_random_effects,
)
from mixcheck.fitting.likelihood.laplace import Laplace, Profiled
from mixcheck.fitting.likelihood.mode import Mode, find_mode
from mixcheck.fitting.likelihood.objective import Evaluation
from mixcheck.fitting.likelihood.problem import Problem
from mixcheck.port import LikelihoodKind

__all__ = ["PQL", "estimate_by_pql", "generalised_chi_square", "linearise"]

# Newton's method takes over where a round moves the parameters by less, in standard errors.
_NEAR = 0.05
_MAX_ROUNDS = 200
# Gradients of the working deviance per standard error.
_TOLERANCE = 1e-9
_ENOUGH = 1e-7
_MAX_NEWTON = 12
_DIFFERENCE = 1e-3
_NO_WEIGHT = 1e-60


@dataclass(frozen=True)
class PQL(Method):
    """Penalised quasi-likelihood.

    Attributes
    ----------
    restricted : bool
        Whether the working model is estimated by its restricted likelihood.
    """

    restricted: bool = False

    spelling: ClassVar[str] = "pql"
    takes: ClassVar[Mapping[str, Option]] = {"reml": RESTRICTED}

    def __str__(self) -> str:
        if self.restricted:
            return "PQL, restricted pseudo-likelihood (RSPL)"
        return "PQL, pseudo-likelihood (MSPL)"

    @property
    def approximation(self) -> Approximation:
        """What the working model is estimated by, which is exact for it."""
        return Laplace(restricted=True) if self.restricted else Profiled()

    @property
    def joint(self) -> bool:
        """The fixed effects of the mean are sought together with the random ones."""
        return True

    @property
    def kind(self) -> LikelihoodKind:
        """The likelihood of a working response."""
        return "pseudo"

    def require(self, problem: Problem) -> None:
        """Refuse a family whose variance has a parameter of its own.

        Raises
        ------
        OptionError
        """
        if len(problem.family.predictors) > 1 and not problem.family.normal_error:
            raise OptionError(
                f'method="pql" knows the variance of gaussian, binomial and poisson responses; '
                f'found family {problem.family.name!r}. Write method="laplace"'
            )
        require_random_effects(problem, self)


def _working(problem: Problem, eta: list[FloatArray]) -> tuple[FloatArray, FloatArray]:
    """Working residual ``(y - mu) / (d mu / d eta)`` and expected information of each row."""
    first = problem.family.derivatives(problem.data, tuple(eta), 1).first[0]
    information = problem.family.expected(problem.data, tuple(eta))[0][0, 0]
    # A response at the end of its support, with its mean there: a residual without weight.
    ended = (problem.recession[0] != 0) & (information < _NO_WEIGHT)
    information = np.where(ended, _NO_WEIGHT, information)
    if not information.min(initial=np.inf) > 0.0:
        raise ConvergenceError(
            "a fitted mean has reached the edge of its range, where the working response of pql "
            'is not defined; look for separation, or write method="laplace"'
        )
    return first / information, information


def linearise(problem: Problem, eta: list[FloatArray]) -> Problem:
    """The linear mixed model of the working response at predictors eta.

    A Gaussian problem with the same parameters: known weights are offsets of its log
    residual deviation.
    """
    residual, information = _working(problem, eta)
    log_sd = -0.5 * np.log(information)
    family = Gaussian()
    data = family.prepare(eta[0] + residual)
    X, offset = problem.X, problem.offsets[0]
    if len(X) > 1:
        # The deviation itself is a parameter; only the slope of the mean is known.
        offsets = (offset, problem.offsets[1] + log_sd - eta[1])
        return replace(problem, family=family, data=data, offsets=offsets)
    none = np.zeros((problem.n, 0))
    return replace(problem, family=family, data=data, X=(X[0], none), offsets=(offset, log_sd))


def generalised_chi_square(problem: Problem, mode: Mode) -> float:
    """``r' V^-1 r`` of the working residuals, V their marginal covariance.

    At the modes it is ``sum W (z - eta)^2 + u'u``, with ``w'K^-1 w`` where levels are tied.
    """
    residual, information = _working(problem, mode.point.eta)
    weight = information if problem.weights is None else problem.weights * information
    white = [whiten_effects(root, u) for root, u in zip(mode.roots, mode.point.u, strict=True)]
    return float(weight @ residual**2) + sum(float(np.vdot(e, e)) for e in white)


@dataclass(frozen=True, eq=False)
class _Rest:
    """The working model at the joint mode that its own parameters give.

    Attributes
    ----------
    mode : Mode
        Of the responses.
    problem : Problem
        The working model.
    evaluation : Evaluation
        Its deviance and gradient.
    scale : (P, P)
    """

    mode: Mode
    problem: Problem
    evaluation: Evaluation
    scale: FloatArray

    @property
    def slope(self) -> FloatArray:
        """Gradient per standard error, ``S' g``."""
        out: FloatArray = self.scale.T @ self.evaluation.gradient
        return out

    @property
    def largest(self) -> float:
        return float(np.abs(self.slope).max(initial=0.0))


def _at(joint: Joint, method: PQL, psi: FloatArray, near: _Rest | None = None) -> _Rest:
    """The working model at the joint mode at `psi`; measured by the scale of the start."""
    problem = joint.problem
    u = problem.latent.zeros() if near is None else near.mode.point.u
    base, roots = problem.fixed(psi), problem.roots(psi[problem.n_beta :])
    mode = find_mode(problem, base, roots, u)
    if mode is None:
        raise ConvergenceError(
            "no joint mode of fixed and random effects was found; rescale the predictors, or "
            'write method="laplace"'
        )
    working = linearise(problem, mode.point.eta)
    evaluation = objective_of(working, method)(psi, None)
    # A scale from the information would have no limit where a variance goes to zero.
    scale = whiten(working, evaluation) if near is None else near.scale
    return _Rest(mode, working, evaluation, scale)


def estimate_by_pql(joint: Joint, method: PQL, start: FloatArray) -> Optimum:
    """Estimate by pseudo-likelihood.

    Parameters
    ----------
    joint : Joint
    method : PQL
    start : (P - p,)
        Parameters without the fixed effects of the mean.

    Returns
    -------
    Optimum
        Of all parameters. Its deviance is that of the working model, its mode that of the
        responses.

    Raises
    ------
    ConvergenceError
    """
    at = _at(joint, method, start)
    count = 1
    for _ in range(_MAX_ROUNDS):
        at, change, used = _round(joint, method, at)
        count += used
        if change >= _NEAR:
            continue
        at, used = _newton(joint, method, at)
        count += used
        if at.largest < _ENOUGH:
            at = _canonical(joint, method, at)
            optimum = _minimum(method, at)
            if np.array_equal(optimum.psi, at.evaluation.psi):
                return _finish(joint, at, replace(optimum, evaluations=count))
            # Minus the pseudo-likelihood had no minimum there, but a saddle.
            at = _at(joint, method, optimum.psi, at)
    return _finish(joint, at, replace(_minimum(method, at), evaluations=count))


def _round(joint: Joint, method: PQL, at: _Rest) -> tuple[_Rest, float, int]:
    """Fit the working model and find the working response anew.

    Returns the largest change of the parameters in standard errors, ``max |S^-1 (psi' - psi)|``,
    and the evaluations it took.
    """
    objective, psi = objective_of(at.problem, method), at.evaluation.psi
    moved = minimise(objective, psi, at.scale, first=at.evaluation, hessian=False)
    after = _at(joint, method, moved.psi, at)
    change = np.linalg.solve(after.scale, moved.psi - psi)
    return after, float(np.abs(change).max(initial=0.0)), moved.evaluations + 1


def _newton(joint: Joint, method: PQL, at: _Rest) -> tuple[_Rest, int]:
    """Newton steps towards a zero of the gradient, with one Jacobian, while they help."""
    psi, scale = at.evaluation.psi, at.scale
    columns = []
    for j in range(psi.size):
        step = _DIFFERENCE * scale[:, j]
        ahead = _at(joint, method, psi + step, at).slope
        behind = _at(joint, method, psi - step, at).slope
        columns.append((ahead - behind) / (2.0 * _DIFFERENCE))
    inverse = np.linalg.pinv(np.column_stack(columns))
    count = 2 * psi.size
    for _ in range(_MAX_NEWTON):
        if at.largest < _TOLERANCE:
            break
        step = -scale @ (inverse @ at.slope)
        after = _at(joint, method, at.evaluation.psi + step, at)
        count += 1
        if not after.largest < at.largest:
            break
        at = after
    return at, count


def _canonical(joint: Joint, method: PQL, at: _Rest) -> _Rest:
    """The same with the diagonal of every Lambda non-negative."""
    problem, psi = joint.problem, at.evaluation.psi.copy()
    psi[problem.n_beta :] = problem.canonical(psi[problem.n_beta :])
    if np.array_equal(psi, at.evaluation.psi):
        return at
    return replace(_at(joint, method, psi), scale=at.scale)


def _minimum(method: PQL, at: _Rest) -> Optimum:
    """The curvature of the working deviance there, and a better point if it is not a minimum."""
    psi = at.evaluation.psi
    objective = objective_of(at.problem, method)
    return minimise(objective, psi, at.scale, first=at.evaluation)


def _finish(joint: Joint, at: _Rest, optimum: Optimum) -> Optimum:
    """The optimum in all parameters: deviance of the working model, modes of the responses."""
    working = at.evaluation.mode
    assert working is not None
    fixed_root = working.system.factorization.fixed_root()
    evaluation = replace(at.evaluation, mode=at.mode)
    at_rest = replace(optimum, psi=evaluation.psi, evaluation=evaluation, gradient=at.largest)
    return expand(joint, at_rest, fixed_root)
