"""Levels that are tied to each other: the sparse algebra against dense matrices."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.polynomial.hermite_e import hermegauss
from scipy.linalg import block_diag
from scipy.special import logsumexp

from mixcheck.design import build_design, parse_formula
from mixcheck.design.covariances import Sequential
from mixcheck.families import Binomial, Gaussian, Poisson
from mixcheck.fitting.estimation.reml import join
from mixcheck.fitting.latent.roots import Root, TiedRoot, scale
from mixcheck.fitting.likelihood.approximation import objective_of
from mixcheck.fitting.likelihood.arrangement import arrange
from mixcheck.fitting.likelihood.importance import Importance
from mixcheck.fitting.likelihood.laplace import Laplace
from mixcheck.fitting.likelihood.problem import Problem

FORMULAS = (
    "y ~ x + ar1(0 + t | g)",
    "y ~ x + (1 + x | g) + ar1(0 + t | g)",
    "y ~ x + (1 | h/g) + ar1(0 + t | g)",
    "y ~ x + (1 + x | item) + ar1(0 + t | g)",
    "y ~ x + (1 | t) + (1 | h) + ar1(0 + t | g) + (1 | item)",
    "y ~ x + ar1(0 + t | g) + ar1(0 + t | item)",
    "y ~ x + propto(1 | item, K)",
    "y ~ x + propto(1 + x | item, K) + (1 | g)",
    "y ~ x + propto(1 | item, K) + (1 | item) + ar1(0 + t | h)",
    "y ~ x + cs(0 + f | g)",
    "y ~ x + homcs(0 + f | g) + ar1(0 + t | item)",
)
# A third of them in the inner loop.
SOME = pytest.mark.parametrize(
    "formula",
    [pytest.param(f, marks=[pytest.mark.slow] if i % 3 else []) for i, f in enumerate(FORMULAS)],
)


def make_data(seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows of groups at times with gaps, and a covariance of items."""
    rng = np.random.default_rng(seed)
    n = 90
    frame = pd.DataFrame(
        {
            "g": rng.integers(0, 7, n),
            "t": rng.choice([0, 1, 2, 4, 5], n),
            "item": rng.choice(list("abcdefghi"), n),
            "x": rng.normal(size=n),
            "f": rng.choice(list("uvw"), n),
            "y": rng.poisson(2.0, n),
        }
    )
    frame["h"] = frame["g"] // 3
    A = rng.normal(size=(10, 14))
    names = list("jihgfedcba")
    return frame, pd.DataFrame(A @ A.T / 14, names, names)


def make_problem(formula: str, family: Any, *, dispersion: str | None = None) -> Problem:
    """The problem of a formula."""
    frame, K = make_data()
    design = build_design(
        parse_formula(formula, dispersion=dispersion),
        frame,
        ratio_is_trials=False,
        context={"K": K},
    )
    return arrange(design, family)


def dense_map(problem: Problem, theta: np.ndarray) -> np.ndarray:
    """Z times a root of the covariance of all effects, by the definition of each structure."""
    columns = []
    for term in problem.terms:
        block, held = term.block, theta[term.theta]
        order = problem.order
        m, q = len(block.levels), len(block.effects)
        Z = np.zeros((problem.n, m, q))
        values = block.Z[order]
        if isinstance(term.covariance, Sequential):
            assert block.positions is not None
            Z[np.arange(problem.n), block.codes[order], block.positions[order]] = 1.0
        else:
            Z[np.arange(problem.n), block.codes[order]] = values
        levels = np.eye(m)
        if block.relation is not None:
            levels = np.linalg.cholesky(block.relation.matrix)
        root = np.kron(levels, term.covariance.root(held))
        columns.append(Z.reshape(problem.n, -1) @ root)
    return np.column_stack(columns)


def prior_of(root: Root, shape: tuple[int, int]) -> np.ndarray:
    """Precision of the standardised effects of a factor, by the covariance of its levels."""
    q, m = shape
    if not isinstance(root, TiedRoot):
        return np.eye(q * m)
    return np.kron(np.eye(q), np.linalg.inv(root.dependence.multiply(np.eye(m))))


def start(problem: Problem, seed: int = 3) -> np.ndarray:
    """Some parameters."""
    rng = np.random.default_rng(seed)
    return np.concatenate(
        [0.3 * rng.normal(size=problem.n_beta), 0.5 + rng.random(problem.n_theta)]
    )


@pytest.mark.parametrize("formula", FORMULAS)
def test_deviance(formula: str) -> None:
    """Mode and log determinant are those of dense matrices."""
    problem = make_problem(formula, Poisson())
    psi = start(problem)
    found = Laplace().evaluate(problem, psi, problem.latent.zeros())
    M = dense_map(problem, psi[problem.n_beta :])
    base = problem.X[0] @ psi[: problem.n_beta]
    u = np.zeros(M.shape[1])
    for _ in range(50):
        mean = np.exp(base + M @ u)
        H = np.eye(u.size) + M.T @ (mean[:, None] * M)
        u = u + np.linalg.solve(H, M.T @ (problem.data.y - mean) - u)
    mean = np.exp(base + M @ u)
    energy = 0.5 * u @ u - problem.derivatives([base + M @ u], 2).value.sum()
    H = np.eye(u.size) + M.T @ (mean[:, None] * M)
    wanted = 2.0 * energy + np.linalg.slogdet(H)[1]
    np.testing.assert_allclose(found.deviance, wanted, rtol=1e-10)
    assert found.mode is not None
    np.testing.assert_allclose(found.mode.point.eta[0], base + M @ u, atol=1e-7)


@SOME
@pytest.mark.parametrize("information", ["observed", "expected"])
def test_gradient(formula: str, information: Any) -> None:
    """The gradient equals differences of the deviance, for a model of two predictors too."""
    family = Gaussian(link="log") if information == "expected" else Poisson()
    dispersion = "~ 1" if information == "expected" else None
    problem = make_problem(formula, family, dispersion=dispersion)
    psi, method = start(problem), Laplace(information)
    found = method.evaluate(problem, psi, problem.latent.zeros())
    step = 1e-5
    differences = [
        (
            method.evaluate(problem, psi + e, problem.latent.zeros()).deviance
            - method.evaluate(problem, psi - e, problem.latent.zeros()).deviance
        )
        / (2 * step)
        for e in step * np.eye(psi.size)
    ]
    np.testing.assert_allclose(found.gradient, differences, rtol=1e-5, atol=1e-5)


@SOME
def test_restricted(formula: str) -> None:
    """With the fixed effects among the latent ones, too."""
    problem = make_problem(formula, Poisson())
    psi = start(problem)
    p = problem.n_beta
    joint = join(problem, psi[:p], 0.3 * np.eye(p))
    method = Laplace(restricted=True)
    outer = joint.outer(psi)

    def deviance(at: np.ndarray) -> float:
        return method.evaluate(joint.problem, at, joint.problem.latent.zeros()).deviance

    found = method.evaluate(joint.problem, outer, joint.problem.latent.zeros())
    step = 1e-5
    differences = [
        (deviance(outer + e) - deviance(outer - e)) / (2 * step) for e in step * np.eye(outer.size)
    ]
    np.testing.assert_allclose(found.gradient, differences, rtol=1e-5, atol=1e-5)
    assert found.mode is not None
    M = dense_map(problem, outer)
    eta = found.mode.point.eta[0]
    W = np.exp(eta)[:, None]
    whole = np.column_stack([M, problem.X[0]])
    H = whole.T @ (W * whole) + np.diag([1.0] * M.shape[1] + [0.0] * p)
    log_det = np.linalg.slogdet(H)[1] - p * np.log(2 * np.pi)
    np.testing.assert_allclose(found.deviance, 2 * found.mode.point.energy + log_det, rtol=1e-10)


@pytest.mark.parametrize("formula", FORMULAS)
def test_inverse(formula: str) -> None:
    """Solutions, draws, variances of predictors and traces are those of the dense inverse."""
    problem = make_problem(formula, Poisson())
    psi = start(problem)
    found = Laplace().evaluate(problem, psi, problem.latent.zeros())
    mode = found.mode
    assert mode is not None
    latent, held = problem.latent, mode.system.factorization
    shapes = [f.shape for f in latent.factors]
    ends = np.cumsum([q * m for q, m in shapes])[:-1]
    size = int(sum(q * m for q, m in shapes))

    def split(flat: np.ndarray) -> list[np.ndarray]:
        return [part.reshape(s) for part, s in zip(np.split(flat, ends), shapes, strict=True)]

    def joined(parts: list[np.ndarray]) -> np.ndarray:
        return np.concatenate([part.ravel() for part in parts])

    inverse = np.stack([joined(held.solve(split(e))) for e in np.eye(size)], axis=1)
    root = np.stack([joined(held.apply_inverse_root(split(e))) for e in np.eye(size)], axis=1)
    maps = np.stack(
        [
            latent.gather(
                [scale(r, part) for r, part in zip(mode.roots, split(e), strict=True)], 1
            )[0]
            for e in np.eye(size)
        ],
        axis=1,
    )
    prior = block_diag(*(prior_of(r, shape) for r, shape in zip(mode.roots, shapes, strict=True)))
    H = prior + maps.T @ (np.exp(mode.point.eta[0])[:, None] * maps)
    np.testing.assert_allclose(inverse @ H, np.eye(size), atol=1e-7)
    np.testing.assert_allclose(root @ root.T, inverse, atol=1e-9)
    log_dets = np.linalg.slogdet(H)[1], np.linalg.slogdet(prior)[1]
    np.testing.assert_allclose(held.log_det(), log_dets[0] - log_dets[1], rtol=1e-10)
    entries = held.inverse_entries()
    starts = np.concatenate([[0], ends, [size]])
    for f, factor in enumerate(latent.factors):
        if factor.ties is not None:
            own = slice(starts[f], starts[f + 1])
            trace = np.trace(prior[own, own] @ inverse[own, own])
            np.testing.assert_allclose(held.tied_trace(f, entries), trace, rtol=1e-8)


@SOME
def test_importance_sampling_gradient(formula: str) -> None:
    """With points drawn in the effects of tied levels the gradient is exact for the points."""
    problem = make_problem(formula, Poisson())
    psi, method = start(problem), Importance(64)
    objective = objective_of(problem, method)
    found, step = objective(psi, None), 1e-3
    weights = np.array([1.0, -8.0, 8.0, -1.0]) / (12.0 * step)
    for j, e in enumerate(step * np.eye(psi.size)):
        at = [objective(psi + k * e, found).deviance for k in (-2, -1, 1, 2)]
        assert found.gradient[j] == pytest.approx(weights @ at, abs=1e-5 + 1e-6 * abs(at[0]))


@pytest.mark.parametrize("formula", FORMULAS)
def test_importance_sampling_of_a_normal_response(formula: str) -> None:
    """There each weight is one, and the deviance and its gradient are Laplace's."""
    problem = make_problem(formula, Gaussian(), dispersion="~ 1")
    psi, zeros = start(problem), problem.latent.zeros()
    found, laplace = (m.evaluate(problem, psi, zeros) for m in (Importance(64), Laplace()))
    assert found.deviance == pytest.approx(laplace.deviance, abs=1e-7)
    np.testing.assert_allclose(found.gradient, laplace.gradient, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("formula", ["y ~ 1 + ar1(0 + t | g)", "y ~ 1 + propto(1 | s, K)"])
def test_importance_sampling_is_the_integral(formula: str) -> None:
    """Four effects that are tied, a product rule for their integral in place of points."""
    rng = np.random.default_rng(4)
    frame = pd.DataFrame({"y": rng.integers(0, 2, 16), "g": 0, "t": np.tile(range(4), 4)})
    frame["s"] = frame["t"].map(dict(enumerate("abcd")))
    A = rng.normal(size=(4, 6))
    K = pd.DataFrame(A @ A.T / 6.0, list("abcd"), list("abcd"))
    design = build_design(parse_formula(formula), frame, ratio_is_trials=True, context={"K": K})
    problem = arrange(design, Binomial())
    psi = np.array([0.2, 1.4, 0.8])[: problem.n_beta + problem.n_theta]
    z, w = hermegauss(25)
    nodes = np.array(list(product(z, repeat=4)))
    weights = np.log(np.array(list(product(w, repeat=4)))).sum(axis=1) - 2.0 * np.log(2 * np.pi)
    eta = psi[0] + nodes @ dense_map(problem, psi[1:]).T
    sign = 2.0 * problem.data.y - 1.0
    wanted = logsumexp(-np.logaddexp(0.0, -sign * eta).sum(axis=1) + weights)
    method = Importance(4096)
    at = objective_of(problem, method)(psi, None)
    error = method.facts(problem, at)["Monte Carlo standard error of the log-likelihood"]
    # More than four standard errors have odds of 1e-4.
    assert abs(-0.5 * at.deviance - wanted) < 4.0 * error
    laplace = objective_of(problem, Laplace())(psi, None)
    assert abs(-0.5 * laplace.deviance - wanted) > 10.0 * error
