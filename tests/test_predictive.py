"""The distribution of a response, and its quantile residuals."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, stats

import mixcheck as mc
from mixcheck.predictive import (
    ConditionalDistribution,
    MarginalDistribution,
    known_normal,
    normal_rule,
    probability_transform,
    quantile_residuals,
)


def test_quantile_residuals_of_counts():
    """Between the probabilities below a count and up to it, at the uniform number."""
    eta, y, uniform = np.log([2.0, 3.0]), np.array([0.0, 4.0]), np.array([0.25, 0.75])
    given = ConditionalDistribution(mc.families.Poisson(), (eta,), None)
    low, high = stats.poisson.cdf(y - 1, np.exp(eta)), stats.poisson.cdf(y, np.exp(eta))
    found = quantile_residuals(given, y, uniform)
    np.testing.assert_allclose(found, low + uniform * (high - low), rtol=1e-12)
    below, mass, scores = probability_transform(given, y)
    np.testing.assert_allclose(below, low, rtol=1e-12)
    np.testing.assert_allclose(mass, high - low, rtol=1e-12)
    np.testing.assert_allclose(scores, stats.norm.ppf((low + high) / 2.0), rtol=1e-12)


def test_quantile_residuals_stay_inside():
    """A response in the farthest tail has a residual whose normal quantile is finite."""
    given = ConditionalDistribution(mc.families.Poisson(), (np.zeros(1),), None)
    found = quantile_residuals(given, np.array([1e6]), np.ones(1))
    assert 0.0 < found[0] < 1.0
    _, _, scores = probability_transform(given, np.array([1e6]))
    assert 30.0 < scores[0] < np.inf


@pytest.mark.parametrize("deviations", [-30.0, -7.5, -1.0, 1.0, 7.5, 30.0])
def test_tails_are_measured_on_both_sides_alike(deviations):
    """The score of a normal response is its distance in standard deviations, 30 of them too."""
    eta = (np.array([2.0]), np.log([0.5]))
    for given in (
        ConditionalDistribution(mc.families.Gaussian(), eta, None),
        MarginalDistribution(mc.families.Gaussian(), eta, np.zeros(1), None),
    ):
        _, _, scores = probability_transform(given, np.array([2.0 + 0.5 * deviations]))
        np.testing.assert_allclose(scores, deviations, rtol=1e-10)


def test_upper_tails_of_counts_hold_half_of_the_value():
    """Beyond the middle of a count lies the probability above, and half of its own."""
    mu, y = np.array([2.0]), np.array([40.0])
    conditional = ConditionalDistribution(mc.families.Poisson(), (np.log(mu),), None)
    marginal = MarginalDistribution(mc.families.Poisson(), (np.log(mu),), np.zeros(1), None)
    exact = stats.poisson.sf(y, mu) + 0.5 * stats.poisson.pmf(y, mu)
    for given in (conditional, marginal):
        scores = probability_transform(given, y)[2]
        np.testing.assert_allclose(scores, stats.norm.isf(exact), rtol=1e-10)


def test_predictors_that_are_normal_are_averaged_by_a_rule():
    """Moments of two dependent predictors; one without variance stays, whatever the others do."""
    covariance = np.array([[[0.5, 0.0], [0.3, 0.0]], [[0.3, 0.0], [0.4, 0.2]]])
    eta = (np.array([1.0, -1.0]), np.array([0.5, 2.0]), np.zeros(2))
    weights, given = known_normal(mc.families.Poisson(), eta, (0, 1), covariance, None, 4)
    nodes = np.array([one.eta for one in given])
    assert weights.sum() == pytest.approx(1.0, rel=1e-14)
    mean = np.einsum("j,jkn->kn", weights, nodes)
    np.testing.assert_allclose(mean, np.array(eta), atol=1e-13)
    away = nodes - mean
    second = np.einsum("j,jan,jbn->abn", weights, away, away)
    np.testing.assert_allclose(second[:2, :2], covariance, atol=1e-13)
    assert not second[2].any()


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
