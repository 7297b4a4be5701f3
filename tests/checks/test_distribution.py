"""Statistics and effect sizes of the checks of a distribution, by their definitions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import mixcheck as mc
from mixcheck.checks import Count, Dispersion, Outliers, Statistic, Suite, Uniformity, Zeros
from mixcheck.checks.distribution import pearson_statistic
from mixcheck.errors import OptionError
from mixcheck.quantile_residuals import Residuals, residuals
from mixcheck.report.finding import Skipped

DRAWS = 79
ROUNDING = 1e-10


@pytest.fixture(params=["gaussian", "poisson"])
def seen(request, toy) -> Residuals:
    """Residuals of a right model."""
    return residuals(toy(request.param, 11), seed=3, draws=DRAWS)


@pytest.fixture
def counts(toy) -> Residuals:
    """Residuals of counts."""
    return residuals(toy("poisson", 11), seed=3, draws=DRAWS)


def replicate_values(seen: Residuals, function) -> np.ndarray:
    """A function of every replicate."""
    plan = seen.replicates
    return np.array([function(plan.replicate(k)) for k in range(plan.size)])


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


def test_zeros_compare_with_their_probability(counts):
    """The statistic is zeros less their expectation, the effect their ratio."""
    finding = Suite((Zeros(),)).run(counts)["zeros"]
    observed = counts.observed
    zeros, expected = (observed.response == 0).sum(), observed.probability(0).sum()
    assert finding.statistic == pytest.approx(zeros - expected)
    assert finding.effect.value == pytest.approx(zeros / expected)
    excess = np.quantile(finding.replicates, [0.975, 0.025])
    assert finding.effect.low == pytest.approx(max(0.0, zeros - excess[0]) / expected)
    assert finding.effect.high == pytest.approx((zeros - excess[1]) / expected)


def test_count_of_zero_is_zeros(counts):
    """`Count(0)` finds what `Zeros` finds, and `Count(2)` something else."""
    zeros, none, two = (Zeros() & Count(0) & Count(2)).run(counts).findings
    assert none.statistic == zeros.statistic
    assert none.pvalue == zeros.pvalue
    assert two.statistic != zeros.statistic
    assert two.check == "count [2]"


def test_a_continuous_response_has_no_zeros(toy):
    """Zeros and counts of a continuous response are skipped, with the reason."""
    report = (Zeros() & Count(1)).run(toy("gaussian", 1), seed=1, draws=5)
    assert all(isinstance(finding, Skipped) for finding in report.findings)
    assert "continuous" in report.findings[0].reason


def test_a_users_statistic_is_applied_to_responses(seen):
    """The statistic is the function of the response, here and in the replicates."""
    finding = Suite((Statistic("numpy:ptp"),)).run(seen)["statistic [ptp]"]
    null = replicate_values(seen, lambda data_view: np.ptp(data_view.response))
    np.testing.assert_array_equal(finding.replicates, null)
    assert finding.effect.value == pytest.approx(np.ptp(seen.observed.response) - null.mean())


def test_a_function_without_a_finite_number_is_refused(seen):
    """A statistic that gives a vector is the caller's error, not a silent NaN."""
    with pytest.raises(OptionError, match="one finite number"):
        Suite((Statistic(np.sort),)).run(seen)


def test_long_pictures_are_thinned(toy):
    """A picture of many residuals keeps 1,000 points, the extremes among them."""
    seen = residuals(toy("gaussian", 1, levels=300, per_level=10), seed=1, draws=9)
    picture = Suite((Uniformity(),)).run(seen)["uniformity"].picture
    assert picture.observed.size == 1000
    assert picture.observed[0] == seen.observed.residuals.min()
    assert picture.observed[-1] == seen.observed.residuals.max()


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
    report = mc.check(fit, Outliers() & Outliers().where("g", 15).named("group"), seed=1, draws=99)
    for name in ("outliers", "group [g=15]"):
        found = report[name]
        assert list(found.row_labels) == [str(fit.frame.index[row]) for row in found.rows]
        assert "150" in found.row_labels
    assert "Rows, by their index: 150" in report.to_html()
    assert mc.Report.from_json(report.to_json())["outliers"].row_labels == found.row_labels


def test_counts_without_probabilities_are_not_called_continuous(toy):
    """A model of counts whose views give no probabilities is skipped, with that reason."""
    model = toy("poisson", 1)
    observe = model.observe
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            type(model), "observe", lambda self, *how: replace(observe(*how), probability=None)
        )
        (skipped,) = Suite((Zeros(),)).run(model, seed=1, draws=5).findings
    assert isinstance(skipped, Skipped)
    assert skipped.reason.startswith("The probability of the value 0 is not known")
