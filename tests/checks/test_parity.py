"""The deterministic statistics of DHARMa 0.5.0, from its own inputs.

The same by definition: the Kolmogorov-Smirnov distance, the variance ratio, ratios of a user's
statistic (mean, standard deviation, number of zeros or ones), counts of draws below and not above
an observation, the binomial interval of outliers, and normal scores. Monte Carlo p-values are
those of DHARMa with one added above and below the line, so that none is 0.

Defined otherwise, on purpose: p-values of uniformity and outliers come from replicates; residuals
are always randomised over m + 1 cells; `Zeros` divides by the expected number of zeros rather than
by a mean of simulated ones; `Dispersion()` is Pearson's statistic; `Trend` is a regression on
polynomials of ranks, not additive quantile regressions.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.special import ndtri

from mixcheck.adapters.draws import from_draws
from mixcheck.checks import Dispersion, Outliers, Statistic, Suite
from mixcheck.checks.goodness import clopper_pearson, kolmogorov_smirnov
from mixcheck.quantile_residuals import rank_residuals

DHARMA = json.loads((Path(__file__).parents[1] / "data" / "dharma_parity.json").read_text())
CONTINUOUS, POISSON = DHARMA["continuous"], DHARMA["poisson"]
# The reference holds fifteen digits; its inputs are exact decimals.
DIGITS = 1e-12
ALTERNATIVES = {"two-sided": "two.sided", "less": "less", "greater": "greater"}


def sample_sd(y: np.ndarray) -> float:
    """R's sd."""
    return float(np.std(y, ddof=1))


def count_zeros(y: np.ndarray) -> int:
    """How many are zero."""
    return int(np.sum(y == 0))


def count_ones(y: np.ndarray) -> int:
    """How many are one."""
    return int(np.sum(y == 1))


def model_of(case: dict):
    """The case's draws as a model; R has one draw a column."""
    return from_draws(case["obs"], np.array(case["sims"]), fitted=case["pred"])


def expected_pvalue(p: float, m: int, alternative: str) -> float:
    """DHARMa's p of m simulations, with the observed data counted among them."""
    sides = 2 if alternative == "two-sided" else 1
    return min(1.0, sides * (round(p * m / sides) + 1) / (m + 1))


def run(check, case: dict):
    """The finding of one check."""
    return Suite((check,)).run(model_of(case), seed=1).findings[0]


@pytest.mark.parametrize("alternative", ALTERNATIVES)
@pytest.mark.parametrize("case", [CONTINUOUS, POISSON], ids=["continuous", "poisson"])
def test_dispersion_ratio(case, alternative):
    """The variance ratio is testDispersion's, its p-value the same with one added."""
    finding = run(Dispersion("variance", alternative), case)
    reference = case["dispersion"][ALTERNATIVES[alternative]]
    assert finding.effect.value == pytest.approx(reference["stat"], rel=DIGITS)
    m = finding.replicates.size
    assert finding.pvalue == pytest.approx(expected_pvalue(reference["p"], m, alternative))


@pytest.mark.parametrize("alternative", ALTERNATIVES)
@pytest.mark.parametrize(
    ("function", "reference"),
    [
        (np.mean, CONTINUOUS["generic_mean"]),
        (sample_sd, CONTINUOUS["generic_sd"]),
        (count_zeros, POISSON["zeroinfl"]),
    ],
    ids=["mean", "sd", "zeros"],
)
def test_ratio_of_a_statistic(function, reference, alternative):
    """Observed over mean of simulated is testGeneric's, its p-value the same with one added."""
    case = POISSON if function is count_zeros else CONTINUOUS
    finding = run(Statistic(function, alternative), case)
    expected = reference[ALTERNATIVES[alternative]]
    ratio = finding.statistic / finding.replicates.mean()
    assert ratio == pytest.approx(expected["stat"], rel=DIGITS)
    m = finding.replicates.size
    assert finding.pvalue == pytest.approx(expected_pvalue(expected["p"], m, alternative))


def test_ratio_of_ones():
    """The ratio of ones is testGeneric's."""
    finding = run(Statistic(count_ones), POISSON)
    ratio = finding.statistic / finding.replicates.mean()
    assert ratio == pytest.approx(POISSON["ones"]["stat"], rel=DIGITS)


def test_kolmogorov_smirnov_distance():
    """The distance of given residuals is testUniformity's."""
    distance = kolmogorov_smirnov(np.sort(CONTINUOUS["residuals"]))
    assert distance == pytest.approx(CONTINUOUS["ks_two_sided"]["stat"], rel=DIGITS)


def test_counts_below_and_not_above():
    """The lower and upper end of a randomised rank are DHARMa's counts, over m + 1 cells."""
    draws = np.array(POISSON["sims"]).T
    m = len(draws)
    low = rank_residuals(POISSON["obs"], draws, _Uniform(0.0)) * (m + 1)
    high = rank_residuals(POISSON["obs"], draws, _Uniform(1.0)) * (m + 1)
    np.testing.assert_allclose(low / m, POISSON["lower"], atol=1e-9)
    np.testing.assert_allclose((high - 1.0) / m, POISSON["lower_or_equal"], atol=1e-9)


class _Uniform:
    """A generator of one number."""

    def __init__(self, u: float) -> None:
        self.u = u

    def random(self, size: int) -> np.ndarray:
        """That number."""
        return np.full(size, self.u)


def test_residuals_of_a_continuous_response_differ_by_their_cell():
    """Ours lie in the cell that DHARMa's count opens: within 1/(m + 1) above m/(m + 1) of it."""
    m = len(CONTINUOUS["sims"][0])
    ours = rank_residuals(CONTINUOUS["obs"], np.array(CONTINUOUS["sims"]).T, _Uniform(0.5))
    np.testing.assert_allclose(
        ours, (np.array(CONTINUOUS["residuals"]) * m + 0.5) / (m + 1), rtol=DIGITS
    )


@pytest.mark.parametrize("tail", ["both", "upper", "lower"])
def test_outlier_interval(tail):
    """Count, share and exact interval of the outliers are testOutliers'."""
    reference = CONTINUOUS["outliers"][tail]
    r = np.array(CONTINUOUS["residuals"])
    bound = 1.0 / (len(CONTINUOUS["sims"][0]) + 1)
    below, above = np.sum(r < bound), np.sum(r > 1.0 - bound)
    count = {"both": below + above, "upper": above, "lower": below}[tail]
    assert count == reference["count"]
    assert clopper_pearson(count, r.size) == pytest.approx(reference["ci"], abs=1e-9)


def test_outliers_among_all_draws():
    """At the level 1/(m + 1) our outliers are exactly the observations outside all their draws."""
    m = len(CONTINUOUS["sims"][0])
    finding = run(Outliers(1.0 / (m + 1)), CONTINUOUS)
    assert finding.statistic == CONTINUOUS["outliers"]["both"]["count"]
    outside = np.isin(CONTINUOUS["residuals"], [0.0, 1.0])
    np.testing.assert_array_equal(finding.rows, np.flatnonzero(outside))


def test_grouped_dispersion():
    """Draws summed by group give the dispersion of recalculateResiduals."""
    group = np.array(CONTINUOUS["grouped"]["group"]) - 1
    sums = {
        name: np.array([np.bincount(group, column) for column in np.atleast_2d(values)])
        for name, values in [
            ("obs", CONTINUOUS["obs"]),
            ("pred", CONTINUOUS["pred"]),
            ("sims", np.array(CONTINUOUS["sims"]).T),
        ]
    }
    model = from_draws(sums["obs"][0], sums["sims"], fitted=sums["pred"][0])
    finding = Suite((Dispersion("variance"),)).run(model, seed=1).findings[0]
    reference = CONTINUOUS["grouped"]["dispersion_sum"]
    assert finding.effect.value == pytest.approx(reference["stat"], rel=DIGITS)
    assert finding.pvalue == pytest.approx(expected_pvalue(reference["p"], 50, "two-sided"))


def test_normal_scores():
    """Normal scores are residuals(quantileFunction = qnorm), where DHARMa's are finite."""
    r = np.array(CONTINUOUS["residuals"])
    inner = (r > 0) & (r < 1)
    given = np.array([np.nan if isinstance(x, str) else x for x in CONTINUOUS["normal_res"]])
    np.testing.assert_allclose(ndtri(r[inner]), given[inner], rtol=1e-9, atol=1e-12)
