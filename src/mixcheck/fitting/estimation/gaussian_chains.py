"""Linear mixed models whose random effects are chains of positions in order.

Of a Gaussian response with one residual variance and one term of such effects, as those of
``ar1``, the deviance is profiled over the residual variance and needs what the rows add up to alone
(:mod:`mixcheck.fitting.likelihood.profiled_chains`). A moment estimate and the information of a
long series lead next to the optimum; from there Newton's method with the exact Hessian, kept up to
date by BFGS, looks at the data a few times more.

What ends elsewhere than inside, with curvature in all directions, is left to the general search:
variances of zero, correlations of one, and effects that leave nothing over.
"""

from __future__ import annotations

import math
from contextlib import suppress
from functools import cached_property

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.execution.threads import single_thread
from mixcheck.fitting.estimation.optimum import Optimum
from mixcheck.fitting.estimation.quasi_newton import update_inverse
from mixcheck.fitting.likelihood.approximation import Method
from mixcheck.fitting.likelihood.chains import Chains
from mixcheck.fitting.likelihood.cross_products import Moments, Products, take_moments
from mixcheck.fitting.likelihood.laplace import Laplace
from mixcheck.fitting.likelihood.mode import Mode
from mixcheck.fitting.likelihood.normal import evaluate_normal
from mixcheck.fitting.likelihood.objective import Evaluation, scale_roots
from mixcheck.fitting.likelihood.problem import Problem
from mixcheck.fitting.likelihood.profiled_chains import (
    ChainsAt,
    Curvature,
    curvature_in_fixed,
    differentiate_chains,
    evaluate_chains,
)
from mixcheck.trial_values import may_overflow

__all__ = ["estimate_chains"]

# Decrement ``g'H^-1 g`` of the deviance at which a search ends, and steps that it may take.
_DECREMENT = 1e-14
_MAX_STEPS = 30
# A step that leaves more than this share of the decrement was one with an old Hessian.
_SLOW = 0.1
_MAX_HALVINGS = 10
_SUFFICIENT = 1e-4
# A step changes the deviation of the effects by less than this share of it.
_MOST = 0.7
# Effects start with this share of the variance at least, and at most.
_SHARES = 0.1, 0.9
# Standard errors of a deviation from zero, and eigenvalues of the scaled Hessian, below which an
# optimum may be an end of the parameters.
_SEEN = 3.0
_CURVED = 1e-5
# Numbers in one array of what the levels do along all fixed effects and parameters.
_MOST_NUMBERS = 20_000_000
# Residuals of this many times the rounding of the response have lost digits of the estimates.
_ROUNDING = 1e6


@may_overflow()
def estimate_chains(problem: Problem, method: Method) -> Optimum | None:
    """Maximise the likelihood of a linear mixed model of chains.

    Parameters
    ----------
    problem : Problem
    method : Method

    Returns
    -------
    Optimum or None
        None for other models and methods, and where the search does not end inside.
    """
    if not isinstance(method, Laplace) or (method.joint and not method.restricted):
        return None
    products = problem.products_in_order
    if products is None:
        return None
    moments = take_moments(products, problem.X[0], problem.data.y - problem.offsets[0])
    if moments.size == 0.0 or moments.noise * _ROUNDING > 1.0:
        return None
    chains = Chains.of(problem.terms[0], products, moments, restricted=method.restricted)
    if method.restricted and chains.columns.size * problem.n_theta > _MOST_NUMBERS:
        return None
    search = _Search(chains)
    with single_thread(0, problem.n * problem.n_beta), suppress(np.linalg.LinAlgError):
        found = search.run()
        return None if found is None else _optimum(problem, products, moments, found, search)
    return None


class _Search:
    """A search for gamma and theta.

    Attributes
    ----------
    chains : Chains
    count : int
        Looks at the data.
    """

    def __init__(self, chains: Chains) -> None:
        self.chains, self.count = chains, 0

    def run(self) -> ChainsAt | None:
        """The end of the search; None where it has none."""
        here = self.look(self._start())
        if here is None:
            return None
        inverse, rough = self._rough_inverse(here), True
        for _ in range(_MAX_STEPS):
            step = -(inverse @ here.gradient)
            before = -float(here.gradient @ step)
            if before < _DECREMENT:
                return here
            after = self._advance(here, step)
            if after is None:
                return None
            left = float(after.gradient @ inverse @ after.gradient)
            if rough or (left > _SLOW * before and left > _DECREMENT):
                inverse, rough = self._inverse(after), False
            else:
                moved = after.gradient - here.gradient
                inverse = update_inverse(inverse, after.parameters - here.parameters, moved)
            here = after
        return None

    def look(self, at: FloatArray) -> ChainsAt | None:
        """The deviance at gamma and theta, (p + k,)."""
        self.count += 1
        p = self.chains.n_fixed
        return evaluate_chains(self.chains, at[:p], at[p:])

    def _start(self) -> FloatArray:
        """Least squares, and theta by the moments of its residuals at distances in time."""
        chains, term = self.chains, self.chains.term
        scores = chains.residual.reshape(1, -1)
        information = np.broadcast_to(chains.weights, chains.residual.shape).reshape(1, -1)
        excess = float(np.vdot(scores, scores)) - float(information.sum())
        share = excess / float(np.vdot(information, information))
        deviation = math.sqrt(min(max(share, _SHARES[0]), _SHARES[1]))
        theta = term.start(np.array([deviation]), scores, information, bend=0.0)
        size = float(term.units(theta)[0, 0])
        share = min(max(size * size, _SHARES[0]), _SHARES[1])
        theta = term.covariance.scaled(theta, math.sqrt(share / (1.0 - share)) / size)
        return np.concatenate([np.zeros(chains.n_fixed), theta])

    def _rough_inverse(self, at: ChainsAt) -> FloatArray:
        """Inverse of the Hessian, about: exact in gamma, and in theta that of a long series.

        With a known residual variance the Hessian in theta is ``S'S``, S the inverse of the steps
        of the structure; the profiled variance takes ``(d log det)(d log det)' / N`` of it.
        """
        chains, term, p = self.chains, self.chains.term, at.gamma.size
        information = np.broadcast_to(chains.weights, chains.residual.shape).reshape(1, -1)
        size = float(at.theta[0])
        curved = 2.0 * size * information / (1.0 + size * size * information)
        spread = np.full((1, 1), 1.0 / math.sqrt(float(np.vdot(curved, curved))))
        steps = np.linalg.inv(term.unit_steps(at.theta, spread, information))
        known = at.log_det_slopes
        out = np.zeros((p + at.theta.size,) * 2)
        for where, hessian in (
            (slice(0, p), chains.degrees / at.square * curvature_in_fixed(chains, at)),
            (slice(p, None), steps.T @ steps - np.outer(known, known) / chains.degrees),
        ):
            root, _ = _axes(hessian)
            out[where, where] = root @ root.T
        return out

    def _inverse(self, at: ChainsAt) -> FloatArray:
        """Inverse of the Hessian of the profiled deviance, every curvature turned positive."""
        root, _ = _axes(differentiate_chains(self.chains, at).profiled)
        out: FloatArray = root @ root.T
        return out

    def _advance(self, here: ChainsAt, step: FloatArray) -> ChainsAt | None:
        """The first of ``x + s / 2^k`` at which the deviance has fallen.

        None if none does, or where hardly anything is left over on the way.
        """
        slope, noise = float(here.gradient @ step), 1e-13 * (self.chains.total + abs(here.deviance))
        change = abs(float(step[here.gamma.size] / here.theta[0]))
        length = min(1.0, _MOST / max(change, _MOST))
        for _ in range(_MAX_HALVINGS):
            after = self.look(here.parameters + length * step)
            if after is None:
                return None
            rise = after.deviance - here.deviance
            if rise <= _SUFFICIENT * length * slope or (rise <= noise and -slope < noise):
                return after
            length *= 0.5
        return None


def _axes(hessian: FloatArray) -> tuple[FloatArray, float]:
    """R with ``R R' = |H|^-1``, and the smallest eigenvalue of H with a diagonal of ones."""
    if not hessian.size:
        return hessian, 1.0
    units = np.sqrt(np.maximum(np.abs(hessian.diagonal()), 1e-300))
    values, vectors = np.linalg.eigh(hessian / units / units[:, None])
    root: FloatArray = vectors / np.sqrt(np.maximum(np.abs(values), _CURVED)) / units[:, None]
    return root, float(values[0])


def _optimum(
    problem: Problem, products: Products, moments: Moments, at: ChainsAt, search: _Search
) -> Optimum | None:
    """The optimum in the parameters of the user; None where it may be at an end of them.

    With the coefficients gamma of orthonormal columns and the relative theta
    ``beta = beta_0 + size U gamma`` and, with ``sigma = size s / sqrt(nu)``, deviations
    ``sigma theta``; ``log sigma`` less the mean of known ones is the coefficient of the dispersion.
    """
    chains, p, weights = search.chains, at.gamma.size, products.weights
    covariance, sigma = chains.term.covariance, math.sqrt(at.square / chains.degrees)
    hessian = _all_parameters(at, differentiate_chains(chains, at), chains)
    # d(gamma, log sigma, theta) / d(beta, log sigma, theta of the user).
    back = np.eye(len(hessian))
    back[:p, :p] = np.linalg.inv(moments.size * products.units)
    back[p + 1, p] = -at.theta[0]
    back[p + 1, p + 1] = 1.0 / (sigma * moments.size)
    hessian = back.T @ hessian @ back
    theta = covariance.scaled(at.theta, sigma * moments.size)
    scale, least = _axes(hessian)
    if not least > _CURVED or theta[0] < _SEEN * math.sqrt(2.0) * float(
        np.linalg.norm(scale[p + 1])
    ):
        return None
    log_sd = math.log(sigma) + math.log(moments.size) - weights.shift
    beta = moments.base + moments.size * (products.units @ at.gamma)
    psi = np.concatenate([beta, [log_sd], theta])
    slopes = np.concatenate([at.gradient[:p], [0.0], at.gradient[p:]])
    value = at.deviance + weights.constant + 2.0 * chains.degrees * math.log(moments.size)
    if chains.restricted:
        # The integral is over beta, and not over gamma.
        value -= 2.0 * float(np.linalg.slogdet(products.units)[1])
    evaluation = FoundInChains(problem, psi, value, back.T @ slopes)
    return Optimum(
        psi=psi,
        evaluation=evaluation,
        scale=scale,
        gradient=float(np.abs(scale.T @ evaluation.gradient).max()),
        hessian=hessian,
        smallest_eigenvalue=least,
        evaluations=search.count,
    )


def _all_parameters(at: ChainsAt, curvature: Curvature, chains: Chains) -> FloatArray:
    """Hessian of the deviance in gamma, log sigma and theta, (p + 1 + k,) each way.

    ``D = log det + nu log(2 pi sigma^2) + s^2(gamma, theta) / sigma^2``. Restricted, the deviance
    is one of log sigma and theta, and that of gamma is given these.
    """
    p, nu = at.gamma.size, chains.degrees
    variance, square = at.square / nu, curvature.square
    if chains.restricted:
        square = square.copy()
        square[p:, p:] -= square[p:, :p] @ np.linalg.solve(square[:p, :p], square[:p, p:])
        square[p:, :p] = square[:p, p:] = 0.0
    inner = np.delete(np.arange(p + 1 + at.theta.size), p)
    out = np.empty((inner.size + 1,) * 2)
    out[np.ix_(inner, inner)] = square / variance
    out[p + 1 :, p + 1 :] += curvature.log_det
    out[p, inner] = out[inner, p] = -2.0 * at.square_slopes / variance
    out[p, p] = 4.0 * nu
    return out


class FoundInChains(Evaluation):
    """The deviance at the estimates; the modes are found when they are asked for."""

    def __init__(
        self, problem: Problem, psi: FloatArray, deviance: float, gradient: FloatArray
    ) -> None:
        self.__dict__.update(
            problem=problem, psi=psi, deviance=deviance, gradient=gradient, spread=1.0, penalty=0.0
        )

    problem: Problem

    @cached_property
    def mode(self) -> Mode | None:
        """Conditional modes of the random effects."""
        found = evaluate_normal(self.problem, self.psi, sloped=False)
        return None if found is None else found.mode

    def scaled_roots(self, problem: Problem) -> list[FloatArray]:
        """Lambda in units of the precision of the levels."""
        products = self.problem.products_in_order
        assert products is not None
        log_sd = self.psi[self.problem.beta_slices[1]][0] + products.weights.shift
        gram = {(0, 0): products.gram[0, 0] * math.exp(-2.0 * log_sd)}
        return scale_roots(problem, self.psi[self.problem.n_beta :], gram)
