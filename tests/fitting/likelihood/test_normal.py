"""Normal responses: the deviance in closed form is that of the search for modes."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.fitting.likelihood import laplace
from mixcheck.fitting.likelihood.laplace import Laplace
from mixcheck.fitting.likelihood.normal import evaluate_normal, has_closed_form
from mixcheck.fitting.likelihood.problem import Problem
from mixcheck.port import port_of

N = 240
# Both are sums over rows in another order.
SAME = 1e-11
# The search for modes ends at a decrement of 1e-16, whose root is in the gradient.
SLOPE = 1e-7

MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "dispersion": ("y ~ x + (x | g)", {"dispersion": "~ x"}),
    "nested": ("y ~ x + (1 | g / h)", {"dispersion": "~ h"}),
    "crossed": ("y ~ x + (1 | g) + (x || k)", {"dispersion": "~ x"}),
    "frequencies": ("y ~ x + (1 | g)", {"dispersion": "~ x", "weights": "few"}),
    "precisions": ("y ~ x + ar1(0 + t | g)", {"precision": "precise"}),
    "autoregression": ("y ~ x + ar1(0 + t | g)", {}),
    "related": ("y ~ x + propto(1 | g, K)", {}),
    "symmetric": ("y ~ x + cs(0 + h | g)", {"dispersion": "~ x"}),
}


def table() -> pd.DataFrame:
    """Rows of twelve groups at twenty times."""
    rng = np.random.default_rng(8)
    g, t = np.repeat(np.arange(12), 20), np.tile(np.arange(20), 12)
    x, shocks = rng.normal(size=N), rng.normal(size=(12, 20))
    series = np.empty((12, 20))
    series[:, 0] = shocks[:, 0]
    for k in range(1, 20):
        series[:, k] = 0.6 * series[:, k - 1] + 0.8 * shocks[:, k]
    return pd.DataFrame(
        {
            "y": 0.4 * x + 0.5 * rng.normal(size=12)[g] + series.ravel() + 0.7 * rng.normal(size=N),
            "x": x,
            "g": g,
            "t": t,
            "h": np.array(["a", "b", "c"])[t % 3],
            "k": rng.integers(0, 9, N),
            "few": rng.integers(1, 4, N),
            "precise": rng.uniform(0.5, 2.0, N),
        }
    )


def problem_of(name: str) -> tuple[Problem, np.ndarray]:
    """A problem, and its estimates."""
    formula, options = MODELS[name]
    distance = np.abs(np.subtract.outer(np.arange(12), np.arange(12)))
    context = {"K": pd.DataFrame(0.7**distance)}
    port = port_of(mc.glmm(formula, table(), context=context, **options))
    return port.problem, port.optimum.psi


@pytest.mark.filterwarnings("ignore::mixcheck.errors.BoundaryWarning")
@pytest.mark.parametrize("name", MODELS)
def test_it_is_that_of_the_search_for_modes(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Deviance, gradient, modes and what is known of their spread, off the optimum."""
    problem, psi = problem_of(name)
    assert has_closed_form(problem)
    at = psi + 0.1 * np.cos(np.arange(psi.size))
    found = evaluate_normal(problem, at, sloped=True)
    assert found is not None
    assert found.mode is not None
    monkeypatch.setattr(laplace, "has_closed_form", lambda problem: False)
    sought = Laplace().evaluate(problem, at, problem.latent.zeros())
    assert sought.mode is not None
    assert found.deviance == pytest.approx(sought.deviance, rel=SAME)
    size = np.abs(sought.gradient).max()
    np.testing.assert_allclose(found.gradient, sought.gradient, atol=SLOPE * size)
    assert found.spread == pytest.approx(sought.spread, rel=1e-9)
    for ours, theirs in zip(found.mode.point.u, sought.mode.point.u, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-8)
    for part in ("value", "first", "second", "third"):
        ours, theirs = (getattr(e.mode.point.derivatives, part) for e in (found, sought))
        for a, b in zip(*(_arrays(d) for d in (ours, theirs)), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6)
    whole = evaluate_normal(problem, at, sloped=False)
    assert whole is not None
    assert whole.deviance == found.deviance


def _arrays(part: Any) -> list[np.ndarray]:
    if isinstance(part, np.ndarray):
        return [part]
    return [part[key] for key in sorted(part)] if hasattr(part, "keys") else list(part)


def test_modes_return_from_a_pickle() -> None:
    """Before their derivatives were asked for, and after."""
    problem, psi = problem_of("autoregression")
    found = evaluate_normal(problem, psi, sloped=True)
    assert found is not None
    again = pickle.loads(pickle.dumps(found))
    np.testing.assert_array_equal(
        again.mode.point.derivatives.first[0], found.mode.point.derivatives.first[0]
    )
    twice = pickle.loads(pickle.dumps(found)).mode.point.derivatives.rows(slice(3))
    np.testing.assert_array_equal(twice.value, found.mode.point.derivatives.value[:3])


@pytest.mark.parametrize("log_sd", [400.0, -400.0, np.nan])
def test_what_the_family_does_not_take_is_left_to_the_general_way(log_sd: float) -> None:
    """Deviations beyond the floats."""
    problem, psi = problem_of("autoregression")
    at = psi.copy()
    at[2] = log_sd
    assert evaluate_normal(problem, at, sloped=True) is None
    assert Laplace().evaluate(problem, at, problem.latent.zeros()).deviance == np.inf
