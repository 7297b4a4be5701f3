"""Where the search starts."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize

import mixcheck as mc
from mixcheck.fitting.estimation.optimize import differentiate_gradient
from mixcheck.fitting.estimation.start import (
    find_start,
    fit_without_random_effects,
    improve_start,
    whiten,
)
from mixcheck.fitting.likelihood.approximation import objective_of
from mixcheck.fitting.likelihood.laplace import Laplace
from mixcheck.fitting.likelihood.objective import Evaluation
from mixcheck.port import port_of

# Scoring stops where the decrement, twice the loss in log-likelihood, is below 1e-3.
LOSS = 1e-3
FAMILIES = [
    "gaussian-identity",
    "gaussian-log",
    "binomial-logit",
    "binomial-probit",
    "binomial-cloglog",
    "binomial-cauchit",
    "binomial-log",
    "binomial-identity",
    "poisson-log",
    "poisson-identity",
    "poisson-sqrt",
]


@pytest.mark.parametrize("family", FAMILIES)
def test_without_random_effects(small: SimpleNamespace, family: str) -> None:
    """Scoring reaches the maximum of the likelihood without random effects."""
    case = small.case("vector", family, 4, n=60, weighted=True, shifted=True)
    problem = case.problem

    def loss(beta: np.ndarray) -> float:
        values = problem.derivatives(problem.fixed(beta), 1).value
        return float(-values.sum()) if np.isfinite(values).all() else 1e10

    beta = fit_without_random_effects(problem).beta
    options = {"maxiter": 4000, "maxfev": 4000, "xatol": 1e-8, "fatol": 1e-10}
    best = minimize(loss, beta, method="Nelder-Mead", options=options)
    assert loss(beta) <= best.fun + LOSS


@pytest.mark.parametrize("layout", ["one", "vector", "diagonal", "nested", "nested_two_crossed"])
@pytest.mark.parametrize("family", ["binomial-logit", "poisson-log", "gaussian-identity"])
def test_start(small: SimpleNamespace, layout: str, family: str) -> None:
    """The start has a finite likelihood, a positive variance in every term, no correlation."""
    problem = small.case(layout, family, 4, n=60).problem
    start = find_start(problem, fit_without_random_effects(problem))
    theta = start[problem.n_beta :]
    for root in problem.roots(theta):
        assert (np.diag(root) > 0.0).all()
        np.testing.assert_array_equal(root, np.diag(np.diag(root)))
    assert np.isfinite(objective_of(problem, Laplace())(start, None).deviance)


@pytest.mark.parametrize("layout", ["one", "vector", "nested", "crossed"])
@pytest.mark.parametrize("family", ["binomial-logit", "poisson-log", "gaussian-identity"])
def test_whitening(small: SimpleNamespace, layout: str, family: str) -> None:
    """In fixed effects the scale whitens the Hessian; in variances it is of its order."""
    case = small.case(layout, family, 4, n=120)
    problem, objective = case.problem, objective_of(case.problem, Laplace())
    evaluation = objective(case.psi, None)
    scale = whiten(problem, evaluation)
    hessian = differentiate_gradient(objective, case.psi, scale, evaluation)
    white = np.diag(scale.T @ hessian @ scale)
    assert np.all((white[: problem.n_beta] > 0.4) & (white[: problem.n_beta] < 2.5))
    assert np.all(np.abs(white) < 30.0)


def test_constant_where_least_squares_fails(small: SimpleNamespace) -> None:
    """An offset that pushes a least-squares start out of the domain is survived."""
    case = small.case("one", "poisson-identity", 4, n=60)
    beta = fit_without_random_effects(case.problem).beta
    assert np.isfinite(beta).all()
    assert (case.problem.fixed(beta)[0] > 0.0).all()


def test_quadrature_from_a_variance_of_zero() -> None:
    """Quadrature that starts where a variance is exactly zero stays at the optimum.

    For a Gaussian response Laplace's approximation is exact, so both must agree.
    """
    rng = np.random.default_rng(4)
    g, x = np.repeat(np.arange(8), 6), rng.normal(size=48)
    y = 0.5 * x + rng.normal(size=8)[g] + rng.normal(size=48)
    data = pd.DataFrame({"y": y, "x": x, "g": g})
    with pytest.warns(mc.BoundaryWarning):
        fit = mc.glmm("y ~ x + (x || g)", data)
    assert (port_of(fit).theta == 0.0).any()
    facts = fit.approximation()
    assert facts.reference_llf == pytest.approx(fit.llf, abs=1e-6)
    assert facts.shift < 0.01


@pytest.mark.parametrize(("rows", "steps"), [(3, 0), (300, 1)])
def test_em_where_it_is_fast(rows: int, steps: int) -> None:
    """The search begins with steps of EM where levels have many rows, and at once where few."""
    rng = np.random.default_rng(5)
    g = np.repeat(np.arange(30), rows)
    y = rng.poisson(np.exp(0.8 * rng.normal(size=30)[g] - 1.0)).astype(float)
    problem = port_of(mc.glmm("y ~ 1 + (1 | g)", {"y": y, "g": g}, family="poisson")).problem
    objective, seen = objective_of(problem, Laplace()), []

    def counted(psi: np.ndarray, nearby: Evaluation | None) -> Evaluation:
        seen.append(objective(psi, nearby))
        return seen[-1]

    start = find_start(problem, fit_without_random_effects(problem))
    # A variance four times too small, from which a step of EM has far to go.
    found = improve_start(problem, counted, problem.scaled(start, 0.5))
    assert found is seen[-1]
    assert (len(seen) > 1) == bool(steps)
