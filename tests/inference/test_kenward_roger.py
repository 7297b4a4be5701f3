"""Kenward and Roger's formulas where exact tests exist."""

from __future__ import annotations

import numpy as np
import pytest

from mixcheck.inference.contrasts import spectral_root
from mixcheck.inference.kenward_roger import KenwardRoger


def dense(X: np.ndarray, parts: list[np.ndarray], s: list[float]) -> KenwardRoger:
    """All products by their definitions."""
    V = sum(v * G for v, G in zip(s, parts, strict=True))
    inverse = np.linalg.inv(V)
    VG = [inverse @ G for G in parts]
    P = np.array([-X.T @ a @ inverse @ X for a in VG])
    Q = np.array([[X.T @ a @ b @ inverse @ X for b in VG] for a in VG])
    traces = np.array([[np.trace(a @ b) for b in VG] for a in VG])
    return KenwardRoger(np.linalg.inv(X.T @ inverse @ X), P, Q, traces)


def test_least_squares_are_exact() -> None:
    """T and F with n - p degrees of freedom, no scale and no adjustment."""
    X = np.column_stack([np.ones(12), np.arange(12.0), np.arange(12.0) ** 2])
    known = dense(X, [np.eye(12)], [3.0])
    np.testing.assert_allclose(known.df(np.eye(3)), 9.0, rtol=1e-8)
    np.testing.assert_allclose(known.joint(np.eye(3)[1:]), (9.0, 1.0), rtol=1e-6)
    np.testing.assert_allclose(known.adjusted, known.covariance, rtol=1e-6)


def test_a_balanced_split_plot_is_exact() -> None:
    """Whole plots: groups less treatments; within them: rows less groups less treatments."""
    g = np.repeat(np.arange(9), 4)
    whole, sub = np.eye(3)[g % 3][:, 1:], np.eye(4)[np.tile(np.arange(4), 9)][:, 1:]
    X = np.column_stack([np.ones(36), whole, sub])
    Z = (g[:, None] == np.arange(9)).astype(float)
    known = dense(X, [Z @ Z.T, np.eye(36)], [1.3, 0.7])
    L = np.eye(6)
    np.testing.assert_allclose(known.joint(L[1:3]), (6.0, 1.0), rtol=1e-6)
    np.testing.assert_allclose(known.joint(L[3:]), (24.0, 1.0), rtol=1e-6)
    np.testing.assert_allclose(known.adjusted, known.covariance, rtol=1e-8, atol=1e-12)


def test_too_few_groups_for_the_expansion() -> None:
    """The smallest degrees of freedom of uncorrelated contrasts, and no scale."""
    X = np.eye(3)[np.repeat(np.arange(3), 2)] + 0.01 * np.arange(18.0).reshape(6, 3) ** 2
    Z = (np.repeat(np.arange(3), 2)[:, None] == np.arange(3)).astype(float)
    known = dense(X, [Z @ Z.T, np.eye(6)], [1.0, 0.1])
    turned = spectral_root(known.covariance).T
    assert known.df(turned).min() < 2.0
    assert known.joint(np.eye(3)) == (pytest.approx(known.df(turned).min(), rel=1e-6), 1.0)
