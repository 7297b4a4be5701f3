"""Trends against numbers and factors, by their definitions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.checks import Suite, Trend
from mixcheck.checks.pearson import unless_held
from mixcheck.checks.rank_basis import CURVE_RANKS
from mixcheck.checks.statistic import CheckContext
from mixcheck.errors import OptionError
from mixcheck.quantile_residuals import residuals
from mixcheck.report.finding import Finding, Skipped


def with_column(model, values, name="z"):
    """The model with one more column in its data."""
    return replace(model, frame=model.frame.assign(**{name: values}))


def trend(model, against="z", seed=1, draws=19):
    """The outcome of one trend."""
    return Suite((Trend(against),)).run(model, seed=seed, draws=draws).findings[0]


def pooled(model, draws=19):
    """Pearson residuals of the observed data and of the replicates, (draws + 1, n)."""
    seen = residuals(model, seed=1, draws=draws)
    views = [seen.observed, *(seen.replicates.replicate(k) for k in range(draws))]
    return np.array([(v.response - v.mode_mean) / np.sqrt(v.mode_variance) for v in views])


def test_the_statistic_is_a_regression_sum_of_squares(toy):
    """What polynomials of degree 4 in the ranks explain, less the mean of all data sets."""
    model = toy("poisson", 2)
    finding = trend(model, "x")
    ranks = np.argsort(np.argsort(model.frame["x"].to_numpy())).astype(float)
    t = (2.0 * ranks + 1.0) / ranks.size - 1.0
    pool = pooled(model)
    fits = [np.polynomial.Polynomial.fit(t, r, 4) for r in pool]
    rows = np.array([fit(t) - r.mean() for fit, r in zip(fits, pool, strict=True)])
    squares = ((rows - rows.mean(axis=0)) ** 2).sum(axis=1)
    np.testing.assert_allclose(finding.statistic, squares[0], rtol=1e-9)
    np.testing.assert_allclose(finding.replicates, squares[1:], rtol=1e-9)
    curves = np.array([f(CURVE_RANKS) - r.mean() for f, r in zip(fits, pool, strict=True)])
    largest = np.abs(curves - curves[1:].mean(axis=0)).max(axis=1)
    assert finding.effect.value == pytest.approx(largest[0], rel=1e-9)
    np.testing.assert_allclose(finding.picture.y, curves[0], rtol=1e-9, atol=1e-12)
    half = np.quantile(largest[1:], 0.95)
    np.testing.assert_allclose(finding.picture.band_high - finding.picture.reference, half)


def test_continuous_residuals_are_cut(toy):
    """One wild row is no trend: it counts as three standard deviations."""
    model = toy("gaussian", 2)
    wild = replace(model, response=model.response + 1e3 * (np.arange(40) == np.argmax(model.eta)))
    assert trend(wild, "fitted").effect.value < 3.0


def test_a_monotone_transformation_changes_nothing(toy):
    """Only ranks count."""
    model = toy("gaussian", 2)
    x = model.frame["x"].to_numpy()
    plain, bent = trend(model, "x"), trend(with_column(model, np.exp(3 * x)))
    assert bent.statistic == pytest.approx(plain.statistic, rel=1e-12)
    np.testing.assert_allclose(bent.replicates, plain.replicates, rtol=1e-9)


def test_rounding_of_equal_values_is_no_information(toy):
    """Values equal up to rounding are ties."""
    model = toy("gaussian", 2)
    z = np.tile([1.0, 2.0], 20)
    noisy = z * (1.0 + 1e-15 * np.arange(40))
    assert trend(with_column(model, noisy)).statistic == trend(with_column(model, z)).statistic


@pytest.mark.parametrize("dtype", ["str", "category", "bool"])
def test_a_factor_gives_the_sum_of_squares_between_levels(toy, dtype):
    """Text, categories and booleans are factors, and numbers are with factor=True."""
    model = toy("gaussian", 2)
    values = (model.frame["half"] == "a") if dtype == "bool" else model.frame["half"].astype(dtype)
    finding = trend(with_column(model, values))
    pool = np.clip(pooled(model), -3.0, 3.0)
    means = np.array([pool[:, 0::2].mean(axis=1), pool[:, 1::2].mean(axis=1)]) - pool.mean(axis=1)
    moved = means - means.mean(axis=1, keepdims=True)
    assert finding.statistic == pytest.approx(20 * (moved[:, 0] ** 2).sum(), rel=1e-9)
    expected = np.abs(means[:, 0] - means[:, 1:].mean(axis=1)).max()
    assert finding.effect.value == pytest.approx(expected)
    assert len(finding.picture.labels) == 2
    coded = with_column(model, (model.frame["half"] == "a").astype(int))
    again = Suite((Trend("z", factor=True),)).run(coded, seed=1, draws=19)["trend [z as factor]"]
    assert again.pvalue == finding.pvalue


def test_whole_numbers_that_may_be_codes_are_remarked_on(toy):
    """Ten plots of four rows are taken as amounts, and the finding says what to write for codes."""
    model = with_column(toy("gaussian", 2), np.repeat(np.arange(10), 4), "plot")
    assert "write Trend('plot', factor=True)" in trend(model, "plot").detail
    report = Suite((Trend("plot", factor=True), Trend("x"))).run(model, seed=1, draws=19)
    assert "factor=True" not in report["trend [plot as factor]"].detail + report["trend [x]"].detail
    with pytest.raises(OptionError, match="fitted values have no levels"):
        Trend(factor=True)


def test_a_column_called_fitted_is_remarked_on(toy):
    """The word is for the fitted values of the model; a column of that name is to be renamed."""
    assert "rename it" in trend(with_column(toy("gaussian", 2), 1.0, "fitted"), "fitted").detail
    assert "rename it" not in trend(toy("gaussian", 2), "fitted").detail


def test_a_predictor_of_whole_groups_is_seen(toy):
    """A column that is constant in groups, and missing from the model, is found by default."""

    def missing(eta, frame, rng):
        return eta + np.linspace(-1.2, 1.2, 30)[frame["site"].cat.codes]

    model = toy("gaussian", 4, levels=30, per_level=8, change=missing)
    model = with_column(model, model.frame["site"].cat.codes.to_numpy(), "w")
    finding = trend(model, "w", draws=199)
    assert finding.pvalue == finding.floor


def test_two_values_are_two_levels_whatever_their_type(toy):
    """A number with two values gives the statistic of the factor with two levels."""
    model = toy("gaussian", 2)
    number = with_column(model, np.tile([0.0, 5.0], 20))
    assert trend(number).statistic == pytest.approx(trend(model, "half").statistic, rel=1e-9)


def test_dates_are_numbers(toy):
    """A column of dates is ordered by time."""
    model = toy("gaussian", 2)
    days = pd.date_range("2024-01-01", periods=40)
    assert trend(with_column(model, days)).statistic == pytest.approx(
        trend(with_column(model, np.arange(40.0))).statistic
    )


@pytest.mark.parametrize("missing", [np.nan, np.inf])
def test_rows_without_a_value_are_left_out(toy, missing):
    """Missing or infinite values cost their rows, and the finding says so."""
    model = toy("gaussian", 2)
    z = model.frame["x"].to_numpy().copy()
    z[::4] = missing
    finding = trend(with_column(model, z))
    assert finding.n == 30
    assert "10 rows without a value of z are left out." in finding.detail


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (np.ones(40), "the same in every row"),
        (["a"] * 40, "only one level"),
        ([str(k) for k in range(40)], "a level for each row"),
        (np.full(40, np.nan), "No row has a value of z"),
    ],
)
def test_predictors_without_information_are_skipped(toy, values, reason):
    """A constant, one level, a level a row, or nothing at all: skipped, with the reason."""
    outcome = trend(with_column(toy("gaussian", 2), values))
    assert isinstance(outcome, Skipped)
    assert reason in outcome.reason


def test_constant_fitted_values_are_skipped(toy):
    """A model without predictors has no trend in its fitted values."""
    model = toy("gaussian", 2)
    outcome = trend(replace(model, eta=np.full(40, 0.5)), "fitted")
    assert isinstance(outcome, Skipped)
    assert "fitted values are the same" in outcome.reason


def test_fitted_values_of_refits_are_their_own(toy):
    """A data set with other fitted values is measured against these."""
    model = toy("gaussian", 2)
    seen = residuals(model, seed=1, draws=9)
    (measure,) = Trend().plan(_scene(seen))
    other = replace(seen.observed, fitted=-seen.observed.fitted)
    # Turning the predictor round turns the curve round.
    turned, whole = measure.numbers(other), measure.numbers(seen.observed)
    np.testing.assert_allclose(turned[:4], whole[:4] * [-1, 1, -1, 1], rtol=1e-9)
    np.testing.assert_allclose(turned[4:], whole[4:][::-1], rtol=1e-9, atol=1e-12)
    shuffled = replace(seen.observed, fitted=np.roll(seen.observed.fitted, 1))
    assert measure.numbers(shuffled)[0] != pytest.approx(measure.numbers(seen.observed)[0])


def _scene(seen):
    return CheckContext(seen.replicates.model, seen.observed, seen.replicates.model.frame)


@pytest.mark.slow
def test_the_interval_holds_the_truth(toy):
    """A step of 0.75 deviations between two levels lies in its interval in most of 40 sets."""

    def shift(eta, frame, rng):
        return eta + np.where(frame["half"] == "a", 0.75, -0.75)

    inside = 0
    for seed in range(40):
        model = toy("gaussian", seed, levels=30, change=shift)
        effect = trend(model, "half", seed=seed, draws=99).effect
        inside += effect.low <= 0.75 <= effect.high
    # Simultaneous 95 % for one deviation: Binomial(40, 0.95), P(below 33) < 1e-3.
    assert inside >= 33


def test_of_many_levels_the_furthest_are_shown(toy):
    """A picture has at most forty levels, those that are furthest off."""
    finding = trend(toy("gaussian", 1, levels=60), "site", draws=9)
    assert isinstance(finding, Finding)
    assert len(finding.picture.labels) == 40
    assert "(40 of 60 levels)" in finding.picture.title
    assert finding.effect.value == pytest.approx(np.abs(finding.picture.estimate).max())


@pytest.mark.parametrize("family", ["gaussian", "poisson"])
def test_what_the_estimates_hold_is_no_evidence(family):
    """Levels with a mean each have no trend, however far out single rows are."""
    rng = np.random.default_rng(4)
    f = np.repeat(["a", "b", "c"], 30)
    y = rng.poisson(1.5, 90).astype(float)
    y[3] = 12.0
    fit = mc.glmm("y ~ f", pd.DataFrame({"y": y, "f": f}), family=family)
    report = mc.check(fit, Trend("f") & Trend(), seed=1, draws=99)
    assert [finding.pvalue for finding in report.findings] == [1.0, 1.0]
    assert [finding.effect.value for finding in report.findings] == [0.0, 0.0]


def test_what_a_cut_adds_to_a_held_direction_is_left_out():
    """The coefficient is zero if that of the uncut residuals is, and kept if it is not."""
    kept = unless_held(np.array([0.2, 0.3]), np.array([-1e-7, -1e-4]))
    np.testing.assert_array_equal(kept, [0.0, 0.3])


@pytest.mark.slow
def test_of_a_t_response_scores_are_regressed():
    """A curve under tails of 2.2 degrees of freedom: 20 of 24, where Pearson residuals see 11."""
    pvalues = []
    for seed in range(24):
        rng = np.random.default_rng(100 + seed)
        g, x = np.repeat(np.arange(30), 8), rng.normal(size=240)
        y = 0.4 * x + 0.3 * x**2 + 0.6 * rng.normal(size=30)[g] + rng.standard_t(2.2, size=240)
        fit = mc.glmm("y ~ x + (1 | g)", {"y": y, "x": x, "g": g}, family="t")
        found = mc.check(fit, Trend("x"), seed=seed, draws=99, calibration="plug-in").findings[0]
        pvalues.append(found.pvalue)
    assert np.sum(np.array(pvalues) <= 0.05) >= 17
