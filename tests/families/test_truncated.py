"""What is particular to counts without zeros."""

import numpy as np
import pytest
from scipy import stats

from mixcheck.errors import FamilyError
from mixcheck.families import (
    NegativeBinomial1,
    NegativeBinomial2,
    Poisson,
    TruncatedNegativeBinomial1,
    TruncatedNegativeBinomial2,
    TruncatedPoisson,
)

EXACT = 1e-11
Y = np.array([1.0, 2.0, 11.0])
PAIRS = [
    (TruncatedPoisson(), Poisson()),
    (TruncatedNegativeBinomial1(), NegativeBinomial1()),
    (TruncatedNegativeBinomial2(), NegativeBinomial2()),
]


@pytest.mark.parametrize(("family", "whole"), PAIRS)
def test_probabilities_are_conditional_on_a_positive_count(family, whole):
    """Those of the untruncated family over one minus its P(0)."""
    eta = tuple(np.full(3, value) for value in (0.4, -0.3)[: len(family.predictors)])
    positive = 1.0 - whole.probability(np.zeros(3), eta)
    np.testing.assert_allclose(
        family.probability(Y, eta), whole.probability(Y, eta) / positive, EXACT
    )
    np.testing.assert_allclose(family.mean(eta), whole.mean(eta) / positive, EXACT)
    assert not family.probability(np.zeros(3), eta).any()


@pytest.mark.parametrize(("family", "whole"), PAIRS)
def test_far_from_zero_nothing_is_truncated(family, whole):
    """With P(0) below exp(-70) the log density and moments are the untruncated ones."""
    eta = tuple(np.full(3, value) for value in (7.0, 0.0)[: len(family.predictors)])
    if isinstance(whole, NegativeBinomial2):
        eta = (eta[0], np.full(3, 4.0))
    y = np.array([1000.0, 1100.0, 1.0])
    found = family.log_density(family.prepare(y), eta)
    np.testing.assert_allclose(found, whole.log_density(whole.prepare(y), eta), EXACT)
    np.testing.assert_allclose(family.variance(eta), whole.variance(eta), EXACT)


def test_tails_of_a_tiny_mean_keep_their_digits():
    """P(Y > 1) of a truncated Poisson of mean 1e-8 is half of it."""
    found = TruncatedPoisson().cdf(np.ones(1), (np.log([1e-8]),))[1]
    assert 1.0 - found[0] == pytest.approx(0.5e-8, rel=1e-7)
    assert TruncatedPoisson().variance((np.log([1e-8]),))[0] == pytest.approx(0.5e-8, rel=1e-8)


@pytest.mark.parametrize(("family", "whole"), PAIRS)
def test_draws_have_the_distribution(family, whole):
    """Frequencies of 1 to 8 in 20,000 draws agree with the probabilities (chi-squared)."""
    n = 20_000
    eta = tuple(np.full(n, value) for value in (0.2, 0.5)[: len(family.predictors)])
    draws = family.sample(eta, None, np.random.default_rng(7))
    assert draws.min() == 1.0
    expected = [
        n * family.probability(np.array([k]), tuple(e[:1] for e in eta))[0] for k in range(1, 9)
    ]
    found = [np.sum(draws == k) for k in range(1, 9)]
    statistic = np.sum((np.array(found) - expected) ** 2 / expected)
    assert stats.chi2.sf(statistic, 8) > 1e-4


def test_zeros_are_refused_with_a_way_out():
    """The error names the family that has zeros."""
    with pytest.raises(FamilyError, match=r'whole numbers from 1; 1 of 2 .*family="nbinom2"'):
        TruncatedNegativeBinomial2().prepare([0, 3])
