"""Uniformity of residuals, by its definition."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import mixcheck as mc
from mixcheck.checks import Outliers, Suite, Uniformity
from mixcheck.checks.goodness import GRID, expected_distribution
from mixcheck.quantile_residuals import Residuals, residuals
from mixcheck.report.finding import Skipped

DRAWS = 79

ROUNDING = 1e-10


@pytest.fixture
def seen(toy) -> Residuals:
    """Residuals of a right model, which are one number a row."""
    return residuals(toy("gaussian", 11), seed=3, draws=DRAWS)


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


def drawn_distribution(fit, times, u):
    """Share of residuals at most u, over many draws of the random effects and of the jitter."""
    shares = [
        np.mean(mc.residuals(fit, seed=seed).observed.residuals[:, None] <= u, axis=0)
        for seed in range(times)
    ]
    return np.mean(shares, axis=0), np.std(shares, axis=0, ddof=1) / np.sqrt(times)


@pytest.mark.slow
@pytest.mark.parametrize("family", ["gaussian", "poisson"])
def test_the_distribution_is_that_of_many_draws(family):
    """What is expected over the random effects and the jitter is the mean over 300 draws."""
    rng = np.random.default_rng(5)
    data = pd.DataFrame({"g": np.repeat(np.arange(12), 8), "x": rng.normal(size=96)})
    eta = 1.0 + 0.3 * data["x"] + 0.5 * rng.normal(size=12)[data["g"]]
    data["y"] = eta + rng.normal(size=96) if family == "gaussian" else rng.poisson(np.exp(eta))
    fit = mc.glmm("y ~ x + (1 | g)", data, family=family)
    transform = mc.residuals(fit, seed=1).observed.transform()
    curve = expected_distribution(transform.below, transform.mass, transform.weights)
    u = np.arange(1, 8) / 8.0
    drawn, error = drawn_distribution(fit, 300, u)
    # Seven nodes of a response with a density are steps of a seventh or less of a row.
    assert np.all(np.abs(curve[(u * GRID).astype(int)] - drawn) < 4.0 * error + 0.004)


def test_a_verdict_does_not_hang_on_the_seed():
    """The statistic is the same for all seeds; so is that of the largest residual."""
    data = mc.datasets.load("epil")
    fit = mc.glmm("y ~ lbase * trt + lage + V4 + (1 | subject)", data, family="poisson")
    found = [mc.check(fit, Uniformity() & Outliers(), seed=seed, draws=19) for seed in (1, 2)]
    for name in ("uniformity", "outliers"):
        assert found[0][name].statistic == found[1][name].statistic


def test_expected_distribution_by_definition():
    """Against the sum over rows and nodes at each point, with a row that has no mass."""
    rng = np.random.default_rng(2)
    below = rng.uniform(0.0, 0.8, (2, 3, 20))
    mass = np.minimum(rng.uniform(0.0, 0.5, below.shape), 1.0 - below)
    mass[:, :, 0] = 0.0
    weights = np.array([0.2, 0.5, 0.3])
    u = np.arange(GRID + 1)[:, None, None] / GRID
    for k, curve in enumerate(expected_distribution(below, mass, weights)):
        inside = (u - below[k]) / np.where(mass[k] > 0.0, mass[k], 1.0)
        ramps = np.where(mass[k] > 0.0, np.clip(inside, 0.0, 1.0), u >= below[k])
        exact = np.einsum("ujn,j->u", ramps, weights) / 20
        np.testing.assert_allclose(curve, exact, atol=1e-12)


def test_the_interval_is_that_of_the_replicates(seen):
    """It holds zero where the distance is no larger than 95 % of replicates come to."""
    finding = Suite((Uniformity(),)).run(seen)["uniformity"]
    half = np.quantile(finding.replicates, 0.95)
    assert finding.effect.low == pytest.approx(max(0.0, finding.statistic - half))
    assert finding.effect.high == pytest.approx(finding.statistic + half)
