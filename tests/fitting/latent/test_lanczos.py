"""Solutions and roots by products alone, against dense linear algebra."""

from __future__ import annotations

import numpy as np
import pytest

from mixcheck.fitting.latent.lanczos import apply_power, trace_of_log

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


def correlations(size: int, rows: int) -> np.ndarray:
    """A Schur complement of crossed levels that meet at random, with ones on its diagonal."""
    rng = np.random.default_rng(size)
    met = (rng.random((rows, size)) < 0.1) * rng.uniform(0.5, 1.5, (rows, size))
    S = np.diag(1.02 * met.sum(axis=0)) - met.T @ (met / (1.01 * met.sum(axis=1, keepdims=True)))
    d = np.sqrt(np.diag(S))
    return S / np.outer(d, d)


@pytest.mark.parametrize("directions", [1, 3])
def test_log_determinants_are_known_to_their_error(directions):
    """Over seeds the error has the standard error that is told; the same seed, the same number."""
    A = correlations(300, 1500)
    wanted = np.linalg.slogdet(A)[1]

    def find(seed: int) -> tuple[float, float]:
        found = trace_of_log(
            lambda x: A @ x, 300, directions=directions, probes=16, steps=100, seed=seed
        )
        assert found is not None
        return found

    values, errors = np.array([find(seed) for seed in range(40)]).T
    # Of 40 the ratio has a standard error of 11 %, and each error, of 16 probes, one of 18 %.
    assert 0.6 < np.sqrt(np.mean((values - wanted) ** 2)) / np.sqrt(np.mean(errors**2)) < 1.5
    assert abs(values.mean() - wanted) < 4.0 * errors.mean() / np.sqrt(40)
    assert errors.max() < 1e-3 * abs(wanted)
    assert find(3) == find(3)


def test_no_log_determinant_of_an_indefinite_matrix():
    """Nor where the quadrature does not settle in the steps that it is given."""
    A = correlations(100, 400)
    A -= 0.5 * np.eye(100)
    assert trace_of_log(lambda x: A @ x, 100, directions=1, probes=2, steps=50, seed=0) is None
    wide = spread_matrix(200, 1e-4)
    assert trace_of_log(lambda x: wide @ x, 200, directions=1, probes=2, steps=3, seed=0) is None


def test_the_log_determinant_of_the_identity_is_zero():
    """Lanczos' method ends at once, and there is nothing to be uncertain of."""
    value, error = trace_of_log(lambda x: x, 50, directions=2, probes=4, steps=10, seed=0) or (1, 1)
    assert abs(value) < 1e-12
    assert error < 1e-12
