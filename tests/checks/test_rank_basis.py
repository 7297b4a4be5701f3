"""Ranks, and the polynomials in them."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mixcheck.checks import rank_basis
from mixcheck.checks.rank_basis import RankBasis, scaled_ranks

LAWS = settings(deadline=None, derandomize=True, max_examples=50)

# Whitening of up to four polynomials loses few digits where no level dwarfs the others.
ORTHONORMAL = 1e-8


@LAWS
@given(arrays(np.float64, st.integers(2, 60), elements=st.integers(-3, 3).map(float)))
def test_ranks_are_mean_ranks(x):
    """Ranks keep order and ties, lie inside (-1, 1) and have mean 0."""
    ranks, distinct = scaled_ranks(x)
    assert distinct == np.unique(x).size
    if distinct == 1:
        return
    assert np.abs(ranks).max() < 1.0
    assert abs(ranks.mean()) < 1e-12
    order = np.sign(x[:, None] - x[None, :])
    np.testing.assert_array_equal(np.sign(ranks[:, None] - ranks[None, :]), order)


@LAWS
@given(arrays(np.float64, st.integers(5, 60), elements=st.floats(-3, 3)))
def test_the_basis_is_orthonormal_and_centred(x):
    """Columns are centred and orthonormal; there are at most four, and fewer than values."""
    basis = RankBasis.of(x)
    distinct = scaled_ranks(x)[1]
    if distinct == 1:
        assert basis is None
        return
    d = basis.rows.shape[1]
    assert 1 <= d <= min(4, distinct - 1)
    np.testing.assert_allclose(basis.rows.T @ basis.rows, np.eye(d), atol=ORTHONORMAL)
    np.testing.assert_allclose(basis.rows.sum(axis=0), 0.0, atol=ORTHONORMAL)


def test_bases_of_many_are_those_of_each():
    """With ties, two values, columns that add nothing, and none at all."""
    rng = np.random.default_rng(2)
    most = np.r_[np.zeros(58), 1.0, 2.0]
    x = np.stack(
        [rng.normal(size=60), np.repeat([2.0, 1.0, 3.0], 20), most > 0.5, np.ones(60), most]
    )
    every = RankBasis.of_each(x.reshape(5, 1, 60))
    assert every.rows.shape == (5, 1, 60, 4)
    for k, one in enumerate(x):
        alone = RankBasis.of(one)
        if alone is None:
            assert k == 3
            assert not every.rows[k].any()
            continue
        d = alone.rows.shape[1]
        assert not every.rows[k, 0, :, d:].any()
        np.testing.assert_array_equal(every.rows[k, 0, :, :d], alone.rows)
        np.testing.assert_array_equal(every.curve[k, 0, :, :d], alone.curve)
        values = rng.normal(size=60)
        np.testing.assert_allclose(alone.regress(values), values @ alone.rows, rtol=1e-12)


def test_fitted_values_of_the_same_ranks_have_the_same_basis():
    """It is made again only where ranks, or ties, are others."""
    rng = np.random.default_rng(4)
    x = np.repeat(rng.normal(size=20), 3)
    basis = RankBasis.of(x)
    same = np.stack([[2.0 * x - 1.0], [np.exp(x)]])
    assert basis.following(x, same) is basis
    np.testing.assert_allclose(
        RankBasis.of_each(same).rows[0, 0, :, : basis.rows.shape[1]], basis.rows, atol=1e-12
    )
    others = {
        "another order": -x,
        "ties broken": x + 1e-6 * np.arange(60),
        "more ties": np.where(x < np.median(x), x.min(), x),
        "constant": np.ones(60),
    }
    for fitted in others.values():
        stack = np.stack([[2.0 * x], [fitted]])
        found = basis.following(x, stack)
        assert found is not basis
        np.testing.assert_array_equal(found.rows, RankBasis.of_each(stack).rows)


def test_positions_are_sorted_alike_where_they_have_no_room_beside_the_numbers(monkeypatch):
    """Behind whole numbers of 41 bits there is room for 22 bits of positions."""
    rng = np.random.default_rng(6)
    x = np.stack([rng.normal(size=50), rng.integers(-3, 4, 50)])
    packed = RankBasis.of_each(x)
    monkeypatch.setattr(rank_basis, "_ALL_BITS", 41)
    np.testing.assert_array_equal(RankBasis.of_each(x).rows, packed.rows)
    np.testing.assert_array_equal(
        scaled_ranks(x[0])[0], 2.0 * (x[0].argsort().argsort() + 0.5) / 50 - 1.0
    )
