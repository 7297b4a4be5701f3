"""Predictors that tell responses exactly."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import linprog

from mixcheck.fitting.estimation.separation import Separation, find_separation

N = 40


def design(seed: int = 0) -> np.ndarray:
    """Intercept, a covariate and an indicator of the first three rows."""
    x = np.random.default_rng(seed).normal(size=N)
    return np.column_stack([np.ones(N), x, np.arange(N) < 3])


def find(X: np.ndarray, y: np.ndarray) -> Separation | None:
    """Separation of a 0/1 response."""
    return find_separation(X, y == 0, y == 1)


def test_none() -> None:
    """Overlapping responses are not separated."""
    y = np.random.default_rng(1).integers(0, 2, N)
    y[:3] = [0, 1, 0]
    assert find(design(), y) is None


@pytest.mark.parametrize("value", [0, 1])
def test_level(value: int) -> None:
    """A level with one kind of response only: its column alone, and not complete."""
    y = np.random.default_rng(1).integers(0, 2, N)
    y[:3] = value
    found = find(design(), y)
    assert found is not None
    assert found.columns == (2,)
    assert not found.complete


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("cut", [-0.7, 0.0, 0.4])
def test_complete(seed: int, cut: float) -> None:
    """A threshold of a covariate separates every row, wherever the threshold is."""
    X = design(seed)[:, :2]
    found = find(X, (X[:, 1] > cut).astype(int))
    assert found is not None
    assert found.complete
    assert 1 in found.columns


def test_touching() -> None:
    """Rows of both kinds on the plane make the separation quasi-complete."""
    X = np.column_stack([np.ones(8), [-2.0, -1, 0, 0, 0, 0, 1, 2]])
    found = find(X, np.array([0, 0, 0, 1, 0, 1, 1, 1]))
    assert found is not None
    assert not found.complete


def test_scale_does_not_matter() -> None:
    """Columns in other units give the same answer."""
    y = np.random.default_rng(1).integers(0, 2, N)
    y[:3] = 1
    for factor in (1e-300, 1e-6, 1.0, 1e6, 1e300):
        found = find(design() * np.array([1.0, factor, factor]), y)
        assert found is not None
        assert found.columns == (2,)


def balances(X: np.ndarray, signs: np.ndarray) -> bool:
    """Whether multipliers that are positive at the ends add the signed rows up to zero.

    By Gordan's theorem that is so exactly where no direction moves any row; the programme is
    the dual of the one under test.
    """
    ends = signs != 0
    free = [(None, None) if s == 0 else (0.0, None) for s in signs]
    rows = np.where(ends, signs, 1)[:, None] * X
    # Multipliers m with m >= t at the ends and t as large as it goes, up to one.
    found = linprog(
        np.append(np.zeros(len(X)), -1.0),
        A_ub=np.column_stack([-np.eye(len(X))[ends], np.ones(int(ends.sum()))]),
        b_ub=np.zeros(int(ends.sum())),
        A_eq=np.column_stack([rows.T, np.zeros(X.shape[1])]),
        b_eq=np.zeros(X.shape[1]),
        bounds=[*free, (0.0, 1.0)],
    )
    return bool(found.fun < -0.5)


@pytest.mark.parametrize(
    "ten", [*range(5), *(pytest.param(k, marks=pytest.mark.slow) for k in range(5, 15))]
)
def test_duality(ten: int) -> None:
    """Separation is found exactly where the dual programme says that there is one."""
    for seed in range(10 * ten, 10 * ten + 10):
        require_duality(seed)


def require_duality(seed: int) -> None:
    """The two programmes agree on random rows, and what is found is a separation."""
    rng = np.random.default_rng(seed)
    n, p = int(rng.integers(6, 25)), int(rng.integers(1, 5))
    X = np.column_stack([np.ones(n), rng.integers(-2, 3, (n, p - 1))]).astype(float)
    signs = rng.choice([-1, 0, 1], n, p=[0.45, 0.1, 0.45] if seed % 2 else [0.8, 0.1, 0.1])
    if np.linalg.matrix_rank(X) < p or not signs.any():
        return
    found = find_separation(X, signs == -1, signs == 1)
    assert (found is None) == balances(X, signs)
    slopes = np.where(signs == 0, rng.normal(size=n), signs * rng.uniform(0.1, 2.0, n))
    guided = find_separation(X, signs == -1, signs == 1, slopes=slopes)
    assert (found is None) == (guided is None)
    if found is None or guided is None:
        return
    assert found.columns == guided.columns
    np.testing.assert_array_equal(found.rows, guided.rows)
    moved = X @ found.direction
    assert (moved[found.rows] * signs[found.rows] > 1.0 - 1e-9).all()
    np.testing.assert_allclose(moved[~found.rows], 0.0, atol=1e-7)
    # The rows that are left are not separated.
    assert balances(X[~found.rows], signs[~found.rows]) or found.complete
    np.testing.assert_allclose(X[~found.rows] @ found.basis, 0.0, atol=1e-9)


def test_rows_inside() -> None:
    """Rows inside the support hold the plane through them."""
    X = design()
    lowest = np.zeros(N, dtype=bool)
    lowest[:3] = True
    nowhere = np.zeros(N, dtype=bool)
    found = find_separation(X, lowest, nowhere)
    assert found is not None
    assert found.columns == (2,)
    assert not found.complete
    lowest[0] = False
    assert find_separation(X, lowest, nowhere) is None
    assert find_separation(X, nowhere, nowhere) is None
