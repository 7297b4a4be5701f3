"""Takeuchi's criterion."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc

from .conftest import Known, fit


def _epil() -> mc.GLMM:
    return fit("epil", "y ~ lbase * trt + lage + V4 + (1 | subject)", "poisson")


def test_without_random_effects_by_hand():
    """For a Poisson regression in groups the trace is that of the sandwich by hand."""
    rng = np.random.default_rng(3)
    rows = pd.DataFrame({"x": rng.normal(size=60), "g": np.repeat(np.arange(20), 3)})
    rows["y"] = rng.negative_binomial(2, 2 / (2 + np.exp(1 + 0.3 * rows.x)))
    model = mc.glmm("y ~ x", rows, family="poisson")
    X, error = np.column_stack([np.ones(60), rows.x]), rows.y - model.fittedvalues
    scores = np.add.reduceat(X * error.to_numpy()[:, None], np.arange(0, 60, 3))
    J = X.T @ (X * model.fittedvalues.to_numpy()[:, None])
    expected = np.trace(np.linalg.solve(J, scores.T @ scores))
    found = mc.tic(model, group="g")
    assert found.df == pytest.approx(expected, rel=1e-6)
    assert found.value == pytest.approx(-2.0 * model.llf + 2.0 * expected, rel=1e-8)
    assert (found.group, found.groups, found.notes) == ("g", 20, ())


def test_penalty_of_the_scores_left_out():
    """It is the first-order optimism that `logo` gives by single steps."""
    model = _epil()
    assert mc.tic(model).df == pytest.approx(mc.logo(model, method="one-step").tic_penalty)


def test_more_than_the_parameters_where_counts_vary_more():
    """Seizure counts vary more than Poisson ones: the trace is above the number of parameters."""
    poisson, negbin = _epil(), fit("epil", _epil().formula, "nbinom2")
    assert mc.tic(poisson).df > poisson.n_parameters
    table = mc.compare({"poisson": poisson, "negbin": negbin}, criterion="tic")
    assert table.best.model == "negbin"
    assert table.models[1].effective_df == pytest.approx(mc.tic(poisson).df)


def test_few_groups():
    """With as many parameters as levels a note says that the trace is too small."""
    model = fit("sleepstudy", "Reaction ~ factor(Days) + (Days | Subject)")
    few = mc.datasets.load("sleepstudy").query("Subject in ['308', '309', '310', '330']")
    small = mc.glmm("Reaction ~ Days + (1 | Subject)", few)
    assert mc.tic(model).notes == ()
    assert "4 levels of Subject cannot tell how 4 scores vary" in mc.tic(small).notes[0]


def test_refusals():
    """REML, and models without groups, have no such criterion."""
    sleep = mc.datasets.load("sleepstudy")
    with pytest.raises(mc.OptionError, match="fitted by REML"):
        mc.tic(mc.glmm("Reaction ~ Days + (1 | Subject)", sleep, reml=True))
    with pytest.raises(mc.OptionError, match="known by groups"):
        mc.tic(Known())
