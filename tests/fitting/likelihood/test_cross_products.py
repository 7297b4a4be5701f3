"""Cross products that lose no digits to origins and units."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import mixcheck as mc
from mixcheck.fitting.likelihood.cross_products import Weights, orthonormalise, take_moments
from mixcheck.port import port_of

ROWS = 200
# Orthonormality that Householder reflections have too.
ORTHONORMAL = 1e-12


def weights(rows: np.ndarray | None = None) -> Weights:
    """Weights of residuals alone."""
    return Weights(rows, float(ROWS), 0.0, 0.0)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shift", [0.0, 1e3, 1e6])
@pytest.mark.parametrize("unit", [1e-12, 1.0, 1e12])
def test_orthonormal(shift: float, unit: float, *, weighted: bool) -> None:
    """Columns of any origin and unit become orthonormal, and T leads to them."""
    rng = np.random.default_rng(1)
    x = (rng.normal(size=(ROWS, 2)) + shift) * unit
    X = np.column_stack([np.ones(ROWS), x, x[:, 0] * rng.normal(size=ROWS)])
    rows = rng.uniform(0.1, 5.0, ROWS) if weighted else np.ones(ROWS)
    found = orthonormalise(X, weights(rows if weighted else None))
    assert found is not None
    Q, T = found
    np.testing.assert_allclose(Q.T @ (rows[:, None] * Q), np.eye(4), atol=ORTHONORMAL)
    # The product itself cancels to the size of X times that of T.
    size = np.abs(X) @ np.abs(T)
    assert np.abs(X @ T - Q).max() <= 1e-14 * size.max()


def test_nearly_dependent_columns() -> None:
    """Powers of a covariate far from zero are not refused."""
    x = np.linspace(100.0, 110.0, ROWS)
    found = orthonormalise(np.column_stack([np.ones(ROWS), x, x**2, x**3]), weights())
    assert found is not None
    np.testing.assert_allclose(found[0].T @ found[0], np.eye(4), atol=1e-6)


def test_columns_without_full_rank() -> None:
    """A column that is zero in all rows that count has no coefficient."""
    f = (np.arange(ROWS) < 3).astype(float)
    X = np.column_stack([np.ones(ROWS), f])
    assert orthonormalise(X, weights(1.0 - f)) is None


def problem_of(shift: float) -> tuple[mc.GLMM, np.ndarray]:
    """The cross products of a model with a slope, and its rows."""
    rng = np.random.default_rng(2)
    data = {"x": rng.normal(size=ROWS) + shift, "g": np.repeat(np.arange(20), 10)}
    data["y"] = data["x"] - shift + rng.normal(size=20)[data["g"]] + rng.normal(size=ROWS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mc.BoundaryWarning)
        fit = mc.glmm("y ~ x + (x | g)", data)
    return fit, data["x"]


@pytest.mark.parametrize("shift", [50.0, 1e6])
def test_random_slopes_are_centred(shift: float) -> None:
    """The change of effects gives back the covariates of the user."""
    fit, x = problem_of(shift)
    products = port_of(fit).problem.products
    assert products is not None
    standard = products.latent.factors[0].columns[1].covariate
    order = port_of(fit).problem.order
    assert standard.std() == pytest.approx(1.0, rel=1e-9)
    # Z S is the standardised covariate: a combination of one and x.
    change = products.changes[0]
    np.testing.assert_allclose(
        change[0, 1] + change[1, 1] * x[order], standard, atol=4e-16 * shift * change[1, 1]
    )


def test_moments_of_a_large_response() -> None:
    """Residuals are those of the response without its mean, as far as it is stored."""
    fit, _ = problem_of(0.0)
    products, X = port_of(fit).problem.products, port_of(fit).problem.X[0]
    assert products is not None
    y = port_of(fit).problem.data.y
    here, there = take_moments(products, X, y), take_moments(products, X, y + 1e9)
    assert there.size == pytest.approx(here.size, rel=1e-7)
    np.testing.assert_allclose(there.residual, here.residual, atol=1e-6)
    np.testing.assert_allclose(there.residual @ products.Q, 0.0, atol=1e-12)
    assert there.noise == pytest.approx(np.finfo(float).eps * 1e9 / here.size, rel=1e-6)
