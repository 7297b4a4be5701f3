"""The largest of correlated t statistics, against what is known of it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from mixcheck.inference.max_t import max_t_pvalues, max_t_quantile

# Of the mean over directions.
SAME = 1e-3
PAIRS = np.array(
    [[1, -1, 0, 0], [1, 0, -1, 0], [1, 0, 0, -1], [0, 1, -1, 0], [0, 1, 0, -1], [0, 0, 1, -1]]
)


@pytest.mark.parametrize("df", [3.0, 12.5, np.inf])
def test_all_differences_are_tukey_s(df: float) -> None:
    """A singular correlation; p-values far into the tail."""
    R = PAIRS @ PAIRS.T / 2.0
    assert max_t_quantile(0.95, R, df) == pytest.approx(
        stats.studentized_range.isf(0.05, 4, df) / np.sqrt(2.0), rel=SAME
    )
    t = np.array([1.0, 3.0, 6.0])
    known = stats.studentized_range.sf(t * np.sqrt(2.0), 4, df)
    np.testing.assert_allclose(max_t_pvalues(t, R, df), known, rtol=5e-3)


def test_independent_statistics() -> None:
    """Sidak's, of the normal distribution."""
    p = 2.0 * stats.norm.sf(2.5)
    assert max_t_pvalues(np.array([2.5]), np.eye(4), np.inf)[0] == pytest.approx(
        1.0 - (1.0 - p) ** 4, rel=SAME
    )


def test_one_statistic_written_twice() -> None:
    """Is one statistic."""
    R = np.array([[1.0, -1.0], [-1.0, 1.0]])
    assert max_t_quantile(0.9, R, 5.0) == pytest.approx(stats.t.isf(0.05, 5.0))
    assert max_t_pvalues(np.array([2.0]), R, 5.0)[0] == pytest.approx(2.0 * stats.t.sf(2.0, 5.0))
