"""Uniformity of residuals, by its definition."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import mixcheck as mc
from mixcheck.checks import Suite, Uniformity
from mixcheck.quantile_residuals import Residuals, residuals
from mixcheck.report.finding import Skipped

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


def test_frequencies_that_were_fitted_are_skipped_but_by_levels():
    """Of 0/1 data and ordered categories the whole cannot fail, and says so."""
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"g": np.repeat(np.arange(10), 20), "f": np.tile(["p", "q"], 100)})
    latent = rng.normal(size=10)[data["g"]] + rng.logistic(size=200)
    data["b"], data["o"] = (latent > 0.0).astype(int), np.digitize(latent, [-1.0, 0.5])
    for response, family in (("b", "binomial"), ("o", "ordinal")):
        fit = mc.glmm(f"{response} ~ 1 + (1 | g)", data, family=family)
        suite = Uniformity() & Uniformity().by("f").named("each")
        whole, *levels = mc.check(fit, suite, seed=1, draws=9, calibration="plug-in").findings
        assert isinstance(whole, Skipped)
        assert "cannot fail" in whole.reason
        assert [level.n for level in levels] == [100, 100]
