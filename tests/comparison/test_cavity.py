"""Each row's own information taken out of the posterior of its predictor."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import gammaln, ndtr, pdtr

from mixcheck.comparison.cavity import (
    Cavity,
    average_cdf,
    average_moments,
    average_probability,
    find_cavity,
    predict,
)
from mixcheck.port import RowPosterior

# The trapezoidal rule on normal integrands, to rounding.
QUADRATURE_TOLERANCE = 1e-10


@dataclass(frozen=True, eq=False)
class NormalLaw:
    """Normal with known deviation around the predictor."""

    y: np.ndarray
    sigma: float

    def log_density(self, predictor):
        """Of the normal."""
        z = (self.y - predictor) / self.sigma
        return -0.5 * z**2 - np.log(self.sigma * np.sqrt(2 * np.pi))

    def cdf(self, predictor):
        """Of the normal."""
        value = ndtr((self.y - predictor) / self.sigma)
        return value, value

    def moments(self, predictor):
        """Of the normal."""
        return predictor, np.full_like(predictor, self.sigma**2)

    def probability(self, k, predictor):
        """There is none."""
        raise NotImplementedError


@dataclass(frozen=True, eq=False)
class PoissonLaw:
    """Poisson with the log link."""

    y: np.ndarray

    def log_density(self, predictor):
        """Of the Poisson."""
        return self.y * predictor - np.exp(predictor) - gammaln(self.y + 1)

    def cdf(self, predictor):
        """Of the Poisson."""
        mean = np.exp(predictor)
        return np.where(self.y > 0, pdtr(np.maximum(self.y - 1, 0), mean), 0.0), pdtr(self.y, mean)

    def moments(self, predictor):
        """Of the Poisson."""
        return np.exp(predictor), np.exp(predictor)

    def probability(self, k, predictor):
        """Of the Poisson."""
        return np.exp(k * predictor - np.exp(predictor) - gammaln(k + 1))


def _posterior(distribution, predictor, variance, score, information) -> RowPosterior:
    n = predictor.size
    ranks = np.arange(n)
    return RowPosterior(
        distribution.y, predictor, variance, score, information, np.zeros(n), ranks, distribution
    )


@settings(deadline=None, derandomize=True, max_examples=30)
@given(st.integers(2, 8), st.floats(0.1, 5.0), st.floats(0.2, 5.0), st.integers(0, 1000))
def test_conjugate_normal(n, sigma, tau, seed):
    """For normal data with a normal mean the cavity is the posterior given the other rows."""
    y = sigma * np.random.default_rng(seed).standard_normal(n)
    precision = n / sigma**2 + 1.0 / tau**2
    centre = y.sum() / sigma**2 / precision
    one = np.ones(n)
    distribution = NormalLaw(y, sigma)
    posterior = _posterior(
        distribution, centre * one, one / precision, (y - centre) / sigma**2, one / sigma**2
    )
    cavity = find_cavity(posterior)
    rest = precision - 1.0 / sigma**2
    expected = (y.sum() - y) / sigma**2 / rest
    if cavity.influence[0] < 0.99:
        np.testing.assert_allclose(cavity.centre, expected, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(cavity.deviation, np.sqrt(1.0 / rest), rtol=1e-9)


def test_normal_predictions():
    """Averaged over a normal predictor, a normal response is normal with the summed variance."""
    y = np.array([-1.0, 0.3, 4.0])
    distribution = NormalLaw(y, 0.7)
    cavity = Cavity(np.array([0.0, 0.5, 1.0]), np.array([0.5, 1.0, 2.0]), np.zeros(3))
    found = predict(distribution, cavity)
    total = np.sqrt(0.7**2 + cavity.deviation**2)
    z = (y - cavity.centre) / total
    exact = -0.5 * z**2 - np.log(total * np.sqrt(2 * np.pi))
    np.testing.assert_allclose(found.score, exact, atol=QUADRATURE_TOLERANCE)
    np.testing.assert_allclose(found.mean, cavity.centre, atol=QUADRATURE_TOLERANCE)
    np.testing.assert_allclose(found.variance, total**2, rtol=QUADRATURE_TOLERANCE)
    np.testing.assert_allclose(
        average_cdf(distribution, cavity)[1], ndtr(z), atol=QUADRATURE_TOLERANCE
    )


def test_poisson_predictions():
    """Poisson-lognormal mean and variance are closed; probabilities are those of the scores."""
    y = np.array([0.0, 3.0, 12.0])
    distribution, sd = PoissonLaw(y), np.array([0.2, 0.7, 0.5])
    cavity = Cavity(np.array([0.0, 1.0, 2.0]), sd, np.zeros(3))
    mean, variance = average_moments(distribution, cavity)
    expected = np.exp(cavity.centre + 0.5 * sd**2)
    np.testing.assert_allclose(mean, expected, rtol=QUADRATURE_TOLERANCE)
    np.testing.assert_allclose(
        variance, expected + expected**2 * np.expm1(sd**2), rtol=QUADRATURE_TOLERANCE
    )
    score = predict(distribution, cavity).score
    for i, k in enumerate(y.tolist()):
        found = average_probability(distribution, cavity, k)[i]
        assert found == pytest.approx(np.exp(score[i]), rel=QUADRATURE_TOLERANCE)
    below, upto = average_cdf(distribution, cavity)
    np.testing.assert_allclose(upto - below, np.exp(score), rtol=1e-9)


def test_far_observation():
    """A density that underflows everywhere has a finite log score."""
    distribution = NormalLaw(np.array([1e4]), 1.0)
    score = predict(distribution, Cavity(np.zeros(1), np.ones(1), np.zeros(1))).score
    assert np.isfinite(score).all()
    assert score[0] < -1e6


def test_more_than_all_information():
    """A row that claims more than all information still has a cavity, as wide as is allowed."""
    distribution = PoissonLaw(np.array([5.0]))
    one = np.ones(1)
    cavity = find_cavity(_posterior(distribution, one, one, 0.0 * one, 2.0 * one))
    assert cavity.influence[0] == 2.0
    assert cavity.deviation[0] == pytest.approx(10.0)


def test_a_row_that_the_others_hardly_tell() -> None:
    """The variance of a gamma response may be infinite there, without a warning of NumPy."""

    def moments(eta):
        mean = np.exp(eta)
        return mean, mean * mean

    wide = Cavity(np.array([0.0, 0.0]), np.array([200.0, 0.1]), np.array([0.99, 0.1]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mean, variance = average_moments(SimpleNamespace(moments=moments), wide)
    # Of a lognormal mean m with v = 0.01: E m = exp(v/2), E m^2 = exp(2v).
    assert mean[1] == pytest.approx(np.exp(0.005), rel=1e-6)
    assert variance[1] == pytest.approx(2.0 * np.exp(0.02) - np.exp(0.01), rel=1e-5)
    assert not np.isfinite(variance[0])
