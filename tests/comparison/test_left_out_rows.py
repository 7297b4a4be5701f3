"""Leave-one-out residuals and the checks that take them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.comparison.left_out_rows import LeftOutRows
from mixcheck.port import Checkable, Refittable, port_of

from .conftest import Known, fit


@pytest.fixture(scope="module")
def ticks():
    """Poisson, a chain of small groups."""
    return fit("grouseticks", "TICKS ~ YEAR + (1 | BROOD)", "poisson")


def test_residuals_are_reproducible(ticks):
    """One seed, one set of residuals, strictly between zero and one."""
    scores = mc.loo(ticks, refit_above=1.0)
    one, two = scores.residuals(seed=3), scores.residuals(seed=3)
    np.testing.assert_array_equal(one.values, two.values)
    assert one.n == ticks.nobs
    assert np.all(np.isfinite(one.normal))
    assert one.replicates.model.description["residuals"] == "leave-one-out"


def test_row_order_changes_nothing():
    """The randomisation follows what a row holds, not where it stands."""
    data = mc.datasets.load("cbpp")
    turned = data.iloc[::-1]
    formula = "incidence / size ~ period + (1 | herd)"
    first, second = (
        mc.loo(mc.glmm(formula, d, family="binomial"), refit_above=1.0).residuals(seed=1)
        for d in (data, turned)
    )
    np.testing.assert_allclose(first.values, np.flip(second.values), atol=1e-5)


def test_continuous_residuals_need_no_draw(days):
    """Of a Gaussian model they are the normal place of each response in its prediction."""
    scores = mc.loo(days["slope"], refit_above=1.0)
    z = (port_of(days["slope"]).observed - scores.mean) / np.sqrt(scores.variance)
    np.testing.assert_allclose(scores.residuals(seed=1).normal, z, atol=1e-6)


@pytest.mark.slow
def test_checks_find_overdispersion(ticks):
    """Checks run on them as on any residuals; the ticks are overdispersed."""
    residuals = mc.loo(ticks, refit_above=1.0).residuals(seed=1, draws=39, calibration="plug-in")
    report = (mc.checks.Dispersion() & mc.checks.Zeros()).run(residuals)
    found = report.to_frame().set_index("check")
    assert found.loc["dispersion", "pvalue"] == pytest.approx(2 / 40)
    assert found.loc["dispersion", "effect"] > 1.5


def test_refits(days):
    """Null distributions may include refits."""
    residuals = mc.loo(days["intercept"], refit_above=1.0).residuals(
        seed=1, calibration="refit", draws=9
    )
    report = mc.Suite([mc.checks.Uniformity()]).run(residuals)
    assert report.to_frame()["pvalue"].iloc[0] >= 0.1


@pytest.mark.slow
def test_calibration():
    """A correct model: over 20 data sets uniformity is rejected at 10 % no more than it may be.

    The long form is in validation/comparison.
    """
    rng = np.random.default_rng(1)
    g = np.repeat(np.arange(12), 4)
    rejected = 0
    for seed in range(20):
        effects = 0.8 * rng.standard_normal(12)[g]
        data = pd.DataFrame({"g": g, "y": rng.poisson(np.exp(1.0 + effects))})
        model = mc.glmm("y ~ 1 + (1 | g)", data, family="poisson")
        residuals = mc.loo(model, refit_above=1.0).residuals(
            seed=seed, draws=19, calibration="plug-in"
        )
        report = mc.Suite([mc.checks.Uniformity()]).run(residuals)
        rejected += report.to_frame()["pvalue"].iloc[0] <= 0.1
    # Four standard errors above 10 %.
    assert rejected <= 2 + 4 * np.sqrt(20 * 0.09)


def test_it_is_a_model(ticks):
    """What checks and refits ask of a model is there."""
    assert isinstance(LeftOutRows(port_of(ticks)), Checkable)
    assert isinstance(LeftOutRows(port_of(ticks)), Refittable)


def test_other_conditioning(ticks):
    """They are given the other rows, and nothing else can be asked for."""
    rng = np.random.default_rng(1)
    with pytest.raises(mc.OptionError, match="given the other rows"):
        LeftOutRows(port_of(ticks)).observe("marginal", rng)


def test_models_that_cannot_simulate(ticks):
    """Scores of a model that cannot simulate have no residuals for checks."""
    scores = replace(mc.loo(ticks, refit_above=1.0), subject=Known())
    with pytest.raises(mc.OptionError, match="can simulate data"):
        scores.residuals()
