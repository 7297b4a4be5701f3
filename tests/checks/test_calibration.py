"""Predicted probabilities against shares of successes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.checks.calibration import Calibration
from mixcheck.errors import OptionError
from mixcheck.report.finding import Skipped


def trials(square=0.0, seed=0, groups=40):
    """Successes whose log odds may bend in x."""
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(groups), 12)
    x = rng.normal(size=g.size)
    eta = -0.3 + 0.9 * x + square * x**2 + 0.7 * rng.normal(size=groups)[g]
    return pd.DataFrame({"y": rng.binomial(1, 1 / (1 + np.exp(-eta))), "x": x, "g": g})


def found(data, check=None, formula="y ~ x + (1 | g)", family="binomial"):
    """The one outcome of the check, with the parameters known."""
    fit = mc.glmm(formula, data, family=family)
    suite = mc.checks.Suite((check or Calibration(),))
    return suite.run(fit, seed=1, draws=199, calibration="plug-in").findings[0]


def test_a_curve_on_the_scale_of_the_odds_is_found():
    """At the smallest p-value."""
    assert found(trials(0.7)).pvalue == pytest.approx(1 / 200)


@pytest.mark.slow
def test_correct_models_pass():
    """Six of them."""
    right = [found(trials(seed=seed)).pvalue for seed in range(6)]
    assert min(right) > 0.01
    assert np.mean(right) > 0.25


def test_the_picture_shows_shares_against_probabilities():
    """Bins in the order of predictions, the band around what replicates show."""
    picture = found(trials(), Calibration(bins=5)).picture
    assert picture.x.size == 5
    assert (np.diff(picture.x) > 0).all()
    assert (picture.band_low < picture.reference).all()
    assert (picture.reference < picture.band_high).all()
    assert ((picture.y >= 0) & (picture.y <= 1)).all()


def test_tied_predictions_stay_in_one_bin():
    """The order of rows is no matter where a factor is the only predictor."""
    data = trials().assign(f=lambda d: np.where(d["x"] > 0.3, "high", "low"))
    told = [
        found(frame, formula="y ~ f + (1 | g)")
        for frame in (data, data.sample(frac=1.0, random_state=2))
    ]
    assert told[0].picture.x.size == 2
    np.testing.assert_allclose(told[0].picture.y, told[1].picture.y, rtol=1e-6)


def test_other_responses_and_constant_predictions_are_skipped():
    """Counts, and a model of an intercept only."""
    data = trials()
    assert isinstance(found(data, formula="y ~ 1 + (1 | g)"), Skipped)
    counts = data.assign(y=np.random.default_rng(1).poisson(2 + data["g"] % 5))
    outcome = found(counts, family="poisson")
    assert isinstance(outcome, Skipped)
    assert "Rootogram" in outcome.reason
    assert "too few" in found(data.iloc[:60], Calibration(bins=40)).reason


def test_wrong_arguments_are_answered():
    """One bin says nothing."""
    with pytest.raises(OptionError, match="bins"):
        Calibration(bins=1)


def test_bins_that_the_estimates_hold_are_no_evidence():
    """A share for each of two levels leaves nothing but rounding."""
    rng = np.random.default_rng(2)
    f = np.repeat(["a", "b"], 60)
    data = pd.DataFrame({"z": (rng.random(120) < np.where(f == "a", 0.3, 0.7)) * 1, "f": f})
    fit = mc.glmm("z ~ f", data, family="binomial")
    assert mc.check(fit, Calibration(bins=2), seed=1, draws=99).findings[0].pvalue == 1.0
