"""The link: score of the squared predictor."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.checks import Link
from mixcheck.checks.link import _LinkStatistic
from mixcheck.checks.part_scores import RowScores
from mixcheck.port import port_of
from mixcheck.quantile_residuals import residuals
from mixcheck.report.finding import Skipped


def simulate(seed, inverse=np.exp):
    """Counts in groups with another inverse link."""
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(30), 10)
    x = rng.normal(size=300)
    eta = 1.0 + 0.6 * x + 0.3 * rng.normal(size=30)[g]
    return pd.DataFrame({"y": rng.poisson(inverse(eta)), "x": x, "g": g})


def run(data, formula="y ~ x + (1 | g)", draws=99):
    """The outcome of one check."""
    fit = mc.glmm(formula, data, family="poisson")
    return mc.check(fit, Link(), seed=1, draws=draws).findings[0]


def test_a_mean_that_rises_less_steeply_has_a_negative_curvature():
    """And one that rises more steeply a positive one."""
    flat = run(simulate(3, lambda eta: np.maximum(2.0 + 2.0 * eta, 0.0)))
    steep = run(simulate(3, lambda eta: np.exp(0.5 * eta + 0.3 * eta**2 * (eta > 0))))
    assert flat.pvalue <= 0.05
    assert flat.effect.high < 0.0
    assert steep.pvalue <= 0.05
    assert steep.effect.low > 0.0


def test_the_score_is_that_of_the_squared_predictor():
    """Centred and in units of its variance, less what estimation takes."""
    fit = mc.glmm("y ~ x + (1 | g)", simulate(3), family="poisson")
    seen, port = residuals(fit, seed=1).observed, port_of(fit)
    eta, projection = seen.predictors["mean"], port.project_scores()
    square = (eta - eta.mean()) ** 2 / eta.var() - 1.0
    held = seen.scores["mean"] - projection.slopes["mean"] @ (
        projection.matrices["mean"].T @ seen.scores["mean"]
    )
    finding = mc.check(fit, Link(), seed=1, draws=19).findings[0]
    assert finding.statistic == pytest.approx(square @ held, rel=1e-9)


def test_models_without_a_predictor_are_skipped(toy):
    """Known draws, and a predictor that is the same in every row."""
    model = toy("poisson", 3)
    assert "not known" in mc.check(model, Link(), seed=1, draws=19).findings[0].reason
    data = simulate(3)
    outcome = run(data, "y ~ 1", draws=19)
    assert isinstance(outcome, Skipped)
    assert "same in every row" in outcome.reason


@pytest.mark.slow
def test_it_keeps_its_level():
    """Of 150 right data sets 5 % are rejected, error 1.8 %."""
    right = [run(simulate(seed), draws=39).pvalue <= 0.05 for seed in range(150)]
    assert np.mean(right) <= 0.05 + 3 * 0.018


def test_a_square_that_the_model_holds_is_skipped():
    """With a mean for each level there is nothing but rounding to see."""
    outcome = run(simulate(3).assign(f=lambda d: (d["g"] % 3).astype(str)), "y ~ f")
    assert isinstance(outcome, Skipped)
    assert "holds the square" in outcome.reason


def test_what_effects_without_variance_leave_is_no_predictor():
    """One that differs by 1e-9 between groups is the same in every row."""
    rng = np.random.default_rng(2)
    data = pd.DataFrame({"y": rng.poisson(2.0, 200), "g": np.repeat(np.arange(40), 5)})
    with pytest.warns(mc.BoundaryWarning):
        fit = mc.glmm("y ~ 1 + (1 | g)", data, family="poisson")
    view = residuals(fit, seed=1).observed
    statistic = _LinkStatistic("link", "link", RowScores("mean", port_of(fit).project_scores()))
    flat = np.repeat(rng.normal(size=40), 5)
    numbers = {}
    for size in (1e-9, 1e-2):
        moved = replace(view, predictors={"mean": 0.7 + size * flat})
        numbers[size] = float(statistic.numbers(moved)[0])
    assert numbers[1e-9] == 0.0
    assert abs(numbers[1e-2]) > 0.1
