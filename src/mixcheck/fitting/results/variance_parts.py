"""The variance of the linear predictor, divided among fixed effects, random terms and responses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy.special import polygamma

from mixcheck.arguments.options import listed, require_choice
from mixcheck.arrays import BoolArray, FloatArray
from mixcheck.errors import OptionError
from mixcheck.families import Family
from mixcheck.fitting.estimation.estimate import estimate
from mixcheck.fitting.likelihood.problem import Problem
from mixcheck.fitting.predictive.prediction import random_variance
from mixcheck.fitting.predictive.quantities import average, differentiate, quantity_of
from mixcheck.fitting.results.estimates import Estimates
from mixcheck.port.variance import Approximation, MeanOf, VarianceParts
from mixcheck.trial_values import may_overflow

__all__ = ["columns_without", "divide_variance", "mean_terms"]


@may_overflow()
def divide_variance(fit: Estimates, mean: MeanOf) -> VarianceParts:
    """See `mixcheck.port.Partitioned`."""
    require_choice("mean", mean, ("null", "fitted"))
    part = fit.design.predictor("mean")
    psi = fit.optimum.psi
    weights = np.ones(fit.nobs)
    if fit.problem.weights is not None:
        weights = fit.problem.to_design(fit.problem.weights)
    fixed = part.X @ psi[fit.problem.beta_slices[0]]
    centre = np.average(fixed, weights=weights)
    spread = float(weights @ (fixed - centre) ** 2 / (weights.sum() - 1.0))
    by_term = {}
    for block in part.random:
        own = _variance_of(fit, psi, [block.name])
        by_term[block.name] = float(np.average(own, weights=weights))
    at, observation = _observation(fit, mean, weights)
    return VarianceParts(spread, by_term, observation, at)


def _variance_of(fit: Estimates, psi: FloatArray, names: list[str]) -> FloatArray:
    """``z' Sigma z`` of some random terms of the mean, (n,)."""
    part = fit.design.predictor("mean")
    theta = psi[fit.problem.n_beta :]
    roots = {
        term.block.name: term.units(theta[term.theta])
        for term in fit.problem.terms
        if term.predictor == 0
    }
    blocks = tuple(block for block in part.random if block.name in names)
    covariances = {name: root @ root.T for name, root in roots.items()}
    return random_variance(replace(part, random=blocks), covariances)


def _observation(
    fit: Estimates, mean: MeanOf, weights: FloatArray
) -> tuple[float, dict[Approximation, float]]:
    """Mean, and variance of one response by each approximation."""
    family = fit.family
    if family.is_linear:
        eta = fit.problem.fixed(fit.optimum.psi)
        variance = fit.problem.to_design(family.variance(tuple(eta), None))
        return np.nan, {"residual": float(np.average(variance, weights=weights))}
    out: dict[Approximation, float] = {}
    zeros = "zi" in family.predictors
    # The latent variance is that of successes, and knows no further zeros.
    latent = family.link.latent_variance
    if (family.takes_trials or family.categories) and latent is not None and not zeros:
        out["theoretical"] = latent
    if family.categories:
        return np.nan, out
    at = _mean(fit, mean, weights)
    eta = [
        fit.problem.fixed(fit.optimum.psi)[k].mean(keepdims=True) for k in range(len(fit.problem.X))
    ]
    eta[0] = family.link.link(np.array([at]))
    if zeros:
        _require_mean_of_link(family, eta)
    quantity = quantity_of(family, "response")
    slope = float(differentiate(quantity, eta, {}).in_predictor[0][0])
    spread = float(family.variance(tuple(eta), None)[0])
    value = float(family.mean(tuple(eta), None)[0])
    out["delta"] = spread / slope**2
    if family.link.name == "log":
        ratio = spread / value**2
        out["lognormal"] = float(np.log1p(ratio))
        out["trigamma"] = float(polygamma(1, 1.0 / ratio))
    return at, out


def _require_mean_of_link(family: Family, eta: Sequence[FloatArray]) -> None:
    """Refuse a hurdle of truncated counts, whose mean above zero is not that of its predictor."""
    mean = family.link.inverse(eta[0])
    if not np.allclose(quantity_of(family, "conditional").value(tuple(eta)), mean, rtol=1e-6):
        raise OptionError(
            "the counts above a hurdle are truncated, so that their mean is not that of the linear "
            "predictor, and the variance is not divided on it; take zero inflation, such as "
            'family="poisson" with zi=, or leave R2 out'
        )


def _mean(fit: Estimates, mean: MeanOf, weights: FloatArray) -> float:
    """Mean of the response, averaged over the random effects and over the rows."""
    problem, psi = fit.problem, fit.optimum.psi
    if mean == "null":
        problem = _with_columns(problem, np.ones((problem.n, 1)))
        psi = estimate(problem, fit.method).psi
    eta = [problem.to_design(e) for e in problem.fixed(psi)]
    names = [block.name for block in fit.design.predictor("mean").random]
    theta = np.concatenate([np.zeros(fit.problem.n_beta), psi[problem.n_beta :]])
    variances = {"mean": _variance_of(fit, theta, names)} if names else {}
    # With a zero part the mean of the rest, which the predictor is of.
    part = "conditional" if "zi" in fit.family.predictors else "response"
    values = average(quantity_of(fit.family, part), eta, variances)
    return float(np.average(values, weights=weights))


def _with_columns(problem: Problem, X: FloatArray) -> Problem:
    """The same problem with other columns of the mean."""
    changed = np.asfortranarray(X)
    return replace(problem, X=(changed, *problem.X[1:]), penalty=None, remainder=None)


def mean_terms(fit: Estimates) -> tuple[tuple[str, ...], ...]:
    """The factors of the term that each column of the mean belongs to, (p,)."""
    kept = fit.design.kept["mean"]
    terms = fit.design.recipes["mean"].terms
    return tuple(t for t, k in zip(terms, kept.tolist(), strict=True) if k)


def columns_without(fit: Estimates, term: str) -> tuple[Problem, BoolArray]:
    """The problem without a fixed term of the mean, and which columns stay, (p,)."""
    terms = mean_terms(fit)
    known = list(dict.fromkeys(":".join(t) for t in terms if t))
    if term not in known:
        raise OptionError(f"{term!r} is no fixed term of the mean, which has {listed(known)}")
    factors = set(next(t for t in terms if ":".join(t) == term))
    stays = np.array([not factors <= set(t) for t in terms])
    if not stays.any():
        raise OptionError(f"{term!r} is the only term of the mean, and there is no model without")
    return _with_columns(fit.problem, fit.problem.X[0][:, stays]), stays
