"""Bases of polynomials and splines."""

from __future__ import annotations

import numpy as np
import pytest

from mixcheck.design.splines import b_spline, natural_spline, orthogonal_polynomials
from mixcheck.errors import DataError, DesignError

X = np.random.default_rng(2).uniform(-3, 5, 60)


def test_polynomials_are_orthonormal() -> None:
    """Polynomials are orthonormal, also far from zero, and made again from their state."""
    for shift in (0.0, 1e4):
        state: dict[str, object] = {}
        P = orthogonal_polynomials(X + shift, 4, state, "poly")
        np.testing.assert_allclose(P.T @ P, np.eye(4), atol=1e-8)
        np.testing.assert_allclose(P.sum(axis=0), 0.0, atol=1e-8)
        np.testing.assert_array_equal(
            orthogonal_polynomials(X[5:9] + shift, 4, state, "poly"), P[5:9]
        )
    with pytest.raises(DesignError, match="more than 3 different values and has 2"):
        orthogonal_polynomials(np.array([1.0, 2.0, 1.0]), 3, {}, "poly")


def test_b_splines_add_up_to_one() -> None:
    """With an intercept the basis is a partition of one."""
    B = b_spline(X, 7, None, 3, None, {}, "bs", intercept=True)
    assert B.shape == (60, 7)
    np.testing.assert_allclose(B.sum(axis=1), 1.0)
    state: dict[str, object] = {}
    b_spline(X, 5, None, 3, None, state, "bs", intercept=False)
    with pytest.raises(DataError, match="is a basis from"):
        b_spline(np.array([9.0]), 5, None, 3, None, state, "bs", intercept=False)


def test_natural_splines_are_linear_outside() -> None:
    """Beyond the boundary the basis is linear, and it spans every line."""
    state: dict[str, object] = {}
    B = natural_spline(X, 4, None, None, state, "ns", intercept=False)
    assert B.shape == (60, 4)
    for ends in ((-9.0, -8.0, -7.0), (6.0, 7.0, 8.0)):
        far = natural_spline(np.array(ends), 4, None, None, state, "ns", intercept=False)
        np.testing.assert_allclose(far[2] - far[1], far[1] - far[0], atol=1e-9)
    with_line = np.column_stack([np.ones(60), B])
    fitted = with_line @ np.linalg.lstsq(with_line, X, rcond=None)[0]
    np.testing.assert_allclose(fitted, X, atol=1e-9)


@pytest.mark.parametrize("unit", [1e-300, 1e-12, 1e12, 1e150, 1e300])
def test_polynomials_do_not_depend_on_the_unit(unit: float) -> None:
    """Orthonormal polynomials of a predictor are those of the predictor in another unit."""
    x = np.array([0.3, 1.1, 2.0, 2.7, 3.9, 5.2, 6.1])
    state: dict[str, object] = {}
    basis = orthogonal_polynomials(x * unit, 3, state, "poly(x, 3)")
    assert np.allclose(basis, orthogonal_polynomials(x, 3, {}, "poly(x, 3)"), atol=1e-12)
    again = orthogonal_polynomials(x[:2] * unit, 3, state, "poly(x, 3)")
    assert np.allclose(again, basis[:2], atol=1e-12)
