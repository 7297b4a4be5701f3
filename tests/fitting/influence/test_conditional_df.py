"""How a fit follows its data, by the kind of model."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.fitting.influence.conditional_df import Settled
from mixcheck.port import port_of


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    """Eight groups of four counts."""
    rng = np.random.default_rng(9)
    g, x = np.repeat(np.arange(8), 4), rng.normal(size=32)
    return pd.DataFrame(
        {"g": g, "x": x, "k": rng.poisson(np.exp(1.0 + 0.3 * x + np.linspace(-1.0, 1.0, 8)[g]))}
    )


def test_closed_forms_need_no_refit(table):
    """A Gaussian response is settled, and has nothing to do."""
    settled = port_of(mc.glmm("k ~ x + (1 | g)", table)).perturb("refit")
    assert isinstance(settled, Settled)
    assert settled.size == 0
    with pytest.raises(IndexError):
        settled(0)


def test_fixed_effects_alone_count_as_many_as_they_are(table):
    """Without random effects every parameter is one degree of freedom."""
    found = port_of(mc.glmm("k ~ x", table, family="nbinom2")).perturb("refit").collect([])
    assert found.total == 3.0
    assert found.by_term == {"fixed effects": 2.0, "dispersion": 1.0}


@pytest.mark.parametrize("options", [{"method": "pql"}, {"method": "profiled"}])
def test_estimates_of_another_kind_are_refused(table, options):
    """Their derivatives in the data are not those of a likelihood."""
    fit = mc.glmm("k ~ x + (1 | g)", table, family="poisson", **options)
    with pytest.raises(mc.OptionError, match='method="laplace" or method="agq"'):
        port_of(fit).perturb("analytic")


def test_profiled_linear_models_are_maximum_likelihood(table):
    """For a Gaussian response the two estimates are one."""
    a = mc.caic(mc.glmm("k ~ x + (1 | g)", table, method="profiled"))
    b = mc.caic(mc.glmm("k ~ x + (1 | g)", table))
    assert a.df == pytest.approx(b.df, abs=1e-6)
