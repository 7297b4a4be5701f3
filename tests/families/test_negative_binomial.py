"""What is particular to the negative binomial families."""

import numpy as np
import pytest
from scipy import stats

from mixcheck.errors import FamilyError
from mixcheck.families import NegativeBinomial1, NegativeBinomial2, Poisson

SCIPY = 1e-11
"""scipy's own log probability loses some digits of its gamma functions."""
LIMIT = 1e-7
"""Of a Poisson, with an excess variance of 1e-8."""

COUNTS = np.array([0.0, 1.0, 5.0, 40.0])


@pytest.mark.parametrize("theta", [0.2, 3.0])
def test_log_probabilities_are_those_of_scipy(theta):
    """The size is theta, or the mean over phi."""
    mu = np.full(4, 2.5)
    exact = stats.nbinom.logpmf(COUNTS, theta, theta / (theta + 2.5))
    two, one = NegativeBinomial2(), NegativeBinomial1()
    data = two.prepare(COUNTS)
    eta2 = (np.log(mu), np.full(4, np.log(theta)))
    eta1 = (np.log(mu), np.full(4, np.log(2.5 / theta)))
    np.testing.assert_allclose(two.log_density(data, eta2), exact, rtol=SCIPY)
    np.testing.assert_allclose(one.log_density(data, eta1), exact, rtol=SCIPY)
    np.testing.assert_allclose(
        two.cdf(COUNTS, eta2)[1], stats.nbinom.cdf(COUNTS, theta, theta / (theta + 2.5)), rtol=SCIPY
    )


@pytest.mark.parametrize(
    ("family", "log"), [(NegativeBinomial1(), -18.4), (NegativeBinomial2(), 19)]
)
def test_without_excess_variance_it_is_a_poisson(family, log):
    """Values, mean derivatives and tails tend to those of the Poisson without cancellation."""
    data, eta = family.prepare(COUNTS), np.full(4, 0.9)
    both = (eta, np.full(4, float(log)))
    found, plain = family.derivatives(data, both, 3), Poisson().derivatives(data, (eta,), 3)
    np.testing.assert_allclose(found.value, plain.value, rtol=100 * LIMIT)
    np.testing.assert_allclose(found.third[0, 0, 0], plain.third[0, 0, 0], atol=1e4 * LIMIT)
    np.testing.assert_allclose(family.cdf(COUNTS, both)[1], Poisson().cdf(COUNTS, (eta,))[1], LIMIT)


def test_information_is_summed_over_wide_distributions_too():
    """In the mean of nbinom2 it is ``mu / (1 + mu / theta)`` in closed form, at any width."""
    mu = np.array([1e-3, 2.0, 1e3, 1e6, 1e4, 5.0])
    theta = np.array([1.0, 0.5, 30.0, 1e8, 0.01, 1e-3])
    eta = (np.log(mu), np.log(theta))
    family = NegativeBinomial2()
    found, _ = family.expected(family.prepare(np.zeros(6)), eta)
    np.testing.assert_allclose(found[0, 0], mu / (1.0 + mu / theta), rtol=1e-8)


def test_sums_and_incomplete_beta_functions_agree():
    """Tails of counts on both sides of where summation ends, and where P(0) underflows."""
    k = np.array([62.0, 63.0, 64.0, 65.0, 5.0, 3.0])
    mu = np.array([60.0, 60.0, 60.0, 60.0, 2e4, 1e-3])
    theta = np.array([3.0, 3.0, 3.0, 3.0, 900.0, 1e3])
    eta = (np.log(mu), np.log(theta))
    exact = stats.nbinom.cdf(k, theta, theta / (theta + mu))
    np.testing.assert_allclose(NegativeBinomial2().cdf(k, eta)[1], exact, rtol=1e-10, atol=1e-300)


def test_counts_are_required():
    """The error names the family."""
    with pytest.raises(FamilyError, match=r"nbinom2 response must be whole numbers from 0; 1 of 2"):
        NegativeBinomial2().prepare([0.5, 1.0])


def test_dispersion_starts_at_moments():
    """Variance over mean gives phi, and theta from it."""
    y = np.array([0.0, 0.0, 6.0, 6.0])  # mean 3, variance 9
    assert NegativeBinomial1().dispersion_start(NegativeBinomial1().prepare(y)) == 2.0
    assert NegativeBinomial2().dispersion_start(NegativeBinomial2().prepare(y)) == 1.5


# Log probability and its derivatives in both predictors, by mpmath 1.3 with 60 digits.
LARGE = [
    (
        NegativeBinomial2(),
        30000000000.0,
        (24.3, 0.5),
        [-24.8673567083767, -0.265433347245422, 0.524952135210882],
    ),
    (
        NegativeBinomial2(),
        2000000.0,
        (14.0, -1.0),
        [-16.1841104560182, 0.243925125214947, 0.610209744972148],
    ),
    (
        NegativeBinomial2(),
        5000000000000.0,
        (29.0, 3.0),
        [-29.2937056658048, 5.45990821710106, -0.126011629273486],
    ),
    (
        NegativeBinomial1(),
        30000000000.0,
        (24.3, 23.0),
        [-24.4694213887457, -0.121548673452531, -0.469184104595528],
    ),
    (
        NegativeBinomial1(),
        5000000000000.0,
        (29.0, 25.0),
        [-29.8738750320338, 13.6301443592476, 1.21142493222216],
    ),
]


@pytest.mark.parametrize(("family", "y", "eta", "exact"), LARGE)
def test_large_counts_do_not_cancel(family, y, eta, exact):
    """Counts of 2e6 to 5e12, which differ from their mean by as much."""
    data = family.prepare(np.array([y]))
    found = family.derivatives(data, tuple(np.array([e]) for e in eta), 1)
    both = [found.value[0], found.first[0][0], found.first[1][0]]
    np.testing.assert_allclose(both, exact, rtol=1e-12)


@pytest.mark.parametrize("link", ["log", "sqrt"])
def test_differences_between_means_need_no_gamma_functions(link):
    """Those of `log_density_in_mean` are those of the log probability."""
    rng = np.random.default_rng(8)
    family, y = NegativeBinomial2(link=link), np.r_[0.0, 1.0, 40.0, rng.poisson(3.0, 20)]
    data, theta = family.prepare(y), rng.normal(size=y.size)
    one, other = (rng.uniform(0.5, 2.0, y.size) for _ in range(2))
    wanted, found = (
        take(data, (one, theta)) - take(data, (other, theta))
        for take in (family.log_density, family.log_density_in_mean)
    )
    np.testing.assert_allclose(found, wanted, rtol=0.0, atol=1e-11)
