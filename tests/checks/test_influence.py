"""Rows and groups that decide the coefficients."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.checks.influence import Influence
from mixcheck.checks.statistic import CheckContext
from mixcheck.errors import OptionError, UnknownColumnError
from mixcheck.port import port_of
from mixcheck.report.finding import Skipped

# One Newton step knows nothing of the leverage of what is left out: of some 40 groups a few per
# cent each, and more for the largest.
ONE_STEP = 0.3


def table(seed=0, family="gaussian", odd=False):
    """Forty groups of unequal size; with `odd`, one row far out in x and in y."""
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(40), rng.integers(3, 12, 40))
    x = rng.normal(size=g.size)
    x[5] = 4.0 if odd else x[5]
    eta = 0.8 + 0.4 * x + 0.6 * rng.normal(size=40)[g]
    y = eta + rng.normal(size=g.size) if family == "gaussian" else rng.poisson(np.exp(eta))
    if odd:
        y[5] = -3.0
    index = [f"r{k}" for k in range(g.size)]
    return pd.DataFrame({"y": y, "x": x, "g": g}, index=index)


def found(data, check, family="gaussian", draws=199):
    """The one outcome of the check, with the parameters known."""
    fit = mc.glmm("y ~ x + (1 | g)", data, family=family)
    suite = mc.checks.Suite((check,))
    return suite.run(fit, seed=1, draws=draws, calibration="plug-in").findings[0]


def statistic(data, check, family):
    """What is computed, the data set as the model sees it, and the fit."""
    fit = mc.glmm("y ~ x + (1 | g)", data, family=family)
    port = port_of(fit)
    view = port.observe("posterior", np.random.default_rng(0))
    (made,) = check.plan(CheckContext(port, view, port.frame))
    return made, view, fit


@pytest.mark.parametrize("family", ["gaussian", "poisson"])
def test_a_step_is_near_what_leaving_a_group_out_does(family):
    """Coefficients of refits without each group, in standard errors."""
    data = table(family=family)
    made, view, fit = statistic(data, Influence("g"), family)
    part = made.parts["mean"]
    steps = -(made._gather(view, "mean") @ part.root.T)
    apart = []
    for k in range(0, 40, 3):
        without = mc.glmm("y ~ x + (1 | g)", data[data["g"] != k], family=family)
        apart.append((without.params - fit.params).to_numpy() / fit.bse.to_numpy())
    told = steps[::3] / part.deviations
    apart = np.array(apart)
    for j in range(2):
        slope = np.polyfit(told[:, j], apart[:, j], 1)[0]
        assert abs(slope - 1.0) < ONE_STEP
        assert np.corrcoef(told[:, j], apart[:, j])[0, 1] > 0.97


def test_distances_are_cook_s():
    """``g' V g / p`` by its definition."""
    made, view, fit = statistic(table(), Influence(), "gaussian")
    X = np.column_stack([np.ones(fit.nobs), fit.frame["x"]])
    g = X * view.scores["mean"][:, None]
    wanted = np.einsum("ij,jk,ik->i", g, fit.cov_params().to_numpy(), g) / 2.0
    # The dispersion is a coefficient of a part of its own where the family has one.
    got = np.sum(made._gather(view, "mean") ** 2, axis=1) / 2.0
    np.testing.assert_allclose(got, wanted, rtol=1e-8)


def test_one_row_far_out_is_found_and_named():
    """With the label of its row, and what it moves."""
    finding = found(table(odd=True), Influence())
    assert finding.pvalue == pytest.approx(1 / 200)
    assert finding.subject == {"unit": "r5"}
    assert finding.row_labels == ("r5",)
    assert "Without r5 the coefficient x would move by" in finding.detail
    assert finding.effect.low > finding.effect.null


def test_correct_models_pass():
    """Rows and groups of both families."""
    pvalues = [
        found(table(seed, family), check, family).pvalue
        for seed in range(4)
        for family in ("gaussian", "poisson")
        for check in (Influence(), Influence("g"))
    ]
    assert min(pvalues) > 0.005
    assert np.mean(pvalues) > 0.3


def test_models_known_by_draws_are_skipped():
    """They have no coefficients."""
    rng = np.random.default_rng(1)
    model = mc.from_draws(rng.normal(size=40), rng.normal(size=(100, 40)))
    outcome = mc.checks.Suite((Influence(),)).run(model, seed=1).findings[0]
    assert isinstance(outcome, Skipped)


def test_wrong_arguments_are_answered():
    """What was wrong, and what is allowed."""
    with pytest.raises(OptionError, match="group must be the name of a column, found 3"):
        Influence(3)
    with pytest.raises(UnknownColumnError, match="'gg'"):
        found(table(), Influence("gg"), draws=19)
