"""Links: round trips, derivatives and tails against arbitrary precision."""

from collections.abc import Callable

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mixcheck.errors import FamilyError
from mixcheck.families.links import Link, ProbabilityLink, get_link

RELATIVE = 1e-10
"""Required of every derivative; two orders above what rounding in the formulas gives."""
DIGITS = 90
"""Enough wherever the smaller tail is the one computed; mpmath adds more to differentiate."""
FAR_DIGITS = 720
"""At 700 the second derivative of log F is 1e-305 beside a first of one."""

BELOW_CDF: dict[str, Callable[[mpmath.mpf], mpmath.mpf]] = {
    "logit": lambda x: 1 / (1 + mpmath.exp(-x)),
    "probit": lambda x: mpmath.erfc(-x / mpmath.sqrt(2)) / 2,
    "cauchit": lambda x: (
        mpmath.atan(-1 / x) / mpmath.pi if x < 0 else mpmath.atan(x) / mpmath.pi + mpmath.mpf(1) / 2
    ),
    "cloglog": lambda x: -mpmath.expm1(-mpmath.exp(x)),
    "log": mpmath.exp,
    "identity": lambda x: x,
}
ABOVE_CDF: dict[str, Callable[[mpmath.mpf], mpmath.mpf]] = {
    "logit": lambda x: 1 / (1 + mpmath.exp(x)),
    "probit": lambda x: mpmath.erfc(x / mpmath.sqrt(2)) / 2,
    "cauchit": lambda x: BELOW_CDF["cauchit"](-x),
    "cloglog": lambda x: mpmath.exp(-mpmath.exp(x)),
    "log": lambda x: -mpmath.expm1(x),
    "identity": lambda x: 1 - x,
}
INVERSE: dict[str, Callable[[mpmath.mpf], mpmath.mpf]] = {
    **BELOW_CDF,
    "sqrt": lambda x: x * x,
    "inverse": lambda x: 1 / x,
}
TAIL_POINTS = {
    "logit": [-700.0, -30.0, -3.1, -0.2, 1e-9, 0.4, 2.5, 30.0, 700.0],
    "probit": [-30.0, -12.0, -5.01, -4.99, -2.0, -0.3, 0.7, 2.0, 5.5, 30.0],
    "cauchit": [-1e8, -1e3, -30.0, -1.5, 0.3, 2.0, 30.0, 1e3, 1e8],
    "cloglog": [-700.0, -40.0, -20.0, -3.0, -0.72, -0.68, -0.3, 0.6, 2.0, 4.0, 6.0],
    "log": [-600.0, -30.0, -2.0, -0.71, -0.69, -0.1, -1e-8],
    "identity": [1e-60, 1e-8, 0.2, 0.5, 0.75, 1.0 - 2.0**-30],
}
INVERSE_POINTS = {
    **TAIL_POINTS,
    "sqrt": [-3.0, -1e-4, 0.0, 1e-4, 0.5, 3.0, 1e4],
    "inverse": [1e-4, 0.5, 3.0, 1e4],
}
PROBABILITY_LINKS = sorted(TAIL_POINTS)
ALL_LINKS = sorted(INVERSE_POINTS)
MEANS = {
    **dict.fromkeys(PROBABILITY_LINKS, (1e-9, 1.0 - 1e-6)),
    **dict.fromkeys(("log", "sqrt", "inverse", "identity"), (1e-6, 1e6)),
}


def differentiate(function: Callable, x: float, order: int) -> float:
    """Derivative in arbitrary precision."""
    with mpmath.workdps(FAR_DIGITS if 50 < abs(x) < 800 else DIGITS):
        return float(mpmath.diff(function, mpmath.mpf(x), order) if order else function(x))


def inverse_link(name: str, x: float, order: int) -> float:
    """Derivative of the inverse link, through the smaller tail where it has two."""
    if order and name in ABOVE_CDF and ABOVE_CDF[name](mpmath.mpf(x)) < 0.5:
        return -differentiate(ABOVE_CDF[name], x, order)
    return differentiate(INVERSE[name], x, order)


def log_tail(name: str, side: str, x: float, order: int) -> float:
    """Derivative of log F ("p") or log(1 - F) ("q"), through the smaller tail."""
    one, other = (BELOW_CDF[name], ABOVE_CDF[name])[:: 1 if side == "p" else -1]
    if (name, side) == ("log", "p"):
        return differentiate(lambda t: t, x, order)
    if other(mpmath.mpf(x)) < 0.5:
        return differentiate(lambda t: mpmath.log1p(-other(t)), x, order)
    return differentiate(lambda t: mpmath.log(one(t)), x, order)


def assert_close(actual: float, expected: float, where: str) -> None:
    """Agreement to the relative tolerance, down to the smallest floats."""
    assert actual == pytest.approx(expected, rel=RELATIVE, abs=1e-306), where


def probability_link(name: str) -> ProbabilityLink:
    """Link of a name that has tails."""
    link = get_link(name)
    assert isinstance(link, ProbabilityLink)
    return link


def test_the_tables_hold_every_final_link():
    """A link added to the module must be added to these tables."""
    probabilities = {link.name for link in ProbabilityLink.__subclasses__()}
    others = {link.name for link in Link.__subclasses__() if link is not ProbabilityLink}
    assert probabilities == set(PROBABILITY_LINKS)
    assert probabilities | others == set(ALL_LINKS)


@pytest.mark.parametrize("name", ALL_LINKS)
def test_inverse_and_its_derivatives_match_arbitrary_precision(name):
    """mu, mu', mu'', mu''' agree with mpmath at every point, tails included."""
    points = INVERSE_POINTS[name]
    results = get_link(name).derivatives(np.array(points))
    assert len(results) == 4
    for order, values in enumerate(results):
        for x, value in zip(points, values, strict=True):
            expected = inverse_link(name, x, order)
            assert_close(value, expected, f"{name} order {order} at {x}")


@pytest.mark.parametrize("name", ALL_LINKS)
def test_inverse_equals_the_first_of_derivatives(name):
    """The two ways to the mean agree."""
    eta = np.array(INVERSE_POINTS[name])
    link = get_link(name)
    np.testing.assert_allclose(link.inverse(eta), link.derivatives(eta)[0], rtol=RELATIVE)


@pytest.mark.parametrize("name", PROBABILITY_LINKS)
def test_log_tails_match_arbitrary_precision(name):
    """Log F and log(1 - F) with three derivatives agree with mpmath in both tails."""
    points = TAIL_POINTS[name]
    tails = probability_link(name).log_tails(np.array(points), 3)
    for side, tail in zip("pq", tails, strict=True):
        for order, values in enumerate(tail):
            for x, value in zip(points, values, strict=True):
                expected = log_tail(name, side, x, order)
                assert_close(value, expected, f"{name} {side} order {order} at {x}")


@pytest.mark.parametrize("name", PROBABILITY_LINKS)
def test_tails_match_their_logarithms(name):
    """F and 1 - F, each to its own digits wherever it is a number of full precision."""
    eta = np.array(TAIL_POINTS[name])
    link = probability_link(name)
    for tail, logs in zip(link.tails(eta), link.log_tails(eta, 0), strict=True):
        whole = logs[0] > np.log(np.finfo(np.float64).tiny)
        np.testing.assert_allclose(tail[whole], np.exp(logs[0][whole]), rtol=1e-13)
        assert (tail[~whole] <= np.finfo(np.float64).tiny).all()


@pytest.mark.parametrize("name", PROBABILITY_LINKS)
@pytest.mark.parametrize("order", [0, 1, 2])
def test_a_lower_order_is_the_beginning_of_a_higher_one(name, order):
    """log_tails of order k returns k + 1 arrays, those of order 3."""
    eta = np.array(TAIL_POINTS[name])
    for low, full in zip(
        probability_link(name).log_tails(eta, order),
        probability_link(name).log_tails(eta, 3),
        strict=True,
    ):
        assert len(low) == order + 1
        for a, b in zip(low, full, strict=False):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", PROBABILITY_LINKS)
def test_far_predictors_give_neither_nan_nor_a_warning(name):
    """At |eta| = 800 and 1e200 every tail and derivative is a number or -inf."""
    eta = np.array([-1e200, -800.0, 800.0, 1e200])
    link = probability_link(name)
    for tail in link.log_tails(eta, 3):
        assert not np.isnan(tail).any()
        assert np.isfinite(tail[1:]).all()
    assert not np.isnan(link.derivatives(eta)).any()


@pytest.mark.parametrize(("name", "eta"), [("log", 0.0), ("log", 2.0), ("identity", -0.1),
                                           ("identity", 0.0), ("identity", 1.0)])  # fmt: skip
def test_no_probability_gives_minus_infinity_and_flat_derivatives(name, eta):
    """Where the inverse link is no probability both logarithms are -inf."""
    for value, *slopes in probability_link(name).log_tails(np.array([eta, -0.5, 0.5]), 3):
        assert value[0] == -np.inf
        assert [slope[0] for slope in slopes] == [0.0, 0.0, 0.0]
        assert np.isfinite(value).sum() == 1


def test_cloglog_survival_below_the_floats_is_minus_infinity():
    """exp(-exp(800)) has no logarithm among the floats."""
    _, q = probability_link("cloglog").log_tails(np.array([800.0]), 1)
    assert (q[0][0], q[1][0]) == (-np.inf, 0.0)


@pytest.mark.parametrize("name", ALL_LINKS)
@settings(deadline=None, derandomize=True, max_examples=60)
@given(unit=st.floats(0.0, 1.0))
def test_link_inverts_inverse(name, unit):
    """link(inverse(link(mu))) = link(mu), and inverse(link(mu)) = mu, for any mean."""
    low, high = MEANS[name]
    mu = np.array([low + unit * (high - low)])
    link = get_link(name)
    np.testing.assert_allclose(link.inverse(link.link(mu)), mu, rtol=1e-9)


@pytest.mark.parametrize("name", ALL_LINKS)
@settings(deadline=None, derandomize=True, max_examples=15)
@given(unit=st.floats(0.0, 1.0))
def test_derivatives_match_arbitrary_precision_at_any_mean(name, unit):
    """The inverse link and three derivatives, between the points of the tables."""
    low, high = MEANS[name]
    eta = get_link(name).link(np.array([low + unit * (high - low)]))
    for order, value in enumerate(get_link(name).derivatives(eta)):
        expected = inverse_link(name, eta[0], order)
        assert value[0] == pytest.approx(expected, rel=1e-9, abs=1e-16), (eta[0], order)


@pytest.mark.parametrize("name", PROBABILITY_LINKS)
@settings(deadline=None, derandomize=True, max_examples=60)
@given(unit=st.floats(0.001, 0.999))
def test_the_two_tails_are_those_of_one_probability(name, unit):
    """exp(log F) + exp(log(1 - F)) = 1, and their slopes cancel."""
    link = probability_link(name)
    p, q = link.log_tails(link.link(np.array([unit])), 1)
    assert np.exp(p[0]) + np.exp(q[0]) == pytest.approx(1.0, rel=1e-12)
    assert np.exp(p[0]) * p[1] == pytest.approx(-np.exp(q[0]) * q[1], rel=1e-9)


@pytest.mark.parametrize("name", ["logit", "probit", "cauchit"])
@settings(deadline=None, derandomize=True, max_examples=60)
@given(eta=st.floats(-50.0, 50.0))
def test_symmetric_links_swap_tails_with_the_sign(name, eta):
    """Log F(eta) = log(1 - F(-eta)), with derivatives of alternating sign."""
    link = probability_link(name)
    p, _ = link.log_tails(np.array([eta]), 3)
    _, q = link.log_tails(np.array([-eta]), 3)
    for order in range(4):
        assert p[order] == pytest.approx((-1) ** order * q[order], rel=1e-12, abs=1e-300)


@pytest.mark.parametrize("name", ["cauchit", "cloglog", "logit", "probit"])
def test_the_ends_of_the_domain_map_to_the_limits(name):
    """Probabilities 0 and 1 map to minus and plus infinity, or beyond any probability."""
    low, high = get_link(name).link(np.array([0.0, 1.0]))
    assert low < -1e15
    assert high > 1e15


def test_a_mean_outside_the_domain_is_refused():
    """A probability above one names itself."""
    with pytest.raises(FamilyError, match=r"logit link takes means from 0 to 1; 1 of 2 .* 1\.5"):
        get_link("logit").link(np.array([0.5, 1.5]))


def test_a_mean_that_is_no_number_is_refused():
    """NaN lies in no domain."""
    with pytest.raises(FamilyError, match="nan"):
        get_link("identity").link(np.array([np.nan]))


def test_an_unknown_link_lists_the_known_ones():
    """The error names the links and the nearest of them."""
    with pytest.raises(FamilyError, match=r"no link 'logits'; .*logit, probit.*link='logit'\?"):
        get_link("logits")


def test_links_of_one_class_are_equal():
    """A link is its class."""
    assert get_link("log") == get_link(get_link("log"))
    assert get_link("log") != get_link("logit")
    assert hash(get_link("log")) == hash(type(get_link("log"))())
