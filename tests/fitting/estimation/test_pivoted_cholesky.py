"""Triangular factors of covariances, singular ones included."""

from __future__ import annotations

import numpy as np
import pytest

from mixcheck.fitting.estimation.pivoted_cholesky import positive_root, to_lower


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_to_lower(rank: int) -> None:
    """L is lower triangular, with M O = L and a diagonal that is not negative."""
    root = np.zeros((3, 3))
    root[:, :rank] = np.random.default_rng(rank).normal(size=(3, rank))
    lower, turn = to_lower(root)
    np.testing.assert_allclose(root @ turn, lower, atol=1e-14)
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-14)
    assert (lower.diagonal() >= 0.0).all()
    assert not np.triu(lower, 1).any()


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_positive_root(rank: int) -> None:
    """R R' is the matrix, and where a pivot is zero it has the square of the least one."""
    half = np.random.default_rng(rank).normal(size=(3, rank))
    S = half @ half.T
    root = positive_root(S, np.full(3, 1e-3))
    lifted = root @ root.T - S
    np.testing.assert_allclose(lifted, np.diag(lifted.diagonal()), atol=1e-14)
    np.testing.assert_allclose(np.sort(lifted.diagonal())[rank:], 1e-6, rtol=1e-6)
    np.testing.assert_allclose(np.sort(lifted.diagonal())[:rank], 0.0, atol=1e-14)
    assert np.linalg.eigvalsh(root @ root.T)[0] > 0.0
