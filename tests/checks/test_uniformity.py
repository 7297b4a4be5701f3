"""Uniformity of residuals, by its definition."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from mixcheck.checks import Suite, Uniformity
from mixcheck.quantile_residuals import Residuals, residuals

DRAWS = 79

ROUNDING = 1e-10


@pytest.fixture(params=["gaussian", "poisson"])
def seen(request, toy) -> Residuals:
    """Residuals of a right model."""
    return residuals(toy(request.param, 11), seed=3, draws=DRAWS)


def test_uniformity_is_kolmogorov_smirnov(seen):
    """Statistic and effect are scipy's distance; the picture's band is that of the replicates."""
    finding = Suite((Uniformity(),)).run(seen)["uniformity"]
    distance = stats.kstest(seen.observed.residuals, "uniform").statistic
    assert finding.statistic == pytest.approx(distance, rel=ROUNDING)
    assert finding.effect.value == finding.statistic
    assert finding.n == seen.n
    outside = np.any(finding.picture.observed < finding.picture.band_low) or np.any(
        finding.picture.observed > finding.picture.band_high
    )
    assert outside == (finding.statistic > np.quantile(finding.replicates, 0.95))


def test_the_other_statistics_keep_the_same_effect(seen):
    """AD and CvM have their own statistic, and the same effect size as KS."""
    report = (Uniformity() & Uniformity("ad") & Uniformity("cvm")).run(seen)
    effects = {finding.effect for finding in report.findings}
    assert len(effects) == 1
    assert len({finding.statistic for finding in report.findings}) == 3


def test_long_pictures_are_thinned(toy):
    """A picture of many residuals keeps 1,000 points, the extremes among them."""
    seen = residuals(toy("gaussian", 1, levels=300, per_level=10), seed=1, draws=9)
    picture = Suite((Uniformity(),)).run(seen)["uniformity"].picture
    assert picture.observed.size == 1000
    assert picture.observed[0] == seen.observed.residuals.min()
    assert picture.observed[-1] == seen.observed.residuals.max()
