"""Stacks of small matrices, against NumPy one matrix at a time."""

from __future__ import annotations

import numpy as np
import pytest

from mixcheck.fitting.latent import small_matrices as blocks

# Products of numbers near one.
ROUNDING = 1e-12
M = 7


def stack(r: int, s: int, seed: int = 0) -> np.ndarray:
    """Random matrices (r, s), M of them."""
    return np.random.default_rng(seed).normal(size=(r, s, M))


def positive(q: int) -> np.ndarray:
    """Random positive definite matrices."""
    a = stack(q, q + 2)
    return np.einsum("ikm,jkm->ijm", a, a)


def each(a: np.ndarray) -> list[np.ndarray]:
    """The matrices of a stack."""
    return list(np.moveaxis(a, -1, 0))


def close(found: np.ndarray, wanted: list[np.ndarray]) -> None:
    """The stack holds these matrices."""
    np.testing.assert_allclose(np.moveaxis(found, -1, 0), wanted, rtol=ROUNDING, atol=ROUNDING)


SHAPES = [(1, 1, 1), (1, 1, 3), (3, 1, 1), (2, 1, 3), (1, 3, 1), (1, 2, 3), (3, 2, 1), (2, 3, 4)]


@pytest.mark.parametrize(("r", "s", "t"), SHAPES)
def test_products(r: int, s: int, t: int) -> None:
    """Both products are those of each pair of matrices."""
    a, b = stack(r, s), stack(s, t, 1)
    close(blocks.multiply(a, b), [x @ y for x, y in zip(each(a), each(b), strict=True)])
    turned = blocks.transpose(a)
    close(turned, [x.T for x in each(a)])
    product = blocks.multiply_transposed(turned, b)
    close(product, [x @ y for x, y in zip(each(a), each(b), strict=True)])


@pytest.mark.parametrize(("r", "s"), [(1, 1), (1, 3), (3, 1), (2, 3)])
def test_sandwich(r: int, s: int) -> None:
    """One matrix on either side of each."""
    left, right, middle = stack(r, 2)[..., 0], stack(s, 3, 1)[..., 0], stack(r, s, 2)
    close(blocks.sandwich(left, middle, right), [left.T @ x @ right for x in each(middle)])
    square, other = stack(r, r)[..., 0], stack(s, s, 1)[..., 0]
    close(blocks.sandwich(square, middle, other), [square.T @ x @ other for x in each(middle)])


@pytest.mark.parametrize(("r", "s"), [(1, 1), (1, 3), (3, 1), (2, 3)])
def test_weighted_products(r: int, s: int) -> None:
    """``G L V'`` of each pair of matrices, and their sum."""
    gram, inverse, root = stack(r, s), stack(r, s, 1), stack(s, s, 2)[..., 0]
    wanted = [g @ root @ v.T for g, v in zip(each(gram), each(inverse), strict=True)]
    close(blocks.weighted_products(gram, inverse, root), wanted)
    total = blocks.sum_weighted_products(gram, inverse, root)
    np.testing.assert_allclose(total, sum(wanted), rtol=ROUNDING, atol=ROUNDING)


@pytest.mark.parametrize("q", [1, 2, 3, 5])
def test_factor(q: int) -> None:
    """Cholesky factors, solves with them and the log determinant."""
    a = positive(q)
    lower = blocks.factor_blocks(a)
    assert lower is not None
    close(lower, [np.linalg.cholesky(x) for x in each(a)])
    b = stack(q, 2, 3)
    pairs = list(zip(each(lower), each(b), strict=True))
    close(blocks.solve_lower(lower, b), [np.linalg.solve(x, y) for x, y in pairs])
    close(blocks.solve_upper(lower, b), [np.linalg.solve(x.T, y) for x, y in pairs])
    wanted = sum(np.linalg.slogdet(x)[1] for x in each(a))
    assert blocks.log_determinant(lower) == pytest.approx(wanted, rel=ROUNDING)


@pytest.mark.parametrize("q", [1, 2, 3])
def test_not_positive(q: int) -> None:
    """One indefinite matrix in the stack gives None."""
    a = positive(q)
    a[:, :, 4] -= 1.01 * np.linalg.eigvalsh(a[:, :, 4])[0] * np.eye(q)
    assert blocks.factor_blocks(a) is None


@pytest.mark.parametrize("q", [1, 2])
def test_not_a_number(q: int) -> None:
    """A stack with a nan is not positive."""
    a = positive(q)
    a[-1, -1, 2] = np.nan
    assert blocks.factor_blocks(a) is None


def test_what_is_not_positive_has_no_factor() -> None:
    """With `each`, a matrix that is not positive changes no factor of the others."""
    a = np.stack([np.eye(2), np.diag([1.0, -1.0]), np.array([[2.0, 1.0], [1.0, 2.0]])], axis=2)
    assert blocks.factor_blocks(a) is None
    found = blocks.factor_blocks(a, each=True)
    assert found is not None
    assert np.isnan(found[1, 1, 1])
    for k in (0, 2):
        np.testing.assert_allclose(found[:, :, k], np.linalg.cholesky(a[:, :, k]))


@pytest.mark.parametrize("q", [1, 2])
def test_each_copy_has_its_own_matrices(q: int) -> None:
    """Products with a matrix for each copy are those of the copies alone."""
    rng, copies, m = np.random.default_rng(1), 3, 4
    left, right = rng.normal(size=(2, q, q, copies))
    matrices, inverse = rng.normal(size=(2, q, q, copies * m))
    whole = blocks.sandwich(left, matrices, right)
    sums = blocks.sum_weighted_products(matrices, inverse, right)
    for k in range(copies):
        rows = slice(k * m, (k + 1) * m)
        alone = blocks.sandwich(left[:, :, k], matrices[:, :, rows], right[:, :, k])
        np.testing.assert_allclose(whole[:, :, rows], alone)
        alone = blocks.sum_weighted_products(
            matrices[:, :, rows], inverse[:, :, rows], right[:, :, k]
        )
        np.testing.assert_allclose(sums[:, :, k], alone)
