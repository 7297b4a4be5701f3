"""Response of a fit to its data, against fits to data that differ a little."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.families.responses import Observed
from mixcheck.fitting.influence.sensitivity import (
    Sensitivity,
    differentiate_in_data,
)
from mixcheck.fitting.likelihood.approximation import objective_of
from mixcheck.port import port_of

# Differences of both sides have steps near 1e-3: relative errors of 1e-5 of the largest entry.
CLOSE = 5e-5
STEP = 2e-3


def make(seed: int = 3) -> pd.DataFrame:
    """Twelve groups of six rows, four crossed levels, two parts of each group."""
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(12), 6)
    h, part = np.tile(np.arange(4), 18), np.tile([0, 0, 0, 1, 1, 1], 12)
    x = rng.normal(size=72)
    eta = 0.6 + 0.4 * x + rng.normal(size=12)[g] * 0.8 + rng.normal(size=4)[h] * 0.6
    eta = eta + rng.normal(size=12)[g] * 0.6 * x + rng.normal(size=24)[2 * g + part] * 0.6
    m = rng.integers(4, 9, 72)
    return pd.DataFrame(
        {
            "x": x,
            "g": g,
            "h": h,
            "part": part,
            "m": m,
            "count": rng.poisson(np.exp(eta)).astype(float),
            "k": rng.binomial(m, 1.0 / (1.0 + np.exp(-eta))).astype(float),
            "z": eta + rng.normal(size=72) * np.exp(0.3 * x),
        }
    )


CASES: dict[str, tuple[str, Any, dict[str, Any]]] = {
    "poisson": ("count ~ x + (1 | g)", "poisson", {}),
    "slope": ("count ~ x + (1 + x | g)", "poisson", {}),
    "nested": ("count ~ x + (1 | g / part)", "poisson", {}),
    "crossed": ("count ~ x + (1 | g) + (1 | h)", "poisson", {}),
    "sqrt": ("count ~ x + (1 | g)", mc.families.Poisson(link="sqrt"), {}),
    "probit": ("k / m ~ x + (1 | g)", mc.families.Binomial(link="probit"), {}),
    "expected": (
        "k / m ~ x + (1 | g)",
        mc.families.Binomial(link="probit"),
        {"hessian": "expected"},
    ),
    "quadrature": ("k / m ~ x + (1 | g)", "binomial", {"method": "agq", "nodes": 5}),
    "vector quadrature": ("count ~ x + (1 + x | g)", "poisson", {"method": "agq", "nodes": 3}),
    "gaussian": ("z ~ x + (1 | g)", "gaussian", {}),
    "dispersion": ("z ~ x + (1 | g)", "gaussian", {"dispersion": "~ x"}),
    "two predictors": ("z ~ x + (1 | g)", "gaussian", {"dispersion": "~ x + (1 | h)"}),
    "weights": ("count ~ x + (1 | g)", "poisson", {"weights": np.tile([1.0, 2.0], 36)}),
    "offset": ("count ~ x + (1 | g)", "poisson", {"offset": np.linspace(-1.0, 1.0, 72)}),
}


def shifted(data: Observed, by: np.ndarray) -> Observed:
    """Responses that need not be whole: log densities have a formula between."""
    return Observed(data.y + by, data.size, data.constant)


def respond(fit: mc.GLMM, targets: list[Observed]) -> Sensitivity:
    """First-order response of a fit."""
    optimum = port_of(fit).optimum
    return differentiate_in_data(
        port_of(fit).problem, fit.method, optimum.evaluation, optimum.scale, targets
    )


def refit(fit: mc.GLMM, data: Observed, metric: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Estimates and predictors by Newton's method with a fixed Hessian, to the last digit."""
    objective = objective_of(replace(port_of(fit).problem, data=data), fit.method)
    at = port_of(fit).optimum.evaluation
    for _ in range(30):
        psi = at.psi - metric @ at.gradient if at is not port_of(fit).optimum.evaluation else at.psi
        at = objective(psi, at)
    assert np.abs(port_of(fit).optimum.scale.T @ at.gradient).max() < 1e-7
    return at.psi, np.stack(at.mode.point.eta)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] if k % 3 or name == "two predictors" else [])
        for k, name in enumerate(CASES)
    ],
)
def test_responses_are_those_of_refits(name):
    """Estimates and predictors follow a small change of a response as predicted."""
    formula, family, options = CASES[name]
    fit = mc.glmm(formula, make(), family=family, **options)
    problem = port_of(fit).problem
    step = np.full(problem.n, STEP)
    found = respond(fit, [shifted(problem.data, step), shifted(problem.data, -step)])
    psi = found.move_parameters()
    eta = found.move_predictors()
    metric = found.metric(np.arange(port_of(fit).optimum.psi.size))
    for row in (0, 31, 50):
        by = np.zeros(problem.n)
        by[row] = STEP
        ahead, behind = (refit(fit, shifted(problem.data, s * by), metric) for s in (1.0, -1.0))
        moved = np.linalg.solve(port_of(fit).optimum.scale, psi[0, :, row] - psi[1, :, row])
        wanted = np.linalg.solve(port_of(fit).optimum.scale, ahead[0] - behind[0])
        assert moved == pytest.approx(wanted, abs=CLOSE * np.abs(wanted).max())
        own = eta[0, :, row] - eta[1, :, row]
        other = ahead[1][:, row] - behind[1][:, row]
        assert own == pytest.approx(other, abs=CLOSE * np.abs(other).max())


def test_rows_that_keep_their_response_stay():
    """Nothing moves where the target is the response itself."""
    fit = mc.glmm("count ~ x + (1 | g)", make(), family="poisson")
    found = respond(fit, [port_of(fit).problem.data])
    assert not found.scores.any()
    assert not found.move_predictors().any()


def test_held_parameters_do_not_move():
    """Only free parameters respond; the predictors follow the rest of the way."""
    fit = mc.glmm("count ~ x + (1 | g)", make(), family="poisson")
    found = respond(fit, [shifted(port_of(fit).problem.data, np.ones(fit.nobs))])
    free = np.array([0, 1])
    assert not found.move_parameters(free)[:, 2].any()
    assert np.abs(found.move_parameters(free)[:, :2]).min() > 0.0
    nothing = found.move_predictors(np.zeros(0, dtype=np.intp))
    assert nothing[0, 0] == pytest.approx(found.leverages[0, 0])


def test_a_variance_of_zero_does_not_respond():
    """By symmetry the derivative across the boundary is zero."""
    data = make().assign(flat=np.tile([0.0, 1.0, 2.0], 24))
    with pytest.warns(mc.BoundaryWarning):
        fit = mc.glmm("flat ~ x + (1 | g)", data, family="poisson")
    found = respond(fit, [shifted(port_of(fit).problem.data, np.ones(fit.nobs))])
    assert np.abs(found.move_parameters()[0, 2]).max() < 1e-6
