"""Distributions with zeros beside, and of categories: small probabilities keep their digits."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from mixcheck.adapters.frozen_distributions import BetaBinomial, Categorical, Hurdle, ZeroInflated

ONE = np.ones(1)
# A few roundings of sums of two terms.
ROUNDING = 1e-13


def test_small_probabilities_below_keep_their_digits():
    """Of hardly any zeros, where one minus the probability above has lost them."""
    inner = stats.poisson(60 * ONE)
    found = ZeroInflated((1 - 2.0**-50) * ONE, inner).cdf(5 * ONE)
    wanted = 2.0**-50 + (1 - 2.0**-50) * inner.cdf(5)
    np.testing.assert_allclose(found, wanted, rtol=ROUNDING)
    found = Hurdle((1 - 2.0**-50) * ONE, stats.gamma(40 * ONE)).cdf(5 * ONE)
    np.testing.assert_allclose(found, 2.0**-50 + stats.gamma(40).cdf(5), rtol=ROUNDING)


@pytest.mark.parametrize("inner", [stats.poisson(1e-9 * ONE), stats.nbinom(2 * ONE, 1 - 1e-9)])
def test_positive_counts_of_means_near_zero_are_ones(inner):
    """The hurdle leaves a distribution of ones."""
    hurdle = Hurdle(0.3 * ONE, inner)
    np.testing.assert_allclose(hurdle.pmf(ONE), 0.3, rtol=1e-7)
    np.testing.assert_allclose(hurdle.mean(), 0.3, rtol=1e-7)
    np.testing.assert_allclose(hurdle.sf(ONE), 0.3 * inner.sf(1) / inner.sf(0), rtol=ROUNDING)
    drawn = hurdle.rvs(size=1, random_state=np.random.default_rng(1))
    assert drawn[0] in (0.0, 1.0)


def test_tails_of_categories_and_trials():
    """Both tails, each by its own sum."""
    p = np.array([[1e-18, 0.5, 0.5 - 1e-16, 1e-18]])
    known = Categorical(p)
    np.testing.assert_allclose(known.cdf(0 * ONE), 1e-18, rtol=ROUNDING)
    np.testing.assert_allclose(known.sf(2 * ONE), 1e-18, rtol=ROUNDING)
    assert known.pmf(0.5 * ONE)[0] == known.cdf(-ONE)[0] == known.sf(3 * ONE)[0] == 0.0
    n, a, b = 30 * ONE, 400 * ONE, 0.5 * ONE
    rare, often = BetaBinomial(n, a, b), BetaBinomial(n, b, a)
    np.testing.assert_allclose(rare.cdf(3 * ONE), often.sf(26 * ONE), rtol=1e-10)
    np.testing.assert_allclose(rare.cdf(3 * ONE), rare.pmf(np.arange(4)[:, None]).sum(), rtol=1e-10)
