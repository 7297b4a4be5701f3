"""One response replaced: modes at given parameters, and refits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.fitting.influence.case_refits import (
    Perturbed,
    find_predictors,
    refit_row,
    refit_rows,
    split_copies,
)
from mixcheck.fitting.influence.sensitivity import (
    Sensitivity,
    differentiate_in_data,
)
from mixcheck.fitting.likelihood.approximation import objective_of
from mixcheck.fitting.likelihood.mode import find_mode
from mixcheck.port import port_of

# Modes are found to a decrement of 1e-16.
MODE = 1e-7
# Refits to 3e-6 of a standard error, the last step to first order; the others to 1e-6.
REFIT = 2e-5
# Both take their last step, of some 1e-6 standard errors, to first order.
TOGETHER = 1e-7


def table() -> pd.DataFrame:
    """Ten groups of six rows with two parts each, and three levels that cross them."""
    rng = np.random.default_rng(6)
    g, h = np.repeat(np.arange(10), 6), np.tile(np.arange(3), 20)
    x = rng.normal(size=60)
    eta = 0.8 + 0.4 * x + rng.normal(size=10)[g] * (0.8 + 0.4 * x) + rng.normal(size=3)[h] * 0.5
    part = np.tile([0, 0, 0, 1, 1, 1], 10)
    eta = eta + rng.normal(size=20)[2 * g + part] * 0.5
    return pd.DataFrame({"g": g, "h": h, "part": part, "x": x, "y": rng.poisson(np.exp(eta))})


FORMULAS = [
    "y ~ x + (1 | g)",
    "y ~ x + (1 + x | g)",
    "y ~ x + (x || g)",
    "y ~ x + (1 | g / part)",
    "y ~ x + (1 | g) + (1 | h)",
]


def prepare(fit: mc.GLMM) -> tuple[Perturbed, Sensitivity, np.ndarray]:
    """A fit to be perturbed, its response to one count less, and the rows that have one."""
    y = port_of(fit).problem.data.y
    target = fit.family.prepare(np.maximum(y - 1.0, 0.0))
    optimum = port_of(fit).optimum
    found = differentiate_in_data(
        port_of(fit).problem, fit.method, optimum.evaluation, optimum.scale, [target]
    )
    metric = found.metric(np.arange(optimum.psi.size))
    perturbed = Perturbed(
        port_of(fit).problem, fit.method, optimum.evaluation, optimum.scale, metric, singular=False
    )
    return perturbed, found, np.flatnonzero(y > 0.0)[::7]


@pytest.mark.parametrize("formula", FORMULAS)
def test_modes_are_those_of_the_whole_data(formula):
    """The group of a row alone has the modes of the whole data set, each at its parameters."""
    fit = mc.glmm(formula, table(), family="poisson")
    perturbed, found, rows = prepare(fit)
    problem = port_of(fit).problem
    target = fit.family.prepare(np.maximum(problem.data.y - 1.0, 0.0))
    psi = port_of(fit).optimum.psi[:, None] + found.moves[0][:, rows]
    eta = find_predictors(perturbed, rows, target.rows(rows), psi)
    for k, row in enumerate(rows):
        one = np.array([row])
        changed = problem.with_data(problem.data.with_rows(one, target.rows(one)))
        held = psi[:, k]
        roots = problem.roots(held[problem.n_beta :])
        mode = find_mode(changed, problem.fixed(held), roots, problem.latent.zeros())
        assert mode is not None
        assert eta[0, k] == pytest.approx(mode.point.eta[0][row], abs=MODE)


@pytest.mark.parametrize("formula", FORMULAS)
def test_refits_are_refits(formula):
    """A row's predictor is that of `GLMM.refit` to the changed response."""
    fit = mc.glmm(formula, table(), family="poisson")
    perturbed, found, rows = prepare(fit)
    target = fit.family.prepare(np.maximum(port_of(fit).problem.data.y - 1.0, 0.0))
    for row in rows[:3]:
        psi = port_of(fit).optimum.psi + found.moves[0][:, row]
        one = target.rows(np.array([row]))
        eta = refit_row(perturbed, int(row), one, psi, found.effects[:, :, row])
        assert eta is not None
        y = port_of(fit).observed.copy()
        y[port_of(fit).problem.order[row]] -= 1.0
        again = fit.refit(y)
        wanted = port_of(again).problem.to_design(np.asarray(port_of(again).mode.point.eta[0]))
        assert eta[0] == pytest.approx(wanted[port_of(fit).problem.order[row]], abs=REFIT)


@pytest.mark.parametrize("formula", FORMULAS)
def test_refits_together_are_those_of_each(formula):
    """Also where factors are crossed, of which each refit is a search by itself."""
    fit = mc.glmm(formula, table(), family="poisson")
    perturbed, found, rows = prepare(fit)
    assert (perturbed.stacked is None) == ("(1 | h)" in formula)
    target = fit.family.prepare(np.maximum(port_of(fit).problem.data.y - 1.0, 0.0))
    targets = [target.rows(rows[k : k + 1]) for k in range(rows.size)]
    psi = port_of(fit).optimum.psi[:, None] + found.moves[0][:, rows]
    effects = found.effects[:, :, rows]
    together = refit_rows(perturbed, rows, targets, psi, effects)
    for k, row in enumerate(rows.tolist()):
        alone = refit_row(perturbed, row, targets[k], psi[:, k], effects[:, :, k])
        np.testing.assert_allclose(together[k], alone, rtol=0.0, atol=TOGETHER)
    (first,) = refit_rows(perturbed, rows[:1], targets[:1], psi[:, :1], effects[:, :, :1])
    np.testing.assert_allclose(first, together[0], rtol=0.0, atol=TOGETHER)


def test_refits_leave_a_boundary():
    """From a variance of zero, a refit finds the variance that the changed response asks for."""
    flat = table().assign(y=np.tile([2.0, 3.0, 4.0], 20))
    with pytest.warns(mc.BoundaryWarning):
        fit = mc.glmm("y ~ 1 + (1 | g)", flat, family="poisson")
    perturbed, found, _ = prepare(fit)
    perturbed = replace(perturbed, singular=True)
    target = fit.family.prepare([60.0])
    eta = refit_row(perturbed, 0, target, port_of(fit).optimum.psi, found.effects[:, :, 0])
    assert eta is not None
    # With a common mean of (180 + 58) / 60 the predictor would be 1.38.
    assert eta[0] > 2.0


def test_estimates_that_diverge_are_no_refit():
    """Without its only count a cell has no finite estimate."""
    lone = table().assign(cell=0.0)
    lone.loc[[0, 20, 40], "cell"] = 1.0
    lone.loc[[0, 20, 40], "y"] = [1, 0, 0]
    fit = mc.glmm("y ~ cell + (1 | g)", lone, family="poisson")
    perturbed, found, _ = prepare(fit)
    row = int(np.flatnonzero(port_of(fit).problem.order == 0)[0])
    psi = port_of(fit).optimum.psi + found.moves[0][:, row]
    target = fit.family.prepare([0.0])
    assert refit_row(perturbed, row, target, psi, found.effects[:, :, row]) is None
    effects = found.effects[:, :, [row]]
    assert refit_rows(perturbed, np.array([row]), [target], psi[:, None], effects) == [None]


@pytest.mark.parametrize("formula", FORMULAS)
def test_copies_keep_the_likelihood(formula):
    """A row of weight three is one row and one of weight two, wherever it stands."""
    weights = np.tile([1.0, 3.0, 0.5], 20)
    fit = mc.glmm(formula, table(), family="poisson", weights=weights)
    split, counts = split_copies(port_of(fit).problem)
    assert split.n == 80
    assert counts.sum() == pytest.approx(weights.sum())
    assert split.weights is not None
    assert split.weights.sum() == pytest.approx(weights.sum())
    again = objective_of(split, fit.method)(port_of(fit).optimum.psi, None)
    assert again.deviance == pytest.approx(port_of(fit).optimum.evaluation.deviance)
    assert again.gradient == pytest.approx(port_of(fit).optimum.evaluation.gradient, abs=1e-6)


def test_nothing_to_split():
    """Without weights above one the problem stays as it is."""
    fit = mc.glmm("y ~ x + (1 | g)", table(), family="poisson")
    split, counts = split_copies(port_of(fit).problem)
    assert split is port_of(fit).problem
    assert counts.tolist() == [1.0] * 60
