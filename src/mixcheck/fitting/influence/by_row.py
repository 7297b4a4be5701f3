"""What the data say of the mean predictor of each row, and of the row given that predictor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from mixcheck.arrays import BoolArray, FloatArray, IntArray
from mixcheck.errors import ConvergenceError, OptionError
from mixcheck.fitting.estimation.curvature import covariance_at
from mixcheck.fitting.influence.sensitivity import row_leverages
from mixcheck.fitting.influence.subset_refits import fit_without, restrict
from mixcheck.fitting.likelihood.approximation import Method
from mixcheck.fitting.likelihood.mode import Mode, find_mode
from mixcheck.fitting.likelihood.problem import Problem
from mixcheck.fitting.predictive.mode_slopes import differentiate_effects
from mixcheck.port import RowPosterior
from mixcheck.trial_values import may_overflow

__all__ = ["HeldDistribution", "find_row_posterior", "predict_rows", "require_mean_only"]


@dataclass(frozen=True, eq=False)
class HeldDistribution:
    """Distribution of each response given the mean's predictor, in the order of the design.

    Attributes
    ----------
    problem : Problem
    others : tuple of (n,)
        The other predictors, in the fitter's order.
    """

    problem: Problem
    others: tuple[FloatArray, ...]

    def _eta(self, predictor: FloatArray) -> tuple[FloatArray, ...]:
        return (predictor[self.problem.order], *self.others)

    def log_density(self, predictor: FloatArray) -> FloatArray:
        """Log density of the response, times its weight, ``w_i l_i(eta_i)``, (n,)."""
        problem = self.problem
        value = problem.family.log_density(problem.data, self._eta(predictor))
        return problem.to_design(value if problem.weights is None else problem.weights * value)

    def cdf(self, predictor: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Probability below the response, and of it or less, (n,) each."""
        problem, data = self.problem, self.problem.data
        below, upto = problem.family.cdf(data.y, self._eta(predictor), data.size)
        return problem.to_design(below), problem.to_design(upto)

    def probability_upto(self, values: FloatArray, predictor: FloatArray) -> FloatArray:
        """Probability that a response is at most a value, (n,)."""
        problem, size = self.problem, self.problem.data.size
        _, upto = problem.family.cdf(values[problem.order], self._eta(predictor), size)
        return problem.to_design(upto)

    def moments(self, predictor: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Mean and variance of the response, (n,) each."""
        problem, eta, size = self.problem, self._eta(predictor), self.problem.data.size
        mean, variance = problem.family.mean(eta, size), problem.family.variance(eta, size)
        return problem.to_design(mean), problem.to_design(variance)

    def probability(self, k: float, predictor: FloatArray) -> FloatArray:
        """Probability that the response is k, (n,)."""
        problem, size = self.problem, self.problem.data.size
        counts = np.full(problem.n, float(k))
        return problem.to_design(problem.family.probability(counts, self._eta(predictor), size))


def require_mean_only(problem: Problem) -> None:
    """Refuse random effects in other predictors than the mean's.

    Raises
    ------
    OptionError
    """
    if problem.latent.random_predictors not in ((), (0,)):
        names = ", ".join(
            problem.family.predictors[k] for k in problem.latent.random_predictors if k > 0
        )
        raise OptionError(
            f"leaving out single rows needs random effects in the mean only; this model has some "
            f"in its {names}. Write mixcheck.logo(fit), which leaves out groups"
        )


@may_overflow()
def find_row_posterior(
    problem: Problem, psi: FloatArray, covariance: FloatArray, ranks: IntArray
) -> RowPosterior:
    """The posterior of each row's predictor, to second order around its mode.

    ``N(eta_i, m_i' H^-1 m_i + g_i' C g_i)``, eta_i at the conditional modes, with the slope
    ``l_i'(eta_i)`` and the information ``-l_i''(eta_i)`` of the row itself beside it. H is the
    curvature at the modes, g_i the derivative of eta_i in the estimates, and C their covariance.

    Parameters
    ----------
    problem : Problem
    psi : (P,)
        Estimates.
    covariance : (P, P)
        Their sampling covariance.
    ranks : (n,) int
        Place of each row in an order that depends on what it holds, in the fitter's order.
    """
    require_mean_only(problem)
    mode = _find(problem, psi)
    derivatives, to, eta = mode.point.derivatives, problem.to_design, tuple(mode.point.eta)
    second = derivatives.second.get((0, 0), np.zeros(problem.n))
    at_zero = (problem.fixed(psi)[0], *eta[1:])
    return RowPosterior(
        response=to(problem.data.y),
        predictor=to(eta[0]),
        variance=to(_spread(problem, mode, psi, covariance)),
        score=to(derivatives.first[0]),
        information=to(-second),
        fixed_mean=to(problem.family.mean(at_zero, problem.data.size)),
        ranks=to(ranks),
        distribution=HeldDistribution(problem, eta[1:]),
    )


def predict_rows(
    problem: Problem, method: Method, rows: BoolArray, psi: FloatArray, root: FloatArray
) -> RowPosterior:
    """The posterior of some rows' predictors given the other rows, the model fitted to these.

    ``N(eta_i, m_i' H^-1 m_i + g_i' C g_i)`` as in `find_row_posterior`, all of it without these
    rows. A level that has no other rows has the mode zero, and the variance of its distribution.

    Parameters
    ----------
    problem : Problem
    method : Method
    rows : (n,) bool
        In the order of the design, as the posterior is.
    psi : (P,)
        Estimates from all rows.
    root : (P, P)
        Root of their covariance.

    Raises
    ------
    DesignError
        If the other rows do not identify the fixed effects.
    ConvergenceError
        If the fit to them did not converge.
    """
    require_mean_only(problem)
    left = rows[problem.order]
    places = np.flatnonzero(left)
    rest, optimum = fit_without(problem, left, psi, root, method)
    covariance = covariance_at(rest, optimum, method)
    mode = _find(rest, optimum.psi)
    alone = replace(restrict(problem, places), order=_ranks(problem.order[places]))
    to, eta = alone.to_design, [part[places] for part in mode.point.eta]
    at_zero = (rest.fixed(optimum.psi)[0][places], *eta[1:])
    return RowPosterior(
        response=to(alone.data.y),
        predictor=to(eta[0]),
        variance=to(_spread(rest, mode, optimum.psi, covariance)[places]),
        score=np.zeros(places.size),
        information=np.zeros(places.size),
        fixed_mean=to(alone.family.mean(at_zero, alone.data.size)),
        ranks=np.arange(places.size),
        distribution=HeldDistribution(alone, tuple(eta[1:])),
    )


def _ranks(positions: IntArray) -> IntArray:
    """Place of each position in their increasing order."""
    out = np.empty(positions.size, dtype=np.intp)
    out[np.argsort(positions)] = np.arange(positions.size)
    return out


def _spread(problem: Problem, mode: Mode, psi: FloatArray, covariance: FloatArray) -> FloatArray:
    """``m' H^-1 m + g' C g``, (n,): variance of each mean predictor given the data.

    g is its derivative in the estimates, C their covariance.
    """
    leverages: FloatArray = row_leverages(problem, mode)[0, 0]
    return leverages + _parameter_part(problem, mode, psi, covariance)


def _find(problem: Problem, psi: FloatArray) -> Mode:
    roots = problem.roots(psi[problem.n_beta :])
    mode = find_mode(problem, problem.fixed(psi), roots, problem.latent.zeros())
    if mode is None:
        raise ConvergenceError(
            "no conditional mode was found at the estimates; see fit.convergence"
        )
    return mode


def _parameter_part(
    problem: Problem, mode: Mode, psi: FloatArray, covariance: FloatArray
) -> FloatArray:
    """``g' C g``, (n,): variance of each mean predictor through the estimates, the modes following.

    As ``(g s)' (C / s s') (g s)`` with the standard errors s, in which the derivatives g are taken.
    """
    units = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    moving = np.flatnonzero(units)
    if not moving.size:
        return np.zeros(problem.n)
    slopes = np.column_stack([_slope(problem, mode, psi, step) for step in np.diag(units)[moving]])
    square = np.ix_(moving, moving)
    scaled = covariance[square] / np.outer(units[moving], units[moving])
    variance: FloatArray = np.einsum("np,pq,nq->n", slopes, scaled, slopes)
    return variance


def _slope(problem: Problem, mode: Mode, psi: FloatArray, direction: FloatArray) -> FloatArray:
    """``x' d + z' (dLambda u + Lambda du)`` along a direction d: move of each mean, (n,)."""
    direct: FloatArray = problem.X[0] @ direction[problem.beta_slices[0]]
    if not problem.latent.factors:
        return direct
    part = _mean_part(problem, differentiate_effects(problem, mode, psi, direction))
    return direct if part is None else direct + part


def _mean_part(problem: Problem, effects: Sequence[FloatArray]) -> FloatArray | None:
    """``Z b`` of the mean, (n,)."""
    return problem.latent.gather(effects, len(problem.X))[0]
