"""Aliased columns."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mixcheck.design.rank import deviates, independent_columns


@given(st.integers(0, 2**31), st.integers(1, 5), st.lists(st.integers(0, 8), max_size=3))
@settings(deadline=None, derandomize=True, max_examples=80)
def test_dependent_columns(seed: int, rank: int, places: list[int]) -> None:
    """Combinations of earlier columns, put anywhere behind them, are those that leave."""
    rng = np.random.default_rng(seed)
    columns = list(rng.normal(size=(rank, 40)) * 10.0 ** rng.integers(-6, 6, size=(rank, 1)))
    fresh = [True] * rank
    for place in places:
        at = min(place, len(columns) - 1) + 1
        columns.insert(at, np.array(columns[:at]).T @ rng.normal(size=at))
        fresh.insert(at, False)
    kept = independent_columns(np.column_stack(columns))
    assert kept.sum() == np.linalg.matrix_rank(np.column_stack([c / abs(c).max() for c in columns]))
    assert kept[0]
    assert not kept[np.flatnonzero(~np.array(fresh))].any()


def test_nearly_dependent() -> None:
    """A column of which a millionth is new stays; one of which 1e-9 is new leaves."""
    rng = np.random.default_rng(1)
    x, e = rng.normal(size=(2, 1000))
    assert independent_columns(np.column_stack([x, x + 1e-6 * e])).tolist() == [True, True]
    assert independent_columns(np.column_stack([x, x + 1e-9 * e])).tolist() == [True, False]


def test_years() -> None:
    """A year beside an intercept is no alias, nor is its square."""
    year = np.arange(2000.0, 2020.0)
    assert independent_columns(np.column_stack([np.ones(20), year])).all()


def test_more_columns_than_rows() -> None:
    """There are never more columns than rows."""
    X = np.random.default_rng(3).normal(size=(3, 5))
    assert independent_columns(X).tolist() == [True, True, True, False, False]
    assert independent_columns(np.zeros((3, 0))).shape == (0,)
    assert independent_columns(np.zeros((3, 1))).tolist() == [False]


@given(st.integers(0, 10_000))
@settings(deadline=None, derandomize=True, max_examples=50)
def test_rows_that_follow_a_combination(seed: int) -> None:
    """New rows follow the combinations of the old exactly when they are made by them."""
    rng = np.random.default_rng(seed)
    kept = rng.normal(size=(20, 3)) * [1e-3, 1.0, 1e5]
    rule = rng.normal(size=(3, 2)) / np.array([1e-3, 1.0, 1e5])[:, None]
    new = rng.normal(size=(6, 3)) * [1e-3, 1.0, 1e5]
    made = new @ rule
    assert not deviates(kept, kept @ rule, new, made).any()
    made[2, 1] += 0.01 * (1.0 + abs(made[2, 1]))
    made[4, 0] = np.nan
    assert np.argwhere(deviates(kept, kept @ rule, new, made)).tolist() == [[2, 1]]
