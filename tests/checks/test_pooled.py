"""Statistics among a pool, by linear algebra written out."""

from __future__ import annotations

import numpy as np
import pytest

from mixcheck.checks.pooled import (
    distance_from_others,
    moments_of_others,
    pool_of,
    quadratic_form,
    simultaneous_band,
    standardised,
    with_statistic,
)
from mixcheck.checks.statistic import NullSample

ROUNDING = 1e-9


@pytest.fixture
def pool():
    """Correlated numbers of 50 data sets, one of them the same in all."""
    rng = np.random.default_rng(1)
    free = rng.normal(size=(50, 3)) @ rng.normal(size=(3, 3))
    return np.column_stack([free, np.full(50, 0.3), free[:, 0] + free[:, 1]])


def test_what_is_the_same_everywhere_is_zero(pool):
    """Other numbers have mean 0 and standard deviation 1 in the pool."""
    unit = standardised(pool)
    assert (unit[:, 3] == 0.0).all()
    np.testing.assert_allclose(unit.mean(axis=0), 0.0, atol=ROUNDING)
    np.testing.assert_allclose(np.delete(unit, 3, axis=1).std(axis=0), 1.0, rtol=ROUNDING)


def test_the_quadratic_form_is_that_of_the_free_directions(pool):
    """Numbers that follow from others add nothing, and the rank says how many are free."""
    found, rank = quadratic_form(pool)
    free = pool[:, :3] - pool[:, :3].mean(axis=0)
    inverse = np.linalg.inv(free.T @ free / 50)
    np.testing.assert_allclose(found, np.einsum("bi,ij,bj->b", free, inverse, free), rtol=ROUNDING)
    assert rank == 3


def test_the_distance_is_that_from_all_others(pool):
    """Written out; numbers that follow from others add nothing, and the rank says how many do."""
    found, rank = distance_from_others(pool)
    assert rank == 3
    for k in (0, 17):
        others = np.delete(pool[:, :3], k, axis=0)
        apart = pool[k, :3] - others.mean(axis=0)
        expected = apart @ np.linalg.inv(np.cov(others, rowvar=False, bias=True)) @ apart
        assert found[k] == pytest.approx(expected, rel=ROUNDING)


def test_moments_are_those_of_all_others(pool):
    """Mean and variance without the data set itself."""
    mean, variance = moments_of_others(pool[:, 0])
    for k in (0, 17):
        others = np.delete(pool[:, 0], k)
        assert mean[k] == pytest.approx(others.mean(), rel=ROUNDING)
        assert variance[k] == pytest.approx(others.var(), rel=ROUNDING)


def test_the_order_of_the_data_sets_does_not_matter(pool):
    """Data and replicates are treated alike: what is permuted stays permuted."""
    order = np.random.default_rng(2).permutation(50)
    moved = distance_from_others(pool[order])[0]
    np.testing.assert_allclose(moved, distance_from_others(pool)[0][order])


def test_a_statistic_comes_before_other_numbers(pool):
    """Numbers of a sample are a pool, and a statistic its first column."""
    sample = NullSample(None, pool[0], pool[1:], "told")
    np.testing.assert_array_equal(pool_of(sample), pool)
    more = with_statistic(sample, np.arange(50.0))
    assert more.numbers[0] == 0.0
    np.testing.assert_array_equal(more.replicates[:, 0], np.arange(1.0, 50.0))
    assert more.detail == "told"


def test_a_band_holds_the_share_of_curves_that_it_says():
    """Whole curves, not points: 95 of 100 stay inside everywhere, and scale and place go along."""
    curves = np.random.default_rng(3).normal(size=(400, 12))
    low, high = simultaneous_band(curves)
    assert ((curves >= low) & (curves <= high)).all(axis=1).mean() == pytest.approx(0.95, abs=0.005)
    moved = simultaneous_band(2.0 * curves + 1.0)
    np.testing.assert_allclose(moved, [2.0 * low + 1.0, 2.0 * high + 1.0], rtol=ROUNDING)
