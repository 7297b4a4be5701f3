"""The layout of random effects, against dense matrices Z."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from mixcheck.fitting.latent.elimination_order import lay_out
from mixcheck.fitting.latent.factors import Column, Factor
from mixcheck.fitting.latent.group_sums import Summation
from mixcheck.fitting.latent.layout import Latent

# Sums of a few dozen products.
ROUNDING = 1e-11
N = 30
PREDICTORS = 2


def factor(index: np.ndarray, columns: tuple[Column, ...]) -> Factor:
    """A factor whose levels are those that occur."""
    return Factor(Summation(index.astype(np.intp), int(index.max()) + 1), columns)


def make(seed: int = 0) -> Latent:
    """C within g within s, crossed with h and k; effects in two predictors."""
    rng = np.random.default_rng(seed)
    c = np.sort(np.concatenate([np.arange(12), rng.integers(0, 12, N - 12)]))
    x, z = rng.normal(size=N), rng.normal(size=N)
    h = np.concatenate([np.arange(4), rng.integers(0, 4, N - 4)])
    k = np.concatenate([np.arange(3), rng.integers(0, 3, N - 3)])
    return lay_out(
        [
            factor(k, (Column(0, x),)),
            factor(c // 6, (Column(0, None),)),
            factor(h, (Column(1, None), Column(0, z))),
            factor(c, (Column(0, None), Column(1, x))),
            factor(c // 3 % 4, (Column(0, z), Column(0, None), Column(1, None))),
        ]
    )


def dense(latent: Latent) -> list[np.ndarray]:
    """Z of each predictor, (n, all effects): by factor, effect, level."""
    out = []
    for k in range(PREDICTORS):
        parts = []
        for f in latent.factors:
            for column in f.columns:
                Z = np.zeros((N, f.m))
                values = 1.0 if column.covariate is None else column.covariate
                Z[np.arange(N), f.sums.index] = values if column.predictor == k else 0.0
                parts.append(Z)
        out.append(np.column_stack(parts))
    return out


def flatten(effects: list[np.ndarray]) -> np.ndarray:
    """All effects in one vector, as in `dense`."""
    return np.concatenate([e.ravel() for e in effects])


def starts(latent: Latent) -> np.ndarray:
    """Where each factor begins in the vector of all effects."""
    return np.cumsum([0, *(f.q * f.m for f in latent.factors)])


def test_order() -> None:
    """The chain is the nested factors, finest first; the others follow."""
    latent = make()
    assert latent.n_nested == 3
    assert [f.m for f in latent.factors] == [12, 4, 2, 4, 3]
    assert latent.schur_factors == (3, 4)
    assert latent.random_predictors == (0, 1)
    assert latent.size == 12 * 2 + 4 * 3 + 2 + 4 * 2 + 3
    assert latent.schur_size == 4 * 2 + 3
    assert latent.schur_offsets == {3: 0, 4: 8}


def test_equal_partitions_are_nested() -> None:
    """Two factors with the same partition form a chain; crossed ones do not."""
    index = np.repeat(np.arange(5), 6)
    same = lay_out([factor(index, (Column(0, None),)), factor(4 - index, (Column(0, None),))])
    assert same.n_nested == 2
    crossed = [factor(np.tile(np.arange(6), 5), (Column(0, None),))]
    assert lay_out([factor(index, (Column(0, None),)), *crossed]).n_nested == 1


@pytest.mark.parametrize("kind", ["sorted", "unsorted", "identity", "backwards"])
def test_summation(kind: str) -> None:
    """Sums by index and their transpose, whatever the order of the index."""
    rng = np.random.default_rng(3)
    index = {
        "sorted": np.repeat(np.arange(5), 3),
        "unsorted": rng.permutation(np.repeat(np.arange(5), 3)),
        "identity": np.arange(15),
        "backwards": np.arange(15)[::-1],
    }[kind].astype(np.intp)
    sums = Summation(index, int(index.max()) + 1)
    indicator = (index[:, None] == np.arange(sums.size)).astype(float)
    values, levels = rng.normal(size=15), rng.normal(size=sums.size)
    np.testing.assert_allclose(sums(values), indicator.T @ values, atol=ROUNDING)
    np.testing.assert_array_equal(sums.spread(levels), indicator @ levels)
    assert sums.identity == (kind == "identity")


def test_gather_and_scatter() -> None:
    """They are Z u for each predictor and the sum of Z' r."""
    latent, rng = make(), np.random.default_rng(1)
    Z = dense(latent)
    u = [rng.normal(size=f.shape) for f in latent.factors]
    for found, matrix in zip(latent.gather(u, PREDICTORS), Z, strict=True):
        assert found is not None
        np.testing.assert_allclose(found, matrix @ flatten(u), atol=ROUNDING)
    assert latent.gather(u, 3)[2] is None
    r = rng.normal(size=(PREDICTORS, N))
    wanted = Z[0].T @ r[0] + Z[1].T @ r[1]
    found = flatten(latent.scatter({0: r[0], 1: r[1]}))
    np.testing.assert_allclose(found, wanted, atol=ROUNDING)


@pytest.mark.parametrize("keys", [((0, 0),), ((0, 0), (1, 1)), ((0, 0), (0, 1), (1, 1))])
def test_gram(keys: tuple[tuple[int, int], ...]) -> None:
    """Z' W Z on the pairs of levels that meet, and nothing elsewhere."""
    latent, rng = make(), np.random.default_rng(2)
    Z = dense(latent)
    weights = {key: rng.normal(size=N) for key in keys}
    wanted = np.zeros((latent.size, latent.size))
    for (a, b), w in weights.items():
        part = Z[a].T @ (w[:, None] * Z[b])
        wanted += part if a == b else part + part.T
    found, begin = np.zeros_like(wanted), starts(latent)
    for (f, g), block in latent.gram(weights).items():
        pair = latent.pairs[f, g]
        for c in range(latent.factors[f].q):
            for d in range(latent.factors[g].q):
                rows = begin[f] + c * latent.factors[f].m + pair.left
                columns = begin[g] + d * latent.factors[g].m + pair.right
                found[rows, columns] = block[c, d]
                found[columns, rows] = block[c, d]
    np.testing.assert_allclose(found, wanted, atol=ROUNDING)


def test_leverages() -> None:
    """z_ia' V z_ib of any symmetric V that is known where levels meet."""
    latent, rng = make(), np.random.default_rng(4)
    Z = dense(latent)
    V = rng.normal(size=(latent.size, latent.size))
    V = V + V.T
    begin, inverse = starts(latent), {}
    for (f, g), pair in latent.pairs.items():
        (q, m), (r, k) = latent.factors[f].shape, latent.factors[g].shape
        rows = [begin[f] + c * m + pair.left for c in range(q)]
        columns = [begin[g] + d * k + pair.right for d in range(r)]
        inverse[f, g] = np.array([[V[i, j] for j in columns] for i in rows])
    found = latent.leverages(inverse)
    assert set(found) == {(0, 0), (0, 1), (1, 1)}
    for (a, b), values in found.items():
        wanted = np.einsum("ij,jk,ik->i", Z[a], V, Z[b])
        np.testing.assert_allclose(values, wanted, atol=ROUNDING)


def test_fills_and_lifts() -> None:
    """Each level (pair) of an inner factor points at the level (pair) that holds it."""
    latent = make()
    assert set(latent.nested_sums) == {(0, 1), (0, 2), (1, 2)}
    for (f, g), sums in latent.nested_sums.items():
        inner, outer = latent.factors[f].sums.index, latent.factors[g].sums.index
        np.testing.assert_array_equal(sums.index[inner], outer)
    assert set(latent.crossed_sums) == {
        (f, g, r) for f, g in latent.nested_sums for r in latent.schur_factors
    }
    for (f, g, r), sums in latent.crossed_sums.items():
        inner, outer = latent.pairs[f, r], latent.pairs[g, r]
        np.testing.assert_array_equal(sums.index[inner.sums.index], outer.sums.index)


def test_without_factors(small: SimpleNamespace) -> None:
    """A model without random effects has an empty layout."""
    latent = lay_out([])
    assert (latent.size, latent.factors, latent.schur_factors, latent.random_predictors) == (
        0,
        (),
        (),
        (),
    )
    assert latent.gather([], 1) == [None]
