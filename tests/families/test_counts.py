"""What is particular to count families."""

import numpy as np
import pytest
from scipy import stats

from mixcheck.errors import FamilyError
from mixcheck.families import NegativeBinomial1, NegativeBinomial2, Poisson
from mixcheck.families.counts import observe_counts
from mixcheck.families.derivatives import Derivatives
from mixcheck.families.expectation import expect, spread_of_counts

# Of sums of some tens of probabilities, and of scipy's incomplete gamma function.
SUMMED = 1e-12


def test_negative_counts_are_refused_by_position_and_value():
    """The error counts the rows, shows the first, and says what to write instead."""
    with pytest.raises(FamilyError, match=r"whole numbers from 0; 1 of 3 .* -2 at position 1 .*"):
        Poisson().prepare([1, -2, 3])


def test_fractions_are_refused_with_a_way_out():
    """A rate is pointed to the offset."""
    with pytest.raises(FamilyError, match=r"2 of 3 .*0\.5 at position 0, 1\.5 at .* offset"):
        Poisson().prepare([0.5, 1.5, 2.0])


def test_rounding_error_in_counts_is_forgiven():
    """A proportion times its size is the count it came from."""
    assert Poisson().prepare([0.1 * 3 * 10]).y[0] == 3.0


def test_means_beyond_the_sampler_are_refused():
    """A diverging predictor gives an error of ours, not of NumPy."""
    with pytest.raises(FamilyError, match="Poisson draws need means"):
        Poisson().sample((np.array([50.0]),), None, np.random.default_rng(0))


@pytest.mark.parametrize(("link", "outside"), [("identity", -1.0), ("sqrt", 0.0)])
def test_a_count_at_a_mean_that_is_not_positive_is_impossible(link, outside):
    """Rows without a positive mean are -inf and flat; the others are untouched."""
    family = Poisson(link)
    found = family.derivatives(family.prepare([2, 2]), (np.array([outside, 1.0]),), 3)
    assert found.value[0] == -np.inf
    assert np.isfinite(found.value[1])
    assert found.first[0][0] == found.second[0, 0][0] == found.third[0, 0, 0][0] == 0.0


def test_an_infinite_mean_is_impossible():
    """Beyond exp(700) the log probability is -inf, row by row."""
    family = Poisson()
    found = family.derivatives(family.prepare([2, 2]), (np.array([701.0, 1.0]),), 3)
    assert found.value[0] == -np.inf
    assert found.second[0, 0][0] == 0.0
    assert found.second[0, 0][1] == pytest.approx(-np.e)


def test_expected_information_of_wide_counts_takes_few_calls() -> None:
    """Forty panels of three rows are looked at in one call of the density."""
    mean = np.array([1e2, 1e5, 1e9])
    calls = 0

    def derive(y: np.ndarray, eta: tuple[np.ndarray, ...], rows: np.ndarray) -> Derivatives:
        nonlocal calls
        calls += 1
        return poisson.derivatives(observe_counts(y), eta, 3)

    poisson = Poisson()
    eta = (np.log(mean),)
    second, _ = expect(derive, eta, spread_of_counts(mean, mean, 0.0))
    # The information on the log mean of a Poisson is its mean.
    np.testing.assert_allclose(second[0, 0], mean, rtol=1e-9)
    assert calls == 1


def test_distribution_functions_of_small_counts_are_sums():
    """Both values of a cdf, of small, large, fractional and impossible counts, among each other."""
    rng = np.random.default_rng(4)
    eta = np.r_[rng.normal(0.5, 1.0, 60), rng.uniform(3.0, 8.0, 40), [-800.0, 2.0, 2.0, 2.0]]
    y = np.r_[np.floor(rng.exponential(np.exp(eta[:100]))), [0.0, 2.5, -1.0, 300.0]]
    below, upto = Poisson().cdf(y, (eta,))
    mu = np.exp(eta)
    np.testing.assert_allclose(below, stats.poisson.cdf(np.ceil(y) - 1.0, mu), rtol=SUMMED)
    np.testing.assert_allclose(upto, stats.poisson.cdf(y, mu), rtol=SUMMED)


@pytest.mark.parametrize("family", [NegativeBinomial1(), NegativeBinomial2()])
def test_one_sum_gives_both_values(family):
    """F(y-) and F(y) of a negative binomial are those of two counts."""
    rng = np.random.default_rng(4)
    eta = rng.uniform(-1.0, 6.0, 50), rng.normal(size=50)
    y = np.r_[rng.poisson(np.exp(eta[0]))[:-3], 1.5, -2.0, 63.0]
    below, upto = family.cdf(y, eta)
    np.testing.assert_array_equal(below, family.cumulate(np.ceil(y) - 1.0, eta, None))
    np.testing.assert_array_equal(upto, family.cumulate(np.floor(y), eta, None))
