"""Fixed effects among the latent ones: both criteria, written densely and differentiated."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mixcheck.fitting.estimation.optimum import Optimum
from mixcheck.fitting.estimation.reml import Joint, expand, join, root_of
from mixcheck.fitting.likelihood.approximation import Approximation, objective_of
from mixcheck.fitting.likelihood.laplace import HessianKind, Laplace, Profiled

CRITERIA = {"reml": Laplace(restricted=True), "profiled": Profiled()}
LAYOUTS = (
    "one",
    "vector",
    "diagonal",
    "nested_vector",
    "three_nested",
    "crossed",
    "crossed_vector",
    "nested_two_crossed",
)
SEVERAL = ("two_predictors", "two_predictors_nested", "two_predictors_crossed")
FAMILIES = ("binomial-probit", "poisson-log", "poisson-sqrt", "gaussian-log")
# Newton's method leaves an error of its decrement in the mode, its root in log det H.
DEVIANCE = 1e-8
# Fourth-order differences with this step: rounding 1e-9 / step.
STEP, GRADIENT = 1e-3, 2e-6


def joined(case: SimpleNamespace, units: np.ndarray | None = None) -> Joint:
    """The case with its fixed effects among the latent ones, around others than its own."""
    p = case.problem.X[0].shape[1]
    return join(case.problem, case.psi[:p] + 0.01, np.eye(p) if units is None else units)


def dense_joint(
    small: SimpleNamespace, case: SimpleNamespace, criterion: str, hessian: str = "observed"
) -> float:
    """The criterion with every matrix dense, by Newton's method for (beta, u)."""
    design, family = case.design, case.family
    data = family.prepare(design.response, design.size)
    n, p = design.response.size, design.predictors[0].X.shape[1]
    weights = np.ones(n) if design.weights is None else design.weights
    bases, at = [], 0
    for k, part in enumerate(design.predictors):
        size = part.X.shape[1]
        bases.append(part.offset + (0.0 if k == 0 else part.X @ case.psi[at : at + size]))
        at += size
    random = small.maps(design, case.psi[at:])
    maps = [
        np.hstack([part.X if k == 0 else np.zeros((n, p)), M])
        for k, (part, M) in enumerate(zip(design.predictors, random, strict=True))
    ]
    prior = np.eye(maps[0].shape[1])
    prior[:p, :p] = 0.0
    flat = small.hessian(maps, {}, weights) - prior

    def predict(w: np.ndarray) -> tuple[np.ndarray, ...]:
        return tuple(b + M @ w for b, M in zip(bases, maps, strict=True))

    def energy(w: np.ndarray) -> float:
        value = 0.5 * w @ prior @ w - weights @ family.log_density(data, predict(w))
        return value if np.isfinite(value) else np.inf

    def information(w: np.ndarray, kind: str) -> np.ndarray:
        if kind == "expected":
            second = family.expected(data, predict(w))[0]
        else:
            second = {k: -v for k, v in family.derivatives(data, predict(w), 2).second.items()}
        return small.hessian(maps, second, weights) - flat

    w = np.concatenate([case.psi[:p], np.zeros(maps[0].shape[1] - p)])
    for _ in range(200):
        first = family.derivatives(data, predict(w), 1).first
        gradient = prior @ w - sum(M.T @ (weights * d) for M, d in zip(maps, first, strict=True))
        H = information(w, "observed")
        if np.linalg.eigvalsh(H)[0] <= 0:
            H = information(w, "expected")
        step = -np.linalg.solve(H, gradient)
        if gradient @ -step < 1e-22:
            break
        length = 1.0
        while energy(w + length * step) > energy(w) + 1e-10 and length > 1e-9:
            length *= 0.5
        w = w + length * step
    H = information(w, hessian)
    if criterion == "profiled":
        return float(2.0 * energy(w) + np.linalg.slogdet(H[p:, p:])[1])
    return float(2.0 * energy(w) + np.linalg.slogdet(H)[1] - p * np.log(2.0 * np.pi))


@pytest.mark.parametrize("criterion", CRITERIA)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(small: SimpleNamespace, layout: str, criterion: str) -> None:
    """Every layout gives what dense matrices give, weighted and with an offset."""
    case = small.case(layout, "poisson-log", 2, weighted=True, shifted=True)
    joint = joined(case)
    found = objective_of(joint.problem, CRITERIA[criterion])(joint.outer(case.psi), None)
    assert found.deviance == pytest.approx(dense_joint(small, case, criterion), abs=DEVIANCE)


@pytest.mark.parametrize("criterion", CRITERIA)
@pytest.mark.parametrize("hessian", ["observed", "expected"])
@pytest.mark.parametrize("family", FAMILIES)
def test_families(
    small: SimpleNamespace, family: str, hessian: HessianKind, criterion: str
) -> None:
    """Every kind of family and information gives what dense matrices give."""
    case, method = small.case("crossed", family, 3), CRITERIA[criterion]
    joint = joined(case)
    method = replace(method, information=hessian)
    found = objective_of(joint.problem, method)(joint.outer(case.psi), None)
    wanted = dense_joint(small, case, criterion, hessian)
    assert found.deviance == pytest.approx(wanted, abs=DEVIANCE)


@pytest.mark.parametrize("layout", ["one", "vector", "nested_vector", "crossed_vector"])
def test_textbook(small: SimpleNamespace, layout: str) -> None:
    """For a Gaussian response it is the restricted likelihood of the textbooks."""
    case = small.case(layout, "gaussian-identity", 5, shifted=True)
    joint = joined(case)
    found = objective_of(joint.problem, CRITERIA["reml"])(joint.outer(case.psi), None)
    mean, deviation = case.design.predictors
    X = mean.X
    n, p = X.shape
    M = small.maps(case.design, case.psi[p + 1 :])[0]
    sd = np.exp(deviation.offset + deviation.X @ case.psi[p : p + 1])
    V = M @ M.T + np.diag(sd**2)
    y = case.design.response - mean.offset
    inner = X.T @ np.linalg.solve(V, X)
    r = y - X @ np.linalg.solve(inner, X.T @ np.linalg.solve(V, y))
    wanted = (
        (n - p) * np.log(2.0 * np.pi)
        + np.linalg.slogdet(V)[1]
        + np.linalg.slogdet(inner)[1]
        + r @ np.linalg.solve(V, r)
    )
    assert found.deviance == pytest.approx(wanted, abs=DEVIANCE)
    assert found.mode is not None
    root = found.mode.system.factorization.fixed_root()
    np.testing.assert_allclose(root @ root.T, np.linalg.inv(inner), rtol=1e-8)


def require_gradient(case: SimpleNamespace, method: Approximation) -> None:
    """The gradient is that of differences."""
    joint = joined(case)
    objective, psi = objective_of(joint.problem, method), joint.outer(case.psi)
    found = objective(psi, None)

    def at(shifted: np.ndarray) -> float:
        return objective(shifted, found).deviance

    for j in range(psi.size):
        e = np.zeros(psi.size)
        e[j] = STEP
        near, far = at(psi + e) - at(psi - e), at(psi + 2 * e) - at(psi - 2 * e)
        limit = GRADIENT * max(1.0, np.abs(found.gradient).max())
        assert found.gradient[j] == pytest.approx((8.0 * near - far) / (12.0 * STEP), abs=limit)


@pytest.mark.parametrize("criterion", CRITERIA)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_gradient_of_layouts(small: SimpleNamespace, layout: str, criterion: str) -> None:
    """The gradient with every layout, where the curvature depends on the mode."""
    require_gradient(small.case(layout, "poisson-log", 4, weighted=True), CRITERIA[criterion])


@pytest.mark.parametrize("criterion", CRITERIA)
@pytest.mark.parametrize("layout", SEVERAL)
def test_gradient_of_several(small: SimpleNamespace, layout: str, criterion: str) -> None:
    """The gradient with random effects of the dispersion, and its fixed effects."""
    require_gradient(small.case(layout, "gaussian-log", 6, n=60), CRITERIA[criterion])


@pytest.mark.slow
@settings(max_examples=12, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 10_000),
    family=st.sampled_from(FAMILIES),
    layout=st.sampled_from(LAYOUTS),
    criterion=st.sampled_from(sorted(CRITERIA)),
    hessian=st.sampled_from(["observed", "expected"]),
)
def test_gradient(
    small: SimpleNamespace,
    seed: int,
    family: str,
    layout: str,
    criterion: str,
    hessian: HessianKind,
) -> None:
    """The gradient is that of differences, whatever the model."""
    method = CRITERIA[criterion]
    case = small.case(layout, family, seed, n=48)
    require_gradient(case, replace(method, information=hessian))


@pytest.mark.parametrize("criterion", CRITERIA)
def test_units(small: SimpleNamespace, criterion: str) -> None:
    """Centre and units of the fixed effects are no part of the answer."""
    case = small.case("nested_two_crossed", "poisson-log", 7)
    one, other = joined(case), joined(case, np.array([[0.3, -0.2], [0.5, 1.0]]))
    outer = one.outer(case.psi)
    a, b = (objective_of(j.problem, CRITERIA[criterion])(outer, None) for j in (one, other))
    assert a.deviance == pytest.approx(b.deviance, abs=DEVIANCE)
    np.testing.assert_allclose(a.gradient, b.gradient, atol=1e-6)
    assert a.mode is not None
    assert b.mode is not None
    np.testing.assert_allclose(one.inner(a.mode), other.inner(b.mode), atol=1e-8)


def test_expanded(small: SimpleNamespace) -> None:
    """Taken back to all parameters, the modes are the conditional modes at the fixed effects."""
    case = small.case("crossed_vector", "poisson-log", 8)
    joint = joined(case)
    found = objective_of(joint.problem, CRITERIA["profiled"])(joint.outer(case.psi), None)
    eye = np.eye(found.psi.size)
    near = Optimum(found.psi, found, eye, 0.0, eye, 1.0, 1)
    assert found.mode is not None
    root = found.mode.system.factorization.fixed_root()
    whole = expand(joint, near, root)
    laplace = objective_of(case.problem, Laplace())(whole.psi, None)
    assert whole.evaluation.mode is not None
    assert laplace.mode is not None
    # The profiled deviance is the Laplace deviance at the joint mode.
    assert laplace.deviance == pytest.approx(found.deviance, abs=DEVIANCE)
    for u, v in zip(whole.evaluation.mode.point.u, laplace.mode.point.u, strict=True):
        np.testing.assert_allclose(u, v, atol=1e-8)
    held = (whole.evaluation.mode.system.factorization, laplace.mode.system.factorization)
    assert held[0].log_det() == pytest.approx(held[1].log_det(), abs=DEVIANCE)
    assert whole.hessian is not None
    p = joint.centre.size
    np.testing.assert_allclose(2.0 * np.linalg.inv(whole.hessian[:p, :p]), root @ root.T)
    np.testing.assert_allclose(2.0 * whole.scale[:p, :p] @ whole.scale[:p, :p].T, root @ root.T)


def test_root() -> None:
    """The root of a block has the covariance of the block."""
    scale = np.random.default_rng(0).normal(size=(4, 4))
    root = root_of(scale, slice(1, 3))
    np.testing.assert_allclose(root @ root.T, (scale @ scale.T)[1:3, 1:3])
