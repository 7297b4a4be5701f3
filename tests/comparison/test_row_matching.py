"""Rows by label and by contents."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from mixcheck.comparison.row_matching import (
    changed_columns,
    match_rows,
    same_levels,
    same_values,
)
from mixcheck.port import DataRows


def _rows(frame: pd.DataFrame) -> DataRows:
    codes = pd.factorize(frame["g"])[0]
    offsets = {"mean": frame["o"].to_numpy()}
    y = frame["y"].to_numpy(dtype=float)
    return DataRows(frame, y, None, None, offsets, {"g": codes}, ("y", "g"), ("g",))


@st.composite
def tables(draw) -> pd.DataFrame:
    """Small tables with many ties, under the labels 0, 1, ..."""
    n = draw(st.integers(2, 12))
    whole = st.lists(st.integers(0, 2), min_size=n, max_size=n)
    frame = pd.DataFrame({name: draw(whole) for name in ("y", "x", "g", "o")})
    return frame.astype({"o": float, "x": float})


@given(tables(), st.randoms(use_true_random=False), st.booleans(), st.booleans())
def test_equal_tables_are_matched(frame, rng, numbered, renamed):
    """A table in another order, with other labels of rows and of levels, is the same table."""
    order = list(range(len(frame)))
    rng.shuffle(order)
    other = frame.iloc[order]
    if renamed:
        other = other.assign(g=other["g"].map({0: "c", 1: "a", 2: "b"}))
    if numbered:
        other = other.reset_index(drop=True)
    one, two = _rows(frame), _rows(other)
    found = match_rows(one, two)
    assert found is not None
    assert sorted(found) == list(range(len(frame)))
    assert same_values(one.response, two.response, found)
    assert same_values(one.offsets["mean"], two.offsets["mean"], found)
    assert same_levels(one.groups["g"], two.groups["g"][found])
    assert set(changed_columns(one, two, found)) <= ({"g"} if renamed else set())


@given(tables(), st.data())
def test_other_tables_are_not(frame, data):
    """With one response changed, no order of the rows makes the responses agree."""
    k = data.draw(st.integers(0, len(frame) - 1))
    order = data.draw(st.permutations(range(len(frame))))
    changed = frame.assign(y=np.where(np.arange(len(frame)) == k, 7, frame["y"])).iloc[order]
    for other in (changed, changed.reset_index(drop=True)):
        one, two = _rows(frame), _rows(other)
        found = match_rows(one, two)
        assert found is None or not same_values(one.response, two.response, found)


def test_rows_of_other_labels_and_contents():
    """Tables that share neither labels nor contents have no rows in common."""
    frame = pd.DataFrame({"y": [1, 2, 3], "x": 0.0, "g": 0, "o": 0.0})
    other = frame.assign(x=1.0).set_axis(["a", "b", "c"])
    assert match_rows(_rows(frame), _rows(other)) is None
    assert match_rows(_rows(frame), _rows(frame.iloc[:2])) is None


def test_labels_lead_where_a_column_was_changed():
    """A predictor that was scaled in place leaves the rows what they are."""
    frame = pd.DataFrame({"y": [1, 2, 3], "x": [0.0, 1.0, 2.0], "g": 0, "o": 0.0})
    other = frame.assign(x=10.0 * frame["x"]).iloc[[2, 0, 1]]
    found = match_rows(_rows(frame), _rows(other))
    np.testing.assert_array_equal(found, [1, 2, 0])
    assert changed_columns(_rows(frame), _rows(other), found) == ("x",)


def test_missing_values_and_mixed_columns():
    """Missing values equal each other, and columns of objects are read as text."""
    frame = pd.DataFrame({"y": [1, 2, 3], "x": [np.nan, 1.0, 2.0], "g": [None, "a", "b"], "o": 0.0})
    frame["list"] = [[1], [2], [3]]
    other = frame.iloc[[1, 2, 0]].set_axis([5, 6, 7])
    np.testing.assert_array_equal(match_rows(_rows(frame), _rows(other)), [2, 0, 1])
