"""Zeros and other values, by their definition."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.checks import Count, Suite, Zeros
from mixcheck.quantile_residuals import Residuals, residuals
from mixcheck.report.finding import Skipped

DRAWS = 79


@pytest.fixture
def counts(toy) -> Residuals:
    """Residuals of counts."""
    return residuals(toy("poisson", 11), seed=3, draws=DRAWS)


def test_zeros_compare_with_their_probability(counts):
    """The statistic is zeros less their expectation given the modes; the effect is a ratio."""
    finding = Suite((Zeros(),)).run(counts)["zeros"]
    observed = counts.observed
    zeros, given = (observed.response == 0).sum(), observed.mode_probability(0).sum()
    assert finding.statistic == pytest.approx(zeros - given)
    mean = finding.replicates.mean()
    assert finding.effect.value == pytest.approx(zeros / (given + mean))
    low, high = zeros + mean - np.quantile(finding.replicates, [0.975, 0.025])
    assert finding.effect.low == pytest.approx(max(0.0, low) / (given + mean))
    assert finding.effect.high == pytest.approx(high / (given + mean))
    assert f"{zeros} zeros are there, where " in finding.detail
    assert finding.picture.x_label == "zeros, as a multiple of those expected"
    assert finding.picture.observed == pytest.approx(finding.effect.value)


def test_zeros_that_cannot_be_are_infinitely_many(toy):
    """Zeros among counts whose probabilities of zero underflow have no ratio of 1e285."""
    model = toy("poisson", 11)
    model = replace(model, eta=model.eta + 11.0)
    response = np.where(np.arange(40) < 4, 0.0, np.exp(model.eta).round())
    finding = Suite((Zeros(),)).run(replace(model, response=response), seed=1, draws=9)["zeros"]
    assert finding.effect.value == np.inf
    assert finding.detail.startswith("4 zeros are there, where 0 are expected.")


def test_zeros_of_two_values_are_skipped_but_by_levels():
    """A response of 0 and 1 has as many zeros as its mean says; within levels it may not."""
    rng = np.random.default_rng(2)
    data = pd.DataFrame({"g": np.repeat(np.arange(10), 12), "f": np.tile(["p", "q"], 60)})
    rate = np.where(data["f"] == "p", 0.2, 0.8)
    data["y"] = (rng.random(120) < rate).astype(int)
    with pytest.warns(mc.errors.BoundaryWarning):
        fit = mc.glmm("y ~ 1 + (1 | g)", data, family="binomial")
    report = mc.check(fit, Zeros() & Count(1) & Zeros().by("f").named("each"), seed=1, draws=199)
    skipped = [found for found in report.findings if isinstance(found, Skipped)]
    assert [found.check for found in skipped] == ["zeros", "count [1]"]
    assert all("cannot fail" in found.reason for found in skipped)
    assert report["each [f=p]"].pvalue == report["each [f=p]"].floor


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


@pytest.mark.parametrize("value", [np.longdouble(2), np.float32(2), Fraction(2), np.int8(2)])
def test_any_type_of_number_is_the_same_check(counts, value):
    """It is written as a number of JSON whatever it came as."""
    assert Count(value) == Count(2)
    report = Suite((Count(value),)).run(counts)
    read = mc.Report.from_json(report.to_json())
    assert read.findings[0].check == report.findings[0].check == "count [2]"
    assert Suite.from_json(Suite((Count(value),)).to_json()) == Suite((Count(2),))
