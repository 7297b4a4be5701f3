"""One Newton step in place of a refit."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.errors import ConvergenceError
from mixcheck.fitting.estimation.curvature import hessian_at
from mixcheck.fitting.estimation.one_step import step_from
from mixcheck.fitting.likelihood.approximation import objective_of
from mixcheck.port import port_of

# An error of second order falls to a quarter when the change of the response is halved, one of
# first order to half; terms of third order are left.
QUARTER = 0.35
# Of central differences of the gradient, relative to the step.
DIFFERENCES = 1e-4


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
