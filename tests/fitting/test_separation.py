"""Predictors that tell responses exactly."""

from __future__ import annotations

import numpy as np
import pytest

from mixcheck.fitting.separation import Separation, find_separation

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
    for factor in (1e-6, 1.0, 1e6):
        found = find(design() * np.array([1.0, factor, factor]), y)
        assert found is not None
        assert found.columns == (2,)


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
