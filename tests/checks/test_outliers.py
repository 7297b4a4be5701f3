"""Outliers, by their definition."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import mixcheck as mc
from mixcheck.checks import Outliers, Suite
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


def test_the_largest_normal_score_is_the_statistic(seen):
    """Statistic and effect are the largest normal score; the null is the median of replicates."""
    finding = Suite((Outliers(),)).run(seen)["outliers"]
    assert finding.statistic == pytest.approx(np.abs(seen.normal).max(), rel=1e-9)
    assert finding.effect.name == "largest residual"
    assert finding.effect.value == finding.statistic
    assert finding.effect.null == pytest.approx(np.median(finding.replicates))
    bound = np.quantile(finding.replicates, 0.95)
    np.testing.assert_array_equal(finding.rows, np.flatnonzero(np.abs(seen.normal) > bound))
    assert finding.picture.x_label == "largest residual, in standard deviations"


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
