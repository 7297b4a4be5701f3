"""Linear mixed models of chains: the profiled search ends where the general one does."""

from __future__ import annotations

import math
import pickle
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import multivariate_normal

import mixcheck as mc
from mixcheck.fitting.estimation import gaussian_chains
from mixcheck.fitting.estimation.curvature import covariance_at
from mixcheck.fitting.estimation.estimate import estimate
from mixcheck.fitting.estimation.gaussian_chains import FoundInChains, estimate_chains
from mixcheck.fitting.likelihood.approximation import objective_of
from mixcheck.fitting.likelihood.laplace import Laplace, Profiled
from mixcheck.fitting.likelihood.problem import Problem
from mixcheck.port import port_of

GROUPS, TIMES = 40, 15
SDS = {0: 0.0, 3: 0.0, 8: 0.5}
# In standard errors: both searches end at a gradient of 1e-7 and less.
SAME = 1e-6
# Of the deviance, relative to itself.
DEVIANCE = 1e-12
# The general Hessian of REML is made of differences with a step of 4e-3 standard errors, whose
# error is that of the deviance's fourth derivatives in 40 series.
DIFFERENCES = 5e-4
# Differences with a step of 1e-3 standard errors, extrapolated.
CURVATURE = 1e-6

MODELS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "complete": ("y ~ x + ar1(0 + t | g)", "t >= 0", {}),
    "trend": ("y ~ x + t + ar1(0 + t | g)", "t >= 0", {}),
    "missing": ("y ~ x + ar1(0 + t | g)", "luck < 0.7", {}),
    "lengths": ("y ~ x + ar1(0 + t | g)", "t < 8 + g % 8", {}),
    "precision": ("y ~ x + ar1(0 + t | g)", "t >= 0", {"precision": "w"}),
    "offset": ("y ~ x + offset(w) + ar1(0 + t | g)", "t >= 0", {}),
    "no fixed effects": ("y ~ 0 + ar1(0 + t | g)", "t >= 0", {}),
}


def table() -> pd.DataFrame:
    """Forty series of fifteen times, in a unit of twenty and far from zero."""
    rng = np.random.default_rng(3)
    g, t = np.repeat(np.arange(GROUPS), TIMES), np.tile(np.arange(TIMES), GROUPS)
    series = rng.normal(size=(GROUPS, TIMES))
    for k in range(1, TIMES):
        series[:, k] = 0.7 * series[:, k - 1] + math.sqrt(0.51) * series[:, k]
    n = g.size
    x, w = rng.normal(size=n), rng.uniform(0.5, 2.0, n)
    noise = 0.5 * rng.normal(size=n) / np.sqrt(w)
    return pd.DataFrame(
        {
            "y": 1e3 + 20.0 * (0.4 * x + series.ravel() + noise),
            "x": x,
            "g": g,
            "t": t,
            "luck": rng.uniform(size=n),
            "w": w,
            "k": rng.integers(1, 4, n),
        }
    )


def fit_of(name: str) -> mc.GLMM:
    """A fit to the rows in another order."""
    formula, rows, options = MODELS[name]
    frame = table().query(rows).sample(frac=1.0, random_state=2)
    if name == "no fixed effects":
        frame = frame.assign(y=frame.y - 1e3)
    return mc.glmm(formula, frame, **options)


def problem_of(formula: str, **options: Any) -> Problem:
    """The problem of a fit to all rows."""
    problem: Problem = port_of(mc.glmm(formula, table(), **options)).problem
    return problem


@pytest.mark.parametrize("name", MODELS)
def test_optimum_is_that_of_the_general_search(name: str) -> None:
    """Parameters, deviance, and a gradient of zero by the general likelihood."""
    port = port_of(fit_of(name))
    found, problem = port.optimum, port.problem
    assert isinstance(found.evaluation, FoundInChains)
    general = estimate(problem, Laplace())
    moved = np.linalg.solve(found.scale, found.psi - general.psi)
    assert np.abs(moved).max() < SAME
    value = general.evaluation.deviance
    assert abs(found.evaluation.deviance - value) < DEVIANCE * abs(value)
    at = objective_of(problem, Laplace())(found.psi, None)
    assert abs(found.evaluation.deviance - at.deviance) < DEVIANCE * abs(value)
    assert np.abs(found.scale.T @ at.gradient).max() < SAME
    assert found.gradient < SAME


@pytest.mark.parametrize("name", MODELS)
def test_hessian_is_the_derivative_of_the_gradient(name: str) -> None:
    """In all parameters, by differences of the general gradient; the scale whitens it."""
    port = port_of(fit_of(name))
    found, objective = port.optimum, objective_of(port.problem, Laplace())

    def slopes(length: float) -> np.ndarray[Any, Any]:
        columns = []
        for step in length * found.scale.T:
            ends = [objective(found.psi + side * step, None).gradient for side in (1.0, -1.0)]
            columns.append(found.scale.T @ (ends[0] - ends[1]) / (2.0 * length))
        return np.column_stack(columns)

    assert found.hessian is not None
    whitened = found.scale.T @ found.hessian @ found.scale
    extrapolated = (4.0 * slopes(1e-3) - slopes(2e-3)) / 3.0
    assert np.abs(whitened - extrapolated).max() < CURVATURE
    assert np.abs(whitened - np.eye(len(whitened))).max() < CURVATURE


def test_modes_and_facts() -> None:
    """Random effects, residuals and convergence are asked for as of any fit."""
    fit = fit_of("missing")
    port = port_of(fit)
    general = estimate(port.problem, Laplace())
    mode, other = port.optimum.evaluation.mode, general.evaluation.mode
    assert mode is not None
    assert other is not None
    assert np.abs(mode.point.u[0] - other.point.u[0]).max() < 1e-7
    assert fit.converged
    problem = port.problem
    scaled, same = (e.scaled_roots(problem) for e in (port.optimum.evaluation, general.evaluation))
    assert np.abs(scaled[0] - same[0]).max() < 1e-6
    again = pickle.loads(pickle.dumps(fit))
    assert again.llf == fit.llf


def test_refits_are_searched_likewise() -> None:
    """A refit to another response is the fit to it."""
    fit = fit_of("lengths")
    frame = fit.frame.assign(y=1e3 + 0.9 * (fit.frame.y - 1e3) + 3.0 * fit.frame.luck)
    anew = mc.glmm(fit.formula, frame)
    refit = fit.refit(frame.y.to_numpy())
    assert abs(refit.llf - anew.llf) < DEVIANCE * abs(anew.llf)
    assert np.abs((refit.params - anew.params) / anew.bse).max() < SAME


@pytest.mark.parametrize(
    ("formula", "options"),
    [
        ("y ~ x + ar1(0 + t | g) + (1 | k)", {}),
        ("y ~ x + (1 | g)", {}),
        ("y ~ x + ar1(0 + t | g)", {"dispersion": "~ x"}),
        ("y ~ x + ar1(0 + t | g)", {"family": "gamma"}),
        ("y ~ x + ar1(0 + t | g)", {"priors": {"x": mc.priors.Normal(0.0, 10.0)}}),
    ],
)
def test_other_models_are_left_alone(formula: str, options: dict[str, Any]) -> None:
    """Several terms, independent levels, a model of the dispersion, other families, priors."""
    assert estimate_chains(problem_of(formula, **options), Laplace()) is None


def test_other_methods_are_left_alone() -> None:
    """Fixed effects at their joint mode are not those of largest likelihood."""
    assert estimate_chains(problem_of("y ~ x + ar1(0 + t | g)"), Profiled()) is None


@pytest.mark.parametrize("name", ["complete", "trend", "missing", "lengths", "precision"])
def test_restricted_likelihood(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """REML ends where the search with the fixed effects among the modes does, with its errors."""
    problem, method = port_of(fit_of(name)).problem, Laplace(restricted=True)
    found, general = estimate_chains(problem, method), estimate(problem, method)
    assert found is not None
    assert np.abs(np.linalg.solve(found.scale, found.psi - general.psi)).max() < SAME
    value = general.evaluation.deviance
    assert abs(found.evaluation.deviance - value) < DEVIANCE * abs(value)
    assert found.hessian is not None
    assert general.hessian is not None
    apart = found.scale.T @ (found.hessian - general.hessian) @ found.scale
    assert np.abs(apart).max() < DIFFERENCES
    assert covariance_at(problem, found, method).shape == found.hessian.shape
    monkeypatch.setattr(gaussian_chains, "_MOST_NUMBERS", 10)
    assert estimate_chains(problem, method) is None


def test_restricted_fit() -> None:
    """All that a fit by REML answers, and the same after a refit to its own response."""
    formula, _, _ = MODELS["trend"]
    fit = mc.glmm(formula, table(), reml=True)
    assert fit.converged
    again = fit.refit(fit.frame.y.to_numpy())
    assert abs(again.llf - fit.llf) < DEVIANCE * abs(fit.llf)
    assert np.abs((again.params - fit.params) / fit.bse).max() < SAME
    assert (fit.bse > mc.glmm(formula, table()).bse).all()


@pytest.mark.parametrize("kind", ["no effects", "no residual", "exact"])
def test_ends_of_the_parameters_are_left_to_the_general_search(kind: str) -> None:
    """A variance of zero, effects that leave nothing over, and a response without noise."""
    problem = problem_of("y ~ x + ar1(0 + t | g)")
    rng = np.random.default_rng(1)
    x = problem.X[0][:, 1]
    if kind == "no effects":
        y = rng.normal(size=problem.n)
    elif kind == "no residual":
        groups = np.repeat(rng.normal(size=GROUPS), TIMES)
        y = groups + 1e-4 * rng.normal(size=problem.n)
    else:
        y = 2.0 + 3.0 * x
    assert estimate_chains(problem.with_rows(y), Laplace()) is None


def short(seed: int) -> pd.DataFrame:
    """Twelve series of nine times with gaps, of which the residual error is hardly seen."""
    rng = np.random.default_rng(seed)
    g, t = np.repeat(np.arange(12), 9), np.tile(np.arange(9), 12)
    series = rng.normal(size=(12, 9))
    for k in range(1, 9):
        series[:, k] = 0.6 * series[:, k - 1] + 0.8 * series[:, k]
    x = rng.normal(size=g.size)
    y = 0.3 + 0.4 * x + series.ravel() + 0.3 * rng.normal(size=g.size)
    frame = pd.DataFrame({"y": y, "x": x, "g": g, "t": t, "w": rng.uniform(0.5, 2.0, g.size)})
    return frame[rng.uniform(size=g.size) < 0.8]


@pytest.mark.parametrize("seed", range(12))
def test_no_residual_error_has_no_weights(seed: int) -> None:
    """Where no residual variance is left, how it is weighed changes nothing; no fit is refused."""
    frame, formula = short(seed), "y ~ x + t + ar1(0 + t | g)"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plain = mc.glmm(formula, frame)
        weighed = mc.glmm(formula, frame, precision="w")
    if plain.convergence.limits and weighed.convergence.limits:
        assert abs(plain.llf - weighed.llf) < 1e-5
    else:
        assert abs(plain.llf - weighed.llf) < 5.0


@pytest.mark.parametrize(
    ("groups", "times", "seed", "at"),
    [
        (8, 8, 0, (0.15145538, -0.73640320, 0.50775854)),
        (8, 8, 3, (0.21369000, -0.42467347, 0.39983153)),
        (1, 40, 8, (0.3344, -0.4807, 0.6805)),
    ],
)
def test_weak_effects_are_searched_with_either_sign_of_correlation(groups, times, seed, at):
    """There may be a maximum with each; the higher one is above a normal density written out."""
    rng = np.random.default_rng(seed)
    rows = []
    for group in range(groups):
        effect = SDS[seed] * rng.normal()
        for time in range(times):
            if time:
                effect = SDS[seed] * rng.normal()
            rows.append((group, time, rng.normal(), effect))
    data = pd.DataFrame(rows, columns=["g", "t", "x", "effect"])
    width = rng.uniform(0.5, 2.0, len(data))
    data["y"] = 2.0 + 0.5 * data.x + data.effect + 0.5 * rng.normal(size=len(data)) / width**0.5
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = mc.glmm("y ~ x + ar1(0 + t | g)", data)
    sd, phi, sigma = at
    g, t = data["g"].to_numpy(), data["t"].to_numpy()
    K = np.where(g[:, None] == g, phi ** np.abs(t[:, None] - t).astype(float), 0.0)
    V = sd**2 * K + sigma**2 * np.eye(len(data))
    X = np.column_stack([np.ones(len(data)), data.x])
    beta = np.linalg.solve(X.T @ np.linalg.solve(V, X), X.T @ np.linalg.solve(V, data.y))
    written = multivariate_normal(X @ beta, V).logpdf(data.y)
    assert fit.llf >= written - 1e-9
    assert fit.llf == pytest.approx(written, abs=1e-5)


def test_weak_effects_may_hold_all_of_the_residual_error():
    """An end with a residual error is the lower maximum; the likelihood of REML, written out."""
    rng = np.random.default_rng(1)
    rows = []
    for group in range(6):
        effect = 0.25 * rng.normal()
        for time in range(12):
            if time:
                effect = -0.5 * effect + math.sqrt(0.75) * 0.25 * rng.normal()
            rows.append((group, time, rng.normal(), effect))
    data = pd.DataFrame(rows, columns=["g", "t", "x", "effect"])
    width = rng.uniform(0.5, 2.0, len(data))
    data["y"] = 2.0 + 0.5 * data.x + data.effect + 0.5 * rng.normal(size=len(data)) / width**0.5
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = mc.glmm("y ~ x + ar1(0 + t | g)", data, reml=True)
    g, t = data["g"].to_numpy(), data["t"].to_numpy()
    V = np.where(g[:, None] == g, (-0.39809465) ** np.abs(t[:, None] - t), 0.0) * 0.48761169**2
    X, inverse = np.column_stack([np.ones(len(data)), data.x]), np.linalg.inv(V)
    information = X.T @ inverse @ X
    left = data.y - X @ np.linalg.solve(information, X.T @ inverse @ data.y)
    logs = np.linalg.slogdet(V)[1] + np.linalg.slogdet(information)[1]
    freedom = len(data) - 2
    written = -0.5 * (logs + left @ inverse @ left + freedom * math.log(2 * math.pi))
    assert fit.llf == pytest.approx(written, abs=1e-6)
