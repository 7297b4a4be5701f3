"""Sums, solves and tangents along many directions, against dense linear algebra."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from mixcheck.fitting.latent.block_elimination import nested_factors
from mixcheck.fitting.latent.directions import (
    add_effects,
    gram_of_each,
    scatter_each,
    solve_each,
    whiten_tangents,
)
from mixcheck.fitting.latent.factorization import factorize
from mixcheck.fitting.latent.layout import Latent
from mixcheck.fitting.latent.small_matrices import sandwich

# Condition numbers here are below 1e4.
ROUNDING = 1e-10
DIRECTIONS = 3
NESTED = [
    "one",
    "vector",
    "per_row",
    "nested",
    "nested_vector",
    "three_nested",
    "two_predictors_nested",
]


@pytest.fixture(params=NESTED)
def case(request: pytest.FixtureRequest, small: SimpleNamespace) -> SimpleNamespace:
    """A problem with its dense maps, weights of its rows, and their tangents."""
    several = request.param in small.several
    made = small.case(request.param, "gaussian-identity" if several else "poisson-log", 5)
    problem, rng = made.problem, np.random.default_rng(1)
    roots = problem.roots(made.psi[problem.n_beta :])
    keys = [(0, 0), (0, 1), (1, 1)] if several else [(0, 0)]
    size = {(0, 0): 2.0, (0, 1): 0.1, (1, 1): 2.0}
    weights = {key: size[key] * rng.uniform(0.5, 1.0, problem.n) for key in keys}
    tangents = {key: rng.normal(size=(DIRECTIONS, problem.n)) for key in keys}
    maps = dense_maps(problem.latent, len(problem.X))
    return SimpleNamespace(
        problem=problem, roots=roots, weights=weights, tangents=tangents, maps=maps, rng=rng
    )


def split(latent: Latent, flat: np.ndarray) -> list[np.ndarray]:
    """Effects of each factor, (q, .., m), of all of them, (.., Q)."""
    ends = np.cumsum([f.q * f.m for f in latent.factors])[:-1]
    parts = zip(np.split(flat, ends, axis=-1), latent.factors, strict=True)
    return [np.moveaxis(p.reshape(*p.shape[:-1], *f.shape), -2, 0) for p, f in parts]


def join(parts: list[np.ndarray]) -> np.ndarray:
    """The inverse of `split`."""
    flat = [np.moveaxis(p, 0, -2) for p in parts]
    return np.concatenate([p.reshape(*p.shape[:-2], -1) for p in flat], axis=-1)


def dense_maps(latent: Latent, n_predictors: int) -> np.ndarray:
    """Z of each predictor, (K, n, Q)."""
    columns = [latent.gather(split(latent, e), n_predictors) for e in np.eye(latent.size)]
    n = latent.factors[0].sums.index.size
    held = [[np.zeros(n) if p is None else p for p in column] for column in columns]
    return np.moveaxis(np.array(held), 0, -1)


def dense(case: SimpleNamespace, weights: dict[tuple[int, int], np.ndarray]) -> np.ndarray:
    """``Lambda' Z' W Z Lambda``, (Q, Q)."""
    latent = case.problem.latent
    root = np.array(
        [
            join([r @ u for r, u in zip(case.roots, split(latent, e), strict=True)])
            for e in np.eye(latent.size)
        ]
    ).T
    out = np.zeros((latent.size, latent.size))
    for (a, b), w in weights.items():
        part = case.maps[a].T @ (w[:, None] * case.maps[b])
        out += part if a == b else part + part.T
    return root.T @ out @ root


def test_rows_and_effects(case: SimpleNamespace) -> None:
    """Effects reach rows by Z, and rows are summed by its transpose."""
    latent, count = case.problem.latent, len(case.problem.X)
    flat = case.rng.normal(size=(DIRECTIONS, latent.size))
    rows = [np.zeros((DIRECTIONS, case.problem.n)) for _ in range(count)]
    add_effects(latent, split(latent, flat), rows)
    wanted = np.einsum("kiq,jq->kji", case.maps, flat)
    np.testing.assert_allclose(np.stack(rows), wanted, atol=ROUNDING)
    sums = join(scatter_each(latent, dict(enumerate(rows))))
    back = np.einsum("kiq,kji->jq", case.maps, wanted)
    np.testing.assert_allclose(sums, back, atol=ROUNDING)


def test_solve(case: SimpleNamespace) -> None:
    """Along each direction the system is solved."""
    latent = case.problem.latent
    factors = nested_factors(factorize(latent, latent.gram(case.weights), case.roots))
    assert factors is not None
    H = dense(case, case.weights) + np.eye(latent.size)
    rhs = case.rng.normal(size=(DIRECTIONS, latent.size))
    found = join(solve_each(factors, split(latent, rhs)))
    np.testing.assert_allclose(found, np.linalg.solve(H, rhs.T).T, atol=ROUNDING)


def test_tangents(case: SimpleNamespace) -> None:
    """Inner products of whitened tangents are ``tr(V H_j V H_k)``."""
    latent = case.problem.latent
    factors = nested_factors(factorize(latent, latent.gram(case.weights), case.roots))
    assert factors is not None
    moved = {}
    for (f, g), block in gram_of_each(latent, case.tangents).items():
        flat = sandwich(case.roots[f], block.reshape(*block.shape[:2], -1), case.roots[g])
        moved[f, g] = flat.reshape(block.shape)
    found = np.zeros((DIRECTIONS, DIRECTIONS))
    for (f, g), block in whiten_tangents(factors, moved).items():
        found += (1.0 if f == g else 2.0) * np.einsum("abjm,abkm->jk", block, block)
    V = np.linalg.inv(dense(case, case.weights) + np.eye(latent.size))
    each = [
        V @ dense(case, {key: rows[j] for key, rows in case.tangents.items()})
        for j in range(DIRECTIONS)
    ]
    wanted = [[np.trace(one @ other) for other in each] for one in each]
    np.testing.assert_allclose(found, wanted, rtol=ROUNDING, atol=ROUNDING)
