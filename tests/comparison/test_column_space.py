"""Column spaces."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mixcheck.comparison.column_space import extra_rank, spans


@st.composite
def matrices(draw):
    """A matrix of full column rank with columns of very different lengths."""
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    columns = draw(st.integers(1, 5))
    lengths = 10.0 ** rng.uniform(-4.0, 4.0, columns)
    return rng.standard_normal((12, columns)) * lengths


@settings(deadline=None, derandomize=True, max_examples=40)
@given(matrices(), st.integers(0, 10_000))
def test_combinations_lie_in_the_space(matrix, seed):
    """Any combination of columns is spanned and adds no dimension."""
    weights = np.random.default_rng(seed).standard_normal((matrix.shape[1], 3))
    inside = matrix @ weights
    assert spans(matrix, inside)
    assert extra_rank(inside, matrix) == 0


@settings(deadline=None, derandomize=True, max_examples=40)
@given(matrices(), st.integers(0, 10_000))
def test_a_new_direction_does_not(matrix, seed):
    """A column that points elsewhere is not spanned and adds one dimension."""
    beside = np.random.default_rng(seed).standard_normal((12, 1))
    wider = np.column_stack([matrix, beside])
    assert not spans(matrix, beside)
    assert spans(wider, matrix)
    assert extra_rank(wider, matrix) == 1


def test_nothing_is_spanned_by_everything():
    """A matrix without columns, or of zeros, lies in every space; no space holds a column."""
    nothing = np.empty((4, 0))
    assert spans(np.ones((4, 1)), nothing)
    assert spans(nothing, np.zeros((4, 1)))
    assert not spans(nothing, np.ones((4, 1)))
    assert extra_rank(np.ones((4, 1)), nothing) == 1
