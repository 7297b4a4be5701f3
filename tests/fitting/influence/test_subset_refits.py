"""Parts of a problem."""

from __future__ import annotations

import numpy as np
import pytest

import mixcheck as mc
from mixcheck.fitting.influence import subset_refits as restriction
from mixcheck.fitting.influence.subset_refits import fit_without, mute, restrict
from mixcheck.fitting.likelihood.approximation import objective_of
from mixcheck.port import port_of


def test_some_rows_are_a_fit_to_those_rows(sleepstudy):
    """The deviance of some rows is that of the same model fitted to a table of them."""
    problem = port_of(sleepstudy).problem
    rows = np.flatnonzero(np.arange(problem.n) % 3 != 1)
    part = restrict(problem, rows)
    table = sleepstudy.frame.iloc[np.sort(problem.order[rows])]
    again = mc.glmm(sleepstudy.formula, table)
    psi = port_of(again).optimum.psi
    found = objective_of(part, sleepstudy.method)(psi, None).deviance
    assert found == pytest.approx(-2.0 * again.llf, rel=1e-10)


def test_levels_are_dropped(grouseticks):
    """Levels that do not occur are gone, and nested factors stay nested."""
    problem = port_of(grouseticks).problem
    factor = problem.latent.factors[-1]
    part = restrict(problem, np.flatnonzero(factor.sums.index == 3))
    assert part.latent.n_nested == 3
    assert sorted(f.m for f in part.latent.factors)[0] == 1
    assert part.terms[0].block is problem.terms[0].block


def test_priors_are_no_part_of_some_rows():
    """The deviances of all groups sum to that of the likelihood, without the priors."""
    priors = {"Intercept": mc.priors.normal(0.0, 1.0)}
    formula = "incidence / size ~ period + (1 | herd)"
    fit = mc.glmm(formula, mc.datasets.load("cbpp"), family="binomial", priors=priors)
    problem, psi = port_of(fit).problem, port_of(fit).optimum.psi
    herds = problem.latent.factors[0].sums.index
    parts = [restrict(problem, np.flatnonzero(herds == k)) for k in range(herds.max() + 1)]
    total = sum(objective_of(part, fit.method)(psi, None).deviance for part in parts)
    assert total == pytest.approx(-2.0 * fit.llf, rel=1e-10)


def test_muted_rows_count_nothing(cbpp):
    """The deviance without some rows is that of the rows that are left; their levels stay."""
    problem, psi = port_of(cbpp).problem, port_of(cbpp).optimum.psi
    left = problem.latent.factors[0].sums.index == 2
    muted = mute(problem, left)
    kept = restrict(problem, np.flatnonzero(~left))
    deviances = [objective_of(p, cbpp.method)(psi, None).deviance for p in (muted, kept)]
    assert deviances[0] == pytest.approx(deviances[1], rel=1e-12)
    assert muted.latent is problem.latent


def test_unidentified_rest(cbpp):
    """Without all rows of one period the period has no effect that could be estimated."""
    problem = port_of(cbpp).problem
    with pytest.raises(mc.DesignError, match="do not identify"):
        mute(problem, problem.X[0][:, 1] == 1.0)


def test_fit_without_rows(cbpp, monkeypatch):
    """A fit to the other rows is that of a table of them; one that stops early raises."""
    problem, psi, root = port_of(cbpp).problem, port_of(cbpp).optimum.psi, port_of(cbpp)._root
    left = np.arange(problem.n) == 3
    _, optimum = fit_without(problem, left, psi, root, cbpp.method)
    data = mc.datasets.load("cbpp").drop(index=int(problem.order[3]))
    again = mc.glmm(cbpp.formula, data, family="binomial")
    np.testing.assert_allclose(optimum.psi, port_of(again).optimum.psi, atol=1e-5)
    monkeypatch.setattr(restriction, "_GRADIENT_LIMIT", 0.0)
    with pytest.raises(mc.ConvergenceError, match="did not converge"):
        fit_without(problem, left, psi, root, cbpp.method)
