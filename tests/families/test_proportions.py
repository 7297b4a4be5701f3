"""What is particular to binomial families."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mixcheck.errors import FamilyError
from mixcheck.families import Binomial

LINKS = Binomial.allowed_links


@pytest.mark.parametrize("link", LINKS)
@settings(deadline=None, derandomize=True, max_examples=20)
@given(unit=st.floats(0.02, 0.98), successes=st.integers(0, 6))
def test_splitting_a_row_into_single_trials_changes_only_the_constant(link, unit, successes):
    """Counts of 6 trials have the derivatives of 6 rows of 0 and 1."""
    family = Binomial(link)
    eta = family.link.link(np.array([unit]))
    rows = (np.repeat(eta, 6),)
    whole = family.derivatives(family.prepare([successes], [6]), (eta,), 3)
    single = family.derivatives(family.prepare([1] * successes + [0] * (6 - successes)), rows, 3)
    choose = family.prepare([successes], [6]).constant[0]
    assert whole.value[0] - choose == pytest.approx(single.value.sum(), rel=1e-10)
    scale = {"rel": 1e-10, "abs": 1e-12}
    assert whole.first[0][0] == pytest.approx(single.first[0].sum(), **scale)
    assert whole.second[0, 0][0] == pytest.approx(single.second[0, 0].sum(), **scale)
    assert whole.third[0, 0, 0][0] == pytest.approx(single.third[0, 0, 0].sum(), **scale)


@pytest.mark.parametrize("link", ["logit", "probit", "cauchit"])
def test_failures_mirror_successes_for_symmetric_links(link):
    """Exchanging successes and failures is changing the sign of eta."""
    family = Binomial(link)
    eta = np.array([-7.0, -0.5, 2.0, 30.0])
    a = family.log_density(family.prepare([2, 0, 5, 5], [5] * 4), (eta,))
    b = family.log_density(family.prepare([3, 5, 0, 0], [5] * 4), (-eta,))
    np.testing.assert_allclose(a, b, rtol=1e-13)


def test_a_sure_outcome_has_all_digits_and_zero_no_sign():
    """``log p = -m exp(-eta)`` far out, and at -0.0 the derivatives are those at 0.0."""
    family = Binomial()
    data = family.prepare([5, 0], [5, 5])
    found = family.log_density(data, (np.array([400.0, -90.0]),))
    np.testing.assert_allclose(found, [-5.0 * np.exp(-400.0), -5.0 * np.exp(-90.0)], rtol=1e-13)
    negative, positive = (family.derivatives(data, (np.full(2, zero),), 3) for zero in (-0.0, 0.0))
    np.testing.assert_array_equal(negative.first[0], [2.5, -2.5])
    np.testing.assert_array_equal(negative.first[0], positive.first[0])
    np.testing.assert_array_equal(negative.value, positive.value)


def test_certain_outcomes_cost_nothing_even_at_the_end_of_the_floats():
    """All successes at an infinite hazard have log probability zero, one failure -inf."""
    family = Binomial("cloglog")
    data = family.prepare([3, 2], [3, 3])
    np.testing.assert_array_equal(family.log_density(data, (np.full(2, 800.0),)), [0.0, -np.inf])


def test_without_trials_the_response_is_zero_or_one():
    """A count without its trials is pointed to k / n and to poisson."""
    with pytest.raises(
        FamilyError, match=r"0 or 1; 1 of 3 .* 2 at position 2 .*family=\"poisson\""
    ):
        Binomial().prepare([0, 1, 2])


def test_proportions_are_pointed_to_counts():
    """A fraction is no count of successes."""
    with pytest.raises(FamilyError, match=r"0\.25 at position 1 .*successes / trials"):
        Binomial().prepare([1.0, 0.25])


def test_more_successes_than_trials_are_refused():
    """The row at fault is named."""
    with pytest.raises(FamilyError, match=r"exceed its number of trials; .* 5 at position 1"):
        Binomial().prepare([1, 5], size=[4, 4])


@pytest.mark.parametrize(
    ("size", "message"),
    [
        ([3], "one number of trials for each response; found 1 for 2"),
        ([3, 2.5], r"trials must be whole; 1 of 2 .* 2\.5 at position 1"),
        ([3, 0], "trials must be positive; 1 of 2 .* 0 at position 1"),
        ([3, np.inf], "trials must be finite"),
    ],
)
def test_bad_numbers_of_trials_are_refused(size, message):
    """Trials are whole, positive, finite, and as many as responses."""
    with pytest.raises(FamilyError, match=message):
        Binomial().prepare([0, 0], size=size)


def test_draws_need_probabilities():
    """The log link can leave the unit interval; the error says which link cannot."""
    with pytest.raises(FamilyError, match=r"1 of 2 means .*logit"):
        Binomial("log").sample((np.array([-1.0, 0.5]),), None, np.random.default_rng(0))


def test_booleans_are_single_trials():
    """True is a success."""
    np.testing.assert_array_equal(Binomial().prepare([True, False]).y, [1.0, 0.0])


def test_single_trials_have_no_constant():
    """The binomial coefficient of 0 or 1 of 1 is exactly one."""
    assert not Binomial().prepare([0, 1]).constant.any()


def test_draws_of_single_trials_are_those_of_the_generator():
    """They take one uniform number each, as `Generator.binomial` does, and use it likewise."""
    eta = np.random.default_rng(1).normal(0.0, 3.0, 2000)
    family, one = Binomial(), np.ones(2000)
    drawn = family.sample((eta,), one, np.random.default_rng(2))
    wanted = np.random.default_rng(2).binomial(1, family.link.inverse(eta))
    np.testing.assert_array_equal(drawn, wanted)


def test_distribution_function_of_single_trials():
    """Zero below zero, the probability of failure below one, and one from there on."""
    y, eta = np.array([-1.0, 0.0, 0.5, 1.0, 2.0]), np.full(5, 0.3)
    failure = 1.0 / (1.0 + np.exp(0.3))
    for size in (None, np.ones(5)):
        below, upto = Binomial().cdf(y, (eta,), size)
        np.testing.assert_allclose(below, [0.0, 0.0, failure, failure, 1.0], rtol=1e-15)
        np.testing.assert_allclose(upto, [0.0, failure, failure, 1.0, 1.0], rtol=1e-15)


@pytest.mark.parametrize("link", LINKS)
def test_the_distribution_of_single_trials_is_that_of_any(link):
    """F(y-) and F(y) of 0 and 1, from the tails, beside those of rows with more trials."""
    family = Binomial(link)
    eta = (family.link.link(np.linspace(0.02, 0.98, 50)),)
    y = np.arange(50) % 2.0
    size = np.append(np.ones(50), 2.0)
    longer = (np.append(eta[0], eta[0][0]),)
    alone = family.cdf(y, eta, np.ones(50))
    among = family.cdf(np.append(y, 1.0), longer, size)
    for one, many, without in zip(alone, among, family.cdf(y, eta), strict=True):
        np.testing.assert_array_equal(one, many[:50])
        np.testing.assert_array_equal(one, without)
