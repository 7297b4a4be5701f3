"""Tails of weighted sums of chi-squares."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import chdtrc

from mixcheck.comparison.weighted_chi_square import weighted_chi_square_sf

# The inversion drops terms below 1e-10 and mass beyond exp(-30).
TOLERANCE = 1e-7


@settings(deadline=None, derandomize=True, max_examples=20)
@given(st.floats(0.01, 40.0), st.floats(0.01, 100.0))
def test_two_pairs(x, scale):
    """Weights a, a, b, b: a sum of two exponentials, whose tail is closed."""
    a, b = 1.0, 0.4
    exact = (a * np.exp(-x / (2 * a)) - b * np.exp(-x / (2 * b))) / (a - b)
    found = weighted_chi_square_sf(scale * x, scale * np.array([a, a, b, b]))
    assert found == pytest.approx(exact, abs=TOLERANCE)


@pytest.mark.parametrize("k", [1, 2, 5])
def test_equal_weights(k):
    """Equal weights are a scaled chi-square."""
    assert weighted_chi_square_sf(9.0, np.full(k, 3.0)) == pytest.approx(float(chdtrc(k, 3.0)))


def test_simulated():
    """Four different weights, one nearly nothing, against a million draws."""
    weights = np.array([3.0, 1.0, 0.5, 0.01])
    draws = np.random.default_rng(1).standard_normal((1_000_000, 4)) ** 2 @ weights
    for x in (0.5, 4.0, 10.0, 30.0):
        # Four standard errors of a million draws.
        assert weighted_chi_square_sf(x, weights) == pytest.approx(np.mean(draws > x), abs=0.002)


def test_two_weights():
    """Two weights, the slowest case of the inversion, against one-dimensional quadrature."""
    z = np.linspace(-12.0, 12.0, 400_001)
    density = np.exp(-0.5 * z**2) / np.sqrt(2.0 * np.pi)
    tail = chdtrc(1.0, np.maximum(4.0 - 0.3 * z**2, 0.0))
    exact = float(np.sum(density * tail) * (z[1] - z[0]))
    assert weighted_chi_square_sf(4.0, np.array([1.0, 0.3])) == pytest.approx(exact, abs=1e-5)


def test_edges():
    """Nothing is above zero when all weights are zero; everything is above zero otherwise."""
    assert weighted_chi_square_sf(1.0, np.zeros(3)) == 0.0
    assert weighted_chi_square_sf(0.0, np.ones(3)) == 1.0
