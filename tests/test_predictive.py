"""The distribution of a response, and its quantile residuals."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, stats

import mixcheck as mc
from mixcheck.predictive import (
    ConditionalDistribution,
    MarginalDistribution,
    normal_rule,
    quantile_residuals,
)


def test_quantile_residuals_of_counts():
    """Between the probabilities below a count and up to it, at the uniform number."""
    eta, y, uniform = np.log([2.0, 3.0]), np.array([0.0, 4.0]), np.array([0.25, 0.75])
    given = ConditionalDistribution(mc.families.Poisson(), (eta,), None)
    low, high = stats.poisson.cdf(y - 1, np.exp(eta)), stats.poisson.cdf(y, np.exp(eta))
    found, tails = quantile_residuals(given, y, uniform)
    np.testing.assert_allclose(found, low + uniform * (high - low), rtol=1e-12)
    np.testing.assert_allclose(tails, np.minimum(found, 1.0 - found), rtol=1e-12)


def test_quantile_residuals_stay_inside():
    """A response in the farthest tail has a residual whose normal quantile is finite."""
    given = ConditionalDistribution(mc.families.Poisson(), (np.zeros(1),), None)
    found, tails = quantile_residuals(given, np.array([1e6]), np.ones(1))
    assert 0.0 < found[0] < 1.0
    assert 0.0 < tails[0] < 1e-200


@pytest.mark.parametrize("deviations", [-30.0, -7.5, -1.0, 1.0, 7.5, 30.0])
def test_tails_are_measured_on_both_sides_alike(deviations):
    """A response 30 standard deviations above its mean has the tail of one as far below."""
    eta = (np.array([2.0]), np.log([0.5]))
    for given in (
        ConditionalDistribution(mc.families.Gaussian(), eta, None),
        MarginalDistribution(mc.families.Gaussian(), eta, np.zeros(1), None),
    ):
        y = np.array([2.0 + 0.5 * deviations])
        _, tails = quantile_residuals(given, y, np.array([0.3]))
        np.testing.assert_allclose(tails, stats.norm.sf(abs(deviations)), rtol=1e-10)


def test_upper_tails_of_counts_are_randomised():
    """``1 - r`` is the probability above, and a share of that of the value itself."""
    mu, y, uniform = np.array([2.0]), np.array([40.0]), np.array([0.3])
    conditional = ConditionalDistribution(mc.families.Poisson(), (np.log(mu),), None)
    marginal = MarginalDistribution(mc.families.Poisson(), (np.log(mu),), np.zeros(1), None)
    exact = stats.poisson.sf(y, mu) + 0.7 * stats.poisson.pmf(y, mu)
    for given in (conditional, marginal):
        np.testing.assert_allclose(quantile_residuals(given, y, uniform)[1], exact, rtol=1e-10)


def test_marginal_moments_of_counts():
    """A Poisson with a log-normal mean: ``m = exp(b + s2/2)``, ``m + m^2 (exp(s2) - 1)``."""
    base, s2 = np.array([0.3, -1.0]), np.array([0.5, 0.1])
    found = MarginalDistribution(mc.families.Poisson(), (base,), s2, None)
    mean = np.exp(base + 0.5 * s2)
    np.testing.assert_allclose(found.mean(), mean, rtol=1e-10)
    np.testing.assert_allclose(found.variance(), mean + mean**2 * np.expm1(s2), rtol=1e-8)


def test_marginal_normal_is_closed():
    """A Gaussian with the identity link has the variance of both parts, exactly."""
    base = (np.array([1.0]), np.log([0.5]))
    found = MarginalDistribution(mc.families.Gaussian(), base, np.array([2.0]), None)
    expected = stats.norm.cdf(1.7, 1.0, np.sqrt(0.25 + 2.0))
    np.testing.assert_allclose(found.cdf(np.array([1.7]))[1], expected, rtol=1e-12)


def test_normal_rules_integrate_moments():
    """Both rules know the first even moments of a standard normal."""
    for steepness in (0.5, 4.0):
        z, w = normal_rule(steepness)
        np.testing.assert_allclose([w @ z**0, w @ z**2, w @ z**4], [1.0, 1.0, 3.0], rtol=1e-12)


def test_marginal_distribution_of_heavy_tails():
    """A t without a variance, much narrower than the random effects, is integrated as well."""
    df, scale, spread = 1.3, 0.05, 2.0
    eta = tuple(np.full(1, part) for part in (0.3, np.log(scale), np.log(df)))
    found = MarginalDistribution(mc.families.StudentT(), eta, np.full(1, spread**2), None)

    def below(z: float) -> float:
        return float(stats.t.cdf((0.7 - spread * z) / scale, df) * stats.norm.pdf(z))

    exact, _ = integrate.quad(below, -9.0, 9.0, limit=500, points=[0.35], epsabs=1e-12)
    np.testing.assert_allclose(found.cdf(np.ones(1))[1], exact, atol=1e-5)
