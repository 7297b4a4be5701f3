"""The profiled deviance with one grouping factor, and its derivatives."""

from __future__ import annotations

import numpy as np
import pytest

import mixcheck as mc
from mixcheck.fitting.likelihood.cross_products import take_moments
from mixcheck.fitting.likelihood.problem import Problem
from mixcheck.fitting.likelihood.profiled_deviance import Entries, Profile, ProfiledDeviance
from mixcheck.fitting.likelihood.profiled_jointly import evaluate_jointly
from mixcheck.fitting.likelihood.profiled_levels import Levels, evaluate_levels, score_levels
from mixcheck.port import port_of

# Central differences over two pairs of points, relative to the largest derivative.
DIFFERENCED = 1e-8
# Two orders of elimination, effects of a hundred residual deviations.
AGREE = 1e-8

FORMULAS = [
    "y ~ x + (1 | g)",
    "y ~ x + (x | g)",
    "y ~ x + (x || g)",
    "y ~ x + (x + w | g)",
    "y ~ 0 + (x | g)",
]


def problem_of(formula: str) -> Problem:
    """A problem with groups of one to several rows."""
    rng = np.random.default_rng(3)
    g = np.concatenate([np.arange(12), rng.integers(0, 12, 60)])
    data = {"g": g, "x": rng.normal(size=72), "w": rng.uniform(-1.0, 1.0, 72)}
    data["y"] = data["x"] + rng.normal(size=12)[g] * (1.0 + data["w"]) + rng.normal(size=72)
    return port_of(mc.glmm(formula, data)).problem


def deviance_of(problem: Problem, *, restricted: bool) -> ProfiledDeviance:
    """Its profiled deviance."""
    products = problem.products
    assert products is not None
    moments = take_moments(products, problem.X[0], problem.data.y - problem.offsets[0])
    return ProfiledDeviance(products, moments, restricted=restricted)


def entries_of(problem: Problem) -> Entries:
    """Entries in the order of theta."""
    places = [
        (term.factor, term.columns.start + a, term.columns.start + b)
        for term in problem.terms
        for a, b in zip(*term.covariance.entries, strict=True)
    ]
    return Entries(*(np.array(part) for part in zip(*places, strict=True)))


def differences(function: object, theta: np.ndarray, step: float = 1e-3) -> np.ndarray:
    """Derivative of a function of theta by two pairs of points."""
    out = []
    for move in step * np.eye(theta.size):
        near = function(theta + move) - function(theta - move)  # type: ignore[operator]
        far = function(theta + 2 * move) - function(theta - 2 * move)  # type: ignore[operator]
        out.append((8.0 * near - far) / (12.0 * step))
    return np.array(out)


@pytest.mark.parametrize("restricted", [False, True])
@pytest.mark.parametrize("formula", FORMULAS)
@pytest.mark.filterwarnings("ignore::mixcheck.errors.BoundaryWarning")
def test_derivatives(formula: str, *, restricted: bool) -> None:
    """Gradient and Hessian are the differences of the deviance and of the gradient."""
    problem = problem_of(formula)
    at = deviance_of(problem, restricted=restricted)
    entries, levels = entries_of(problem), Levels(at)
    theta = np.random.default_rng(4).normal(size=entries.rows.size)

    def profile(theta: np.ndarray) -> Profile:
        return evaluate_levels(levels, entries, theta, entries.roots(theta, at.sizes))

    here = profile(theta)
    slopes = differences(lambda t: profile(t).deviance, theta)
    np.testing.assert_allclose(here.gradient, slopes, atol=DIFFERENCED * np.abs(slopes).max())
    turns = differences(lambda t: profile(t).gradient, theta)
    assert here.hessian is not None
    np.testing.assert_allclose(here.hessian, turns, atol=DIFFERENCED * np.abs(turns).max())


@pytest.mark.parametrize("restricted", [False, True])
@pytest.mark.parametrize("formula", FORMULAS)
@pytest.mark.filterwarnings("ignore::mixcheck.errors.BoundaryWarning")
def test_level_by_level_is_the_whole_system(formula: str, *, restricted: bool) -> None:
    """The formulas for one factor and those for several agree."""
    problem = problem_of(formula)
    at = deviance_of(problem, restricted=restricted)
    entries = entries_of(problem)
    for scale in (0.0, 1.0, 100.0):
        theta = scale * np.random.default_rng(5).normal(size=entries.rows.size)
        roots = entries.roots(theta, at.sizes)
        one = evaluate_levels(Levels(at), entries, theta, roots)
        other = evaluate_jointly(at, entries, theta, roots)
        assert one.deviance == pytest.approx(other.deviance, abs=AGREE)
        size = max(np.abs(one.gradient).max(), 1.0)
        np.testing.assert_allclose(one.gradient, other.gradient, atol=1e-8 * size)
        np.testing.assert_allclose(one.coefficients, other.coefficients, atol=1e-10)
        np.testing.assert_allclose(one.scores[0], other.scores[0], atol=1e-10)


def test_sums_from_the_rows() -> None:
    """Where groups explain all but 1e-14 of the squares, the rest keeps its digits."""
    problem = problem_of("y ~ x + (1 | g)")
    g = problem.latent.factors[0].sums.index
    noise = 1e-7 * np.random.default_rng(6).normal(size=72)
    at = deviance_of(
        problem.with_rows(np.random.default_rng(7).normal(size=12)[g] + noise), restricted=False
    )
    entries, theta = entries_of(problem), np.array([1e7])
    found = evaluate_levels(Levels(at), entries, theta, entries.roots(theta, at.sizes))
    alone = deviance_of(problem.with_rows(noise), restricted=False)
    # Scores and residuals of the noise alone, in its own unit: large effects are all but free.
    within = evaluate_levels(Levels(alone), entries, theta, entries.roots(theta, at.sizes))
    left = found.square * at.moments.size**2 - within.square * alone.moments.size**2
    # What the effects themselves cost, u'u, is of the order of 12 / 1e14.
    assert 0.0 < left < 30.0 / 1e14


@pytest.mark.parametrize("restricted", [False, True])
@pytest.mark.parametrize("formula", FORMULAS)
@pytest.mark.filterwarnings("ignore::mixcheck.errors.BoundaryWarning")
def test_scoring_goes_to_a_stationary_point(formula: str, *, restricted: bool) -> None:
    """Steps of scoring end where the gradient is zero, entries outside the terms held at zero."""
    problem = problem_of(formula)
    # Every level with much to say, so that the optimum is no boundary.
    far = np.random.default_rng(8).normal(size=(len(problem.latent.factors[0].columns), 12))
    held = [term.covariance.q > 1 and term.covariance.unrestricted for term in problem.terms]
    free = None if all(held) or len(far) == 1 else np.flatnonzero(np.eye(len(far)))
    y = 3.0 * sum(problem.latent.gather([far], 1)) + problem.data.y
    at = deviance_of(problem.with_rows(y), restricted=restricted)
    levels, entries, root = Levels(at), entries_of(problem), np.eye(len(far))
    for _ in range(60):
        scored = score_levels(levels, root, free)
        assert scored is not None
        root = np.linalg.cholesky(scored[0])
    theta = root[entries.rows, entries.columns]
    here = evaluate_levels(levels, entries, theta, [root])
    assert free is None or np.all(root[~np.eye(len(root), dtype=np.bool_)] == 0.0)
    assert scored[1] < 1e-12
    assert np.abs(here.gradient).max() < 1e-5
