"""The exact Hessian of the Laplace deviance, against differences of its exact gradient."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.design.shapes import with_shapes
from mixcheck.families import Family, get_family
from mixcheck.families.registry import FAMILIES
from mixcheck.families.zero_part import add_zeros
from mixcheck.fitting.estimation.start import find_start, fit_without_random_effects
from mixcheck.fitting.glmm import _design
from mixcheck.fitting.likelihood import laplace_hessian, row_weights
from mixcheck.fitting.likelihood.approximation import hessian_of
from mixcheck.fitting.likelihood.arrangement import arrange
from mixcheck.fitting.likelihood.laplace import Laplace
from mixcheck.fitting.likelihood.laplace_hessian import differentiate_twice, has_hessian
from mixcheck.fitting.likelihood.problem import Problem
from mixcheck.port import port_of

# Relative to the standard errors. Modes end at a decrement of 1e-16, so gradients are known to
# about 1e-9 of a standard error, and the differences divide that by their step.
EXACT = 1e-7
# Step of the differences in standard errors; their error is of its eighth power.
STEP = 0.015
WEIGHTS = {1: 4 / 5, 2: -1 / 5, 3: 4 / 105, 4: -1 / 280}


def differences(problem: Problem, psi: np.ndarray, moves: np.ndarray) -> np.ndarray:
    """Slopes of the gradient along the columns of `moves`, by differences of the eighth order."""
    u = Laplace().evaluate(problem, psi, problem.latent.zeros()).mode.point.u
    out = np.zeros((psi.size, moves.shape[1]))
    for j, move in enumerate(STEP * moves.T):
        for k, weight in WEIGHTS.items():
            ahead, behind = (
                Laplace().evaluate(problem, psi + side * k * move, u).gradient for side in (1, -1)
            )
            out[:, j] += weight * (ahead - behind) / STEP
    return out


def require_exact(problem: Problem, psi: np.ndarray, count: int | None = None) -> np.ndarray:
    """The Hessian is that of differences along all parameters, or along so many random ways.

    A matrix of errors that is not zero takes a random direction to zero with probability zero.
    """
    at = Laplace().evaluate(problem, psi, problem.latent.zeros())
    exact = differentiate_twice(problem, at)
    errors = 1.0 / np.sqrt(np.abs(np.diag(exact)))
    ways = np.eye(psi.size)
    if count is not None:
        ways = np.random.default_rng(1).normal(size=(psi.size, count))
        ways /= np.abs(ways).sum(axis=0)
    moves = errors[:, None] * ways
    wrong = (exact @ moves - differences(problem, psi, moves)) * errors[:, None]
    assert np.abs(wrong).max() < EXACT
    np.testing.assert_array_equal(exact, exact.T)
    return exact


NESTED = [
    "one",
    "vector",
    "three_effects",
    "diagonal",
    "two_terms",
    "per_row",
    "nested",
    "nested_vector",
    "three_nested",
]


@pytest.mark.parametrize("layout", NESTED)
def test_layouts(small: SimpleNamespace, layout: str) -> None:
    """Every layout of nested factors, with a link that is not canonical."""
    case = small.case(layout, "binomial-cloglog", 3, shifted=True, weighted=True)
    require_exact(case.problem, case.psi)


@pytest.mark.parametrize("layout", ["two_predictors", "two_predictors_nested"])
def test_several_predictors(small: SimpleNamespace, layout: str) -> None:
    """Random effects in the mean and the dispersion."""
    case = small.case(layout, "gaussian-log", 3, weighted=True)
    require_exact(case.problem, case.psi)


def test_where_it_has_no_formula(small: SimpleNamespace) -> None:
    """Crossed factors and the expected information are left to differences."""
    crossed = small.case("crossed", "poisson-log", 3)
    assert hessian_of(crossed.problem, Laplace()) is None
    nested = small.case("nested", "poisson-log", 3)
    assert hessian_of(nested.problem, Laplace("expected")) is None
    assert hessian_of(nested.problem, Laplace()) is not None


# ---- families --------------------------------------------------------------------------------

PLAIN = [family() for family in FAMILIES.values()]
LINKED = [
    family(link)
    for family in FAMILIES.values()
    for link in family.allowed_links[1:]
    if link != "identity"
]
ZEROS = [add_zeros(family) for family in PLAIN if family.zero_part is not None]
N, LEVELS = 240, 24


def problem_of(family: Family, formula: str, **parts: str) -> tuple[Problem, np.ndarray]:
    """A problem with responses drawn at moderate parameters, and parameters near those."""
    rng = np.random.default_rng(4)
    g = np.arange(N) % LEVELS
    frame = pd.DataFrame({"x": rng.normal(size=N), "g": g, "size": rng.integers(2, 9, N)})
    frame["y"] = 1 + np.arange(N) % 4 if family.takes_categories else family.harmless
    if family.takes_trials:
        formula = formula.replace("y ~", "y / size ~")
    zi, dispersion = parts.get("zi"), parts.get("dispersion")
    design = _design(formula, frame, family, zi, dispersion, None, None, None, None)
    family = family.adapt(design.response, design.labels)
    problem = arrange(with_shapes(design, family.shapes, family.predictors), family)
    if family.takes_categories:
        return problem, find_start(problem, fit_without_random_effects(problem)) + 0.1
    beta = rng.normal(0.2, 0.05, problem.n_beta)
    beta[0] = family.link.link(np.array([0.4]))[0]
    psi = np.concatenate([beta, 0.2 + 0.05 * rng.random(problem.n_theta)])
    drawn = problem.fixed(psi)
    drawn[0] = drawn[0] + 0.1 * rng.normal(size=LEVELS)[g[problem.order]]
    return problem.with_rows(family.sample(tuple(drawn), problem.data.size, rng)), psi


@pytest.mark.parametrize(
    "family",
    [*PLAIN, *(pytest.param(family, marks=pytest.mark.slow) for family in LINKED), *ZEROS],
    ids=repr,
)
def test_families(family: Family) -> None:
    """Every family with its links and zero parts, and two random effects."""
    require_exact(*problem_of(family, "y ~ 1 + (1 + x | g)"), count=2)


@pytest.mark.parametrize(
    "family", [f for f in [*PLAIN, *ZEROS] if "dispersion" in f.predictors], ids=repr
)
def test_random_effects_of_the_dispersion(family: Family) -> None:
    """Random effects in the dispersion too, in every family that has one."""
    require_exact(*problem_of(family, "y ~ x + (1 | g)", dispersion="~ x + (1 | g)"), count=2)


@pytest.mark.parametrize("family", ZEROS, ids=repr)
def test_random_effects_of_the_zero_part_alone(family: Family) -> None:
    """Random effects in the zero part and not in the mean."""
    require_exact(*problem_of(family, "y ~ 1", zi="~ x + (1 | g)"), count=2)


@pytest.mark.parametrize("structure", ["cs", "homcs"])
def test_curved_structures(structure: str) -> None:
    """Roots that are not linear in their parameters."""
    formula = f"y ~ x + {structure}(1 + x | g)"
    require_exact(*problem_of(get_family("poisson"), formula))


def test_no_random_effects() -> None:
    """Without random effects it is minus twice that of the log-likelihood."""
    problem, psi = problem_of(get_family("nbinom2"), "y ~ x")
    require_exact(problem, psi)


def test_zero_variance(small: SimpleNamespace) -> None:
    """Where a variance is zero, nothing mixes its deviation with the other parameters."""
    case = small.case("one", "poisson-log", 8)
    psi = case.psi.copy()
    psi[-1] = 0.0
    exact = require_exact(case.problem, psi)
    np.testing.assert_allclose(exact[-1, :-1], 0.0, atol=1e-12)


@pytest.mark.parametrize("family", ["poisson-log", "poisson-sqrt"])
def test_parts(small: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, family: str) -> None:
    """In parts of some levels each, and row by row in the differences, it is the same."""
    case = small.case("vector", family, 3, weighted=True)
    at = Laplace().evaluate(case.problem, case.psi, case.problem.latent.zeros())
    whole = differentiate_twice(case.problem, at)
    monkeypatch.setattr(laplace_hessian, "_MOST_NUMBERS", 60)
    monkeypatch.setattr(row_weights, "_FEW_ROWS", 5)
    parts = differentiate_twice(case.problem, at)
    np.testing.assert_allclose(parts, whole, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("family", ["poisson-log", "binomial-logit"])
def test_fourth_derivatives_that_are_known(
    small: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, family: str
) -> None:
    """The Hessian with them is that with differences of the third, to ten digits."""
    case = small.case("vector", family, 3, weighted=True)
    at = Laplace().evaluate(case.problem, case.psi, case.problem.latent.zeros())
    known = differentiate_twice(case.problem, at)
    monkeypatch.setattr(type(case.problem.family), "fourth", lambda self, d: None)
    different = differentiate_twice(case.problem, at)
    assert not np.array_equal(known, different)
    np.testing.assert_allclose(known, different, rtol=1e-10, atol=1e-10)


def test_more_than_fits(small: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nested factors whose rows are too many to be held along all directions have no formula."""
    case = small.case("nested", "poisson-log", 3)
    monkeypatch.setattr(laplace_hessian, "_MOST_WHOLE", 10)
    assert not has_hessian(case.problem)


def test_a_fit_has_it(cbpp: mc.GLMM) -> None:
    """The Hessian of a fit is the one at its estimates."""
    port = port_of(cbpp)
    exact = differentiate_twice(port.problem, port.optimum.evaluation)
    # The search comes within 1e-4 standard errors of the estimates before it asks.
    errors = np.sqrt(np.diag(np.linalg.inv(exact)))
    wrong = (port.optimum.hessian - exact) * np.outer(errors, errors)
    assert np.abs(wrong).max() < 1e-4
