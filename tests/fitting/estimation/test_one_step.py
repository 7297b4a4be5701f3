"""One Newton step in place of a refit."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.errors import ConvergenceError
from mixcheck.fitting.estimation import cut_deviance
from mixcheck.fitting.estimation.curvature import hessian_at
from mixcheck.fitting.estimation.cut_deviance import find_remainder
from mixcheck.fitting.estimation.one_step import step_from
from mixcheck.fitting.likelihood.approximation import objective_of
from mixcheck.port import port_of

# An error of second order falls to a quarter when the change of the response is halved, one of
# first order to half; terms of third order are left.
QUARTER = 0.35
# Of central differences of the gradient, relative to the step.
DIFFERENCES = 1e-4
# In standard errors: what a log determinant by its slope at the fit does to a step.
REMAINDER = 0.02
# Of modes by iterations.
MODES = 1e-6


@pytest.fixture(scope="module")
def gamma() -> mc.GLMM:
    """A gamma model, whose responses may change a little."""
    rng = np.random.default_rng(11)
    x, g = rng.normal(size=160), np.repeat(np.arange(16), 10)
    mean = np.exp(0.5 + 0.4 * x + 0.6 * rng.normal(size=16)[g])
    y = rng.gamma(3.0, mean / 3.0)
    return mc.glmm("y ~ x + (1 | g)", pd.DataFrame({"x": x, "g": g, "y": y}), family="gamma")


def test_step_is_newtons(gamma):
    """The step is that by the Hessian of the fit and the gradient of the new response."""
    port = port_of(gamma)
    y = gamma.simulate(1, seed=3)[0].to_numpy()
    problem, psi = port.problem.with_response(y), port.optimum.psi
    found = step_from(problem, psi, port._root, gamma.method)
    hessian = hessian_at(port.problem, port.optimum, gamma.method)
    wanted = -np.linalg.solve(hessian, objective_of(problem, gamma.method)(psi, None).gradient)
    np.testing.assert_allclose(found.psi - psi, wanted, atol=DIFFERENCES * np.abs(wanted).max())
    assert found.one_step


def test_error_is_of_second_order(gamma):
    """With half the change of the response, one step is four times as close to the refit."""
    port = port_of(gamma)
    change = np.random.default_rng(5).normal(size=port.nobs)
    errors = []
    for size in (0.2, 0.1):
        y = port.observed * np.exp(size * change)
        (stepped,) = port.refit_many(y[:, None], one_step=True)
        whole = port.refit(y)
        errors.append(np.abs(stepped.optimum.psi - whole.optimum.psi).max())
        assert errors[-1] < 0.2 * np.abs(whole.optimum.psi - port.optimum.psi).max()
    assert errors[1] < QUARTER * errors[0]


def test_standard_deviations_stay_at_zero_or_above(cbpp):
    """No step leads to a negative standard deviation, and the likelihood never falls on it."""
    port = port_of(cbpp)
    responses = cbpp.simulate(60, seed=1).to_numpy()
    ends = [
        (end, port.problem.with_response(y))
        for end, y in zip(port.refit_many(responses, one_step=True), responses.T, strict=True)
    ]
    assert min(end.optimum.psi[-1] for end, _ in ends) >= 0.0
    for end, problem in ends:
        here = objective_of(problem, cbpp.method)(port.optimum.psi, None)
        assert end.optimum.evaluation.deviance <= here.deviance


def crossed(family: str, groups: int = 60, others: int = 25) -> mc.GLMM:
    """A model of crossed factors."""
    rng = np.random.default_rng([3, *family.encode()])
    g, h = rng.integers(0, groups, 1500), rng.integers(0, others, 1500)
    x = rng.normal(size=g.size)
    eta = 0.3 + (0.4 + 0.5 * rng.normal(size=groups)[g]) * x
    eta = eta + 0.6 * rng.normal(size=groups)[g] + 0.5 * rng.normal(size=others)[h]
    made = {
        "poisson": lambda: rng.poisson(np.exp(eta)),
        "binomial": lambda: rng.binomial(1, 1.0 / (1.0 + np.exp(-eta))),
        "gaussian": lambda: eta + rng.normal(size=g.size),
    }
    data = pd.DataFrame({"x": x, "g": g, "h": h, "y": made[family]()})
    return mc.glmm("y ~ x + (x | g) + (1 | h)", data, family=family)


@pytest.mark.parametrize("family", ["poisson", "binomial", "gaussian"])
def test_crossed_steps_without_a_determinant(family, monkeypatch):
    """Where the log determinant is followed by its slope, the step is all but the same."""
    monkeypatch.setattr(cut_deviance, "_LEAST_EFFECTS", 1)
    fit = crossed(family)
    port = port_of(fit)
    psi, root = port.optimum.psi, port._root
    remainder = find_remainder(port.problem, port.optimum.evaluation, fit.method)
    assert remainder is not None
    for y in fit.simulate(8, seed=4).to_numpy().T:
        problem = port.problem.with_response(y)
        found = step_from(problem, psi, root, fit.method, remainder)
        whole = step_from(problem, psi, root, fit.method)
        # R R' is half the covariance, since the deviance is twice a log-likelihood.
        errors = np.linalg.solve(root, found.psi - whole.psi) / np.sqrt(2.0)
        assert np.abs(errors).max() < REMAINDER
        assert found.evaluation.deviance == pytest.approx(whole.evaluation.deviance, abs=1.0)
        here = objective_of(problem, fit.method, sloped=False)(found.psi, whole.evaluation)
        for one, other in zip(found.evaluation.mode.point.u, here.mode.point.u, strict=True):
            np.testing.assert_allclose(one, other, atol=MODES)


def test_remainder_is_for_many_crossed_effects(cbpp):
    """None where factors are nested, or a determinant costs little; a linear model then refits."""
    for fit in (cbpp, crossed("poisson")):
        port = port_of(fit)
        assert find_remainder(port.problem, port.optimum.evaluation, fit.method) is None
    few, many = crossed("gaussian"), crossed("gaussian", others=120)
    for fit, stepped in ((few, False), (many, True)):
        (found,) = port_of(fit).refit_many(fit.simulate(1, seed=1).to_numpy(), one_step=True)
        assert found.optimum.one_step == stepped


def test_a_step_is_marked(cbpp):
    """A fit by one step says that its estimates are no optimum."""
    (stepped,) = port_of(cbpp).refit_many(cbpp.simulate(1, seed=1).to_numpy(), one_step=True)
    assert not stepped.convergence.converged
    assert any("one Newton step" in message for message in stepped.convergence.messages)


def test_no_step_where_there_is_no_likelihood(gamma):
    """Where no step makes the likelihood rise, one sentence says so."""
    port = port_of(gamma)
    problem = port.problem.with_response(port.observed)
    with pytest.raises(ConvergenceError, match="falls along the step"):
        step_from(problem, np.full(port.optimum.psi.size, np.nan), port._root, gamma.method)
