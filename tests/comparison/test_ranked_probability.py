"""The continuous ranked probability score."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from scipy import stats
from scipy.special import beta, gammainc, ndtr, pdtr

from mixcheck.comparison.cavity import Cavity
from mixcheck.comparison.ranked_probability import average_crps


@dataclass(frozen=True, eq=False)
class Law:
    """A distribution function with its moments, moved by the predictor."""

    upto: Callable[[np.ndarray], np.ndarray]
    mean: float
    variance: float

    def probability_upto(self, values, predictor):
        """Of each value."""
        return self.upto(values - predictor)


def _score(law, y, *, discrete=False, deviation=0.0):
    y = np.asarray(y, dtype=float)
    held = Cavity(np.zeros(y.size), np.full(y.size, deviation), np.zeros(y.size))
    variance = np.full(y.size, law.variance + deviation**2)
    mean = np.full(y.size, law.mean)
    return average_crps(law, held, y, mean, variance, discrete=discrete)


def _normal_law(sigma):
    return Law(lambda z: ndtr(z / sigma), 0.0, sigma**2)


def _poisson_law(mean):
    return Law(lambda k: pdtr(k, mean), mean, mean)


def _normal(y, sigma):
    z = y / sigma
    return sigma * (z * (2 * stats.norm.cdf(z) - 1) + 2 * stats.norm.pdf(z) - 1 / np.sqrt(np.pi))


def test_normal():
    """It is that of Gneiting & Raftery (2007, eq. 21), also far out and averaged over a mean."""
    y = np.array([-8.0, -1.0, 0.0, 0.3, 2.0, 30.0])
    np.testing.assert_allclose(_score(_normal_law(2.0), y), _normal(y, 2.0), atol=1e-8)
    found = _score(_normal_law(1.5), y, deviation=2.0)
    np.testing.assert_allclose(found, _normal(y, 2.5), atol=1e-8)


@pytest.mark.parametrize("shape", [0.7, 2.0, 9.0])
def test_gamma(shape):
    """It is the closed form for a gamma (Scheuerer & Moeller 2015)."""
    y = np.array([0.01, 0.5, 2.0, 12.0])
    law, next_law = stats.gamma(shape), stats.gamma(shape + 1.0)
    expected = y * (2 * law.cdf(y) - 1) - shape * (2 * next_law.cdf(y) - 1)
    expected -= shape / (np.pi * shape) * shape * beta(0.5, shape + 0.5)
    ours = Law(lambda z: gammainc(shape, np.maximum(z, 0.0)), shape, shape)
    np.testing.assert_allclose(_score(ours, y), expected, rtol=0.0, atol=1e-3 * np.sqrt(shape))


def test_lognormal():
    """It is the closed form for a lognormal (Baran & Lerch 2015)."""
    y, s = np.array([0.1, 1.0, 5.0, 40.0]), 0.8
    w = np.log(y) / s
    expected = y * (2 * stats.norm.cdf(w) - 1) - 2 * np.exp(s**2 / 2) * (
        stats.norm.cdf(w - s) + stats.norm.cdf(s / np.sqrt(2)) - 1
    )
    with np.errstate(divide="ignore"):
        law = Law(
            lambda z: ndtr(np.log(np.maximum(z, 0.0)) / s),
            np.exp(s**2 / 2),
            np.expm1(s**2) * np.exp(s**2),
        )
        np.testing.assert_allclose(_score(law, y), expected, atol=1e-6)


@pytest.mark.parametrize("mean", [0.3, 4.0, 900.0])
def test_poisson(mean):
    """For counts it is E|X - y| - E|X - X'| / 2 over all pairs of counts."""
    y = np.array([0.0, 1.0, 5.0, 950.0])
    law = stats.poisson(mean)
    k = np.arange(int(law.ppf(1.0 - 1e-12)) + 2)
    p = law.pmf(k)
    spread = np.sum(np.outer(p, p) * np.abs(k[:, None] - k))
    expected = np.array([np.sum(p * np.abs(k - one)) for one in y]) - 0.5 * spread
    np.testing.assert_allclose(_score(_poisson_law(mean), y, discrete=True), expected, atol=1e-6)


def test_large_counts_in_blocks():
    """Counts beyond thousands are summed in blocks, to a thousandth."""
    law = _poisson_law(40_000.0)
    y = np.array([39_000.0, 40_000.0, 40_300.0])
    found = _score(law, y, discrete=True)
    expected = _normal(y - 40_000.0, 200.0)
    np.testing.assert_allclose(found, expected, rtol=0.02)
