"""Families by name."""

import numpy as np
import pandas as pd
import pytest

from mixcheck.errors import FamilyError
from mixcheck.families import (
    Beta,
    BetaBinomial,
    Binomial,
    Gamma,
    Gaussian,
    LogNormal,
    NegativeBinomial1,
    NegativeBinomial2,
    Poisson,
    TruncatedNegativeBinomial1,
    TruncatedNegativeBinomial2,
    TruncatedPoisson,
    get_family,
)


@pytest.mark.parametrize(
    "family",
    [
        Gaussian,
        Binomial,
        Poisson,
        NegativeBinomial1,
        NegativeBinomial2,
        Gamma,
        LogNormal,
        Beta,
        BetaBinomial,
        TruncatedPoisson,
        TruncatedNegativeBinomial1,
        TruncatedNegativeBinomial2,
    ],
)
def test_name_class_and_instance_lead_to_one_family(family):
    """All three spellings give the default link."""
    assert get_family(family.name) == get_family(family) == get_family(family()) == family()


def test_an_instance_keeps_its_link():
    """What was asked for is what is returned."""
    assert get_family(Binomial("probit")).links[0].name == "probit"


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("normal", "gaussian"),
        ("bernoulli", "binomial"),
        ("Poisson", "poisson"),
        ("poison", "poisson"),
        ("binomail", "binomial"),
        ("negbin", "nbinom2"),
        ("Gamma", "gamma"),
    ],
)
def test_a_near_name_is_answered_with_the_right_one(name, instead):
    """The error lists the families and says what to write."""
    with pytest.raises(FamilyError, match=rf"families are gaussian, .* Write family='{instead}'"):
        get_family(name)


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("beta_family", "Write family='beta'"),
        ("negative binomial", "Write family='nbinom2'"),
        ("NegativeBinomial2", "Write family='nbinom2'"),
        ("NegativeBinomial1", "Write family='nbinom1'"),
        ("negativebinomial", "Write family='nbinom2'"),
        ("nb", "Write family='nbinom2'"),
        ("beta-binomial", "Write family='betabinomial'"),
        ("Beta", "Write family='beta'"),
        ("BINOMIAL", "Write family='binomial'"),
        ("log-normal", "Write family='lognormal'"),
        ("ztpoisson", "Write family='truncated_poisson'"),
        ("zip", "Write family='poisson', zi='~ 1'"),
        ("zero_inflated_negbinomial", "Write family='nbinom2', zi='~ 1'"),
        ("hurdle_poisson", "Write family='truncated_poisson', zi='~ 1'"),
        ("ziGamma", "Write family='gamma', zi='~ 1'"),
        ("quasipoisson", "write family='nbinom1'"),
        ("genpois", "family='nbinom1' and family='nbinom2'"),
        ("inverse.gaussian", "family='gamma' and family='lognormal'"),
        ("student", "Write family='t'"),
        ("skewnormal", "family='gaussian' and family='t'"),
        ("cumulative", "Write family='ordinal'"),
        ("multinomial", "categories without an order"),
        ("binomial()", "Write family='binomial'"),
        ("binomial(link = 'probit')", r"Write family=mc.families.Binomial\(link='probit'\)"),
        ("sm.families.Poisson()", "Write family='poisson'"),
    ],
)
def test_names_elsewhere_are_answered(name, answer):
    """Names of R, statsmodels and brms, and families that are not there."""
    with pytest.raises(FamilyError, match=answer):
        get_family(name)


def test_families_of_statsmodels_are_answered():
    """An object or a class of another library is taken by the name of its class."""
    from statsmodels.genmod.families import family as other

    for given, name in (
        (other.Poisson(), "poisson"),
        (other.NegativeBinomial, "nbinom2"),
        (other.Binomial(), "binomial"),
        (other.Gamma, "gamma"),
    ):
        with pytest.raises(FamilyError, match=f"Write family='{name}'"):
            get_family(given)


@pytest.mark.parametrize("odd", [np.array(["poisson"]), {"poisson"}, None, pd.NA, ["poisson"]])
def test_no_family_at_all(odd):
    """Arrays, sets and nothing are no families, whatever they hold."""
    with pytest.raises(FamilyError, match="There is no family"):
        get_family(odd)


@pytest.mark.parametrize("nonsense", ["zzz", 3, int])
def test_nonsense_is_refused_without_a_guess(nonsense):
    """No suggestion where nothing is near."""
    with pytest.raises(FamilyError, match=r"There is no family .*, [a-z_0-9]+\.$"):
        get_family(nonsense)
