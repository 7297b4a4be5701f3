"""Families by name."""

import subprocess
import sys

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


@pytest.mark.parametrize("nonsense", ["zzz", 3, int])
def test_nonsense_is_refused_without_a_guess(nonsense):
    """No suggestion where nothing is near."""
    with pytest.raises(FamilyError, match=r"There is no family .*, [a-z_0-9]+\.$"):
        get_family(nonsense)


def test_importing_families_is_light():
    """Neither scipy.stats nor matplotlib is loaded."""
    code = (
        "import sys, mixcheck.families; "
        "sys.exit(bool({'scipy.stats', 'matplotlib', 'statsmodels'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
