"""Adaptive quadrature, against brute-force integration and differences."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import expit

import mixcheck as mc
from mixcheck.design import build_design, parse_formula
from mixcheck.errors import OptionError
from mixcheck.fitting.likelihood import quadrature
from mixcheck.fitting.likelihood.arrangement import arrange
from mixcheck.fitting.likelihood.laplace import Laplace
from mixcheck.fitting.likelihood.quadrature import GaussHermite, require_quadrature

DEVIANCE = 1e-8
# Five-point differences of a function that is exact to 1e-12.
GRADIENT = 2e-6
STEP = 1e-3
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
LAYOUTS = {"one": 5, "vector": 4, "diagonal": 3, "two_terms": 4, "three_effects": 2}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("family", ["poisson-log", "binomial-cloglog", "gaussian-log"])
def test_one_node(small: SimpleNamespace, layout: str, family: str) -> None:
    """One node is the Laplace approximation, with its gradient."""
    case = small.case(layout, family, 3, weighted=True)
    zeros = case.problem.latent.zeros()
    one = GaussHermite(1).evaluate(case.problem, case.psi, zeros)
    laplace = Laplace().evaluate(case.problem, case.psi, zeros)
    assert one.deviance == pytest.approx(laplace.deviance, abs=DEVIANCE)
    np.testing.assert_allclose(one.gradient, laplace.gradient, atol=1e-6)


@pytest.mark.parametrize("rows", [1, 70, 10**6])
@pytest.mark.parametrize("family", ["poisson-log", "binomial-logit"])
def test_nodes_taken_together(
    small: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, family: str, rows: int
) -> None:
    """One node after another, a few at once, or all: the same deviance and gradient."""
    case = small.case("vector", family, 3, weighted=True, shifted=True)
    zeros = case.problem.latent.zeros()
    whole = GaussHermite(9).evaluate(case.problem, case.psi, zeros)
    monkeypatch.setattr(quadrature, "_ROWS", rows)
    found = GaussHermite(9).evaluate(case.problem, case.psi, zeros)
    assert found.deviance == pytest.approx(whole.deviance, rel=1e-13)
    np.testing.assert_allclose(found.gradient, whole.gradient, rtol=1e-10, atol=1e-10)


def require_gradient(small: SimpleNamespace, layout: str, family: str, nodes: int) -> None:
    """The gradient is that of differences."""
    case = small.case(layout, family, 3, weighted=True, shifted=True)
    found = GaussHermite(nodes).evaluate(case.problem, case.psi, case.problem.latent.zeros())
    assert found.mode is not None
    start = found.mode.point.u

    def at(psi: np.ndarray) -> float:
        return GaussHermite(nodes).evaluate(case.problem, psi, start).deviance

    for j in range(case.psi.size):
        e = np.zeros(case.psi.size)
        e[j] = STEP
        one, two = at(case.psi + e) - at(case.psi - e), at(case.psi + 2 * e) - at(case.psi - 2 * e)
        wanted = (8.0 * one - two) / (12.0 * STEP)
        limit = GRADIENT * max(1.0, np.abs(found.gradient).max())
        assert found.gradient[j] == pytest.approx(wanted, abs=limit)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(small: SimpleNamespace, layout: str) -> None:
    """The gradient with one, two and three effects of a level."""
    require_gradient(small, layout, "binomial-cloglog", LAYOUTS[layout])


@pytest.mark.parametrize("family", FAMILIES)
def test_families(small: SimpleNamespace, family: str) -> None:
    """The gradient with every family and link."""
    require_gradient(small, "vector", family, 3)


def test_two_predictors(small: SimpleNamespace) -> None:
    """The gradient with effects in the mean and the dispersion."""
    require_gradient(small, "two_predictors", "gaussian-log", 3)


@pytest.mark.parametrize("family", ["binomial-logit", "poisson-log", "binomial-probit"])
def test_scalar(small: SimpleNamespace, family: str) -> None:
    """Many nodes give the integral over a scalar effect."""
    case = small.case("one", family, 3, weighted=True)
    psi = case.psi.copy()
    psi[-1] = 1.5
    found = GaussHermite(41).evaluate(case.problem, psi, case.problem.latent.zeros()).deviance
    u = np.linspace(-9.0, 9.0, 4001)
    data = case.family.prepare(case.design.response, case.design.size)
    base = case.design.predictors[0].X @ psi[:-1]
    codes, weights = case.design.predictors[0].random[0].codes, case.design.weights
    values = np.array([weights * case.family.log_density(data, (base + 1.5 * at,)) for at in u])
    wanted = 0.0
    for level in range(codes.max() + 1):
        joint = values[:, codes == level].sum(axis=1) - 0.5 * u**2 - 0.5 * np.log(2 * np.pi)
        top = joint.max()
        wanted += -2.0 * (top + np.log(np.exp(joint - top).sum() * (u[1] - u[0])))
    assert found == pytest.approx(wanted, abs=1e-6)


def test_vector(small: SimpleNamespace) -> None:
    """Many nodes give the integral over two effects, also where Lambda is not diagonal."""
    case = small.case("vector", "poisson-log", 3)
    psi = case.psi.copy()
    psi[-3:] = [1.0, -0.6, 0.8]
    found = GaussHermite(25).evaluate(case.problem, psi, case.problem.latent.zeros()).deviance
    axis = np.linspace(-7.5, 7.5, 301)
    u = np.array(np.meshgrid(axis, axis)).reshape(2, -1)
    block = case.design.predictors[0].random[0]
    base = case.design.predictors[0].X @ psi[:2]
    b = np.array([[1.0, 0.0], [-0.6, 0.8]]) @ u
    wanted = 0.0
    for level in range(6):
        joint = -0.5 * np.sum(u**2, axis=0) - np.log(2 * np.pi)
        for i in np.flatnonzero(block.codes == level):
            data = case.family.prepare(np.full(u.shape[1], case.design.response[i]))
            joint = joint + case.family.log_density(data, (base[i] + block.Z[i] @ b,))
        top = joint.max()
        wanted += -2.0 * (top + np.log(np.exp(joint - top).sum() * (axis[1] - axis[0]) ** 2))
    assert found == pytest.approx(wanted, abs=1e-5)


def test_gaussian_needs_no_nodes(small: SimpleNamespace) -> None:
    """For a Gaussian response any number of nodes gives the exact likelihood."""
    case = small.case("vector", "gaussian-identity", 3)
    zeros = case.problem.latent.zeros()
    found = [GaussHermite(k).evaluate(case.problem, case.psi, zeros) for k in (1, 2, 5)]
    for other in found[1:]:
        assert other.deviance == pytest.approx(found[0].deviance, abs=DEVIANCE)
        np.testing.assert_allclose(other.gradient, found[0].gradient, atol=1e-6)


def test_refused(small: SimpleNamespace) -> None:
    """Crossed and nested factors, and many effects, are refused with what to write."""
    for layout, groups in (("crossed", "g, h"), ("nested", "g, g:c")):
        with pytest.raises(OptionError, match=f"exactly one grouping factor; found {groups}"):
            require_quadrature(small.case(layout, "poisson-log", 3).problem)
    require_quadrature(small.case("three_effects", "poisson-log", 3).problem)


def test_sixty_thousand_pairs() -> None:
    """Logarithms of integrals are added: 60,000 groups of 2 at theta = 2 are finite and right."""
    groups = 60_000
    rng = np.random.default_rng(2)
    g = np.repeat(np.arange(groups), 2)
    y = rng.binomial(1, expit(0.3 + 2.0 * rng.normal(size=groups)[g]))
    design = build_design(parse_formula("y ~ 1 + (1 | g)"), {"y": y, "g": g}, ratio_is_trials=True)
    problem = arrange(design, mc.families.Binomial())
    psi = np.array([0.3, 2.0])
    found = GaussHermite(51).evaluate(problem, psi, problem.latent.zeros()).deviance
    exact = 0.0
    for successes, count in enumerate(np.bincount(y.reshape(-1, 2).sum(axis=1), minlength=3)):

        def density(b: float, k: int = successes) -> float:
            p = expit(0.3 + 2.0 * b)
            return float(p**k * (1.0 - p) ** (2 - k) * np.exp(-0.5 * b * b) / np.sqrt(2 * np.pi))

        integral = quad(density, -10.0, 10.0, epsabs=1e-13, epsrel=1e-13, limit=400)[0]
        exact -= 2.0 * count * np.log(integral)
    assert found == pytest.approx(exact, abs=1e-5)
