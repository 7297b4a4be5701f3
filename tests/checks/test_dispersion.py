"""Dispersion, by its definition."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.checks import Dispersion, Suite
from mixcheck.checks.pearson import pearson_statistic
from mixcheck.quantile_residuals import Residuals, residuals
from mixcheck.report.finding import Skipped

DRAWS = 79

ROUNDING = 1e-10


@pytest.fixture(params=["gaussian", "poisson"])
def seen(request, toy) -> Residuals:
    """Residuals of a right model."""
    return residuals(toy(request.param, 11), seed=3, draws=DRAWS)


def replicate_values(seen: Residuals, function) -> np.ndarray:
    """A function of every replicate."""
    plan = seen.replicates
    return np.array([function(plan.replicate(k)) for k in range(plan.size)])


def test_dispersion_is_pearsons_statistic_around_the_modes(seen):
    """Squared Pearson residuals given the modes, summed; the effect divides by their mean."""
    finding = Suite((Dispersion(),)).run(seen)["dispersion"]
    observed = seen.observed
    squares = (observed.response - observed.mode_mean) ** 2 / observed.mode_variance
    assert finding.statistic == pytest.approx(squares.sum(), rel=ROUNDING)
    null = replicate_values(seen, pearson_statistic)
    np.testing.assert_allclose(finding.replicates, null, rtol=ROUNDING)
    assert finding.effect.value == pytest.approx(squares.sum() / null.mean())
    assert finding.effect.low == pytest.approx(squares.sum() / np.quantile(null, 0.975))


def test_a_variance_that_underflows_counts_only_if_the_response_moves(seen):
    """A row of mean and variance 0 adds nothing if it is 0, and a great deal if it is not."""
    observed = seen.observed
    zero = np.zeros_like(observed.response)
    still = replace(observed, response=zero, mode_mean=zero, mode_variance=zero)
    assert pearson_statistic(still) == 0.0
    assert pearson_statistic(replace(still, response=zero + 1.0)) > 1e200


def test_variance_dispersion_is_that_of_fitted_deviations(seen):
    """The statistic is the variance of response less fitted."""
    finding = Suite((Dispersion("variance"),)).run(seen).findings[0]
    deviations = seen.observed.response - seen.observed.fitted
    assert finding.statistic == pytest.approx(deviations.var(ddof=1), rel=ROUNDING)


def test_one_sided_dispersion_sees_one_side(toy):
    """Overdispersed counts are found by "greater", and never by "less"."""
    model = toy("poisson", 5, change=lambda eta, frame, rng: eta + rng.standard_normal(eta.size))
    suite = Dispersion(alternative="greater") & Dispersion(alternative="less")
    greater, less = suite.run(model, seed=1, draws=99).findings
    assert greater.pvalue == greater.floor == 0.01
    assert less.pvalue == 1.0


def test_a_variance_that_was_fitted_is_skipped_but_by_levels():
    """Of a Gaussian model, a t and 0/1 data the whole cannot fail; levels with other spread can."""
    rng = np.random.default_rng(3)
    data = pd.DataFrame({"g": np.repeat(np.arange(12), 20), "f": np.tile(["p", "q"], 120)})
    wide = np.where(data["f"] == "p", 0.3, 2.0)
    data["y"] = rng.normal(size=12)[data["g"]] + wide * rng.normal(size=240)
    data["b"] = (data["y"] > 0.0).astype(int)
    fits = {
        "estimates the variance": mc.glmm("y ~ 1 + (1 | g)", data),
        "of the response itself": mc.glmm("y ~ 1 + (1 | g)", data, family="t"),
        "0 and 1, to which the model": mc.glmm("b ~ 1 + (1 | g)", data, family="binomial"),
    }
    for words, fit in fits.items():
        (outcome,) = mc.check(fit, Dispersion(), seed=1, draws=9).findings
        assert isinstance(outcome, Skipped)
        assert "cannot fail" in outcome.reason
        assert words in outcome.reason
    first = fits["estimates the variance"]
    found = mc.check(first, Dispersion().by("f"), seed=1, draws=99, calibration="plug-in").findings
    assert [finding.pvalue for finding in found] == [0.02, 0.02]
    assert mc.check(first, Dispersion("variance"), seed=1, draws=9).findings[0].pvalue is not None
