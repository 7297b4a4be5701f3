"""Missing interactions: which pairs are asked, and what is found."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.checks import Interaction
from mixcheck.report.finding import Skipped


def simulate(seed, product=0.0, square=0.0):
    """Counts in groups, with effects of the product of x and v and of the square of x."""
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(25), 8)
    x, v, f = rng.normal(size=200), rng.normal(size=200), rng.choice(list("abc"), 200)
    eta = 0.8 + 0.3 * x + 0.2 * v + product * x * v + square * x**2 + 0.4 * rng.normal(size=25)[g]
    return pd.DataFrame({"y": rng.poisson(np.exp(eta)), "x": x, "v": v, "f": f, "g": g})


def run(data, formula="y ~ x + v + f + (1 | g)", draws=99):
    """The outcome of one check."""
    fit = mc.glmm(formula, data, family="poisson")
    return mc.check(fit, Interaction(), seed=1, draws=draws).findings[0]


def test_it_names_the_pair_that_is_missing():
    """One finding of all pairs, with the size of the worst."""
    found = run(simulate(3, 0.3))
    assert found.subject == {"column": "x", "other": "v", "part": "mean"}
    assert found.pvalue == 0.01
    assert found.effect.low < 0.3 < found.effect.high
    assert set(found.picture.labels) == {"x^2", "v^2", "x:v", "x:f", "v:f"}
    bent = run(simulate(3, square=0.2))
    assert bent.subject == {"column": "x", "part": "mean"}
    assert bent.pvalue == 0.01


def test_interactions_of_the_model_are_not_asked():
    """However they are written; where none is left the check is skipped."""
    found = run(simulate(3), "y ~ x * v + I(x^2) + f + (1 | g)", draws=19)
    assert set(found.picture.labels) == {"v^2", "x:f", "v:f"}
    for formula in ("y ~ x * f + I(x^2) + (1 | g)", "y ~ f + (1 | g)"):
        outcome = run(simulate(3), formula, draws=19)
        assert isinstance(outcome, Skipped)
        assert "no product of predictors" in outcome.reason


def test_factors_of_many_levels_are_left_out_with_a_reason():
    """No number of replicates tells the covariance of so many coefficients."""
    data = simulate(3)
    levels = np.random.default_rng(1).integers(0, 8, 200)
    data = data.assign(e=[f"e{k}" for k in levels])
    found = run(data, "y ~ x + f + e + (1 | g)", draws=49)
    assert "Left out: f:e (it has 14 coefficients)." in found.detail


@pytest.mark.slow
def test_it_keeps_its_level():
    """Of 150 right data sets 5 % are rejected, error 1.8 %."""
    right = [run(simulate(seed), draws=39).pvalue <= 0.05 for seed in range(150)]
    assert np.mean(right) <= 0.05 + 3 * 0.018
