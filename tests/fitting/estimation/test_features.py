"""Functions of the parameters, and their gradients."""

from __future__ import annotations

import numpy as np
import pytest

from mixcheck.design.covariances import STRUCTURES
from mixcheck.design.covariances.compound_symmetry import CompoundSymmetry
from mixcheck.design.covariances.unstructured import Unstructured
from mixcheck.fitting.estimation.features import Composite, Coordinate, Correlation, Deviation

PSI = np.array([5.0, 0.8, -0.3, 0.4, 0.9, 0.2, 0.7])


def test_a_coordinate() -> None:
    """Its value and its unit vector."""
    assert Coordinate(2).value(PSI) == -0.3
    assert Coordinate(2).slope(PSI).tolist() == [0, 0, 1, 0, 0, 0, 0]


def test_deviations_and_correlations_of_three_effects() -> None:
    """Rows of Lambda: lengths, and angles between them; slopes by hand."""
    covariance = Unstructured(3)
    root = covariance.root(PSI[1:])
    length = np.linalg.norm(root, axis=1)
    for k in range(3):
        feature = Deviation(covariance, 1, k)
        assert feature.value(PSI) == pytest.approx(length[k], rel=1e-14)
        expected = covariance.pull_back(PSI[1:], np.eye(3)[k][:, None] * root / length[k])
        np.testing.assert_allclose(feature.slope(PSI)[1:], expected, atol=1e-9)
    r = root[2] @ root[0] / (length[2] * length[0])
    feature = Correlation(covariance, 1, 4)
    assert feature.value(PSI) == pytest.approx(np.arctanh(r), rel=1e-13)
    assert feature.shown(feature.value(PSI)) == pytest.approx(r, rel=1e-13)
    assert feature.shown(-np.inf) == -1.0


def test_a_correlation_that_cannot_be_minus_one() -> None:
    """The scale is stretched over the range that there is, and goes back."""
    covariance = CompoundSymmetry(3)
    feature = Correlation(covariance, 0, 3, low=-0.5)
    for r in (-0.499, 0.0, 0.9):
        theta = covariance.of_natural(np.array([1.0, 2.0, 0.5, r]))
        assert feature.shown(feature.value(theta)) == pytest.approx(r, rel=1e-9)
    assert feature.shown(feature.ends[0]) == -0.5


@pytest.mark.parametrize("name", ["us", "diag", "cs", "homcs", "ar1"])
def test_the_low_end_of_a_deviation(name: str) -> None:
    """All that it depends on is zero and held; the rest is free and as it was."""
    covariance = STRUCTURES[name].covariance(3)
    natural = np.full(len(covariance.quantities("abc")), 0.3)
    theta = covariance.of_natural(natural)
    feature = Deviation(covariance, 1, 0)
    psi = np.append(7.0, theta)
    at, free = feature.at_low_end(psi)
    assert feature.value(at) == 0.0
    assert at[0] == 7.0
    assert free[0]
    np.testing.assert_array_equal(at[~free], 0.0)
    moved = at + np.where(free, 0.1, 0.0)
    assert feature.value(moved) == 0.0


@pytest.mark.parametrize("name", ["us", "diag", "cs", "homcs", "ar1"])
def test_placed_where_it_should_be(name: str) -> None:
    """Each natural parameter can be given a value, and the others keep theirs."""
    covariance = STRUCTURES[name].covariance(3)
    kinds = [q.kind for q in covariance.quantities("abc")]
    natural = np.where(np.array(kinds) == "sd", 0.7, 0.2)
    psi = np.append(7.0, covariance.of_natural(natural))
    for k, kind in enumerate(kinds):
        feature = (Deviation if kind == "sd" else Correlation)(covariance, 1, k)
        placed = feature.placed(psi, 0.4)
        assert feature.value(placed) == pytest.approx(0.4, rel=1e-9)
        moved = np.abs(covariance.natural(placed[1:]) - natural) > 1e-9
        assert moved.tolist() == [j == k for j in range(len(kinds))]


def test_the_gradient_of_any_function() -> None:
    """Exact to 1e-10 of itself, in parameters of unlike size, and zero where it does not depend."""
    psi = np.array([1e-4, 250.0, 0.7])
    feature = Composite(lambda p: float(np.exp(p[0] * 1e4) / p[1]), (1e-5, 20.0, 0.1))
    value = np.e / 250.0
    assert feature.value(psi) == pytest.approx(value, rel=1e-14)
    expected = [1e4 * value, -value / 250.0, 0.0]
    np.testing.assert_allclose(feature.slope(psi), expected, rtol=1e-10, atol=0.0)
    assert feature.placed(psi, 1.0) is psi
