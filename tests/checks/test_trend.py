"""Trends against numbers and factors, by their definitions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from mixcheck.checks import Suite, Trend
from mixcheck.checks.rank_basis import CURVE_RANKS
from mixcheck.checks.statistic import CheckContext, thinned
from mixcheck.quantile_residuals import residuals
from mixcheck.report.finding import Finding, Skipped


def with_column(model, values, name="z"):
    """The model with one more column in its data."""
    return replace(model, frame=model.frame.assign(**{name: values}))


def trend(model, against="z", seed=1, draws=19):
    """The outcome of one trend."""
    return Suite((Trend(against),)).run(model, seed=seed, draws=draws).findings[0]


def test_the_statistic_is_a_regression_sum_of_squares(toy):
    """It is 12 times the sum of squares that polynomials of degree 4 in the ranks explain."""
    model = toy("gaussian", 2)
    finding = trend(model, "x")
    r = residuals(model, seed=1).observed.residuals
    ranks = np.argsort(np.argsort(model.frame["x"].to_numpy())).astype(float)
    t = (2.0 * ranks + 1.0) / ranks.size - 1.0
    fit = np.polynomial.Polynomial.fit(t, r, 4)
    assert finding.statistic == pytest.approx(12.0 * np.sum((fit(t) - r.mean()) ** 2), rel=1e-9)
    curve = np.abs(fit(CURVE_RANKS) - r.mean())
    assert finding.effect.value == pytest.approx(curve.max(), rel=1e-9)


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
    """Text, categories and booleans are factors: 12 times the sum of squares between levels."""
    model = toy("gaussian", 2)
    values = (model.frame["half"] == "a") if dtype == "bool" else model.frame["half"].astype(dtype)
    finding = trend(with_column(model, values))
    r = residuals(model, seed=1).observed.residuals
    means = [r[0::2].mean(), r[1::2].mean()]
    between = 12.0 * 20 * sum((mean - r.mean()) ** 2 for mean in means)
    assert finding.statistic == pytest.approx(between, rel=1e-12)
    assert finding.effect.value == pytest.approx(abs(means[0] - means[1]) / 2)
    assert len(finding.picture.levels) == 2


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
    assert finding.picture.x.size == 30


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
    # Turning the predictor round keeps what polynomials of it explain.
    np.testing.assert_allclose(measure.numbers(other), measure.numbers(seen.observed), rtol=1e-9)
    shuffled = replace(seen.observed, fitted=np.roll(seen.observed.fitted, 1))
    assert measure.numbers(shuffled)[0] != pytest.approx(measure.numbers(seen.observed)[0])


def _scene(seen):
    return CheckContext(seen.replicates.model, seen.observed, seen.replicates.model.frame)


def test_the_interval_holds_the_truth(toy):
    """A step of known height between two levels lies in its interval in most of 40 data sets.

    The residuals of a normal response shifted by d have mean Phi(d / sqrt(2)), here 0.5 -+ 0.201.
    """

    def shift(eta, frame, rng):
        return eta + np.where(frame["half"] == "a", 0.75, -0.75)

    inside = 0
    for seed in range(40):
        model = toy("gaussian", seed, levels=30, change=shift)
        effect = trend(model, "half", seed=seed, draws=99).effect
        inside += effect.low <= 0.2021 <= effect.high
    # Simultaneous 95 % for one deviation: Binomial(40, 0.95), P(below 33) < 1e-3.
    assert inside >= 33


def test_pictures_of_many_rows_are_thinned(toy):
    """At most 5,000 rows are shown, and the title says how many there are."""
    assert thinned(7, 100).tolist() == list(range(7))
    kept = thinned(10_000, 11)
    assert (kept[0], kept[-1], kept.size) == (0, 9_999, 11)
    finding = trend(toy("gaussian", 1, levels=600, per_level=10), "x", draws=3)
    assert isinstance(finding, Finding)
    assert finding.picture.x.size == 5000
    assert "(5,000 of 6,000 rows shown)" in finding.picture.title
