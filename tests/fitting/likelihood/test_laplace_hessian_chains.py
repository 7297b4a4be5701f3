"""The exact Hessian where random effects are chains, against differences of the exact gradient."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.design.shapes import with_shapes
from mixcheck.families import Family
from mixcheck.families.registry import FAMILIES
from mixcheck.families.zero_part import add_zeros
from mixcheck.fitting.glmm import _design
from mixcheck.fitting.likelihood import laplace_hessian_chains
from mixcheck.fitting.likelihood.approximation import hessian_of, objective_of
from mixcheck.fitting.likelihood.arrangement import arrange
from mixcheck.fitting.likelihood.laplace import Laplace
from mixcheck.fitting.likelihood.laplace_hessian_chains import (
    differentiate_chains_twice,
    has_hessian_of_chains,
)
from mixcheck.fitting.likelihood.problem import Problem

# Relative to the standard errors, as of nested factors.
EXACT = 1e-7
# Step of the differences in standard errors; their error is of its eighth power.
STEP = 0.015
WEIGHTS = {1: 4 / 5, 2: -1 / 5, 3: 4 / 105, 4: -1 / 280}
GROUPS, TIMES = 10, 8

PLAIN = [family() for family in FAMILIES.values() if not family().takes_categories]
ZEROS = [add_zeros(family) for family in PLAIN if family.zero_part is not None]


def problem_of(family: Family, **parts: str) -> tuple[Problem, np.ndarray]:
    """Responses of shuffled rows with gaps and repetitions, and parameters near theirs."""
    rng = np.random.default_rng(6)
    g, t = np.repeat(np.arange(GROUPS), TIMES), np.tile(np.arange(TIMES), GROUPS)
    some = rng.permutation(g.size)[:70]
    some = np.concatenate([some, some[:8]])
    frame = pd.DataFrame({"g": g[some], "t": t[some]})
    n = len(frame)
    frame["x"], frame["size"] = rng.normal(size=n), rng.integers(2, 9, n)
    frame["y"] = family.harmless
    left = "y / size" if family.takes_trials else "y"
    formula = parts.pop("formula", "x + ar1(0 + t | g)")
    zi, dispersion = parts.get("zi"), parts.get("dispersion")
    design = _design(f"{left} ~ {formula}", frame, family, zi, dispersion, None, None, None, None)
    problem = arrange(with_shapes(design, family.shapes, family.predictors), family)
    beta = rng.normal(0.2, 0.05, problem.n_beta)
    beta[:1] = family.link.link(np.array([0.4]))
    psi = np.concatenate([beta, [0.3, 0.8]])
    drawn = problem.fixed(psi)
    drawn[0] = drawn[0] + 0.1 * rng.normal(size=n)
    return problem.with_rows(family.sample(tuple(drawn), problem.data.size, rng)), psi


def require_exact(problem: Problem, psi: np.ndarray) -> None:
    """The Hessian is that of differences along all parameters."""
    objective = objective_of(problem, Laplace())
    at = objective(psi, None)
    exact = differentiate_chains_twice(problem, at)
    # Few rows tell little of r, whose scale is one.
    errors = np.minimum(1.0 / np.sqrt(np.abs(np.diag(exact))), 0.5)
    wrong = exact * errors
    for j, move in enumerate(STEP * np.diag(errors)):
        for k, weight in WEIGHTS.items():
            ends = [objective(psi + side * k * move, at).gradient for side in (1, -1)]
            wrong[:, j] -= weight * (ends[0] - ends[1]) / STEP
    assert np.abs(wrong * errors[:, None]).max() < EXACT
    np.testing.assert_array_equal(exact, exact.T)


@pytest.mark.parametrize("family", [*PLAIN, *ZEROS], ids=repr)
def test_families(family: Family) -> None:
    """Every family, with its dispersion and its zero part."""
    require_exact(*problem_of(family))


@pytest.mark.parametrize("family", [mc.families.Gaussian(), mc.families.NegativeBinomial2()])
def test_other_predictors(family: Family) -> None:
    """A model of the dispersion beside chains in the mean, and chains in the dispersion alone."""
    require_exact(*problem_of(family, dispersion="~ x"))
    require_exact(*problem_of(family, formula="x", dispersion="~ x + ar1(0 + t | g)"))


def test_two_times() -> None:
    """The shortest chains, and no fixed effects at all."""
    problem, psi = problem_of(mc.families.Poisson(), formula="0 + ar1(0 + I(t %/% 4) | g)")
    require_exact(problem, psi)


def test_zero_variance() -> None:
    """Where the deviation is zero, nothing mixes it with the others."""
    problem, psi = problem_of(mc.families.Poisson())
    psi[-2] = 0.0
    at = objective_of(problem, Laplace())(psi, None)
    exact = differentiate_chains_twice(problem, at)
    np.testing.assert_allclose(exact[-2, :-2], 0.0, atol=1e-12)


def test_where_it_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other terms, the expected information, and more rows than fit are left to differences."""
    problem, _ = problem_of(mc.families.Poisson())
    assert hessian_of(problem, Laplace()) is not None
    assert hessian_of(problem, Laplace("expected")) is None
    several, _ = problem_of(mc.families.Poisson(), formula="x + ar1(0 + t | g) + (1 | t)")
    assert hessian_of(several, Laplace()) is None
    monkeypatch.setattr(laplace_hessian_chains, "_MOST_NUMBERS", 10)
    assert not has_hessian_of_chains(problem)
