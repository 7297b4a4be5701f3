"""Zeros along predictors."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.checks.hurdle_zeros import HurdleZeros
from mixcheck.errors import OptionError
from mixcheck.report.finding import Skipped


def counts(slope=0.0, seed=0):
    """Zero-inflated counts; the logarithm of the odds of a further zero moves with w."""
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(40), 10)
    w = rng.normal(size=400)
    mu = np.exp(1.0 + 0.5 * rng.normal(size=40)[g])
    absent = rng.uniform(size=400) < 1 / (1 + np.exp(1.2 - slope * w))
    frame = pd.DataFrame({"y": np.where(absent, 0, rng.poisson(mu)), "w": w, "g": g})
    frame["half"] = np.where(w > 0.0, "high", "low")
    return frame


def found(data, check, zi="~ 1"):
    """The one outcome of the check, with the parameters known."""
    fit = mc.glmm("y ~ 1 + (1 | g)", data, family="poisson", zi=zi)
    suite = mc.checks.Suite((check,))
    return suite.run(fit, seed=1, draws=99, calibration="plug-in").findings[0]


@pytest.mark.parametrize("against", ["w", "half"])
def test_zeros_that_move_with_a_predictor_are_found(against):
    """And the finding says of what part and column, until the zero part has it."""
    finding = found(counts(1.5), HurdleZeros(against))
    assert finding.pvalue == pytest.approx(1 / 100)
    assert finding.subject == {"part": "zi", "column": against}
    assert abs(finding.effect.value) > 0.1
    assert found(counts(1.5), HurdleZeros(against), zi=f"~ {against}").pvalue > 0.05


@pytest.mark.slow
def test_correct_models_pass():
    """Six data sets."""
    pvalues = [found(counts(seed=seed), HurdleZeros("w")).pvalue for seed in range(6)]
    assert min(pvalues) > 0.01
    assert np.mean(pvalues) > 0.25


def test_responses_without_zeros_are_skipped():
    """And so are those of two values."""
    data = counts()
    fit = mc.glmm("y ~ 1 + (1 | g)", data.assign(y=data["y"] + 0.5), family="gamma")
    outcome = mc.checks.Suite((HurdleZeros(),)).run(fit, seed=1, draws=19).findings[0]
    assert isinstance(outcome, Skipped)


def test_wrong_arguments_are_answered():
    """The name of a column is text."""
    with pytest.raises(OptionError, match="against"):
        HurdleZeros(3)


def test_zeros_that_the_estimates_hold_are_no_evidence():
    """A hurdle with a share of zeros for each level leaves nothing but rounding."""
    rng = np.random.default_rng(2)
    y = np.where(rng.random(120) < 0.4, 0, np.maximum(1, rng.poisson(2.0, 120)))
    data = pd.DataFrame({"y": y, "f": np.repeat(["a", "b", "c"], 40)})
    fit = mc.glmm("y ~ f", data, family="truncated_poisson", zi="~ f")
    assert mc.check(fit, HurdleZeros("f"), seed=1, draws=99).findings[0].pvalue == 1.0
