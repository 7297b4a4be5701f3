"""Solutions and roots by products alone, against dense linear algebra."""

from __future__ import annotations

import numpy as np
import pytest

from mixcheck.fitting.latent.lanczos import apply_power

TOLERANCE = 1e-9


def spread_matrix(size: int, low: float) -> np.ndarray:
    """A symmetric matrix whose eigenvalues lie evenly between a smallest one and two."""
    turn = np.linalg.qr(np.random.default_rng(size).normal(size=(size, size)))[0]
    return (turn * np.linspace(low, 2.0, size)) @ turn.T


@pytest.mark.parametrize("power", [-1.0, -0.5])
def test_powers_are_those_of_the_matrix(power):
    """``A^p b`` to the tolerance that was asked for, in far fewer products than there are rows."""
    A, count = spread_matrix(200, 0.5), [0]
    b = np.random.default_rng(1).normal(size=200)

    def multiply(x: np.ndarray) -> np.ndarray:
        count[0] += 1
        return A @ x

    found = apply_power(multiply, b, power, tolerance=TOLERANCE, steps=100)
    values, vectors = np.linalg.eigh(A)
    wanted = vectors @ (values**power * (vectors.T @ b))
    # An error is the residual over the smallest eigenvalue at most.
    assert np.linalg.norm(found - wanted) < 2.0 * TOLERANCE * np.linalg.norm(b)
    assert count[0] < 30


def test_roots_are_symmetric():
    """The same R for every b, with ``R R' = A^-1``."""
    A = spread_matrix(30, 0.3)
    columns = [
        apply_power(lambda x: A @ x, e, -0.5, tolerance=TOLERANCE, steps=30) for e in np.eye(30)
    ]
    root = np.column_stack(columns)
    np.testing.assert_allclose(root, root.T, atol=10.0 * TOLERANCE)
    np.testing.assert_allclose(root @ root.T @ A, np.eye(30), atol=100.0 * TOLERANCE)


def test_no_answer_is_said():
    """Nothing where it takes too many products, or where a product is against b."""
    b = np.random.default_rng(2).normal(size=200)
    hard, indefinite = spread_matrix(200, 1e-6), spread_matrix(200, -0.5)
    options = {"tolerance": TOLERANCE, "steps": 60}
    assert apply_power(lambda x: hard @ x, b, -1.0, **options) is None
    assert apply_power(lambda x: indefinite @ x, b, -1.0, **options) is None
    assert not apply_power(lambda x: x, np.zeros(3), -1.0, **options).any()
