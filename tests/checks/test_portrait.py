"""Tables and pictures of the model beside its checks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import mixcheck as mc
from mixcheck.checks.portrait import MOST_LEVELS, draw_portrait, tabulate_estimates
from mixcheck.checks.statistic import thinned
from mixcheck.display.document import Caterpillar
from mixcheck.port import port_of


def test_a_caterpillar_for_each_effect():
    """Modes and conditional deviations of the fit, in ascending order."""
    cbpp = mc.datasets.load("cbpp")
    fit = mc.glmm("incidence / size ~ period + (1 | herd)", cbpp, family="binomial")
    (_, figure) = draw_portrait(port_of(fit), mc.residuals(fit, seed=1).observed)
    picture = figure.picture
    assert isinstance(picture, Caterpillar)
    modes = fit.random_effects["herd"]["Intercept"].sort_values()
    np.testing.assert_allclose(picture.estimate, modes.to_numpy(), rtol=1e-12)
    deviations = fit.random_effects_sd["herd"]["Intercept"].loc[modes.index].to_numpy()
    np.testing.assert_allclose(picture.high - picture.low, 2 * 1.959963984540054 * deviations)
    assert picture.labels == tuple(modes.index.astype(str))


def test_of_many_levels_the_extremes():
    """118 broods: the lowest and the highest are shown, and the caption says so."""
    ticks = mc.datasets.load("grouseticks")
    fit = mc.glmm("TICKS ~ YEAR + (1 | BROOD)", ticks, family="poisson")
    (_, figure) = draw_portrait(port_of(fit), mc.residuals(fit, seed=1).observed)
    modes = np.sort(fit.random_effects["BROOD"]["Intercept"].to_numpy())
    assert len(figure.picture.labels) == MOST_LEVELS
    assert figure.picture.estimate[0] == modes[0]
    assert figure.picture.estimate[-1] == modes[-1]
    assert "of 118 levels" in figure.caption


def test_residuals_against_fitted_values(toy):
    """At most 5,000 rows are shown, and the title says how many there are; constants have none."""
    assert thinned(7, 100).tolist() == list(range(7))
    kept = thinned(10_000, 11)
    assert (kept[0], kept[-1], kept.size) == (0, 9_999, 11)
    model = toy("gaussian", 1, levels=600, per_level=10)
    observed = mc.residuals(model, seed=1).observed
    (figure,) = draw_portrait(model, observed)
    assert figure.picture.x.size == 5000
    assert "(5,000 of 6,000 rows shown)" in figure.caption
    assert np.isin(figure.picture.y, observed.residuals).all()
    assert draw_portrait(model, replace(observed, fitted=np.ones(6000))) == ()


@pytest.mark.slow
def test_the_report_shows_it():
    """On the page, and through JSON."""
    cbpp = mc.datasets.load("cbpp")
    fit = mc.glmm("incidence / size ~ period + (1 | herd)", cbpp, family="binomial")
    report = mc.check(fit, mc.checks.Convergence(), seed=1, draws=9, calibration="plug-in")
    assert "herd, Intercept: levels by their mode" in report.to_html()
    read = mc.Report.from_json(report.to_json())
    assert len(read.extra) == 4
    assert read.to_html() == report.to_html()


def test_estimates_stand_in_tables_of_one_number_of_decimals():
    """Coefficients with the intervals of the fit, and its variance components."""
    cbpp = mc.datasets.load("cbpp")
    fit = mc.glmm("incidence / size ~ period + (1 | herd)", cbpp, family="binomial")
    fixed, random = tabulate_estimates(port_of(fit))
    known = fit.coefficients()
    assert [row[0] for row in fixed.rows] == list(fit.params.index)
    for column, name in enumerate(("estimate", "std_error", "low", "high"), 1):
        assert [row[column].value for row in fixed.rows] == pytest.approx(list(known[name]))
    assert len({cell.places for row in fixed.rows for cell in row[1:]}) == 1
    assert random.columns == ("", "std deviation", "variance")
    assert random.rows[0][1].value == pytest.approx(fit.variance_components["sd"].iloc[0])
    assert tabulate_estimates(object()) == ()


def test_correlations_are_shown_where_there_are_some():
    """Of random slopes."""
    sleep = mc.datasets.load("sleepstudy")
    fit = mc.glmm("Reaction ~ Days + (Days | Subject)", sleep)
    _, random = tabulate_estimates(port_of(fit))
    assert random.columns == ("", "std deviation", "variance", "correlation")
    assert [row[0] for row in random.rows] == [
        "Subject, Intercept",
        "Subject, Days",
        "Subject, Intercept, Days",
        "Residual",
    ]


def test_draws_have_no_portrait():
    """A model known by its draws has no random effects to show."""
    draws = np.random.default_rng(1).poisson(2.0, size=(30, 20))
    model = mc.from_draws(observed=draws[0], draws=draws[1:])
    assert draw_portrait(model, mc.residuals(model, seed=1).observed)[1:] == ()
