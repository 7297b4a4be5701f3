"""The search for covariance parameters, on the boundary and near it."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.fitting.estimation import gaussian_search
from mixcheck.fitting.likelihood.profiled_deviance import newton_step
from mixcheck.port import port_of


def test_newton_step_goes_down_from_a_saddle() -> None:
    """Negative curvature counts as positive, whatever the units of the parameters."""
    gradient, hessian = np.array([1.0, 1e6]), np.diag([2.0, -1e12])
    step, decrement = newton_step(gradient, hessian)
    np.testing.assert_allclose(step, [-0.5, -1e-6])
    assert decrement == pytest.approx(1.5)


@pytest.mark.parametrize("reml", [False, True])
@pytest.mark.parametrize("effect", ["intercept", "slope", "neither"])
def test_no_variance(effect: str, *, reml: bool) -> None:
    """Whatever variance is zero, the optimum is found and no worse than any simpler model."""
    rng = np.random.default_rng(11)
    g = np.repeat(np.arange(12), 6)
    for _ in range(12):
        x = rng.normal(size=72)
        y = rng.normal(size=72)
        if effect == "slope":
            y = y + 0.5 * rng.normal(size=12)[g]
        elif effect == "intercept":
            y = y + 0.5 * rng.normal(size=12)[g] * x
        data = {"y": y, "x": x, "g": g}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", mc.BoundaryWarning)
            whole = mc.glmm("y ~ x + (x | g)", data, reml=reml)
            parts = [
                mc.glmm(f"y ~ x + {term}", data, reml=reml)
                for term in ("(1 | g)", "(0 + x | g)", "(x || g)")
            ]
        assert whole.convergence.converged
        assert all(whole.llf >= part.llf - 1e-9 for part in parts)


def test_singular_terms_are_exactly_zero() -> None:
    """A variance without an estimate above zero is zero, not a small number."""
    rng = np.random.default_rng(12)
    g = np.repeat(np.arange(10), 8)
    y = rng.normal(size=80) - np.repeat(rng.normal(size=(10, 8)).mean(axis=1), 8)
    y = y - np.repeat(y.reshape(10, 8).mean(axis=1), 8)
    with pytest.warns(mc.BoundaryWarning):
        fit = mc.glmm("y ~ 1 + (1 | g)", {"y": y, "g": g})
    assert port_of(fit).theta.iloc[0] == 0.0
    assert fit.random_effects["g"].to_numpy().any() == 0.0


def test_hessian_of_many_effects(monkeypatch):
    """One pair of differences gives the errors that two pairs give, where effects are many."""
    rng = np.random.default_rng(8)
    g, h = rng.integers(0, 900, 4000), rng.integers(0, 150, 4000)
    x = rng.normal(size=g.size)
    y = x + rng.normal(size=900)[g] + 0.5 * rng.normal(size=150)[h] + rng.normal(size=g.size)
    data = pd.DataFrame({"x": x, "g": g, "h": h, "y": y})
    errors = []
    for least in (1_000, 10_000):
        monkeypatch.setattr(gaussian_search, "_MANY_EFFECTS", least)
        port = port_of(mc.glmm("y ~ x + (1 | g) + (1 | h)", data, family="gaussian"))
        errors.append((port.optimum.evaluations, np.sqrt(np.diag(port.covariance))))
    (fewer, one), (more, two) = errors
    assert fewer < more
    np.testing.assert_allclose(one, two, rtol=1e-6)
