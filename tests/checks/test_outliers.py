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


def test_the_default_outlier_bound_is_that_of_250_simulations(seen):
    """Each tail has the probability 1/251."""
    finding = Suite((Outliers(),)).run(seen).findings[0]
    assert finding.effect.null == pytest.approx(2 / 251)


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
    assert mc.Report.from_json(report.to_json())["outliers"].row_labels == found.row_labels
