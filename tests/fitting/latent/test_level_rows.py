"""Rows of levels side by side, beside passes over all rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.fitting.latent import level_rows
from mixcheck.fitting.latent.factors import Column, Factor
from mixcheck.fitting.latent.group_sums import Summation
from mixcheck.fitting.latent.level_rows import rows_of_levels
from mixcheck.port import port_of

SIZES = np.array([9, 12, 10, 14, 11])


def make(rng: np.random.Generator, q: int = 7, sizes: np.ndarray = SIZES) -> Factor:
    """A factor with an intercept and covariates."""
    index = np.repeat(np.arange(sizes.size), sizes)
    columns = [Column(0, None), *(Column(0, rng.normal(size=index.size)) for _ in range(q - 1))]
    return Factor(Summation(index, sizes.size), tuple(columns))


def test_products_are_those_of_dense_matrices():
    """``Z'WZ``, ``z'Vz``, ``Z b`` and ``Z'r``, level by level."""
    rng = np.random.default_rng(1)
    factor = make(rng)
    levels = rows_of_levels(factor)
    assert levels is not None
    index, Z = factor.sums.index, factor.covariates
    w, r = rng.normal(size=index.size), rng.normal(size=index.size)
    V, b = rng.normal(size=(7, 7, 5)), rng.normal(size=(7, 5))
    V = V + V.swapaxes(0, 1)
    gram, scattered = levels.gram(w), levels.scatter(r)
    for i in range(5):
        rows = index == i
        np.testing.assert_allclose(gram[..., i], Z[rows].T @ (w[rows, None] * Z[rows]), atol=1e-12)
        np.testing.assert_allclose(scattered[:, i], Z[rows].T @ r[rows], atol=1e-12)
    np.testing.assert_array_equal(gram, gram.swapaxes(0, 1))
    squares = np.einsum("ia,abi,ib->i", Z, V[..., index], Z)
    np.testing.assert_allclose(levels.leverages(V), squares, atol=1e-12)
    np.testing.assert_allclose(levels.gather(b), (Z * b.T[index]).sum(axis=1), atol=1e-12)
    many, rows = rng.normal(size=(7, 3, 5)), rng.normal(size=(3, index.size))
    each, sums = levels.gather_each(many), levels.scatter_each(rows)
    for k in range(3):
        np.testing.assert_allclose(each[k], levels.gather(many[:, k]), atol=1e-12)
        np.testing.assert_allclose(sums[:, k], levels.scatter(rows[k]), atol=1e-12)


@pytest.mark.parametrize(
    "why", ["few effects", "few rows", "one long level", "no order", "two predictors"]
)
def test_where_passes_over_the_rows_stay(why):
    """Few effects or rows, one level with most rows, other orders, and effects of two parts."""
    rng = np.random.default_rng(2)
    factor = make(rng)
    if why == "few effects":
        factor = make(rng, q=3)
    elif why == "few rows":
        factor = make(rng, sizes=np.full(5, 4))
    elif why == "one long level":
        factor = make(rng, sizes=np.array([9, 9, 9, 9, 200]))
    elif why == "no order":
        factor = Factor(Summation(factor.sums.index[::-1], factor.m), factor.columns)
    else:
        columns = (*factor.columns[:-1], Column(1, factor.columns[-1].covariate))
        factor = Factor(factor.sums, columns)
    assert rows_of_levels(factor) is None


@pytest.mark.parametrize("family", ["poisson", "binomial"])
def test_a_fit_is_the_same_either_way(family, monkeypatch):
    """Estimates, standard errors and likelihood of a model with seven effects a level."""
    rng = np.random.default_rng(3)
    g = np.repeat(np.arange(40), rng.integers(18, 28, 40))
    X = rng.normal(size=(g.size, 6))
    effects = 0.7 * rng.normal(size=(40, 7))
    eta = 0.2 + 0.3 * X[:, 0] + effects[g, 0] + (effects[g, 1:] * X).sum(axis=1)
    data = pd.DataFrame(X, columns=[*"abcdef"]).assign(g=g)
    if family == "poisson":
        data["y"] = rng.poisson(np.exp(np.clip(eta, None, 3.0)))
    else:
        data["y"] = rng.random(g.size) < 1.0 / (1.0 + np.exp(-eta))
    formula = "y ~ a + (a + b + c + d + e + f || g)"
    fast = mc.glmm(formula, data, family=family)
    assert port_of(fast).problem.latent.level_rows[0] is not None
    monkeypatch.setattr(level_rows, "_LEAST_EFFECTS", 1000)
    slow = mc.glmm(formula, data, family=family)
    assert fast.llf == pytest.approx(slow.llf, abs=1e-8)
    np.testing.assert_allclose(fast.params, slow.params, atol=1e-6)
    np.testing.assert_allclose(fast.bse, slow.bse, rtol=1e-5)
