"""What is particular to the beta and beta-binomial families."""

import mpmath
import numpy as np
import pytest
from scipy import stats

from mixcheck.errors import FamilyError
from mixcheck.families import Beta, BetaBinomial, Binomial

EXACT = 1e-11


def test_beta_is_that_of_scipy():
    """Shapes are mu phi and (1 - mu) phi."""
    y, eta = np.array([0.1, 0.5, 0.97]), (np.array([-1.0, 0.0, 2.0]), np.log([0.5, 4.0, 300.0]))
    mu, phi = 1.0 / (1.0 + np.exp(-eta[0])), np.exp(eta[1])
    law = stats.beta(mu * phi, (1.0 - mu) * phi)
    family = Beta()
    np.testing.assert_allclose(family.log_density(family.prepare(y), eta), law.logpdf(y), EXACT)
    np.testing.assert_allclose(family.cdf(y, eta)[0], law.cdf(y), EXACT)
    np.testing.assert_allclose(family.variance(eta), law.var(), EXACT)


def test_betabinomial_is_that_of_scipy():
    """Probabilities and sums of them, for numbers of trials that differ."""
    m, k = np.array([1.0, 9.0, 500.0]), np.array([1.0, 3.0, 320.0])
    eta = (np.array([-1.0, 0.0, 2.0]), np.log([0.5, 4.0, 30.0]))
    mu, phi = 1.0 / (1.0 + np.exp(-eta[0])), np.exp(eta[1])
    law = stats.betabinom(m, mu * phi, (1.0 - mu) * phi)
    family = BetaBinomial()
    data = family.prepare(k, m)
    np.testing.assert_allclose(family.log_density(data, eta), law.logpmf(k), EXACT)
    below, upto = family.cdf(k, eta, m)
    np.testing.assert_allclose(upto, law.cdf(k), EXACT)
    np.testing.assert_allclose(below, law.cdf(k - 1.0), EXACT)
    np.testing.assert_allclose(family.variance(eta, m), law.var(), EXACT)


@pytest.mark.parametrize("m", [1e6, 1e12])
@pytest.mark.parametrize("k", [6.0, None], ids=["few successes", "half"])
def test_betabinomial_is_known_to_its_term_sizes(m, k):
    """The largest error of 20 log probabilities is within 4 roundings of them, and near."""
    rng, family = np.random.default_rng(0), BetaBinomial()
    eta = (rng.normal(size=20), rng.normal(1.0, 1.0, 20))
    data = family.prepare(np.full(20, m // 2.0 if k is None else k), np.full(20, m))
    error = family.log_density(data, eta) - _log_betabinomial(data.y, m, eta)
    known = 4.0 * np.finfo(float).eps * family.term_sizes(data)[0]
    assert known / 20.0 < np.abs(error).max() < known


def _log_betabinomial(k, m, eta):
    """The log probability to 60 digits, less only its last rounding."""
    with mpmath.workdps(60):
        out = []
        for y, at, log_phi in zip(k, *eta, strict=True):
            y, phi = mpmath.mpf(y), mpmath.exp(mpmath.mpf(log_phi))
            a = phi / (1 + mpmath.exp(-mpmath.mpf(at)))
            over = [m + 1, y + a, m - y + phi - a, phi]
            under = [y + 1, m - y + 1, m + phi, a, phi - a]
            log = mpmath.loggamma
            out.append(float(mpmath.fsum(map(log, over)) - mpmath.fsum(map(log, under))))
    return np.array(out)


def test_with_a_large_precision_it_is_a_binomial():
    """Values and derivatives in the mean tend to the binomial's without cancellation."""
    k, m, eta = np.array([0.0, 3.0, 9.0]), np.full(3, 9.0), np.array([-1.0, 0.2, 2.0])
    family = BetaBinomial()
    found = family.derivatives(family.prepare(k, m), (eta, np.full(3, 30.0)), 3)
    plain = Binomial().derivatives(Binomial().prepare(k, m), (eta,), 3)
    np.testing.assert_allclose(found.value, plain.value, rtol=1e-11)
    np.testing.assert_allclose(found.third[0, 0, 0], plain.third[0, 0, 0], rtol=1e-10)


def test_single_trials_do_not_tell_the_precision():
    """Derivatives in it are exactly zero."""
    family = BetaBinomial()
    found = family.derivatives(family.prepare([0, 1]), (np.zeros(2), np.zeros(2)), 3)
    assert not found.first[1].any()
    assert not found.second[1, 1].any()


@pytest.mark.parametrize("y", [[0.2, 0.0], [0.2, 1.0]])
def test_proportions_at_the_ends_are_refused_with_a_way_out(y):
    """Zero and one have an infinite or zero density."""
    with pytest.raises(FamilyError, match=r"strictly between 0 and 1; 1 of 2 .*position 1"):
        Beta().prepare(y)


def test_draws_of_extreme_shapes_stay_inside():
    """What rounds to an end is given as the nearest number inside, so that it can be refitted."""
    family, eta = Beta(), (np.array([-9.0, 0.0, 9.0] * 200), np.full(600, -5.0))
    family.prepare(family.sample(eta, None, np.random.default_rng(0)))
