"""Wald intervals and p-values."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from mixcheck.errors import OptionError
from mixcheck.inference.wald import (
    fisher_intervals,
    log_intervals,
    wald_intervals,
    wald_pvalues,
)

Z = 1.959963984540054


def test_wald() -> None:
    """The normal interval, and what a confidence may be."""
    found = wald_intervals(np.array([1.0]), np.array([2.0]), 0.95)
    np.testing.assert_allclose(found, [[1.0 - 2 * Z, 1.0 + 2 * Z]])
    for level in (0.0, 1.0, -1.0, 95):
        with pytest.raises(OptionError, match="level must be a number between 0 and 1"):
            wald_intervals(np.zeros(1), np.ones(1), level)


def test_log_scale() -> None:
    """The normal interval of the logarithm; at zero there is a lower end alone."""
    value, error = np.array([0.6, 0.0]), np.array([0.2, 0.1])
    (low, high), boundary = log_intervals(value, error, 0.95)
    np.testing.assert_allclose(
        np.log([[low, high]]), wald_intervals(np.log(value[:1]), error[:1] / 0.6, 0.95)
    )
    assert boundary[0] == 0.0
    assert np.isnan(boundary[1])


def test_fisher_z() -> None:
    """The normal interval of artanh r; at the boundary there is none."""
    value, error = np.array([-0.4, 1.0, -1.0]), np.array([0.2, 0.1, 0.0])
    found = fisher_intervals(value, error, 0.9)
    np.testing.assert_allclose(
        np.arctanh(found[:1]), wald_intervals(np.arctanh(value[:1]), error[:1] / 0.84, 0.9)
    )
    assert np.isnan(found[1:]).all()


def test_pvalues() -> None:
    """Two-sided, and exact far out, where 1 - cdf would be zero."""
    z = np.array([-9.0, -1.0, 0.0, 2.5, 30.0])
    np.testing.assert_allclose(wald_pvalues(z), 2.0 * stats.norm.sf(np.abs(z)), rtol=1e-12)
    assert wald_pvalues(np.array([30.0]))[0] > 0.0
