"""t and F tests of linear combinations."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from mixcheck.errors import OptionError
from mixcheck.inference.contrasts import Contrasts, t_intervals, t_pvalues, t_quantiles

RNG = np.random.default_rng(3)


def contrasts(k: int, df: float, scale: float = 1.0) -> Contrasts:
    """Combinations with some covariance."""
    half = RNG.normal(size=(k, k + 2))
    return Contrasts(RNG.normal(size=k), half @ half.T, np.full(k, df), df, scale, "t")


def test_t_is_that_of_scipy_far_into_the_tail() -> None:
    """p-values and quantiles, the normal distribution at infinite degrees of freedom."""
    t = np.array([0.0, 1.0, -5.0, 40.0])
    for df in (0.7, 2.5, 30.0):
        every = np.full(4, df)
        np.testing.assert_allclose(t_pvalues(t, every), 2 * stats.t.sf(np.abs(t), df), rtol=1e-10)
        np.testing.assert_allclose(t_quantiles(0.99, every), stats.t.isf(0.005, df), rtol=1e-10)
    normal = np.full(4, np.inf)
    np.testing.assert_allclose(t_pvalues(t, normal), 2 * stats.norm.sf(np.abs(t)), rtol=1e-10)
    assert np.isnan(t_pvalues(t, np.full(4, np.nan))).all()
    assert np.isnan(t_quantiles(0.9, np.array([np.nan]))).all()
    with pytest.raises(OptionError, match="level"):
        t_intervals(t, t, normal, 95)


def test_f_of_one_row_is_t_squared() -> None:
    """With the same p-value."""
    one = contrasts(1, 5.5)
    test = one.test_jointly(0.25)
    t = (one.estimate - 0.25) / one.deviations
    assert test.statistic == pytest.approx(t[0] ** 2, rel=1e-12)
    assert test.pvalue == pytest.approx(t_pvalues(t, one.df)[0], rel=1e-10)


def test_f_is_that_of_scipy_with_its_scale() -> None:
    """And a chi-square over its degrees of freedom in the limit."""
    many = contrasts(3, 7.0, scale=0.8)
    quadratic = many.estimate @ np.linalg.solve(many.covariance, many.estimate)
    found = many.test_jointly()
    assert found.statistic == pytest.approx(0.8 * quadratic / 3, rel=1e-9)
    assert found.pvalue == pytest.approx(stats.f.sf(found.statistic, 3, 7.0), rel=1e-9)
    normal = contrasts(3, np.inf)
    quadratic = normal.estimate @ np.linalg.solve(normal.covariance, normal.estimate)
    assert normal.test_jointly().pvalue == pytest.approx(stats.chi2.sf(quadratic, 3), rel=1e-9)


def test_a_redundant_row_changes_nothing() -> None:
    """The numerator has the rank of the combinations, in any units of these."""
    two = contrasts(2, 9.0)
    L = np.array([[1.0, 0.0], [0.0, 1e6], [2.0, -3.0]])
    three = Contrasts(L @ two.estimate, L @ two.covariance @ L.T, np.full(3, 9.0), 9.0, 1.0, "t")
    found, alone = three.test_jointly(), two.test_jointly()
    assert found.df == 2
    assert found.statistic == pytest.approx(alone.statistic, rel=1e-6)


def test_what_has_no_finite_variance_has_no_test() -> None:
    """NaN, and no warning."""
    lost = Contrasts(np.zeros(1), np.full((1, 1), np.inf), np.ones(1), 1.0, 1.0, "t")
    assert np.isnan(lost.test_jointly().pvalue)
