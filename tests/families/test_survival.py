"""Upper tails far out, where one minus a distribution function is rounding."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

import mixcheck as mc
from mixcheck.families import get_family

# What SciPy's own survival functions keep.
CLOSE = 1e-9


def alone(*values):
    """Predictors of one row."""
    return tuple(np.array([value]) for value in values)


SHAPE, SIZE = 2.5, 1.7
CASES = {
    "gaussian": ((2.0, np.log(0.5)), 20.0, stats.norm(2.0, 0.5)),
    "poisson": ((np.log(2.0),), 60.0, stats.poisson(2.0)),
    "nbinom2": ((np.log(2.0), np.log(SIZE)), 90.0, stats.nbinom(SIZE, SIZE / (SIZE + 2.0))),
    "gamma": ((np.log(2.0), np.log(SHAPE)), 60.0, stats.gamma(SHAPE, scale=2.0 / SHAPE)),
    "beta": ((0.0, np.log(80.0)), 0.99, stats.beta(40.0, 40.0)),
    "t": ((1.0, 0.0, np.log(5.0)), 1e5, stats.t(5.0, 1.0)),
}


@pytest.mark.parametrize("name", CASES)
def test_far_tails_are_those_of_scipy(name):
    """Below 1e-17, where the distribution function is one, the survival function has its digits."""
    eta, y, law = CASES[name]
    found = get_family(name).survival(np.array([y]), alone(*eta))
    assert 0.0 < law.sf(y) < 1e-17
    np.testing.assert_allclose(found, law.sf(y), rtol=CLOSE)


def test_far_tails_of_trials():
    """Binomial and beta-binomial tails are sums over the last few values."""
    m, p = np.array([200.0]), 0.3
    found = mc.families.Binomial().survival(np.array([150.0]), alone(np.log(p / (1 - p))), m)
    np.testing.assert_allclose(found, stats.binom(200, p).sf(150), rtol=CLOSE)
    mean, precision = 0.1, 60.0
    eta = alone(np.log(mean / (1 - mean)), np.log(precision))
    a, b = mean * precision, (1 - mean) * precision
    law = stats.betabinom(200, a, b)
    values = np.arange(161, 201)
    above = law.pmf(values).sum()
    found = get_family("betabinomial").survival(np.array([160.0]), eta, m)
    np.testing.assert_allclose(found, above, rtol=1e-7)


def test_far_tails_of_truncated_and_inflated_counts():
    """They are those of the counts, over what is left and times what is no extra zero."""
    y, eta = np.array([60.0]), alone(np.log(2.0))
    plain = stats.poisson(2.0).sf(60)
    found = get_family("truncated_poisson").survival(y, eta)
    np.testing.assert_allclose(found, plain / -np.expm1(-2.0), rtol=CLOSE)
    inflated = mc.families.ZeroInflated(mc.families.Poisson())
    np.testing.assert_allclose(inflated.survival(y, (*eta, *alone(0.0))), 0.5 * plain, rtol=CLOSE)
