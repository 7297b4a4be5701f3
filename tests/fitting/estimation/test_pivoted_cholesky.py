"""Triangular factors of covariances, singular ones included."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import mixcheck as mc
from mixcheck.fitting.estimation.pivoted_cholesky import Chart, positive_root, to_lower
from mixcheck.port import port_of


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


@pytest.mark.parametrize("first", [1.0, 0.5, 1e-3])
def test_charts_have_the_covariance(first: float) -> None:
    """Rows keep their order unless another is a far better pivot; the covariance is the same."""
    rng = np.random.default_rng(5)
    g = np.repeat(np.arange(10), 8)
    data = {"y": rng.normal(size=80) + rng.normal(size=10)[g], "x": rng.normal(size=80), "g": g}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mc.BoundaryWarning)
        terms = port_of(mc.glmm("y ~ x + (x | g)", data)).problem.terms
    root = np.array([[first, 0.0], [0.4, 0.8]])
    entries, theta = Chart(terms).at([root])
    assert entries.rows.tolist() == ([1, 0, 0] if first < 0.1 else [0, 1, 1])
    (other,) = entries.roots(theta, (2,))
    np.testing.assert_allclose(other @ other.T, root @ root.T, rtol=1e-14)
