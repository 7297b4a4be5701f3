"""Optimism by replaced responses, against sums over refits written out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.fitting.influence.optimism import OneAtATime
from mixcheck.fitting.predictive.response_distribution import ResponseDistribution
from mixcheck.port import ConditionalLikelihood, Perturbations, port_of

# Both sides are refits to 1e-6 of a standard error.
REFITTED = 2e-4
# The difference to the fitted distribution is a term of its own.
SPREAD = "spread of the random effects"


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    """Eight groups of four: a binary response, and successes in three trials."""
    rng = np.random.default_rng(9)
    g, x = np.repeat(np.arange(8), 4), rng.normal(size=32)
    p = 1.0 / (1.0 + np.exp(-0.3 - x - 2.5 * np.linspace(-1.0, 1.0, 8)[g]))
    return pd.DataFrame(
        {"g": g, "x": x, "b": 1.0 * (rng.random(32) < p), "k": rng.binomial(3, p), "m": 3}
    )


def written_out(fit: mc.GLMM, trials: int) -> float:
    """``sum_i sum_k p_k [l(k; zeta(k)) - sum_j p_j l(j; zeta(k))]`` by refits to every k."""
    total = 0.0
    ks = np.arange(trials + 1.0)
    for i in range(fit.nobs):
        eta = []
        for k in ks:
            y = port_of(fit).observed.copy()
            y[i] = k
            again = fit if k == port_of(fit).observed[i] else fit.refit(y)
            eta.append(again.predict(random_effects="auto", scale="link").to_numpy()[i])
        here = np.full(ks.size, eta[int(port_of(fit).observed[i])])
        size = np.full(ks.size, float(trials))
        p = fit.family.probability(ks, (here,), size)
        for k, value in zip(ks, eta, strict=True):
            held = (np.full(ks.size, value),)
            density = fit.family.log_density(fit.family.prepare(ks, size), held)
            total += p[int(k)] * (density[int(k)] - p @ density)
    return total


@pytest.mark.slow
def test_efron_by_refits(table):
    """A Bernoulli response: one refit for each row."""
    fit = mc.glmm("b ~ x + (1 | g)", table, family="binomial")
    assert port_of(fit).perturb("refit").size == fit.nobs
    found = mc.caic(fit, method="refit")
    assert found.df - found.by_term[SPREAD] == pytest.approx(written_out(fit, 1), abs=REFITTED)


@pytest.mark.slow
def test_trials_by_refits(table):
    """Three trials: up to three refits for each row, whatever the link."""
    family = mc.families.Binomial(link="cloglog")
    fit = mc.glmm("k / m ~ x + (1 | g)", table, family=family)
    assert 2 * fit.nobs < port_of(fit).perturb("refit").size <= 3 * fit.nobs
    found = mc.caic(fit, method="refit")
    assert found.df - found.by_term[SPREAD] == pytest.approx(written_out(fit, 3), abs=REFITTED)


def test_chen_and_stein_by_refits():
    """Counts: ``sum y [eta(y) - eta(y - 1)]`` over the rows that have one."""
    rng = np.random.default_rng(2)
    g = np.repeat(np.arange(6), 4)
    y = rng.poisson(np.exp(0.5 + rng.normal(size=6)[g])).astype(float)
    fit = mc.glmm("y ~ 1 + (1 | g)", pd.DataFrame({"g": g, "y": y}), family="poisson")
    total = 0.0
    eta = np.log(fit.fittedvalues.to_numpy())
    for i in np.flatnonzero(y):
        less = y.copy()
        less[i] -= 1.0
        total += y[i] * (eta[i] - np.log(fit.refit(less).fittedvalues.to_numpy()[i]))
    assert mc.caic(fit, method="refit").df == pytest.approx(total, abs=REFITTED)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::mixcheck.MixcheckWarning")
def test_zero_inflation_against_the_true_distribution():
    """With the true distribution of each response the estimate is unbiased: ours has its mean.

    Averaged over the uncertainty of the coefficients too it is too large, by half a degree of 18 or
    more; Monte Carlo errors of the paired differences are about 0.2.
    """
    rng = np.random.default_rng(8)
    g, family = np.repeat(np.arange(20), 8), mc.families.add_zeros(mc.families.Poisson())
    found = []
    for _ in range(60):
        x, u = rng.standard_normal(160), 0.5 * rng.standard_normal(20)
        eta = np.stack([1.0 + 0.5 * x + u[g], np.full(160, -1.0)])
        table = pd.DataFrame({"g": g, "x": x, "y": family.sample(tuple(eta), None, rng)})
        fit = port_of(mc.glmm("y ~ x + (1 | g)", table, family="poisson", zi="~ 1"))
        plan = fit.perturb("one-step")
        assert isinstance(plan, OneAtATime)
        true = ResponseDistribution(family, np.ones(1), eta[None][:, :, fit.problem.order], None)
        wide = replace(plan.trials, narrow=None)
        known = replace(plan, trials=replace(wide, distribution=true)).collect([]).total
        wider = replace(plan, trials=wide).collect([]).total
        found.append((plan.collect([]).total - known, wider - known))
    ours, wider = np.array(found).T
    error = ours.std(ddof=1) / np.sqrt(60)
    assert error < 0.3
    assert abs(ours.mean()) < 3.0 * error
    assert (wider - ours).mean() > 0.4


def test_derivatives_of_trials_need_no_grid(table):
    """``V d vartheta / dy`` is the same for trials and for the rows that they are made of."""
    rows = table.loc[table.index.repeat(3)].reset_index(drop=True)
    rows["one"] = (np.tile(np.arange(3), 32) < rows["k"]).astype(float)
    trials = mc.glmm("k / m ~ x + (1 | g)", table, family="binomial")
    single = mc.glmm("one ~ x + (1 | g)", rows, family="binomial")
    by_trials, by_rows = (mc.caic(fit, method="analytic").df for fit in (trials, single))
    assert by_trials == pytest.approx(by_rows, abs=1e-6)


def test_a_fit_meets_the_port(table):
    """The fit and its replacements are what the comparison asks for."""
    fit = mc.glmm("b ~ x + (1 | g)", table, family="binomial")
    assert isinstance(port_of(fit), ConditionalLikelihood)
    assert isinstance(port_of(fit).perturb("refit"), Perturbations)
    assert port_of(fit).perturb("one-step").size == port_of(fit).perturb("analytic").size == 0
    failed = port_of(fit).perturb("refit").collect(["no refit"] * fit.nobs)
    assert failed.total == pytest.approx(port_of(fit).perturb("one-step").collect([]).total)
    assert "32 of 32" in failed.notes[0]


def test_a_response_of_strong_groups_is_averaged(table):
    """The spread of the random effects takes from 0/1 responses: p (1 - p) bends downwards."""
    fit = mc.glmm("b ~ x + (1 | g)", table, family="binomial")
    for method in ("analytic", "one-step", "refit"):
        assert -2.0 < mc.caic(fit, method=method).by_term[SPREAD] < 0.0
