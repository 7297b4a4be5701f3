"""Conditional modes at the edge of the domain of a link, against constrained optimisation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize

import mixcheck as mc
from mixcheck.fitting.likelihood.mode import find_mode, predictors
from mixcheck.fitting.likelihood.modes_at_edges import find_mode_at_edge
from mixcheck.port import port_of

# The last barrier weighs this: h lies above its constrained minimum by that for each row at its
# edge, and the search that it is compared with ends within as much.
BARRIER = 1e-9
# The root of it, over the curvature of h, which is one or more.
EFFECTS = 1e-5


def _counts(formula: str):
    """A Poisson fit with the identity link, and its problem with two groups of zeros."""
    rng = np.random.default_rng(5)
    data = pd.DataFrame({"g": np.repeat(np.arange(12), 6), "h": rng.integers(0, 5, 72)})
    data["x"] = rng.uniform(-1.0, 1.0, 72)
    mean = 5.0 + 0.8 * data["x"] + rng.uniform(-3.0, 3.0, 12)[data["g"]]
    data["y"] = rng.poisson(mean)
    port = port_of(mc.glmm(formula, data, family=mc.families.Poisson(link="identity")))
    problem = port.problem
    y = np.where(data["g"] < 2, 0, data["y"]).astype(np.float64)
    psi = port.optimum.psi.copy()
    psi[problem.n_beta :] = np.linspace(2.0, 1.0, problem.n_theta)
    return problem.with_response(y), psi


@pytest.mark.filterwarnings("ignore::mixcheck.errors.BoundaryWarning")
@pytest.mark.parametrize(
    "formula", ["y ~ x + (1 | g)", "y ~ x + (x || g)", "y ~ (1 | g) + (1 | h)"]
)
def test_a_group_of_zeros(formula: str) -> None:
    """Where Newton's method finds none, the mode is that of sequential quadratic programming."""
    problem, psi = _counts(formula)
    base, roots = problem.fixed(psi), problem.roots(psi[problem.n_beta :])
    start = problem.latent.zeros()
    assert find_mode(problem, base, roots, start) is None
    found = find_mode_at_edge(problem, base, roots, start)
    assert found is not None
    shapes = [part.shape for part in start]
    ends = np.cumsum([part.size for part in start])[:-1]

    def split(v: np.ndarray) -> list[np.ndarray]:
        return [p.reshape(s) for p, s in zip(np.split(v, ends), shapes, strict=True)]

    size = sum(part.size for part in start)
    Z = np.column_stack(
        [predictors(problem, base, roots, split(e))[0] - base[0] for e in np.eye(size)]
    )

    def energy(v: np.ndarray) -> float:
        mean = np.maximum(base[0] + Z @ v, 1e-300)
        return float(0.5 * v @ v + mean.sum() - problem.data.y @ np.log(mean))

    def slope(v: np.ndarray) -> np.ndarray:
        return v + Z.T @ (1.0 - problem.data.y / np.maximum(base[0] + Z @ v, 1e-300))

    inside = {"type": "ineq", "fun": lambda v: base[0] + Z @ v, "jac": lambda v: Z}
    options = {"maxiter": 1000, "ftol": 1e-14}
    exact = minimize(
        energy, np.zeros(size), jac=slope, method="SLSQP", constraints=[inside], options=options
    )
    u = np.concatenate([part.ravel() for part in found])
    zeros = np.count_nonzero(problem.data.y == 0.0)
    assert abs(energy(u) - exact.fun) < (zeros + 1) * BARRIER
    np.testing.assert_allclose(u, exact.x, atol=EFFECTS)
    assert 0.0 < (base[0] + Z @ u).min() < 10.0 * BARRIER


def test_both_ends() -> None:
    """Proportions with the identity link: groups of zeros lie at 0, groups of ones at 1."""
    rng = np.random.default_rng(3)
    data = pd.DataFrame({"g": np.repeat(np.arange(20), 8)})
    data["y"] = rng.binomial(1, rng.uniform(0.2, 0.8, 20)[data["g"]])
    # Neither end is reached by a group of the data that are fitted.
    data.loc[data.groupby("g").head(1).index, "y"] = 0
    data.loc[data.groupby("g").tail(1).index, "y"] = 1
    family = mc.families.Binomial(link="identity")
    port = port_of(mc.glmm("y ~ 1 + (1 | g)", data, family=family))
    y = np.select([data["g"] == 0, data["g"] == 1], [0.0, 1.0], data["y"])
    problem, psi = port.problem.with_response(y), port.optimum.psi.copy()
    psi[-1] = 1.0
    base, roots = problem.fixed(psi), problem.roots(psi[1:])
    found = find_mode_at_edge(problem, base, roots, problem.latent.zeros())
    assert found is not None
    mean = base[0][0] + found[0][0]
    np.testing.assert_allclose(mean[:2], [0.0, 1.0], atol=10.0 * BARRIER)
    # Of the others the mode has a gradient of zero: the score of the group is u.
    k = np.bincount(data["g"], y)[2:]
    np.testing.assert_allclose(
        k / mean[2:] - (8 - k) / (1.0 - mean[2:]), found[0][0, 2:], rtol=1e-6
    )


def test_links_without_an_edge() -> None:
    """Where every predictor has a mean there is nothing to look for."""
    problem, psi = _counts("y ~ x + (1 | g)")
    for link, edges in (("identity", (0.0, np.inf)), ("log", (-np.inf, np.inf))):
        assert mc.families.Poisson(link=link).domain == edges
    assert mc.families.Binomial(link="log").domain == (-np.inf, 0.0)
    assert mc.families.Gamma(link="inverse").domain == (0.0, np.inf)
    assert mc.families.Binomial(link="identity").domain == (0.0, 1.0)
    log = replace(problem, family=mc.families.Poisson())
    roots = log.roots(psi[log.n_beta :])
    assert find_mode_at_edge(log, log.fixed(psi), roots, log.latent.zeros()) is None
