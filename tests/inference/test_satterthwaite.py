"""Satterthwaite's degrees of freedom."""

from __future__ import annotations

import numpy as np
import pytest

from mixcheck.inference.satterthwaite import joint_satterthwaite_df, satterthwaite_df


def two_samples(s: tuple[float, float], n: tuple[int, int]) -> tuple[np.ndarray, ...]:
    """Means of two samples with variances of their own: C, its slopes, and A of the variances."""
    C = np.diag([s[0] / n[0], s[1] / n[1]])
    slopes = np.array([np.diag([1 / n[0], 0.0]), np.diag([0.0, 1 / n[1]])])
    A = np.diag([2 * s[0] ** 2 / (n[0] - 1), 2 * s[1] ** 2 / (n[1] - 1)])
    return C, slopes, A


def test_a_difference_of_means_has_welch_degrees_of_freedom() -> None:
    """Welch (1947), for which the approximation was made."""
    C, slopes, A = two_samples((2.0, 5.0), (7, 12))
    a, b = 2.0 / 7, 5.0 / 12
    welch = (a + b) ** 2 / (a**2 / 6 + b**2 / 11)
    found = satterthwaite_df(np.array([[1.0, -1.0], [3.0, 0.0]]), C, slopes, A)
    np.testing.assert_allclose(found, [welch, 6.0], rtol=1e-12)


def test_joint_degrees_of_freedom_lie_between_those_of_the_parts() -> None:
    """Of Fai and Cornelius: ``2 E / (E - 2)`` of two with 6 and 11."""
    C, slopes, A = two_samples((2.0, 5.0), (7, 12))
    E = 6 / 4 + 11 / 9
    found = joint_satterthwaite_df(np.eye(2), C, slopes, A)
    assert found == pytest.approx(2 * E / (E - 2), rel=1e-12)
    assert 6.0 < found < 11.0
    assert joint_satterthwaite_df(np.eye(2), C, 0.0 * slopes, A) == np.inf


def test_two_degrees_of_freedom_have_no_expectation() -> None:
    """The limit is taken."""
    C, slopes, A = two_samples((2.0, 5.0), (3, 12))
    assert joint_satterthwaite_df(np.eye(2), C, slopes, A) == 2.0
