"""The chain rule, against a function of two parameters known in closed form."""

import mpmath
import numpy as np
import pytest

from mixcheck.families.chain_rule import compose_derivatives, compose_expected
from mixcheck.families.derivatives import Derivatives

EXACT = 1e-12

POINT = (0.7, -0.4)


def outer(a, b):
    """A function of two parameters whose derivatives all differ."""
    return mpmath.sin(a) * mpmath.exp(a * b) + b**3


INNER = (lambda x: x**2 + x**3, lambda x: mpmath.exp(2 * x))


def partial(function, point, powers):
    """One partial derivative, as an array of one row."""
    with mpmath.workdps(50):
        point = tuple(mpmath.mpf(x) for x in point)
        return np.array([float(mpmath.diff(function, point, powers))])


def powers(index):
    """Orders of differentiation of an index tuple."""
    return (index.count(0), index.count(1))


PAIRS = [(0, 0), (0, 1), (1, 1)]
TRIPLES = [(0, 0, 0), (0, 0, 1), (0, 1, 1), (1, 1, 1)]


@pytest.mark.parametrize("linked", [(True, True), (True, False), (False, True), (False, False)])
def test_composition_is_that_of_the_composed_function(linked):
    """All derivatives to third order, with either parameter linked or plain."""
    inner = [f if use else (lambda x: x) for f, use in zip(INNER, linked, strict=True)]
    with mpmath.workdps(50):
        theta = tuple(f(mpmath.mpf(x)) for f, x in zip(inner, POINT, strict=True))
    parameters = Derivatives(
        partial(outer, theta, (0, 0)),
        tuple(partial(outer, theta, powers((a,))) for a in (0, 1)),
        {pair: partial(outer, theta, powers(pair)) for pair in PAIRS},
        {triple: partial(outer, theta, powers(triple)) for triple in TRIPLES},
    )
    slopes = [
        tuple(partial(f, (x,), (k,)) for k in (1, 2, 3)) if use else None
        for f, x, use in zip(inner, POINT, linked, strict=True)
    ]
    found = compose_derivatives(parameters, slopes, 3)

    def composed(x, y):
        return outer(inner[0](x), inner[1](y))

    for a in (0, 1):
        assert found.first[a] == pytest.approx(partial(composed, POINT, powers((a,))), rel=EXACT)
    for pair in PAIRS:
        expected = partial(composed, POINT, powers(pair))
        assert found.second[pair] == pytest.approx(expected, rel=EXACT)
    for triple in TRIPLES:
        expected = partial(composed, POINT, powers(triple))
        assert found.third[triple] == pytest.approx(expected, rel=EXACT)


def test_information_composes_as_a_metric():
    """I_ab in eta is I_ab(theta) theta_a' theta_b', with the slopes of that product."""
    with mpmath.workdps(50):
        theta = tuple(f(mpmath.mpf(x)) for f, x in zip(INNER, POINT, strict=True))
    entries = {
        (0, 0): lambda a, b: a * b,
        (0, 1): lambda a, b: a + b**2,
        (1, 1): lambda a, b: b / a,
    }
    information = {pair: partial(f, theta, (0, 0)) for pair, f in entries.items()}
    slopes = {
        (pair, c): partial(f, theta, powers((c,))) for pair, f in entries.items() for c in (0, 1)
    }
    links = [
        tuple(partial(f, (x,), (k,)) for k in (1, 2, 3)) for f, x in zip(INNER, POINT, strict=True)
    ]
    second, third = compose_expected(information, slopes, links)
    for (a, b), entry in entries.items():

        def metric(x, y, entry=entry, a=a, b=b):
            at = (x, y)
            return (
                entry(INNER[0](x), INNER[1](y))
                * mpmath.diff(INNER[a], at[a])
                * mpmath.diff(INNER[b], at[b])
            )

        assert second[a, b] == pytest.approx(partial(metric, POINT, (0, 0)), rel=EXACT)
        for c in (0, 1):
            expected = partial(metric, POINT, powers((c,)))
            assert third[(a, b), c] == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_where_nothing_is_linked_a_lower_order_has_no_third_derivatives(order):
    """A parameter that is its predictor has the derivatives of its family, up to the order."""
    one = np.ones(1)
    given = Derivatives(one, (one,), {(0, 0): one}, {(0, 0, 0): one})
    found = compose_derivatives(given, (None,), order)
    assert found.first == given.first
    assert found.second == given.second
    assert bool(found.third) == (order == 3)
