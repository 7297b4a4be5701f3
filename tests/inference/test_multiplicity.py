"""Several tests at once."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from mixcheck.inference.multiplicity import adjust_family

# Directions of the integral leave this much.
DIRECTIONS = 1e-4


def _pairs(k: int) -> np.ndarray:
    rows = [np.eye(k)[i] - np.eye(k)[j] for i in range(k) for j in range(i + 1, k)]
    K = np.array(rows) / np.sqrt(2.0)
    return K @ K.T


@pytest.mark.parametrize("k", [2, 3, *(pytest.param(k, marks=pytest.mark.slow) for k in (4, 6))])
@pytest.mark.parametrize("df", [5.0, 30.0, np.inf])
def test_multivariate_t_of_all_pairs_is_tukey(k: int, df: float) -> None:
    """With equal variances they are one distribution, though the correlations are singular."""
    R = _pairs(k)
    t, nu = np.linspace(0.5, 4.0, len(R)), np.full(len(R), df)
    mvt = adjust_family(t, nu, R, "mvt", 0.95, k)
    tukey = adjust_family(t, nu, R, "tukey", 0.95, k)
    np.testing.assert_allclose(mvt.pvalues, tukey.pvalues, atol=DIRECTIONS)
    np.testing.assert_allclose(mvt.quantiles, tukey.quantiles, rtol=DIRECTIONS)


@pytest.mark.slow
def test_each_difference_has_its_own_df() -> None:
    """Tukey's p-value and interval are those of a family in which all have these df."""
    t, nu, R = np.array([2.4, 3.7, 1.1]), np.array([6.0, 40.66, 6.0]), _pairs(3)
    own = adjust_family(t, nu, R, "tukey", 0.95, 3)
    for k in range(3):
        alike = adjust_family(t, np.full(3, nu[k]), R, "tukey", 0.95, 3)
        assert own.pvalues[k] == alike.pvalues[k]
        assert own.quantiles[k] == alike.quantiles[k]
    assert own.quantiles[1] < own.quantiles[0]


def test_multivariate_t_of_independent_ones() -> None:
    """Normal ones are Sidak's."""
    t, nu = np.array([1.0, 2.5, 3.0, 0.1]), np.full(4, np.inf)
    mvt = adjust_family(t, nu, np.eye(4), "mvt", 0.95, 4)
    sidak = adjust_family(t, nu, np.eye(4), "sidak", 0.95, 4)
    np.testing.assert_allclose(mvt.pvalues, sidak.pvalues, atol=DIRECTIONS)
    np.testing.assert_allclose(mvt.quantiles, sidak.quantiles, rtol=DIRECTIONS)


def test_holm() -> None:
    """The example of its steps: ordered p-values times the number that is left."""
    p = np.array([0.01, 0.04, 0.03])
    t = -stats.norm.ppf(p / 2.0)
    found = adjust_family(t, np.full(3, np.inf), np.eye(3), "holm", 0.95, 3)
    np.testing.assert_allclose(found.pvalues, [0.03, 0.06, 0.06])


def test_unknown_ones_are_no_tests() -> None:
    """A family counts those that it has."""
    t, nu = np.array([2.0, np.nan, 3.0]), np.full(3, 10.0)
    found = adjust_family(t, nu, np.eye(3), "bonferroni", 0.95, 3)
    raw = 2.0 * stats.t.sf([2.0, 3.0], 10.0)
    np.testing.assert_allclose(found.pvalues[[0, 2]], 2.0 * raw)
    assert np.isnan(found.pvalues[1])
    one = adjust_family(t[:1], nu[:1], np.eye(1), "mvt", 0.95, 3)
    np.testing.assert_allclose(one.pvalues, raw[:1])
