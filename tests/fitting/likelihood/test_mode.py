"""Conditional modes of the random effects, against dense linear algebra."""

from __future__ import annotations

import warnings
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.design import build_design, parse_formula
from mixcheck.fitting.likelihood import mode
from mixcheck.fitting.likelihood.approximation import objective_of
from mixcheck.fitting.likelihood.arrangement import arrange
from mixcheck.fitting.likelihood.bent_mode import bend_mode, bends
from mixcheck.fitting.likelihood.laplace import Laplace
from mixcheck.fitting.likelihood.mode import find_mode, predict_mode, scale
from mixcheck.port import port_of

# The Newton decrement at the mode is below 1e-16; predictors are off by its root.
MODE = 1e-7
# Scores of these rows move by some tens for each unit of a standardised effect.
SLOPE = 30.0


@pytest.mark.parametrize("layout", ["vector", "nested", "crossed"])
def test_mode(small: SimpleNamespace, layout: str) -> None:
    """The mode gives the predictors of the dense mode, from any start, with or without a chord."""
    case = small.case(layout, "poisson-log", 8)
    problem = case.problem
    wanted = small.mode(case.design, case.family, case.psi).eta[0]
    roots = problem.roots(case.psi[problem.n_beta :])
    base, rng = problem.fixed(case.psi), np.random.default_rng(0)
    first = find_mode(problem, base, roots, problem.latent.zeros())
    assert first is not None
    chord = first.system.factorization
    for start in (
        problem.latent.zeros(),
        [rng.normal(size=f.shape) for f in problem.latent.factors],
    ):
        for stepper in (None, chord):
            mode = find_mode(problem, base, roots, start, chord=stepper)
            assert mode is not None
            found = problem.to_design(mode.point.eta[0])
            np.testing.assert_allclose(found, wanted, atol=MODE)


@pytest.mark.parametrize("layout", ["one", "vector", "nested_two_crossed", "two_predictors"])
def test_prediction(small: SimpleNamespace, layout: str) -> None:
    """The predicted mode is right to first order: its error falls with the square of the step."""
    family = "gaussian-log" if layout == "two_predictors" else "poisson-log"
    case = small.case(layout, family, 8)
    problem, rng = case.problem, np.random.default_rng(0)
    direction = rng.normal(size=case.psi.size)

    def solve(psi: np.ndarray) -> object:
        roots = problem.roots(psi[problem.n_beta :])
        return find_mode(problem, problem.fixed(psi), roots, problem.latent.zeros())

    before = solve(case.psi)
    errors = []
    for step in (1e-2, 1e-3):
        psi = case.psi + step * direction
        u, _ = predict_mode(problem, before, case.psi, psi)
        after = solve(psi)
        errors.append(max(np.abs(a - b).max() for a, b in zip(u, after.point.u, strict=True)))
        moved = max(np.abs(a - b).max() for a, b in zip(before.point.u, after.point.u, strict=True))
        assert errors[-1] < 0.2 * moved
    # Second order would give 0.01.
    assert errors[1] < 0.02 * errors[0]


@pytest.mark.parametrize("layout", ["one", "vector", "nested"])
@pytest.mark.parametrize("family", ["poisson-log", "binomial-logit", "binomial-cloglog"])
def test_bent_prediction(small: SimpleNamespace, layout: str, family: str) -> None:
    """To second order the error of the predicted mode falls with the cube of the step.

    The step that a search has left is part of it.
    """
    case = small.case(layout, family, 8)
    problem, rng = case.problem, np.random.default_rng(0)
    direction = rng.normal(size=case.psi.size)

    def solve(psi: np.ndarray, near: float = 0.0) -> mode.Mode:
        roots = problem.roots(psi[problem.n_beta :])
        zeros = problem.latent.zeros()
        found = find_mode(problem, problem.fixed(psi), roots, zeros, near=near)
        assert found is not None
        return found

    assert bends(problem)
    before, rough, errors = solve(case.psi), solve(case.psi, 1e-3), []
    for step in (2e-2, 2e-3):
        psi = case.psi + step * direction
        after = solve(psi)
        for known in (before, rough):
            u = bend_mode(problem, known, case.psi, psi)
            assert u is not None
            pairs = zip(u, after.point.u, strict=True)
            errors.append(max(np.abs(a - b).max() for a, b in pairs))
    exact, _, smaller, left = errors
    # A cube gives 0.001, a square 0.01.
    assert smaller < 0.004 * exact
    assert left < 0.1 * np.sqrt(max(rough.left, 1e-16)) + smaller
    assert bend_mode(problem, before, case.psi, case.psi + 50.0 * direction) is None


def test_nowhere(small: SimpleNamespace) -> None:
    """Predictors outside the domain of the link have no mode."""
    problem = small.case("one", "poisson-identity", 8).problem
    base = [np.full(problem.n, -5.0)]
    assert find_mode(problem, base, [np.eye(1)], problem.latent.zeros()) is None


@pytest.mark.parametrize(("name", "systems"), [("gaussian-identity", 1), ("poisson-log", 2)])
@pytest.mark.parametrize("layout", ["vector", "nested", "crossed"])
def test_a_normal_response_has_one_system(
    small: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, layout: str, name: str, systems: int
) -> None:
    """Its mode is that of dense algebra from any start, and its system is factored once."""
    case, built = small.case(layout, name, 8), []
    problem, rng = case.problem, np.random.default_rng(0)
    build = mode.build_system
    monkeypatch.setattr(
        mode, "build_system", lambda *a, **named: built.append(0) or build(*a, **named)
    )
    start = [rng.normal(size=f.shape) for f in problem.latent.factors]
    roots = problem.roots(case.psi[problem.n_beta :])
    found = find_mode(problem, problem.fixed(case.psi), roots, start)
    assert found is not None
    wanted = small.mode(case.design, case.family, case.psi).eta[0]
    np.testing.assert_allclose(problem.to_design(found.point.eta[0]), wanted, atol=MODE)
    assert min(len(built), 2) == systems


def test_scale() -> None:
    """Lambda u of every level."""
    u, root = np.arange(6.0).reshape(2, 3), np.array([[2.0, 0.0], [1.0, 3.0]])
    np.testing.assert_array_equal(scale(root, u), root @ u)
    np.testing.assert_array_equal(scale(np.array([[2.0]]), u[:1]), 2.0 * u[:1])


@pytest.mark.slow
def test_a_search_below_the_rounding_of_the_energy_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """With counts of 1e12 no mode takes many looks; they were 150 and more, for nothing."""
    rng = np.random.default_rng(5)
    data = {
        "y": np.resize([1e12, 2e12, 1e12 + 1], 48),
        "x": rng.normal(size=48),
        "g": np.repeat(np.arange(8), 6),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mc.MixcheckWarning)
        problem = port_of(mc.glmm("y ~ x + (1 | g)", data, family="nbinom1")).problem
    looks: list[int] = []

    def counted(*arguments: Any) -> mode.Point:
        looks[-1] += 1
        return look(*arguments)

    look = mode.evaluate_density
    monkeypatch.setattr(mode, "evaluate_density", counted)
    for phi in (12.0, 18.0, 24.0):
        for deviation in (0.01, 0.1, 3.0):
            psi = np.array([np.log(4e12 / 3.0), 0.0, phi, deviation])
            looks.append(0)
            roots = problem.roots(psi[problem.n_beta :])
            found = find_mode(problem, problem.fixed(psi), roots, problem.latent.zeros())
            assert found is not None
    assert max(looks) < 15


def test_modes_of_steep_likelihoods() -> None:
    """Where residuals have a deviation of 1e-3, a start whose decrement is 2e-17 is not the end.

    It is off by 1e-9, and the scores of the effects by 2e-6; that of one more step by 2e-9.
    """
    rng = np.random.default_rng(0)
    data = pd.DataFrame({"g": np.repeat(np.arange(15), 5), "t": np.tile(np.arange(5), 15)})
    data["y"] = rng.normal(size=75)
    formula = parse_formula("y ~ 1 + (1 | g) + ar1(0 + t | g)", dispersion="~ 1")
    problem = arrange(build_design(formula, data, ratio_is_trials=False), mc.families.Gaussian())
    psi = np.array([0.1, -7.0, 0.7, 0.3, 0.5])
    base, roots = problem.fixed(psi), problem.roots(psi[2:])
    exact = find_mode(problem, base, roots, problem.latent.zeros())
    assert exact is not None
    white = [rng.normal(size=f.shape) for f in problem.latent.factors]
    length = np.sqrt(sum(float((part**2).sum()) for part in white))
    off = exact.system.factorization.apply_inverse_root(white)
    start = [u + 5e-9 * part / length for u, part in zip(exact.point.u, off, strict=True)]
    found = find_mode(problem, base, roots, start)
    assert found is not None
    for one, other in zip(found.point.scores, exact.point.scores, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-8)


def test_last_step_of_chains(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the weights bound what is left, the mode is that of one more look, bit by bit."""
    rng = np.random.default_rng(2)
    data = pd.DataFrame({"g": np.repeat(np.arange(15), 8), "t": np.tile(np.arange(8), 15)})
    data["y"] = rng.poisson(np.exp(rng.normal(1.0, 0.7, 120)))
    formula = parse_formula("y ~ 1 + ar1(0 + t | g)")
    problem = arrange(build_design(formula, data, ratio_is_trials=False), mc.families.Poisson())
    psi = np.array([1.0, 0.7, 0.5])
    base, roots = problem.fixed(psi), problem.roots(psi[1:])
    solutions = 0

    def ends(*_: object) -> bool:
        nonlocal solutions
        solutions += 1
        return False

    found = find_mode(problem, base, roots, problem.latent.zeros())
    monkeypatch.setattr(mode, "_ends", ends)
    looked = find_mode(problem, base, roots, problem.latent.zeros())
    assert found is not None
    assert looked is not None
    assert found.steps == looked.steps - 1 == solutions
    np.testing.assert_array_equal(found.point.u[0], looked.point.u[0])


@pytest.mark.parametrize("layout", ["one", "vector", "nested_two_crossed", "two_predictors"])
def test_a_mode_that_is_near_enough(small: SimpleNamespace, layout: str) -> None:
    """The search ends at the decrement asked for, and tells what is left of it.

    A decrement d leaves errors of the order of d in the deviance, and of its root in the gradient.
    """
    family = "gaussian-log" if layout == "two_predictors" else "poisson-log"
    case = small.case(layout, family, 8)
    problem, psi = case.problem, case.psi
    deviance = objective_of(problem, Laplace())
    exact = deviance(psi, None)
    left = []
    for near in (1e-1, 1e-3, 1e-6):
        found = deviance(psi, None, near)
        left.append(found.mode.left)
        assert 0.0 <= left[-1] < near
        assert found.mode.steps <= exact.mode.steps
        assert abs(found.deviance - exact.deviance) < left[-1] + 1e-9
        off = np.abs(found.gradient - exact.gradient).max()
        assert off < SLOPE * np.sqrt(left[-1]) + 1e-6
        again = deviance(psi, found)
        assert again.mode.left == 0.0
        assert again.deviance == pytest.approx(exact.deviance, abs=1e-10)
    assert exact.mode.left == 0.0
    assert max(left) > 0.0
