"""Missing random slopes: which are asked, and what is found."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.checks import MissingSlope
from mixcheck.report.finding import Skipped


def simulate(seed, slope=0.0, kind="gaussian", groups=30):
    """Rows in groups with slopes of x; v within groups and w between them have one effect."""
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(groups), 8)
    n = g.size
    x, v, w = rng.normal(size=n), rng.normal(size=n), rng.normal(size=groups)[g]
    eta = 0.5 + 0.4 * x + 0.2 * v + 0.3 * w + 0.5 * rng.normal(size=groups)[g]
    eta = eta + slope * rng.normal(size=groups)[g] * x
    y = eta + rng.normal(size=n) if kind == "gaussian" else rng.poisson(np.exp(eta))
    return pd.DataFrame({"y": y, "x": x, "v": v, "w": w, "g": g, "f": rng.choice(list("ab"), n)})


def run(data, check=None, formula="y ~ x + v + w + (1 | g)", draws=99, **options):
    """The outcome of one check."""
    fit = mc.glmm(formula, data, **options)
    return mc.check(fit, check or MissingSlope(), seed=1, draws=draws).findings[0]


@pytest.mark.parametrize("kind", ["gaussian", pytest.param("poisson", marks=pytest.mark.slow)])
def test_it_names_the_slope_that_is_missing(kind):
    """With its size: the truth lies in its interval. Predictors between groups are not asked."""
    data = simulate(2, 0.6, kind)
    found = run(data, family=kind)
    assert found.subject == {"column": "x", "group": "g", "part": "mean"}
    assert found.pvalue == 0.01
    within = data["x"] - data.groupby("g")["x"].transform("mean")
    assert found.effect.low < 0.6 * np.sqrt(np.mean(within**2)) < found.effect.high
    assert found.picture.labels == ("x | g", "v | g")
    alone = run(data, MissingSlope("v", "g"), family=kind)
    assert alone.picture.labels == ("v | g",)
    assert alone.statistic < found.statistic


def test_a_slope_that_is_there_is_not_asked():
    """Of the others one is the most surprising; where none is left the check is skipped."""
    data = simulate(2, 0.6)
    found = run(data, formula="y ~ x + v + (x | g)", draws=19)
    assert found.picture.labels == ("v | g",)
    for formula in ("y ~ x + (x | g)", "y ~ w + (1 | g)"):
        outcome = run(data, formula=formula, draws=19)
        assert isinstance(outcome, Skipped)
        assert "No predictor varies within" in outcome.reason


def test_models_without_groups_are_skipped():
    """And a group that the model has not is named."""
    data = simulate(2)
    assert run(data, formula="y ~ x", draws=19).reason == "The model has no grouping factor."
    wrong = run(data, MissingSlope(group="h"), draws=19)
    assert wrong.reason == "The model has no grouping factor h; it has g."


def test_a_factor_has_one_term():
    """Slopes of all its levels together."""
    found = run(simulate(3), formula="y ~ f + x + (1 | g)", draws=19)
    assert set(found.picture.labels) == {"f | g", "x | g"}


@pytest.mark.slow
def test_it_keeps_its_level_and_sees_what_is_missing():
    """Of 150 right data sets 5 % are rejected, error 1.8 %; of 12 wrong ones 11 or more."""
    right = [run(simulate(seed), draws=39).pvalue <= 0.05 for seed in range(150)]
    assert np.mean(right) <= 0.05 + 3 * 0.018
    wrong = [
        run(simulate(seed, 0.6, "poisson"), family="poisson", draws=99).pvalue <= 0.05
        for seed in range(12)
    ]
    assert np.sum(wrong) >= 11
