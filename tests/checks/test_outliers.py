"""Outliers, by their definition."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import mixcheck as mc
from mixcheck.checks import Outliers, Suite
from mixcheck.checks.outliers import _gross_errors
from mixcheck.quantile_residuals import Residuals, residuals

DRAWS = 79


@pytest.fixture(params=["gaussian", "poisson"])
def seen(request, toy) -> Residuals:
    """Residuals of a right model."""
    return residuals(toy(request.param, 11), seed=3, draws=DRAWS)


def test_outliers_are_counted_and_named(seen):
    """Statistic, rows and share are those residuals within the level of 0 or 1."""
    finding = Suite((Outliers(0.1),)).run(seen).findings[0]
    r = seen.observed.residuals
    rows = np.flatnonzero((r < 0.1) | (r > 0.9))
    np.testing.assert_array_equal(finding.rows, rows)
    assert finding.statistic == rows.size > 0
    assert finding.effect.value == rows.size / seen.n
    assert finding.effect.null == pytest.approx(0.2)
    share = stats.binomtest(rows.size, seen.n).proportion_ci(method="exact")
    assert finding.effect.low == pytest.approx(share.low, abs=1e-9)


def test_the_statistic_is_a_likelihood_ratio(seen):
    """Of four rows with four times the deviation; the effect is the largest normal score."""
    finding = Suite((Outliers(),)).run(seen)["outliers"]
    sizes = np.abs(seen.normal)
    ratio = stats.norm.pdf(sizes, scale=4.0) / stats.norm.pdf(sizes)
    share = 4.0 / seen.n
    assert finding.statistic == pytest.approx(np.log(1.0 - share + share * ratio).sum(), rel=1e-9)
    assert finding.effect.name == "largest residual"
    assert finding.effect.value == pytest.approx(sizes.max(), rel=1e-9)
    picture = finding.picture
    np.testing.assert_allclose(picture.y, np.sort(sizes)[::-1][:20], rtol=1e-9)
    assert finding.effect.null == picture.reference[0]
    assert np.all(picture.band_low <= picture.reference)
    assert np.all(picture.reference <= picture.band_high)


def test_rows_beyond_the_largest_of_replicates_are_named():
    """Those larger than the largest residual of 19 in 20 replicates."""
    rng = np.random.default_rng(8)
    data = pd.DataFrame({"g": np.repeat(np.arange(20), 10), "y": rng.normal(size=200)})
    data["y"] += rng.normal(size=20)[data["g"]]
    data.loc[[7, 90], "y"] += [9.0, -8.0]
    finding = mc.check(mc.glmm("y ~ 1 + (1 | g)", data), Outliers(), seed=1, draws=199)["outliers"]
    assert finding.rows.tolist() == [7, 90]


def test_several_rows_that_are_not_far_out_are_found_together():
    """Fifteen of 1,000 rows about four deviations out: none alone is rare."""
    rng = np.random.default_rng(2)
    n = 1000
    errors = np.clip(rng.normal(size=n), -3.0, 3.0)
    errors[:15] = rng.uniform(3.8, 4.1, size=15) * rng.choice([-1.0, 1.0], size=15)
    data = pd.DataFrame({"g": np.repeat(np.arange(50), 20), "y": rng.permutation(errors)})
    data["y"] += rng.normal(size=50)[data["g"]]
    finding = mc.check(mc.glmm("y ~ 1 + (1 | g)", data), Outliers(), seed=1, draws=199)["outliers"]
    largest = finding.picture.band_high[0]
    assert finding.effect.value < largest
    assert finding.pvalue == finding.floor
    assert (finding.picture.y[:15] > finding.picture.band_high[:15]).sum() > 6


def test_no_row_is_too_far_out():
    """The statistic of a row beyond every number is finite."""
    found = _gross_errors(np.array([[0.5, 1.0, 1e3], [0.5, 1.0, 1.5]]) ** 2, 3)
    assert found[0] == pytest.approx(1e6 * 15.0 / 32.0, rel=1e-3)
    assert np.isfinite(found).all()


def test_ranks_among_draws_are_counted():
    """Residuals that are ranks know no tails: they are counted, by the bound of 250 draws."""
    rng = np.random.default_rng(1)
    model = mc.from_draws(rng.normal(size=40), rng.normal(size=(200, 40)))
    finding = Suite((Outliers(),)).run(model, seed=1)["outliers"]
    assert finding.effect.name == "outlier share"
    assert finding.effect.null == pytest.approx(2 / 251)


@pytest.mark.parametrize("side", [-1.0, 1.0])
def test_one_residual_far_out_is_found(side):
    """A row of 200 beyond nine standard deviations fails, is named, and its distance is told."""
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"x": rng.normal(size=200), "g": np.repeat(np.arange(20), 10)})
    data["y"] = 0.5 * data["x"] + 0.5 * rng.normal(size=20)[data["g"]] + rng.normal(size=200)
    data.loc[50, "y"] = side * 14.0
    finding = mc.check(mc.glmm("y ~ x + (1 | g)", data), Outliers(), seed=1, draws=199)["outliers"]
    assert finding.pvalue == finding.floor
    assert finding.effect.value > 9.0
    assert finding.rows.tolist() == [50]


@pytest.mark.filterwarnings("ignore::mixcheck.errors.DataWarning")
def test_outliers_are_named_by_the_index_of_the_data():
    """After thirty missing rows the typing error is row 150 of the table, not position 120."""
    rng = np.random.default_rng(3)
    data = pd.DataFrame(
        {"g": np.repeat(np.arange(20), 10), "y": rng.poisson(3.0, 200).astype(float)}
    )
    data.loc[150, "y"] = 60.0
    data.loc[:29, "y"] = np.nan
    fit = mc.glmm("y ~ 1 + (1 | g)", data, family="poisson")
    report = mc.check(
        fit,
        Outliers() & Outliers().where("g", 15).named("group"),
        seed=1,
        draws=99,
        calibration="plug-in",
    )
    for name in ("outliers", "group [g=15]"):
        found = report[name]
        assert list(found.row_labels) == [str(fit.frame.index[row]) for row in found.rows]
        assert "150" in found.row_labels
    assert "Rows, by their index: 150" in report.to_html()
    assert 120 in report["outliers"].rows
    again = mc.Report.from_json(report.to_json())
    assert again["outliers"].row_labels == report["outliers"].row_labels
