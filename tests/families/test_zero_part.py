"""What is particular to families with a zero part."""

import pickle

import numpy as np
import pytest

from mixcheck.errors import FamilyError
from mixcheck.families import (
    Beta,
    BetaBinomial,
    Binomial,
    Gamma,
    Gaussian,
    Hurdle,
    LogNormal,
    NegativeBinomial2,
    Poisson,
    TruncatedNegativeBinomial2,
    TruncatedPoisson,
    ZeroInflated,
    add_zeros,
)

LIMIT = 1e-12
"""Zero probabilities of exp(-40) are beyond the floats next to one."""


@pytest.mark.parametrize("base", [Poisson(), NegativeBinomial2("sqrt"), Binomial("probit")])
def test_a_mixture_is_its_base(base):
    """Equality, hash, repr and pickle go by class and base; names and links are extended."""
    family = ZeroInflated(base)
    assert family == ZeroInflated(base) != ZeroInflated(Poisson("identity"))
    assert hash(family) == hash(ZeroInflated(base))
    assert pickle.loads(pickle.dumps(family)) == family
    assert repr(family) == f"ZeroInflated({base!r})"
    assert family.name == f"zero_inflated_{base.name}"
    assert family.predictors == (*base.predictors, "zi")
    assert [link.name for link in family.links] == [*(k.name for k in base.links), "logit"]


@pytest.mark.parametrize("base", [TruncatedPoisson(), Gamma(), LogNormal(), Beta()])
def test_add_zeros_gives_a_hurdle_to_what_has_no_zeros(base):
    """Truncated counts and positive reals cannot be inflated."""
    assert add_zeros(base) == Hurdle(base)
    with pytest.raises(FamilyError, match="Write Hurdle"):
        ZeroInflated(base)


@pytest.mark.parametrize("base", [Poisson(), NegativeBinomial2(), Binomial(), BetaBinomial()])
def test_add_zeros_inflates_what_has_zeros(base):
    """Counts with zeros of their own get additional ones."""
    assert add_zeros(base) == ZeroInflated(base)
    with pytest.raises(FamilyError, match="Write ZeroInflated"):
        Hurdle(base)


@pytest.mark.parametrize("base", [Gaussian(), ZeroInflated(Poisson()), "poisson"])
def test_other_bases_are_refused(base):
    """A real response, a mixture and a name are no bases."""
    with pytest.raises(FamilyError, match="ZeroInflated takes poisson"):
        ZeroInflated(base)


def test_inflation_vanishes_with_its_probability():
    """With pi = exp(-40) values and derivatives are those of the base."""
    base, y = NegativeBinomial2(), np.array([0.0, 1.0, 7.0])
    eta = (np.full(3, 0.7), np.full(3, 0.2))
    data = base.prepare(y)
    plain = base.derivatives(data, eta, 3)
    mixed = ZeroInflated(base).derivatives(data, (*eta, np.full(3, -40.0)), 3)
    np.testing.assert_allclose(mixed.value, plain.value, rtol=LIMIT)
    np.testing.assert_allclose(mixed.first[:2], plain.first, rtol=LIMIT)
    for key, values in plain.third.items():
        np.testing.assert_allclose(mixed.third[key], values, rtol=LIMIT)


def test_a_hurdle_is_two_separate_models():
    """No derivative mixes the zero part and the base."""
    family = Hurdle(TruncatedNegativeBinomial2())
    found = family.derivatives(family.prepare([0, 3]), (np.ones(2),) * 3, 3)
    assert not {(0, 2), (1, 2)} & set(found.second)
    assert found.first[0][0] == found.second[0, 1][0] == 0.0


def test_the_hurdle_checks_what_is_not_zero():
    """Zeros pass, a negative response does not."""
    family = Hurdle(Gamma())
    assert family.prepare([0.0, 2.0]).y[0] == 0.0
    with pytest.raises(FamilyError, match="gamma response must be positive; 1 of 2"):
        family.prepare([0.0, -2.0])


def test_a_response_of_zeros_only_has_a_start():
    """Where no row is positive the start is finite all the same."""
    for family in (ZeroInflated(NegativeBinomial2()), Hurdle(Beta()), ZeroInflated(Binomial())):
        assert all(np.isfinite(p).all() for p in family.start_parameters(family.prepare([0, 0])))
