"""Draws of random effects given the data, against numerical integration."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2, kstest

import mixcheck as mc
from mixcheck.design import build_design, parse_formula
from mixcheck.families import Family
from mixcheck.fitting.likelihood.arrangement import arrange
from mixcheck.fitting.likelihood.mode import evaluate_density, find_mode
from mixcheck.fitting.likelihood.problem import Problem
from mixcheck.fitting.predictive import posterior
from mixcheck.fitting.predictive.posterior import PosteriorDraw, draw_posterior

# The tabulated distribution function is off by no more than this anywhere.
INVERSION = 2e-4
# With fixed seeds: p-values of right draws below this are one in ten thousand.
UNLIKELY = 1e-4
# Means and variances within this many Monte Carlo standard errors.
ERRORS = 4.5
COPIES = 1500


class Quantiles:
    """A generator whose uniforms are known."""

    def __init__(self, values: np.ndarray) -> None:
        self.values = values

    def random(self, size: int) -> np.ndarray:
        """The known values."""
        assert size == self.values.size
        return self.values


def arranged(formula: str, frame: pd.DataFrame, family: Family, **options: Any) -> Problem:
    """The problem of a formula."""
    binomial = family.name == "binomial"
    return arrange(
        build_design(parse_formula(formula, **options), frame, ratio_is_trials=binomial), family
    )


def draw(problem: Problem, psi: np.ndarray, rng: Any) -> PosteriorDraw:
    """One draw at known parameters."""
    base, roots = problem.fixed(psi), problem.roots(psi[problem.n_beta :])
    mode = find_mode(problem, base, roots, problem.latent.zeros())
    assert mode is not None
    return draw_posterior(problem, base, mode, rng)


def copies(y: list[float], size: list[float] | None, count: int) -> pd.DataFrame:
    """Groups that all hold the same responses."""
    held = {"y": np.tile(y, count), "g": np.repeat(np.arange(count), len(y))}
    if size is not None:
        held["m"] = np.tile(size, count)
    return pd.DataFrame(held)


def exact(
    family: Family, y: list[float], size: list[float] | None, beta: float, sd: float
) -> tuple[np.ndarray, np.ndarray]:
    """Grid and distribution function of the effect of one group, by brute force."""
    grid = np.linspace(-40.0, 40.0, 160_001)
    log_density = -0.5 * grid**2
    for i, value in enumerate(y):
        trials = None if size is None else np.full(grid.size, float(size[i]))
        data = family.prepare(np.full(grid.size, float(value)), trials)
        log_density = log_density + family.log_density(data, (beta + sd * grid,))
    weight = np.exp(log_density - log_density.max())
    cumulative = np.cumsum(weight)
    return grid, (cumulative - 0.5 * weight) / cumulative[-1]


Binomial, Poisson = mc.families.Binomial, mc.families.Poisson
GROUPS = [
    (Binomial(), [1], [1], 0.0),
    (Binomial(), [0, 1], [1, 1], -2.0),
    (Binomial(), [1, 1, 1], [1, 1, 1], 3.0),
    (Binomial(), [40], [50], 0.0),
    (Binomial("cloglog"), [0], [1], 1.0),
    (Binomial("probit"), [1], [1], -3.0),
    (Binomial("cauchit"), [1, 0], [1, 1], 0.0),
    (Poisson(), [0], None, 0.0),
    (Poisson(), [0, 0, 0], None, 1.0),
    (Poisson(), [3, 100], None, 1.0),
]


@pytest.mark.parametrize("sd", [0.1, 1.0, 3.0])
@pytest.mark.parametrize(("family", "y", "size", "beta"), GROUPS)
def test_inversion(
    family: Family, y: list[float], size: list[float] | None, beta: float, sd: float
) -> None:
    """A scalar effect is the quantile of its uniform, by brute-force integration."""
    uniform = (np.arange(60) + 0.5) / 60
    left = "y / m" if size else "y"
    problem = arranged(f"{left} ~ 1 + (1 | g)", copies(y, size, 60), family)
    found = draw(problem, np.array([beta, sd]), Quantiles(uniform))
    assert found.acceptance == 1.0
    grid, cumulative = exact(family, y, size, beta, sd)
    reached = np.interp(found.u[0][0], grid, cumulative)
    np.testing.assert_allclose(reached, uniform, atol=INVERSION)


def test_tiny_variance() -> None:
    """With almost no variance the data say nothing: a standard normal draw."""
    uniform = (np.arange(60) + 0.5) / 60
    problem = arranged("y ~ 1 + (1 | g)", copies([7, 2], None, 60), Poisson())
    found = draw(problem, np.array([0.0, 1e-9]), Quantiles(uniform))
    grid, cumulative = exact(Poisson(), [7, 2], None, 0.0, 1e-9)
    reached = np.interp(found.u[0][0], grid, cumulative)
    np.testing.assert_allclose(reached, uniform, atol=INVERSION)


def test_different_groups() -> None:
    """Groups with different data each have their own distribution (one seed, one draw each)."""
    rng = np.random.default_rng(1)
    rows = rng.integers(1, 4, 40)
    frame = pd.DataFrame({"g": np.repeat(np.arange(40), rows)})
    frame["y"] = rng.poisson(np.exp(0.5 + 1.5 * rng.normal(size=40)[frame["g"]]))
    frame = frame.sample(frac=1.0, random_state=2)
    problem = arranged("y ~ 1 + (1 | g)", frame, Poisson())
    found = draw(problem, np.array([0.5, 1.5]), rng).u[0][0]
    reached = []
    for level, value in enumerate(found):
        y = frame.loc[frame["g"] == level, "y"].tolist()
        reached.append(np.interp(value, *exact(Poisson(), y, None, 0.5, 1.5)))
    assert kstest(reached, "uniform").pvalue > UNLIKELY


@pytest.mark.parametrize("y", [0, 2])
def test_edge_of_the_domain(y: int) -> None:
    """Where a link ends the density inside the grid, draws still follow it."""
    family = Poisson("sqrt")
    problem = arranged("y ~ 1 + (1 | g)", copies([y], None, COPIES), family)
    found = draw(problem, np.array([1.0, 1.0]), np.random.default_rng(3))
    reached = np.interp(found.u[0][0], *exact(family, [y], None, 1.0, 1.0))
    assert kstest(reached, "uniform").pvalue > UNLIKELY


def moments(points: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of weighted points (d, N)."""
    weights = weights / weights.sum()
    mean = points @ weights
    centred = points - mean[:, None]
    return mean, (centred * weights) @ centred.T


def require_moments(draws: np.ndarray, points: np.ndarray, log_density: np.ndarray) -> None:
    """Means and second moments of draws (d, COPIES) are those of the density on points."""
    weights = np.exp(log_density - log_density.max())
    mean, covariance = moments(points, weights)
    weights = weights / weights.sum()
    d = mean.size
    for i in range(d):
        error = np.sqrt(covariance[i, i] / draws.shape[1])
        assert abs(draws[i].mean() - mean[i]) < ERRORS * error
        for j in range(i + 1):
            product = (points[i] - mean[i]) * (points[j] - mean[j])
            spread = np.sqrt(weights @ product**2 - covariance[i, j] ** 2)
            found = np.mean((draws[i] - mean[i]) * (draws[j] - mean[j]))
            assert abs(found - covariance[i, j]) < ERRORS * spread / np.sqrt(draws.shape[1])


@pytest.mark.parametrize("kind", ["binomial", "poisson"])
def test_two_effects(kind: str) -> None:
    """A vector term: moments of draws are those on a grid in two dimensions."""
    family = Binomial() if kind == "binomial" else Poisson()
    y = np.array([1.0, 0.0, 1.0]) if kind == "binomial" else np.array([0.0, 5.0, 1.0])
    x = np.array([-1.0, 0.5, 2.0])
    frame = copies(y.tolist(), None, COPIES).assign(x=np.tile(x, COPIES))
    problem = arranged("y ~ x + (1 + x | g)", frame, family)
    psi = np.array([-0.3, 0.2, 1.8, 0.7, 0.9])
    found = draw(problem, psi, np.random.default_rng(4))
    assert 0.5 < found.acceptance < 1.0
    axis = np.linspace(-6.0, 6.0, 201)
    points = np.array(np.meshgrid(axis, axis)).reshape(2, -1)
    b = np.array([[1.8, 0.0], [0.7, 0.9]]) @ points
    log_density = -0.5 * np.sum(points**2, axis=0)
    for value, at in zip(y, x, strict=True):
        data = family.prepare(np.full(b.shape[1], value))
        log_density += family.log_density(data, (-0.3 + 0.2 * at + b[0] + at * b[1],))
    require_moments(found.u[0], points, log_density)


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param(0, id="one Newton step"),
        pytest.param(20, id="mode", marks=pytest.mark.slow),
    ],
)
def test_crossed(monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    """Two by two crossed effects: moments of draws are those on a grid in four dimensions.

    Whether proposals are made around the mode or one Newton step towards it, which is what
    levels of many rows have.
    """
    monkeypatch.setattr(posterior, "_MANY_ROWS", rows)
    copies_ = 500
    cells = [(0, 0, 0.0), (0, 1, 3.0), (1, 0, 1.0), (1, 1, 0.0), (1, 1, 6.0)]
    g, h, y = (np.array(part) for part in zip(*cells, strict=True))
    copy = np.repeat(np.arange(copies_), len(cells))
    frame = pd.DataFrame(
        {
            "g": 2 * copy + np.tile(g, copies_),
            "h": 2 * copy + np.tile(h, copies_),
            "y": np.tile(y, copies_),
        }
    )
    problem = arranged("y ~ 1 + (1 | g) + (1 | h)", frame, Poisson())
    first = problem.terms[0].factor
    found = draw(problem, np.array([0.3, 1.2, 0.8]), np.random.default_rng(5))
    assert 0.5 < found.acceptance < 1.0
    draws = np.vstack(
        [found.u[first].reshape(copies_, 2).T, found.u[1 - first].reshape(copies_, 2).T]
    )
    axis = np.linspace(-4.5, 4.5, 31)
    points = np.array(np.meshgrid(*[axis] * 4)).reshape(4, -1)
    log_density = -0.5 * np.sum(points**2, axis=0)
    for i, j, value in cells:
        eta = 0.3 + 1.2 * points[i] + 0.8 * points[2 + j]
        log_density += value * eta - np.exp(eta)
    require_moments(draws, points, log_density)


def test_weights_count(small: SimpleNamespace) -> None:
    """Weights multiply the log density of a row here too."""
    frame = copies([4.0], None, 60).assign(w=3.0)
    design = build_design(
        parse_formula("y ~ 1 + (1 | g)"), frame, weights="w", ratio_is_trials=False
    )
    uniform = (np.arange(60) + 0.5) / 60
    found = draw(arrange(design, Poisson()), np.array([0.0, 1.0]), Quantiles(uniform))
    grid, cumulative = exact(Poisson(), [4.0] * 3, None, 0.0, 1.0)
    np.testing.assert_allclose(np.interp(found.u[0][0], grid, cumulative), uniform, atol=INVERSION)


def test_without_random_effects() -> None:
    """A model without random effects draws none."""
    problem = arranged("y ~ 1", copies([1, 2], None, 5), Poisson())
    found = draw(problem, np.array([0.0]), np.random.default_rng(0))
    assert found.u == []
    assert found.acceptance == 1.0


@pytest.mark.parametrize("q", [1, 2, 3])
def test_update_keeps_the_target(q: int) -> None:
    """A Metropolis step started from the target stays in it: a normal one, in many levels."""
    levels, rng = 40_000, np.random.default_rng(6)
    frame = pd.DataFrame({"y": np.zeros(levels), "g": np.arange(levels)})
    frame[["x", "z"]] = 1.0, 2.0
    term = ["(1 | g)", "(1 + x | g)", "(1 + x + z | g)"][q - 1]
    design = build_design(
        parse_formula(f"y ~ 1 + {term}"),
        frame,
        weights=np.full(levels, 1e-12),
        ratio_is_trials=False,
    )
    problem = arrange(design, Poisson())
    roots = problem.roots(0.1 * np.ones(problem.n_theta))
    base = [np.zeros(levels)]
    mode = find_mode(problem, base, roots, problem.latent.zeros())
    assert mode is not None
    block = posterior._alone(problem, 0, mode.roots[0], mode.point.u[0])
    u = rng.normal(size=(q, levels))
    shares = []
    for _ in range(4):
        u, accepted = posterior._update(block, base, u, rng)
        assert accepted is not None
        shares.append(accepted.mean())
    assert 0.7 < min(shares) < max(shares) < 0.999
    assert kstest(np.sum(u**2, axis=0), chi2(q).cdf).pvalue > UNLIKELY
    assert kstest(u.ravel(), "norm").pvalue > UNLIKELY


@pytest.mark.parametrize("formula", ["y ~ x + (1 | g)", "y ~ x + (x | g) + (1 | h)"])
def test_effects_of_a_normal_mean_are_normal(formula: str) -> None:
    """``(u - mode)' H (u - mode)``, twice the rise of the energy, is chi-squared."""
    rng = np.random.default_rng(3)
    g, h, x = np.repeat(np.arange(5), 6), np.tile(np.arange(3), 10), rng.normal(size=30)
    frame = pd.DataFrame({"g": g, "h": h, "x": x, "y": rng.normal(size=5)[g] + rng.normal(size=30)})
    design = build_design(parse_formula(formula, dispersion="~ 1"), frame, ratio_is_trials=False)
    problem = arrange(design, mc.families.Gaussian())
    psi = np.concatenate([[0.1, 0.2, -0.1], np.full(problem.n_theta, 0.7)])
    base, roots = problem.fixed(psi), problem.roots(psi[problem.n_beta :])
    mode = find_mode(problem, base, roots, problem.latent.zeros())
    assert mode is not None
    rises = []
    for _ in range(1000):
        found = draw_posterior(problem, base, mode, rng)
        assert found.acceptance == 1.0
        there = evaluate_density(problem, base, roots, found.u, 0)
        rises.append(2.0 * (there.energy - mode.point.energy))
    assert kstest(rises, chi2(problem.latent.size).cdf).pvalue > UNLIKELY
