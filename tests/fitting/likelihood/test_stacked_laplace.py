"""The deviance of many copies at once is that of each, and of the modes from near them."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.fitting.likelihood.approximation import objective_of
from mixcheck.fitting.likelihood.copies import Batch, Copies, join_responses
from mixcheck.fitting.likelihood.stacked_laplace import Look, follow, look_at
from mixcheck.port import port_of

# Rounding of a deviance of some hundreds, and of its gradient where modes are known to 1e-16.
DEVIANCE, GRADIENT = 1e-9, 1e-5
COPIES = 4
MODELS = {
    "intercept": ("count ~ x + (1 | g)", {}),
    "slope": ("count ~ x + (1 + x | g)", {}),
    "nested": ("count ~ x + (1 + x | g) + (1 | g:c)", {}),
    "two parts": ("count ~ x + (1 | g)", {"zi": "~ 1 + (1 | g)"}),
}


@pytest.fixture(scope="module", params=MODELS)
def stacked(request):
    """A fit, its copies with responses of their own, and parameters for each of them."""
    formula, options = MODELS[request.param]
    rng = np.random.default_rng(3)
    g, x = np.repeat(np.arange(10), 12), rng.normal(size=120)
    b = rng.normal(size=(10, 2)) * [0.5, 0.4]
    mean = np.exp(1.0 + b[g, 0] + (0.3 + b[g, 1]) * x)
    count = rng.poisson(mean) * (rng.random(120) > 0.2 if "zi" in options else 1)
    frame = pd.DataFrame({"x": x, "g": g, "c": np.tile(np.repeat([0, 1, 2], 4), 10)})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mc.MixcheckWarning)
        fit = mc.glmm(formula, frame.assign(count=count), family="poisson", **options)
    port = port_of(fit)
    simulated = fit.simulate(COPIES, seed=1).to_numpy()
    data = join_responses([port.problem.with_response(y).data for y in simulated.T])
    batch = Batch(Copies(port.problem), data, COPIES)
    psi = port.optimum.psi + 0.1 * rng.normal(size=(COPIES, port.optimum.psi.size))
    return fit, batch, psi


def settle(batch: Batch, psi: np.ndarray, looks: int = 12) -> Look:
    """A look at the modes, from zero."""
    problem = batch.problem(np.arange(COPIES))
    u = problem.latent.zeros()
    for _ in range(looks):
        look = look_at(batch.copies, problem, psi, u, "observed")
        u = follow(batch.copies, problem, look, psi)
    return look


def test_copies_have_their_own_deviance(stacked):
    """Deviance, gradient and spread of each copy are those of its problem alone."""
    fit, batch, psi = stacked
    look = settle(batch, psi)
    for k in range(COPIES):
        alone = objective_of(batch.alone(k), fit.method)(psi[k], None)
        assert abs(look.deviance[k] - alone.deviance) < DEVIANCE
        np.testing.assert_allclose(look.gradient[k], alone.gradient, atol=GRADIENT)
        assert look.spread[k] == pytest.approx(alone.spread)


def test_a_look_near_the_modes_is_corrected(stacked):
    """A step s away from the modes the deviance is known to the second order of s."""
    _, batch, psi = stacked
    exact, problem = settle(batch, psi), batch.problem(np.arange(COPIES))
    away = [np.random.default_rng(1).normal(size=u.shape) for u in exact.mode.point.u]
    errors = []
    for size in (1e-2, 1e-3):
        u = [a + size * b for a, b in zip(exact.mode.point.u, away, strict=True)]
        look = look_at(batch.copies, problem, psi, u, "observed")
        errors.append(np.abs(look.deviance - exact.deviance).max())
        slope = np.abs(look.gradient - exact.gradient).max()
        assert slope < 50.0 * size * np.abs(exact.gradient).max()
    assert errors[1] < 0.02 * errors[0]


def test_modes_are_followed(stacked):
    """The modes at other parameters are predicted to first order."""
    _, batch, psi = stacked
    exact, problem = settle(batch, psi), batch.problem(np.arange(COPIES))
    errors = []
    for size in (1e-2, 1e-3):
        there = psi + size * np.random.default_rng(2).normal(size=psi.shape)
        found = settle(batch, there).mode.point.u
        ahead = follow(batch.copies, problem, exact, there)
        errors.append(max(np.abs(a - b).max() for a, b in zip(found, ahead, strict=True)))
    assert errors[1] < 0.02 * errors[0]
