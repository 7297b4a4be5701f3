"""Fits of the package glmm with their data: the same likelihood, or a refusal."""

from __future__ import annotations

from types import SimpleNamespace

import glmm
import numpy as np
import pytest

import mixcheck as mc
from mixcheck.errors import DataError, OptionError
from mixcheck.testing import check_model_port

ticks = mc.datasets.load("grouseticks")
sleep = mc.datasets.load("sleepstudy").assign(Fast=lambda d: d["Reaction"] / 100)
cbpp = mc.datasets.load("cbpp").assign(rest=lambda d: d["size"] - d["incidence"])
COUNTS = "TICKS ~ YEAR + cHEIGHT + (1 | BROOD)"
SHARES = "cbind(incidence, rest) ~ period + (1 | herd)"
CASES = {
    "poisson": (ticks, COUNTS, {"family": "poisson"}),
    "offset": (ticks, COUNTS, {"family": "poisson", "offset": np.linspace(0, 1, 403)}),
    "nbinom": (ticks, COUNTS, {"family": "negativebinomial"}),
    "binomial": (cbpp, SHARES, {"family": "binomial"}),
    "quadrature": (cbpp, SHARES, {"family": "binomial", "nagq": 9}),
    "probit": (cbpp, SHARES, {"family": "binomial", "link": "probit"}),
    "reml": (sleep, "Reaction ~ Days + (Days | Subject)", {}),
    "ml": (sleep, "Reaction ~ Days + (Days | Subject)", {"reml": False}),
    "gamma": (sleep, "Fast ~ Days + (1 | Subject)", {"family": "gamma", "link": "log"}),
}


@pytest.mark.parametrize("name", CASES)
def test_the_likelihood_is_that_of_the_package(name):
    """Families, links, restricted likelihoods, offsets and nodes are read from the result."""
    data, formula, options = CASES[name]
    result = glmm.fit(data, formula, **options)
    fit = mc.from_fit(result, data)
    assert fit.llf == pytest.approx(result.loglik, abs=0.01)
    np.testing.assert_allclose(fit.params, result.beta, rtol=0.01, atol=0.01)


def test_the_laws_of_the_port_hold():
    """What comes back is a model as any other."""
    result = glmm.fit(cbpp, SHARES, family="binomial")
    check_model_port(lambda: mc.from_fit(result, cbpp))


def test_other_data_are_refused():
    """Their likelihood is another one."""
    result = glmm.fit(ticks, COUNTS, family="poisson")
    with pytest.raises(DataError, match="give the data that it was fitted to"):
        mc.from_fit(result, ticks.assign(TICKS=ticks["TICKS"] + 1))


def test_results_of_others_are_refused():
    """And families that are not there."""
    with pytest.raises(OptionError, match="found SimpleNamespace"):
        mc.from_fit(SimpleNamespace(loglik=1.0), ticks)
    result = glmm.fit(sleep, "Fast ~ Days", family="inversegaussian")
    with pytest.raises(OptionError, match="'inversegaussian' of glmm is not there"):
        mc.from_fit(result, sleep)
