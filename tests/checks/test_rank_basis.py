"""Ranks, and the polynomials in them."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

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
