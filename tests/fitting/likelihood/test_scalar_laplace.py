"""Laplace's deviance of one scalar effect, beside the general modules and beside mpmath."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.design import build_design, parse_formula
from mixcheck.families import Binomial, Poisson
from mixcheck.fitting.likelihood import scalar_evaluation
from mixcheck.fitting.likelihood.approximation import objective_of
from mixcheck.fitting.likelihood.arrangement import arrange
from mixcheck.fitting.likelihood.laplace import Laplace
from mixcheck.fitting.likelihood.laplace_hessian import differentiate_twice as twice_in_general
from mixcheck.fitting.likelihood.objective import Evaluation
from mixcheck.fitting.likelihood.problem import Problem
from mixcheck.fitting.likelihood.scalar_evaluation import evaluate_scalar, scalar_hessian
from mixcheck.fitting.likelihood.scalar_laplace import (
    ScalarRows,
    differentiate_twice,
    find_modes,
    look_at,
    scalar_rows,
)
from mixcheck.port import port_of

# Sums of some hundred terms of both signs, relative to the largest number of each kind.
SAME = 1e-12
# Beside fifty digits: sums of ten rows at modes that are known to rounding.
EXACT = 1e-12
DIGITS = 50


def draw(seed: int) -> Problem:
    """A random problem of the class: counts and trials, weights, offsets, slopes, few levels."""
    rng = np.random.default_rng([5, seed])
    n, levels = int(rng.integers(12, 300)), int(rng.integers(2, 40))
    g = rng.choice(levels, n, p=rng.dirichlet(np.full(levels, 0.7)))
    g[:2] = 0, 1
    frame = pd.DataFrame({"g": g, "x": rng.normal(size=n), "w": rng.uniform(size=n)})
    frame["o"], frame["m"] = rng.normal(size=n), rng.integers(1, 12, n)
    slope, counts = rng.random() < 0.5, rng.random() < 0.5
    effect = float(rng.choice([0.05, 0.5, 3.0])) * rng.normal(size=levels)[g]
    eta = 0.3 * frame.x + frame.o + effect * (frame.x if slope else 1.0)
    if counts:
        frame["y"] = rng.poisson(np.exp(np.clip(eta, -9, 9)))
    else:
        frame["y"] = rng.binomial(frame.m, 1.0 / (1.0 + np.exp(-eta)))
    fixed = str(rng.choice(["1", "x", "x + w", "0 + w"]))
    formula = f"y{'' if counts else ' / m'} ~ {fixed} + ({'0 + x' if slope else '1'} | g)"
    weights = rng.integers(1, 4, n) if rng.random() < 0.5 else None
    return problem_of(formula, frame, counts=counts, offset="o", weights=weights)


def problem_of(formula: str, frame: pd.DataFrame, *, counts: bool, **options: Any) -> Problem:
    """The problem of a model, arranged for the fitter."""
    design = build_design(parse_formula(formula), frame, ratio_is_trials=not counts, **options)
    return arrange(design, Poisson() if counts else Binomial())


def general(problem: Problem, at: Evaluation, patch: pytest.MonkeyPatch) -> Evaluation:
    """The evaluation by the general modules at the same parameters, from the same modes."""
    assert at.mode is not None
    with patch.context() as without:
        without.setattr(Laplace, "scalar", lambda self, problem: None)
        return objective_of(problem, Laplace(), effects=at.mode.point.u, close=True)(at.psi, None)


@pytest.mark.parametrize("seed", range(40))
def test_numbers_are_those_of_the_general_modules(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Deviance, gradient, Hessian, modes and factors, at random parameters of either sign."""
    problem, rng = draw(seed), np.random.default_rng(seed)
    rows = rows_of(problem)
    psi = 0.5 * rng.normal(size=problem.n_beta + 1)
    u = polished(rows, psi)
    at = evaluate_from(rows, psi, u)
    known = general(problem, at, monkeypatch)
    here = differentiate_twice(rows, look_at(rows, psi, u))
    assert at.deviance == here.deviance == pytest.approx(known.deviance, rel=SAME)
    size = np.abs(known.gradient).max()
    np.testing.assert_array_equal(at.gradient, here.gradient)
    np.testing.assert_allclose(here.gradient, known.gradient, atol=SAME * size, rtol=0.0)
    hessian = twice_in_general(problem, known)
    units = np.sqrt(np.abs(np.diag(hessian)))
    for found in (here.hessian, scalar_hessian(rows, at)):
        np.testing.assert_allclose(
            found / units / units[:, None], hessian / units / units[:, None], atol=SAME, rtol=0.0
        )
    assert at.spread == pytest.approx(known.spread, rel=SAME)
    assert at.mode is not None
    assert known.mode is not None
    np.testing.assert_allclose(at.mode.point.u[0], known.mode.point.u[0], atol=SAME)
    np.testing.assert_allclose(at.mode.point.scores[0], known.mode.point.scores[0], rtol=SAME)
    assert at.mode.point.energy == pytest.approx(known.mode.point.energy, rel=SAME)
    entries = [m.system.factorization.inverse_entries() for m in (at.mode, known.mode)]
    np.testing.assert_allclose(entries[0][0, 0], entries[1][0, 0], rtol=SAME)
    np.testing.assert_array_equal(at.mode.roots[0], known.mode.roots[0])


def rows_of(problem: Problem) -> ScalarRows:
    """The rows of a problem of the class."""
    rows = scalar_rows(problem)
    assert rows is not None
    return rows


def polished(rows: ScalarRows, psi: np.ndarray) -> np.ndarray:
    """Modes to rounding: two steps after a decrement of 1e-16."""
    modes = find_modes(rows, psi, np.zeros(rows.sums.size), 1e-16)
    assert modes is not None
    for _ in range(2):
        modes = look_at(rows, psi, modes.u + modes.left / modes.precision)
    return modes.u


def evaluate_from(rows: ScalarRows, psi: np.ndarray, u: np.ndarray) -> Evaluation:
    """The evaluation from modes that are known."""
    found = evaluate_scalar(rows, psi, u, 0.0, sloped=True)
    assert found is not None
    return found


def exact_deviance(
    density: Callable[[mpmath.mpf, int], mpmath.mpf],
    slopes: Callable[[mpmath.mpf, int], tuple[mpmath.mpf, mpmath.mpf]],
    X: np.ndarray,
    z: np.ndarray,
    g: np.ndarray,
) -> Callable[..., mpmath.mpf]:
    """``2 h + sum log H`` of fifty digits, as a function of all parameters."""

    def deviance(*psi: mpmath.mpf) -> mpmath.mpf:
        *beta, sigma = psi
        base = [mpmath.fsum(b * mpmath.mpf(v) for b, v in zip(beta, row, strict=True)) for row in X]
        total = mpmath.mpf(0)
        for level in range(int(g.max()) + 1):
            rows = [int(i) for i in np.flatnonzero(g == level)]
            u = mpmath.mpf(0)
            for _ in range(60):
                r, H = -u, mpmath.mpf(1)
                for i in rows:
                    m = sigma * mpmath.mpf(z[i])
                    first, second = slopes(base[i] + m * u, i)
                    r, H = r + m * first, H - m * m * second
                u += r / H
                if abs(r) < mpmath.mpf(10) ** (3 - DIGITS):
                    break
            eta = [base[i] + sigma * mpmath.mpf(z[i]) * u for i in rows]
            total += u * u - 2 * mpmath.fsum(map(density, eta, rows)) + mpmath.log(H)
        return total

    return deviance


@pytest.mark.parametrize("slope", [False, True])
@pytest.mark.parametrize("family", ["poisson", "binomial"])
def test_derivatives_of_fifty_digits(family: str, slope: bool) -> None:
    """Deviance, gradient and Hessian are those that mpmath finds."""
    rng = np.random.default_rng(8)
    g = np.array([0, 0, 0, 1, 1, 2, 2, 2, 3, 3])
    frame = pd.DataFrame({"g": g, "x": rng.normal(size=10), "m": rng.integers(2, 7, 10)})
    frame["y"] = [1, 0, 2, 4, 1, 0, 0, 1, 1, 2] if family == "poisson" else frame.m // 2
    counting = family == "poisson"
    formula = f"y{'' if counting else ' / m'} ~ x + ({'0 + x' if slope else '1'} | g)"
    problem = problem_of(formula, frame, counts=counting)
    assert problem.order.tolist() == list(range(10))
    rows, psi = rows_of(problem), np.array([0.25, -0.5, 0.75])
    modes = look_at(rows, psi, polished(rows, psi))
    found = differentiate_twice(rows, modes)
    counts = [(int(y), int(m)) for y, m in zip(frame.y, frame.m, strict=True)]

    def density(eta: mpmath.mpf, i: int) -> mpmath.mpf:
        y, m = counts[i]
        if family == "poisson":
            return y * eta - mpmath.exp(eta) - mpmath.log(mpmath.factorial(y))
        return y * eta - m * mpmath.log1p(mpmath.exp(eta)) + mpmath.log(mpmath.binomial(m, y))

    def slopes(eta: mpmath.mpf, i: int) -> tuple[mpmath.mpf, mpmath.mpf]:
        y, m = counts[i]
        if family == "poisson":
            return y - mpmath.exp(eta), -mpmath.exp(eta)
        p = 1 / (1 + mpmath.exp(-eta))
        return y - m * p, -m * p * (1 - p)

    z = frame.x.to_numpy() if slope else np.ones(10)
    with mpmath.workdps(DIGITS):
        X = np.column_stack([np.ones(10), frame.x])
        deviance = exact_deviance(density, slopes, X, z, g)
        assert found.deviance == pytest.approx(float(deviance(*psi)), rel=EXACT)
        for j in range(3):
            first = tuple(int(k == j) for k in range(3))
            assert found.gradient[j] == pytest.approx(
                float(mpmath.diff(deviance, tuple(psi), first)), rel=EXACT, abs=EXACT
            )
            for k in range(j + 1):
                order = tuple(int(a == j) + int(a == k) for a in range(3))
                second = float(mpmath.diff(deviance, tuple(psi), order))
                assert found.hessian[j, k] == pytest.approx(second, rel=EXACT, abs=EXACT)


def test_the_deviance_falls_to_second_order_before_the_modes() -> None:
    """Where a search for the modes ends early, what is left of it is taken off to first order."""
    rows = rows_of(draw(3))
    psi = np.append(np.full(len(rows.columns), 0.2), 0.7)
    u = polished(rows, psi)
    here = differentiate_twice(rows, look_at(rows, psi, u))
    away = np.random.default_rng(1).normal(size=u.size)
    wrong = []
    for size in (1e-2, 1e-3):
        found = differentiate_twice(rows, look_at(rows, psi, u + size * away))
        wrong.append((abs(found.deviance - here.deviance), found.gradient - here.gradient))
    assert wrong[1][0] < 0.02 * wrong[0][0]
    # Of the gradient in the coefficients what the log density says of it is taken off likewise.
    left = look_at(rows, psi, u + 1e-3 * away).density.first[0]
    plain = rows.columns.dot(-2.0 * (left - look_at(rows, psi, u).density.first[0]))
    assert np.abs(wrong[1][1][:-1]).max() < 0.2 * np.abs(plain).max()


def test_modes_from_far(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps that lead up are halved; where there is no end the general search decides."""
    rng = np.random.default_rng(2)
    frame = pd.DataFrame({"g": np.repeat(np.arange(6), 5), "y": rng.poisson(40.0, 30)})
    rows = rows_of(problem_of("y ~ 1 + (1 | g)", frame, counts=True))
    psi = np.array([-6.0, 4.0])
    near = polished(rows, np.array([3.5, 0.5]))
    for start in (np.zeros(6), np.full(6, -8.0), near):
        modes = find_modes(rows, psi, start, 1e-16)
        assert modes is not None
        np.testing.assert_allclose(modes.u, polished(rows, psi), atol=1e-8)
    assert find_modes(rows, np.array([np.nan, 1.0]), np.zeros(6), 1e-16) is None
    assert find_modes(rows, np.array([800.0, 1.0]), np.zeros(6), 1e-16) is None
    assert find_modes(rows, psi, near, 0.0) is None  # rounding is no decrement of zero
    whole = Laplace().evaluate(rows.problem, psi, [np.zeros((1, 6))])
    monkeypatch.setattr(scalar_evaluation, "find_modes", lambda *given: None)
    other = Laplace().evaluate(rows.problem, psi, [np.zeros((1, 6))])
    assert other.deviance == pytest.approx(whole.deviance, rel=SAME)


def test_without_slopes() -> None:
    """A deviance alone is that with the gradient."""
    rows = rows_of(draw(4))
    psi = np.append(np.full(len(rows.columns), 0.1), 0.4)
    u = polished(rows, psi)
    alone = evaluate_scalar(rows, psi, u, 0.0, sloped=False)
    assert alone is not None
    assert np.isnan(alone.gradient).all()
    assert alone.deviance == pytest.approx(evaluate_from(rows, psi, u).deviance, rel=SAME)


OTHERS = {
    "link": {"family": mc.families.Binomial("probit")},
    "family": {"family": "nbinom2"},
    "zeros": {"family": "poisson", "zi": "~ 1"},
    "priors": {"family": "poisson", "priors": {"x": mc.priors.normal(0.0, 5.0)}},
    "large": {"family": "poisson", "weights": "large"},
    "slope": {"family": "poisson", "formula": "y ~ x + (x | g)"},
    "crossed": {"family": "poisson", "formula": "y ~ x + (1 | g) + (1 | h)"},
    "tied": {"family": "poisson", "formula": "y ~ x + ar1(0 + t | g)"},
    "none": {"family": "poisson", "formula": "y ~ x"},
}


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.filterwarnings("ignore::mixcheck.MixcheckWarning")
def test_what_is_not_of_the_class(name: str) -> None:
    """Other links, families, effects and priors are left to the general modules."""
    rng = np.random.default_rng(6)
    frame = pd.DataFrame({"g": np.repeat(np.arange(8), 6), "h": np.tile(np.arange(6), 8)})
    frame["x"], frame["t"], frame["large"] = rng.normal(size=48), frame.h, 2e6
    frame["y"] = rng.binomial(1, 0.5, 48)
    options: dict[str, Any] = {"formula": "y ~ x + (1 | g)", **OTHERS[name]}
    fit = mc.glmm(options.pop("formula"), frame, **options)
    assert scalar_rows(port_of(fit).problem) is None


def test_the_expected_information_is_left_to_the_general_modules() -> None:
    """It is the same for canonical links, and asked for by its name."""
    problem = draw(1)
    assert Laplace().scalar(problem) is not None
    assert Laplace("expected").scalar(problem) is None
