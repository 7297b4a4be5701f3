"""Chi-bar-square distributions and their weights."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mixcheck.comparison import chi_bar_square as mixture
from mixcheck.comparison.chi_bar_square import (
    ChiBarSquare,
    chi_square,
    half_and_half,
    orthant_mixture,
)

# Five standard errors of 100,000 draws.
SIMULATION_TOLERANCE = 0.008
CORRELATIONS = st.lists(st.floats(-0.45, 0.9), min_size=3, max_size=3)


def _correlation(values: list[float]) -> np.ndarray:
    out = np.eye(3)
    out[np.triu_indices(3, 1)] = values
    return out + np.triu(out, 1).T


def test_one_variance():
    """The 5 % point of equal parts of zero and chi-square(1) is 2.7055 (Self & Liang 1987)."""
    assert half_and_half(0).sf(2.705543454095404) == pytest.approx(0.05, rel=1e-12)


def test_zero_statistic():
    """At zero everything is as large, whatever the weights."""
    assert half_and_half(0).sf(0.0) == chi_square(3).sf(0.0) == 1.0


def test_shift():
    """Free parameters add their degrees of freedom to each part."""
    assert half_and_half(0).shift(2).weights == ((2, 0.5), (3, 0.5))
    assert half_and_half(1).mean == 1.5
    assert str(half_and_half(1)) == "0.5 chi-square(1) + 0.5 chi-square(2)"
    assert str(chi_square(2)) == "chi-square(2)"


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_diagonal_information(k):
    """With a diagonal covariance the weights are binomial, whatever its scale."""
    found = orthant_mixture(np.diag(10.0 ** np.arange(k)))
    expected = np.random.default_rng(0).binomial(k, 0.5, 200_000)
    shares = np.bincount(expected, minlength=k + 1) / expected.size
    assert [df for df, _ in found.weights] == list(range(k + 1))
    assert [w for _, w in found.weights] == pytest.approx(shares, abs=SIMULATION_TOLERANCE)
    assert found.error == 0.0


def test_two_variances():
    """Both projections are positive with the orthant probability 1/4 + asin(rho) / 2 pi."""
    found = orthant_mixture(np.array([[4.0, 1.0], [1.0, 1.0]]))
    assert dict(found.weights)[2] == pytest.approx(0.25 + np.arcsin(0.5) / (2 * np.pi), rel=1e-14)
    assert dict(found.weights)[1] == 0.5


@settings(deadline=None, derandomize=True, max_examples=4)
@given(CORRELATIONS)
def test_three_variances(values):
    """The simulated weights are those of Silvapulle & Sen (2004, proposition 3.6.1) for k = 3."""
    V = _correlation(values)
    assume(np.linalg.eigvalsh(V)[0] > 0.05 and np.abs(V - np.eye(3)).max() > 0.01)
    found = orthant_mixture(V)
    pairs = np.arccos(V[np.triu_indices(3, 1)])
    assert dict(found.weights)[3] == pytest.approx(
        (2.0 * np.pi - pairs.sum()) / (4.0 * np.pi), abs=SIMULATION_TOLERANCE
    )
    weights = [w for _, w in found.weights]
    # Gauss and Bonnet: odd and even parts are equal.
    assert weights[0] + weights[2] == pytest.approx(0.5, abs=SIMULATION_TOLERANCE)
    assert sum(weights) == pytest.approx(1.0, abs=1e-12)
    assert 0.0 < found.error < 0.002


def test_projection_by_quadratic_programming():
    """The number of positive parts is that of non-negative least squares."""
    from scipy.optimize import nnls

    V = _correlation([0.6, -0.3, 0.2])
    z = (
        np.random.Generator(np.random.Philox(mixture._WEIGHT_SEED)).standard_normal(
            (mixture.WEIGHT_DRAWS, 3)
        )[:300]
        @ np.linalg.cholesky(V).T
    )
    root = np.linalg.cholesky(np.linalg.inv(V)).T
    solved = [np.sum(nnls(root, root @ row)[0] > 0.0) for row in z]
    assert solved == mixture._positive_parts(V)[:300].tolist()


def test_simulated_weights_repeat():
    """The seed of the weights is fixed: the same test has the same p-value every time."""
    V = _correlation([0.5, 0.4, 0.3])
    assert orthant_mixture(V) == orthant_mixture(V)
    assert isinstance(orthant_mixture(V), ChiBarSquare)
