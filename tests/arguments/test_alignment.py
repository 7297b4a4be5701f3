"""Vectors beside the data: matched by labels, read as numbers."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mixcheck.arguments.alignment import align_rows, read_numbers
from mixcheck.errors import DataError


@given(st.lists(st.integers(), unique=True, min_size=1), st.randoms(use_true_random=False))
@settings(deadline=None, derandomize=True, max_examples=50)
def test_any_order(labels: list[int], random: Any) -> None:
    """A Series in any order of its rows comes out in the order of the data."""
    order = random.sample(range(len(labels)), len(labels))
    index = pd.Index(labels)
    values = pd.Series(np.arange(len(labels)), index)
    aligned = align_rows(values.iloc[order], index, "weights")
    assert aligned.tolist() == values.tolist()


def test_arrays_have_no_labels() -> None:
    """An array, and a Series with the index of the data, even with repeated labels, stay."""
    array = np.array([1.0, 2.0])
    assert align_rows(array, pd.Index([7, 8]), "weights") is array
    series = pd.Series(array, [7, 7])
    assert align_rows(series, pd.Index([7, 7]), "weights") is series


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ([0, 1], "2 labels for 3 rows"),
        ([0, 1, 3], "no label 2, for instance"),
        ([1, 0, 0], "no label 2"),
        ([2, 0, 1, 3], "4 labels for 3 rows"),
    ],
)
def test_other_labels(labels: list[int], said: str) -> None:
    """Another index is refused with what differs and what to write."""
    given = pd.Series(1.0, labels)
    with pytest.raises(DataError, match=rf"{said}.*write weights.to_numpy\(\)"):
        align_rows(given, pd.RangeIndex(3), "weights")


def test_repeated_labels() -> None:
    """Labels that occur twice cannot be put in another order."""
    with pytest.raises(DataError, match="labels that occur more than once, in another order"):
        align_rows(pd.Series([1, 2, 3], [5, 5, 6]), pd.Index([5, 6, 5]), "offset")


@pytest.mark.parametrize(
    "values",
    [
        [1, 2],
        np.array([1, 2], dtype=np.int8),
        pd.array([1, 2], dtype="Int64"),
        np.array([1, 2], dtype=object),
        [Fraction(1), Fraction(2)],
        np.ma.masked_array([1, 2], [False, False]),
        pd.Series([1, 2], dtype="int64[pyarrow]"),
        ["1", "2"],
    ],
)
def test_numbers_of_any_storage(values: Any) -> None:
    """Numbers are floats, whatever held them."""
    assert read_numbers(values, "weights").tolist() == [1.0, 2.0]


def test_masked_values_are_missing() -> None:
    """What is masked, None or NA is NaN, and not the number under the mask."""
    for missing in (pd.array([1, pd.NA], dtype="Int64"), [1, None], [1.0, pd.NA]):
        np.testing.assert_array_equal(read_numbers(missing, "weights"), [1.0, np.nan])
    held = read_numbers(np.ma.masked_array([1.0, 2.0], [False, True]), "weights")
    np.testing.assert_array_equal(held, [1.0, np.nan])


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([[1], [1, 2]], "parts have different lengths"),
        ([1 + 2j, 1], "complex numbers"),
        (np.array(["2020-01-01"], dtype="M8[D]"), "dates"),
        (pd.Series(pd.to_timedelta([1, 2])), "time differences"),
        ({1, 2}, "no order"),
        (["a", "b"], "must be numbers, found 'a'"),
        ([pd.Timestamp(0), 1], "must be numbers"),
        (np.array([1 + 2j, 1], dtype=object), "must be"),
    ],
)
def test_no_real_numbers(values: Any, said: str) -> None:
    """Anything else is refused in one sentence of our own."""
    with pytest.raises(DataError, match=said):
        read_numbers(values, "weights")


INDEXES = {
    "numbers": pd.RangeIndex(6),
    "texts": pd.Index(list("abcdef")),
    "pairs": pd.MultiIndex.from_product([range(2), range(3)]),
    "triples": pd.MultiIndex.from_product([range(1), range(2), range(3)]),
    "dates": pd.date_range("2020-01-01", periods=6),
    "dates with a zone": pd.date_range("2020-01-01", periods=6, tz="UTC"),
    "several kinds": pd.Index([1, "a", None, 2.5, (1, 2), "z"], tupleize_cols=False),
    "intervals": pd.interval_range(0, 6),
}


@pytest.mark.parametrize("given_name", INDEXES)
@pytest.mark.parametrize("name", INDEXES)
def test_labels_of_any_kind(given_name: str, name: str) -> None:
    """Labels of another kind or depth are no labels of the rows; those of one kind are found."""
    vector = pd.Series(np.arange(6.0), INDEXES[given_name][::-1])
    if name == given_name:
        aligned = align_rows(vector, INDEXES[name], "weights")
        assert aligned.tolist() == [5.0, 4.0, 3.0, 2.0, 1.0, 0.0]
        return
    with pytest.raises(DataError, match="for instance"):
        align_rows(vector, INDEXES[name], "weights")
