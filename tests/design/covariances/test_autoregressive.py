"""Autoregression: long recursions, and what starts and steps of a search are made of."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import toeplitz

from mixcheck.design.covariances.autoregressive import Autoregressive


@pytest.mark.parametrize("q", [31, 32, 33, 64, 100, 1100])
@pytest.mark.parametrize("phi", [0.0, 0.6, -0.95, 0.999])
def test_long_recursions(q: int, phi: float) -> None:
    """Runs joined to each other are the recursion in time, and its transpose goes backwards."""
    structure = Autoregressive(q)
    chain = structure.dependence(structure.of_natural(np.array([1.0, phi])), 3)
    e = np.random.default_rng(q).normal(size=(2, 3 * q))
    wanted = e.reshape(2, 3, q).copy()
    for t in range(1, q):
        wanted[..., t] = phi * wanted[..., t - 1] + np.sqrt(1.0 - phi**2) * wanted[..., t]
    found = chain.spread(e)
    np.testing.assert_allclose(found, wanted.reshape(2, -1), atol=1e-10)
    np.testing.assert_allclose(chain.whiten(found), e, atol=1e-8)
    s = np.random.default_rng(q + 1).normal(size=(2, 3 * q))
    assert np.vdot(s, found) == pytest.approx(np.vdot(chain.spread_transposed(s), e), rel=1e-9)


@pytest.mark.parametrize("phi", [0.0, 0.7, -0.5])
def test_steps_of_series(phi: float) -> None:
    """In its steps the information of a long series with errors is nearly the identity."""
    q, s, precision = 400, 0.8, 1.5
    structure = Autoregressive(q)
    theta = structure.of_natural(np.array([s, phi]))

    def covariance(at: np.ndarray) -> np.ndarray:
        sd, correlation = structure.natural(at)
        return sd**2 * toeplitz(correlation ** np.arange(q)) + np.eye(q) / precision

    V = covariance(theta)
    slopes = [
        np.linalg.solve(V, (covariance(theta + e) - covariance(theta - e)) / 2e-5)
        for e in 1e-5 * np.eye(2)
    ]
    # Twice the Fisher information: that of the deviance.
    information = np.array([[np.sum(a * b.T) for b in slopes] for a in slopes])
    steps = structure.steps_of_series(theta, 0.05, precision, q)
    # Ends of the series are a share 1 / q of it, and the limit of each step takes a little.
    np.testing.assert_allclose(steps.T @ information @ steps, np.eye(2), atol=0.05)


def test_start_from_lags() -> None:
    """Covariances of some theta give it back; what is lost in noise gives none."""
    structure = Autoregressive(8)
    for sd, phi in ((0.7, 0.6), (2.0, -0.35)):
        lags = sd**2 * phi ** np.arange(1, 7)
        found = structure.start_from_lags(lags, np.full(6, 1e-3))
        assert found is not None
        np.testing.assert_allclose(structure.natural(found), [sd, phi], rtol=1e-10)
    assert structure.start_from_lags(np.array([0.1, 0.1]), np.array([0.05, 0.05])) is None
