"""Quartiles of residuals along numbers and by factors: by definition, and what they can see."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.checks import Quantiles, Suite
from mixcheck.checks.quantiles import _aspects
from mixcheck.checks.rank_basis import CURVE_RANKS, RankBasis
from mixcheck.checks.statistic import CheckContext
from mixcheck.quantile_residuals import residuals
from mixcheck.report.finding import Skipped

ROUNDING = 1e-9


def quantiles(model, against="fitted", draws=99, **options):
    """The outcome of one check."""
    return Suite((Quantiles(against),)).run(model, seed=1, draws=draws, **options).findings[0]


def measure_of(model, against="fitted"):
    """The observed data, and what is measured of them."""
    seen = residuals(model, seed=1, draws=5).observed
    (measure,) = Quantiles(against).measures(CheckContext(model, seen, model.frame))
    return seen, measure


def curves(residuals, x):
    """Quartiles along ranks, (3, g): levels less what polynomials say of shares below them."""
    below = (residuals[:, None] < [0.25, 0.5, 0.75]).astype(float)
    basis = RankBasis.of(x)
    share = below.mean(axis=0) + basis.curve @ (basis.rows.T @ below)
    return np.clip(2.0 * np.array([0.25, 0.5, 0.75]) - share, 0.0, 1.0).T


def test_against_a_number_they_are_curves_of_shares(toy):
    """Where fewer residuals lie below a level than should, its quantile lies higher."""
    model = toy("gaussian", 3)
    seen, measure = measure_of(model, "x")
    x = model.frame["x"].to_numpy()
    found = measure.numbers(seen)
    below = (seen.residuals[:, None] < [0.25, 0.5, 0.75]).astype(float)
    np.testing.assert_allclose(found[:12], (RankBasis.of(x).rows.T @ below).T.ravel())
    np.testing.assert_allclose(found[12:], curves(seen.residuals, x).ravel())
    finding = quantiles(model, "x")
    assert finding.subject == {"column": "x"}
    assert [band.level for band in finding.picture.bands] == [0.25, 0.5, 0.75]
    outside = [
        (line.y < band.low) | (line.y > band.high)
        for line, band in zip(finding.picture.lines, finding.picture.bands, strict=True)
    ]
    assert not np.any(outside)
    assert finding.pvalue > 0.01


def test_curves_are_near_the_quartiles_of_many_rows(toy):
    """Residuals whose quartiles are known functions of the ranks."""
    u = np.random.default_rng(1).random(100_000)
    rank = np.linspace(0.0, 1.0, u.size)
    power = 1.0 + 0.2 * (rank - 0.5)
    found = curves(u**power, rank)
    along = (CURVE_RANKS + 1.0) / 2.0
    levels = np.array([[0.25], [0.5], [0.75]])
    np.testing.assert_allclose(found, levels ** (1.0 + 0.2 * (along - 0.5)), atol=0.01)


def test_fitted_values_of_other_parameters_are_ranked_again(toy):
    """Where a refit moves the fitted values, the curves follow them."""
    model = toy("gaussian", 3)
    seen, measure = measure_of(model)
    moved = replace(seen, fitted=seen.fitted**2)
    np.testing.assert_allclose(
        measure.numbers(moved)[12:], curves(seen.residuals, seen.fitted**2).ravel()
    )
    still = measure.numbers(replace(seen, fitted=np.ones(40)))
    assert not still[:12].any()
    assert np.ptp(still[12:].reshape(3, -1), axis=1).max() == 0.0


def test_by_a_factor_they_are_those_of_the_levels(toy):
    """Three quartiles of each level; the picture has a box for each."""
    model = toy("poisson", 3)
    seen, measure = measure_of(model, "half")
    parts = [seen.residuals[0::2], seen.residuals[1::2]]
    expected = np.array([np.quantile(part, (0.25, 0.5, 0.75)) for part in parts]).T
    np.testing.assert_allclose(measure.numbers(seen), expected.ravel())
    assert quantiles(model, "half").picture.levels == ("a", "b")


def test_aspects_are_location_spread_and_asymmetry():
    """Sums of squares of contrasts of the three quartiles, each in its own units."""
    pool = np.random.default_rng(6).normal(size=(20, 6))
    low, middle, high = np.moveaxis(pool.reshape(20, 3, 2), 1, 0)
    found = _aspects(pool)
    for k, aspect in enumerate((low + middle + high, high - low, low - 2.0 * middle + high)):
        unit = (aspect - aspect.mean(axis=0)) / aspect.std(axis=0)
        np.testing.assert_allclose(found[:, k], (unit**2).sum(axis=1), rtol=ROUNDING)


@pytest.mark.parametrize(
    ("fault", "aspect"), [({"square": 0.6}, "location"), ({"log_sd": 0.8}, "spread")]
)
def test_the_finding_says_what_differs(fault, aspect):
    """A curve moves all quartiles, a variance moves them apart."""
    finding = quantiles(fit(simulate(1, **fault)), "x", calibration="plug-in")
    assert f"The quartiles differ most in {aspect}." in finding.detail


def test_few_rows_are_skipped(toy):
    """Fewer than 20 rows have no windows."""
    assert isinstance(quantiles(toy("gaussian", 3, levels=4)), Skipped)


def simulate(seed, square=0.0, log_sd=0.0):
    """Gaussian rows in groups, with a curve or a variance along x that the model lacks."""
    rng = np.random.default_rng(seed)
    g, x = np.repeat(np.arange(30), 8), rng.normal(size=240)
    eta = 0.5 * x + square * x**2 + 0.5 * rng.normal(size=30)[g]
    return pd.DataFrame({"y": eta + np.exp(log_sd * x) * rng.normal(size=240), "x": x, "g": g})


def fit(data):
    """The model of a line."""
    return mc.glmm("y ~ x + (1 | g)", data)


def test_a_curve_leaves_the_band():
    """And the effect is how far the quartile that is farthest off lies from where it should."""
    finding = quantiles(fit(simulate(1, square=0.6)), "x", calibration="plug-in")
    assert finding.pvalue == 0.01
    assert finding.effect.low > 0.0
    picture = finding.picture
    above = [
        np.abs(line.y - 0.5 * (band.low + band.high))
        for line, band in zip(picture.lines, picture.bands, strict=True)
    ]
    assert finding.effect.value <= np.max(above) + ROUNDING


@pytest.mark.slow
def test_it_keeps_its_level_and_sees_curves_and_spread():
    """Of 150 right data sets 5 % are rejected, error 1.8 %; of 12 wrong ones 10 or more."""

    def rejects(data):
        return quantiles(fit(data), "x", calibration="plug-in").pvalue <= 0.05

    assert np.mean([rejects(simulate(seed)) for seed in range(150)]) <= 0.05 + 3 * 0.018
    assert np.sum([rejects(simulate(seed, square=0.6)) for seed in range(12)]) >= 10
    assert np.sum([rejects(simulate(seed, log_sd=0.8)) for seed in range(12)]) >= 10
