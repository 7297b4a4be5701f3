"""Model matrices of which nearly all entries are zero."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import mixcheck as mc
from mixcheck.design import sparse_columns as module
from mixcheck.design.rank import independent_columns
from mixcheck.design.sparse_columns import sparse_columns
from mixcheck.fitting.latent.weighted_square import weighted_square
from mixcheck.port import port_of


def indicators(rng: np.random.Generator, n: int = 900, levels: int = 60) -> np.ndarray:
    """An intercept, a number, and the levels of a factor but for the first."""
    codes = rng.permutation(np.resize(np.arange(levels), n))
    return np.column_stack(
        [np.ones(n), rng.normal(size=n), codes[:, None] == np.arange(1, levels)]
    ).astype(np.float64)


@pytest.mark.parametrize("order", ["C", "F"])
def test_entries_stay(order):
    """The sparse matrix is the matrix, and so is its weighted square, weights of either sign."""
    rng = np.random.default_rng(1)
    X = np.asarray(indicators(rng), order=order)
    found, weight = sparse_columns(X), rng.normal(size=len(X))
    assert isinstance(found, sparse.csr_array)
    np.testing.assert_array_equal(found.toarray(), X)
    np.testing.assert_allclose(weighted_square(found, weight), X.T @ (weight[:, None] * X))


def test_matrices_that_are_filled_stay_as_they_are():
    """Few columns, many entries, and entries that come only after the first rows."""
    rng = np.random.default_rng(2)
    few, filled = np.eye(30), rng.normal(size=(200, 50))
    late = np.vstack([np.zeros((600, 50)), rng.normal(size=(600, 50))])
    for X in (few, filled, late):
        assert sparse_columns(X) is X


def test_aliased_levels_are_found():
    """A level that is the sum of others depends on them, sparse or not."""
    X = indicators(np.random.default_rng(3))
    X = np.column_stack([X, X[:, 5] + X[:, 6]])
    kept = independent_columns(X)
    assert kept[:-1].all()
    assert not kept[-1]


@pytest.mark.parametrize("family", ["poisson", "binomial", "gaussian"])
def test_a_fit_is_the_same_either_way(family, monkeypatch):
    """Estimates and standard errors of a model with a factor of many levels."""
    rng = np.random.default_rng(4)
    n = 1500
    data = pd.DataFrame({"g": rng.integers(0, 30, n), "x": rng.normal(size=n)})
    codes = rng.permutation(np.resize(np.arange(60), n))
    data["c"] = pd.Series(codes).map("level {:02d}".format)
    eta = 0.3 * data["x"] + 0.5 * rng.normal(size=30)[data["g"]] + 0.3 * rng.normal(size=60)[codes]
    data["y"] = {
        "poisson": lambda: rng.poisson(np.exp(eta)),
        "binomial": lambda: rng.random(n) < 1.0 / (1.0 + np.exp(-eta)),
        "gaussian": lambda: eta + rng.normal(size=n),
    }[family]()
    fast = mc.glmm("y ~ x + c + (1 | g)", data, family=family)
    assert sparse.issparse(port_of(fast).problem.matrices[0])
    monkeypatch.setattr(module, "_LEAST_COLUMNS", 10_000)
    # In another order: of a design that was seen before the columns are kept as they were.
    slow = mc.glmm("y ~ x + c + (1 | g)", data.iloc[::-1], family=family)
    assert not sparse.issparse(port_of(slow).problem.matrices[0])
    assert fast.llf == pytest.approx(slow.llf, abs=1e-9)
    np.testing.assert_allclose(fast.params, slow.params, atol=1e-7)
    np.testing.assert_allclose(fast.bse, slow.bse, rtol=1e-6)
