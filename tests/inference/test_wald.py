"""Wald intervals and p-values."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from mixcheck.errors import OptionError
from mixcheck.inference.wald import wald_intervals, wald_pvalues


def test_wald() -> None:
    """The normal interval, and what alpha may be."""
    found = wald_intervals(np.array([1.0]), np.array([2.0]), 0.05)
    np.testing.assert_allclose(found, [[1.0 - 2 * 1.959963984540054, 1.0 + 2 * 1.959963984540054]])
    for alpha in (0.0, 1.0, -1.0, 2.0):
        with pytest.raises(OptionError, match="must be a number between 0 and 1"):
            wald_intervals(np.zeros(1), np.ones(1), alpha)


def test_pvalues() -> None:
    """Two-sided, and exact far out, where 1 - cdf would be zero."""
    z = np.array([-9.0, -1.0, 0.0, 2.5, 30.0])
    np.testing.assert_allclose(wald_pvalues(z), 2.0 * stats.norm.sf(np.abs(z)), rtol=1e-12)
    assert wald_pvalues(np.array([30.0]))[0] > 0.0
