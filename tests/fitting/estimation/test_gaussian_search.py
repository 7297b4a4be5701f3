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


def _nearly_one_row_each(seed: int) -> dict[str, np.ndarray]:
    """24 rows in 20 groups, and in four others."""
    rng = np.random.default_rng(seed)
    g = rng.permutation(np.concatenate([np.arange(20), rng.integers(0, 20, 4)]))
    h = rng.integers(0, 4, 24)
    x = rng.normal(size=24)
    return {"y": x + rng.normal(size=24), "x": x, "g": g, "h": h}


@pytest.mark.parametrize(("seed", "reml"), [(64, True), (65, False)])
def test_an_optimum_beside_the_limit_without_residuals(seed: int, *, reml: bool) -> None:
    """With hardly more rows than levels the likelihood may be finite without a residual variance.

    An optimum with one that is higher is the estimate. With Lambda times t, t from 1 to 1e4, and
    the residual variance divided by t^2, the dense likelihood comes to that limit.
    """
    data = _nearly_one_row_each(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mc.BoundaryWarning)
        whole = mc.glmm("y ~ x + (1 | g) + (x | h)", data, reml=reml)
        parts = [mc.glmm(f"y ~ x + {t}", data, reml=reml) for t in ("(1 | g)", "(x | h)")]
    assert whole.converged
    assert all(whole.llf >= part.llf - 1e-9 for part in parts)
    X = np.column_stack([np.ones(24), data["x"]])
    one, other = (np.equal.outer(data[k], data[k]).astype(float) for k in "gh")
    other = other * (1.0 + np.outer(data["x"], data["x"]))

    def dense(V: np.ndarray) -> float:
        inverse = np.linalg.inv(V)
        information = X.T @ inverse @ X
        rest = data["y"] - X @ np.linalg.solve(information, X.T @ inverse @ data["y"])
        out = np.linalg.slogdet(V)[1] + rest @ inverse @ rest + 24 * np.log(2 * np.pi)
        if reml:
            out += np.linalg.slogdet(information)[1] - 2 * np.log(2 * np.pi)
        return float(-0.5 * out)

    at_limit = max(
        dense(a * one + b * other + 1e-10 * np.eye(24))
        for a in np.geomspace(0.01, 4.0, 25)
        for b in np.geomspace(0.001, 4.0, 25)
    )
    assert whole.llf > at_limit


def test_no_residual_variance_is_told_as_such() -> None:
    """Where the likelihood is finite and largest without a residual variance the error says so."""
    data = _nearly_one_row_each(9)
    effects = len(set(data["g"])) + 2 * len(set(data["h"]))
    message = f"where the residual variance is zero: {effects} random effects for 24 rows"
    with pytest.raises(mc.ConvergenceError, match=message):
        mc.glmm("y ~ x + (1 | g) + (x | h)", data, reml=True)
