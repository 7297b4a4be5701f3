"""What is particular to the gamma and log-normal families."""

import numpy as np
import pytest
from scipy import stats

from mixcheck.errors import FamilyError
from mixcheck.families import Gamma, LogNormal

EXACT = 1e-12
Y = np.array([0.1, 2.0, 9.0])
ETA = (np.log([1.0, 2.0, 5.0]), np.log([0.5, 3.0, 8.0]))


def test_gamma_is_that_of_scipy_with_its_shape():
    """Mean mu and shape exp(dispersion), as in glmmTMB."""
    mu, shape = np.exp(ETA)
    law = stats.gamma(shape, scale=mu / shape)
    family = Gamma()
    np.testing.assert_allclose(family.log_density(family.prepare(Y), ETA), law.logpdf(Y), EXACT)
    np.testing.assert_allclose(family.cdf(Y, ETA)[0], law.cdf(Y), EXACT)
    np.testing.assert_allclose(family.variance(ETA), law.var(), EXACT)


def test_lognormal_is_that_of_scipy_with_moments_of_the_data():
    """Mean and standard deviation are those of the response, not of its logarithm."""
    mu, sd = np.exp(ETA)
    v = np.log1p((sd / mu) ** 2)
    law = stats.lognorm(np.sqrt(v), scale=mu * np.exp(-v / 2))
    family = LogNormal()
    np.testing.assert_allclose(family.log_density(family.prepare(Y), ETA), law.logpdf(Y), EXACT)
    np.testing.assert_allclose(family.cdf(Y, ETA)[0], law.cdf(Y), EXACT)
    np.testing.assert_allclose(law.mean(), mu, EXACT)
    np.testing.assert_allclose(law.std(), sd, EXACT)


@pytest.mark.parametrize("family", [Gamma(), LogNormal()])
def test_zeros_are_refused_with_a_way_out(family):
    """A zero part is what a response with zeros needs."""
    with pytest.raises(FamilyError, match=r"must be positive; 1 of 2 .* 0 at position 1 .*zi="):
        family.prepare([1.0, 0.0])


@pytest.mark.parametrize("link", ["inverse", "identity"])
def test_a_mean_that_is_not_positive_is_impossible(link):
    """Its rows are -inf and flat."""
    family = Gamma(link)
    eta = (np.array([-1.0, 0.0, 2.0]), np.zeros(3))
    found = family.derivatives(family.prepare(Y), eta, 2)
    assert (found.value[:2] == -np.inf).all()
    assert np.isfinite(found.value[2])
    assert not found.second[0, 0][:2].any()


def test_a_constant_response_has_a_start():
    """No variance gives no infinite shape and no zero deviation."""
    for family in (Gamma(), LogNormal()):
        assert 0.0 < family.dispersion_start(family.prepare([2.0, 2.0])) < np.inf
