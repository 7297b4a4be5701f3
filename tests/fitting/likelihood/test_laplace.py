"""Laplace deviance and gradient, against dense linear algebra and differences."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mixcheck.fitting.likelihood.laplace import Laplace

# Of the last step to the modes, 1e-8, log det H is taken along to first order.
DEVIANCE = 1e-11
# Five-point differences of a function that is exact to 1e-12: 1e-12 / 1e-4 and below.
GRADIENT = 2e-6
STEP = 1e-3
# Exact Gaussian likelihood: no approximation, only rounding.
EXACT = 1e-9


def deviance(case: Any, psi: np.ndarray, hessian: Any, start: Any = None) -> float:
    """Deviance, from a cold start by default."""
    start = case.problem.latent.zeros() if start is None else start
    return Laplace(hessian).evaluate(case.problem, psi, start).deviance


def differences(case: Any, hessian: Any, start: Any, ways: np.ndarray) -> np.ndarray:
    """Five-point central differences of the deviance along the rows of `ways`."""

    def along(e: np.ndarray) -> float:
        one, two = (
            deviance(case, case.psi + k * e, hessian, start)
            - deviance(case, case.psi - k * e, hessian, start)
            for k in (1, 2)
        )
        return (8.0 * one - two) / (12.0 * STEP)

    return np.array([along(STEP * way) for way in ways])


def require_right(small: SimpleNamespace, case: Any, hessian: Any) -> None:
    """The deviance is the dense one, its gradient that of differences."""
    found = Laplace(hessian).evaluate(case.problem, case.psi, case.problem.latent.zeros())
    wanted = small.mode(case.design, case.family, case.psi, hessian).deviance
    assert found.deviance == pytest.approx(wanted, abs=DEVIANCE)
    assert found.mode is not None
    # A gradient that is wrong anywhere is orthogonal to a random direction with probability zero.
    ways = np.random.default_rng(1).normal(size=(3, case.psi.size))
    ways /= np.abs(ways).max(axis=1, keepdims=True)
    slopes = differences(case, hessian, found.mode.point.u, ways)
    error = np.abs(ways @ found.gradient - slopes).max()
    assert error < GRADIENT * max(1.0, np.abs(found.gradient).max())


NAMES = [
    "one",
    "vector",
    "three_effects",
    "diagonal",
    "two_terms",
    "per_row",
    "nested",
    "nested_vector",
    "three_nested",
    "three_nested_vector",
    "crossed",
    "crossed_vector",
    "three_crossed",
    "nested_crossed",
    "nested_two_crossed",
]
SEVERAL = ("two_predictors", "two_predictors_nested", "two_predictors_crossed")
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


@pytest.mark.parametrize("hessian", ["observed", "expected"])
@pytest.mark.parametrize("layout", NAMES)
def test_layouts(small: SimpleNamespace, layout: str, hessian: str) -> None:
    """Every layout of random effects, with a link that is not canonical."""
    require_right(small, small.case(layout, "binomial-cloglog", 3, shifted=True), hessian)


@pytest.mark.parametrize("hessian", ["observed", "expected"])
@pytest.mark.parametrize("layout", SEVERAL)
def test_several_predictors(small: SimpleNamespace, layout: str, hessian: str) -> None:
    """Random effects in the mean and the dispersion."""
    require_right(small, small.case(layout, "gaussian-log", 3, weighted=True), hessian)


@pytest.mark.parametrize("hessian", ["observed", "expected"])
@pytest.mark.parametrize("family", FAMILIES)
def test_families(small: SimpleNamespace, family: str, hessian: str) -> None:
    """Every family and link, with weights and an offset."""
    case = small.case("vector", family, 4, weighted=True, shifted=True)
    require_right(small, case, hessian)


@settings(deadline=None, derandomize=True, max_examples=12)
@given(
    layout=st.sampled_from(NAMES + list(SEVERAL)),
    family=st.sampled_from(FAMILIES),
    seed=st.integers(0, 50),
    weighted=st.booleans(),
    shifted=st.booleans(),
    hessian=st.sampled_from(["observed", "expected"]),
)
def test_any(
    small: SimpleNamespace,
    layout: str,
    family: str,
    seed: int,
    weighted: bool,
    shifted: bool,
    hessian: str,
) -> None:
    """Any data, layout and family."""
    if layout in SEVERAL and not family.startswith("gaussian"):
        layout = "crossed_vector"
    case = small.case(layout, family, seed, n=24, weighted=weighted, shifted=shifted)
    require_right(small, case, hessian)


@pytest.mark.parametrize("layout", NAMES)
def test_gaussian_is_exact(small: SimpleNamespace, layout: str) -> None:
    """With the identity link the deviance is that of a multivariate normal."""
    case = small.case(layout, "gaussian-identity", 6, shifted=True)
    mean, dispersion = case.design.predictors
    p = mean.X.shape[1]
    M = small.maps(case.design, case.psi[case.problem.n_beta :])[0]
    sd = np.exp(dispersion.X @ case.psi[p : case.problem.n_beta])
    V = M @ M.T + np.diag(sd**2)
    r = case.design.response - mean.offset - mean.X @ case.psi[:p]
    wanted = r.size * np.log(2 * np.pi) + np.linalg.slogdet(V)[1] + r @ np.linalg.solve(V, r)
    for hessian in ("observed", "expected"):
        assert deviance(case, case.psi, hessian) == pytest.approx(wanted, abs=EXACT)


def test_signs_of_columns(small: SimpleNamespace) -> None:
    """The deviance is even in the sign of a column of Lambda."""
    case = small.case("vector", "poisson-log", 8)
    psi = case.psi.copy()
    psi[-3:-1] *= -1.0
    one, two = deviance(case, case.psi, "observed"), deviance(case, psi, "observed")
    assert one == pytest.approx(two, abs=DEVIANCE)


def test_zero_variance(small: SimpleNamespace) -> None:
    """With every variance zero the deviance is that of independent rows, the gradient even."""
    case = small.case("crossed", "poisson-log", 8)
    psi = case.psi.copy()
    psi[-2:] = 0.0
    found = Laplace().evaluate(case.problem, psi, case.problem.latent.zeros())
    data = case.family.prepare(case.design.response)
    eta = case.design.predictors[0].X @ psi[:2]
    assert found.deviance == pytest.approx(-2 * case.family.log_density(data, (eta,)).sum())
    np.testing.assert_allclose(found.gradient[-2:], 0.0, atol=DEVIANCE)


def test_nowhere(small: SimpleNamespace) -> None:
    """Predictors outside the domain of the link give an infinite deviance, no exception."""
    case = small.case("one", "poisson-identity", 8)
    psi = case.psi.copy()
    psi[0] = -50.0
    found = Laplace().evaluate(case.problem, psi, case.problem.latent.zeros())
    assert found.deviance == np.inf
    assert found.mode is None
    assert np.isnan(found.gradient).all()
