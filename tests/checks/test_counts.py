"""Zeros and other values, by their definition."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mixcheck.checks import Count, Suite, Zeros
from mixcheck.quantile_residuals import Residuals, residuals
from mixcheck.report.finding import Skipped

DRAWS = 79


@pytest.fixture
def counts(toy) -> Residuals:
    """Residuals of counts."""
    return residuals(toy("poisson", 11), seed=3, draws=DRAWS)


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
