"""A factored tridiagonal matrix against the dense one."""

from __future__ import annotations

import numpy as np

from mixcheck.fitting.latent.tridiagonal import Runs, factor_tridiagonal


def make(m: int = 9) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Diagonal, what is beside it, of two blocks, and the whole matrix."""
    rng = np.random.default_rng(0)
    diagonal, beside = 2.0 + rng.random(m), rng.normal(size=m) * 0.5
    beside[[4, -1]] = 0.0
    return diagonal, beside, np.diag(diagonal) + sum(np.diag(beside[:-1], k) for k in (1, -1))


def test_factor() -> None:
    """Determinant, solutions by the whole and by halves, and entries of the inverse."""
    diagonal, beside, whole = make()
    kept = beside.copy()
    found = factor_tridiagonal(diagonal.copy(), beside)
    assert found is not None
    np.testing.assert_array_equal(beside, kept)
    inverse = np.linalg.inv(whole)
    np.testing.assert_allclose(found.log_determinant(), np.linalg.slogdet(whole)[1], rtol=1e-12)
    rows = np.random.default_rng(1).normal(size=(2, 9))
    np.testing.assert_allclose(found.solve(rows), rows @ inverse, rtol=1e-12)
    half = found.substitute(rows[None], None, transposed=False)
    np.testing.assert_allclose(half[0] @ half[0].T, rows @ inverse @ rows.T, rtol=1e-12)
    back = found.substitute(half, None, transposed=True)
    np.testing.assert_allclose(back[0], rows @ inverse, rtol=1e-12)
    np.testing.assert_allclose(found.inverse[0], np.diag(inverse), rtol=1e-12)
    np.testing.assert_allclose(found.inverse[1][:-1], np.diag(inverse, 1), atol=1e-14)


def test_runs() -> None:
    """Columns that hold a block once for each of several levels, in any order."""
    diagonal, beside, whole = make()
    found = factor_tridiagonal(diagonal, beside)
    assert found is not None
    places = np.array([0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 5, 6, 7, 8])
    order = np.random.default_rng(2).permutation(places.size)
    stack = np.random.default_rng(3).normal(size=(1, 1, places.size))
    runs = Runs(order, places)
    half = found.substitute(stack, runs, transposed=False)
    both = found.substitute(half, runs, transposed=True)[0, 0, order]
    for run in (slice(0, 5), slice(5, 10), slice(10, 14)):
        block = whole[np.ix_(places[run], places[run])]
        np.testing.assert_allclose(
            both[run], np.linalg.solve(block, stack[0, 0, order[run]]), rtol=1e-12
        )


def test_not_positive() -> None:
    """No factor of what is not positive, or not finite."""
    diagonal, beside, _ = make()
    assert factor_tridiagonal(diagonal - 3.0, beside) is None
    for value in (np.nan, np.inf):
        diagonal[5] = value
        assert factor_tridiagonal(diagonal.copy(), beside) is None
