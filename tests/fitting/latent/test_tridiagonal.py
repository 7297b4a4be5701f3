"""A factored tridiagonal matrix against the dense one."""

from __future__ import annotations

import numpy as np

from mixcheck.fitting.latent.tridiagonal import (
    Runs,
    differentiate_log_det,
    factor_tridiagonal,
    trace_of_products,
)


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


def dense(diagonal: np.ndarray, beside: np.ndarray) -> np.ndarray:
    """The whole matrix."""
    return np.diag(diagonal) + np.diag(beside[:-1], 1) + np.diag(beside[:-1], -1)


def test_traces_of_products() -> None:
    """``tr(V T_i V T_j)`` of diagonal matrices and of tridiagonal ones."""
    diagonal, beside, whole = make()
    found = factor_tridiagonal(diagonal, beside)
    assert found is not None
    rng = np.random.default_rng(4)
    diagonals, besides = rng.normal(size=(4, 9)), rng.normal(size=(2, 9))
    besides[:, [4, -1]] = 0.0
    both = np.concatenate([np.zeros((2, 9)), besides])
    turned = [np.linalg.solve(whole, dense(*pair)) for pair in zip(diagonals, both, strict=True)]
    expected = [[np.trace(a @ b) for b in turned] for a in turned]
    np.testing.assert_allclose(trace_of_products(found, diagonals, besides), expected, rtol=1e-11)
    none = trace_of_products(found, diagonals[:2], np.zeros((0, 9)))
    np.testing.assert_allclose(none, np.array(expected)[:2, :2], rtol=1e-11)


def test_derivatives_of_log_determinant() -> None:
    """Of several blocks counted differently, along curved paths, by the dense inverse."""
    diagonal, beside, whole = make()
    found = factor_tridiagonal(diagonal, beside)
    assert found is not None
    rng = np.random.default_rng(5)
    slopes, bends = rng.normal(size=(2, 2, 9)), rng.normal(size=(2, 2, 2, 9))
    bends[1, 0] = bends[0, 1]
    slopes[:, 1, [4, -1]] = bends[:, :, 1, [4, -1]] = 0.0
    counts = np.repeat([3.0, 2.0], [5, 4])
    first, second = differentiate_log_det(found, slopes, bends, counts)
    V = np.linalg.inv(whole) * counts
    moved = [dense(*pair) for pair in slopes]
    np.testing.assert_allclose(first, [np.trace(V @ T) for T in moved], rtol=1e-11)
    for i in range(2):
        for j in range(2):
            product = np.trace(V @ moved[i] @ np.linalg.inv(whole) @ moved[j])
            expected = np.trace(V @ dense(*bends[i, j])) - product
            np.testing.assert_allclose(second[i, j], expected, rtol=1e-11)
