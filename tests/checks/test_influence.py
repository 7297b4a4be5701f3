"""Rows and groups that decide the coefficients."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.checks.deletion import leave_out
from mixcheck.checks.influence import Influence
from mixcheck.checks.statistic import CheckContext
from mixcheck.errors import OptionError, UnknownColumnError
from mixcheck.port import port_of
from mixcheck.report.finding import Skipped
from mixcheck.report.policy import Verdict

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


def found(data, check, family="gaussian", draws=99):
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
    steps = -(made._gather(view, part) @ part.root.T)
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


def test_distances_of_groups_are_cook_s():
    """``g' V g / p`` by its definition."""
    made, view, fit = statistic(table(), Influence("g"), "gaussian")
    X = np.column_stack([np.ones(fit.nobs), fit.frame["x"]])
    rows = X * view.scores["mean"][:, None]
    g = np.stack([rows[fit.frame["g"] == k].sum(axis=0) for k in range(40)])
    wanted = np.einsum("ij,jk,ik->i", g, fit.cov_params().to_numpy(), g) / 2.0
    # The dispersion is a coefficient of a part of its own where the family has one.
    got = np.sum(made._gather(view, made.parts["mean"]) ** 2, axis=1) / 2.0
    np.testing.assert_allclose(got, wanted, rtol=1e-8)


@pytest.mark.slow
@pytest.mark.parametrize("family", ["nbinom2", "gamma"])
def test_a_step_is_near_what_leaving_a_row_out_does(family):
    """Coefficients of the mean of refits without each row: slopes of one within a seventh."""
    rng = np.random.default_rng(0)
    g, x = np.repeat(np.arange(20), 4), rng.normal(size=80)
    mean = np.exp(1.0 + 0.4 * x + 0.5 * rng.normal(size=20)[g])
    y = rng.negative_binomial(2, 2 / (2 + mean)) if family == "nbinom2" else rng.gamma(3, mean / 3)
    made, view, fit = statistic(pd.DataFrame({"y": y, "x": x, "g": g}), Influence(), family)
    part = made.told["mean"]
    told = -(made._gather(view, part) @ part.root.T) / part.deviations
    moved = leave_out(port_of(fit), np.arange(80), 80)
    assert moved.names[:2] == ("Intercept", "x")
    for j in range(2):
        slope = np.polyfit(told[:, j], moved.shifts[:, j], 1)[0]
        assert slope == pytest.approx(1.0, abs=1 / 7)
        assert np.corrcoef(told[:, j], moved.shifts[:, j])[0, 1] > 0.9


@pytest.mark.slow
def test_refits_say_which_row_a_coefficient_hangs_on():
    """A row far out in x and y moves the slope by more than its standard error."""
    data = table(odd=True)
    finding = found(data, Influence(method="refit"))
    without = mc.glmm("y ~ x + (1 | g)", data.drop("r5"), family="gaussian")
    fit = mc.glmm("y ~ x + (1 | g)", data, family="gaussian")
    shift = (without.params["x"] - fit.params["x"]) / fit.bse["x"]
    assert finding.effect.value == pytest.approx(shift, abs=1e-4)
    assert finding.holds is False
    assert finding.pvalue is None
    assert finding.row_labels == ("r5",)
    assert f"the coefficient x moves by {shift:+.2f} standard errors" in finding.detail
    assert found(data, Influence(method="refit", tolerance=1.5)).holds


def test_units_without_which_there_is_no_fit_are_a_caution():
    """A level of a predictor that occurs in one group alone."""
    data = table()
    data["kind"] = np.where(data["g"] == 3, "b", "a")
    fit = mc.glmm("y ~ x + kind + (1 | g)", data)
    suite = mc.checks.Suite((Influence("g", method="refit"),))
    report = suite.run(fit, seed=1, draws=1, calibration="plug-in")
    assert report.verdicts["influence [g, refit]"] is Verdict.WARN
    caution = report.findings[0].caution
    assert "no fit was found without 3: the other rows do not identify" in caution


def test_one_row_far_out_is_found_and_named():
    """With the label of its row, and what it moves."""
    finding = found(table(odd=True), Influence())
    assert finding.pvalue == pytest.approx(1 / 100)
    assert finding.subject == {"unit": "r5"}
    assert finding.row_labels == ("r5",)
    assert "Without r5 the coefficient x would move by" in finding.detail
    assert finding.effect.low > finding.effect.null


@pytest.mark.slow
def test_correct_models_pass():
    """Rows and groups of both families."""
    pvalues = [
        found(table(seed, family), check, family).pvalue
        for seed in range(4)
        for family in ("gaussian", "poisson")
        for check in (Influence(), Influence("g"))
    ]
    assert min(pvalues) > 0.01
    assert np.mean(pvalues) > 0.3


def test_models_known_by_draws_are_skipped():
    """They have no coefficients."""
    rng = np.random.default_rng(1)
    model = mc.from_draws(rng.normal(size=40), rng.normal(size=(100, 40)))
    outcomes = (Influence() & Influence(method="refit")).run(model, seed=1).findings
    assert all(isinstance(outcome, Skipped) for outcome in outcomes)


def test_wrong_arguments_are_answered():
    """What was wrong, and what is allowed."""
    with pytest.raises(OptionError, match="group must be the name of a column, found 3"):
        Influence(3)
    with pytest.raises(OptionError, match="method must be one of 'one-step', 'refit'"):
        Influence(method="exact")
    with pytest.raises(OptionError, match=r'tolerance=2.0 is for method="refit"'):
        Influence(tolerance=2.0)
    with pytest.raises(UnknownColumnError, match="'gg'"):
        found(table(), Influence("gg"), draws=19)
