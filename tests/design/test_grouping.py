"""Columns to codes and levels."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mixcheck.design.columns import read_column
from mixcheck.design.grouping import factorize, group_rows, kind_of, look_up, write_cast

SAFE = {"deadline": None, "derandomize": True, "max_examples": 50}

keys = st.one_of(
    st.lists(st.integers(-5, 5), min_size=1).map(np.array),
    st.lists(st.integers(-(2**62), 2**62), min_size=1).map(np.array),
    st.lists(st.booleans(), min_size=1).map(np.array),
    st.lists(st.floats(-1e20, 1e20), min_size=1).map(np.array),
    st.lists(st.sampled_from(["a", "b", "", "a:b"]), min_size=1).map(pd.Categorical),
)


@given(keys)
@settings(**SAFE)
def test_levels(values: np.ndarray) -> None:
    """Levels are the sorted values that occur, and codes point to them."""
    codes, levels = factorize(values)
    assert levels.tolist() == sorted(set(values))
    np.testing.assert_array_equal(np.asarray(levels)[codes], np.asarray(values))


@given(keys, st.data())
@settings(**SAFE)
def test_crossed(values: np.ndarray, data: st.DataObject) -> None:
    """Crossed columns have one level for each pair that occurs, found again by name."""
    n = len(values)
    others = np.array(data.draw(st.lists(st.integers(0, 3), min_size=n, max_size=n)))
    columns = {"a": values, "b": others}
    codes, key = group_rows(("a", "b"), columns)
    pairs = list(zip(values, others, strict=True))
    assert len(key.levels) == len(set(pairs)) == codes.max() + 1
    assert len({(pair, code) for pair, code in zip(pairs, codes, strict=True)}) == len(set(pairs))
    np.testing.assert_array_equal(look_up(key, columns), codes)


@given(st.permutations(range(8)))
@settings(**SAFE)
def test_row_order(order: list[int]) -> None:
    """The order of the rows does not change the levels."""
    values = np.array([3, 1, 1, 7, 3, 9, 9, 1])
    codes, levels = factorize(values)
    shuffled, same = factorize(values[order])
    assert same.tolist() == levels.tolist()
    np.testing.assert_array_equal(shuffled, codes[order])


def test_labels() -> None:
    """Labels of crossed columns join their parts, whole floats as integers."""
    columns = {"a": pd.Categorical(["x", "y", "x"]), "b": np.array([1.0, 2.0, 1.0])}
    _, key = group_rows(("a", "b"), columns)
    assert key.levels.tolist() == ["x:1", "y:2"]


def test_labels_with_colons() -> None:
    """Parts that hold a colon are not confused with each other."""
    columns = {"a": pd.Categorical(["p", "p:q"]), "b": pd.Categorical(["q:r", "r"])}
    codes, key = group_rows(("a", "b"), columns)
    assert key.levels.tolist() == ["'p':'q:r'", "'p:q':'r'"]
    np.testing.assert_array_equal(look_up(key, columns), codes)
    assert sorted(codes) == [0, 1]


def test_category_order() -> None:
    """Categories keep their own order."""
    _, levels = factorize(pd.Categorical(["a", "b"], categories=["b", "a"]))
    assert levels.tolist() == ["b", "a"]


@pytest.mark.parametrize("strange", [np.array([5]), np.array([2.5]), pd.Categorical(["1"])])
def test_unseen(strange: object) -> None:
    """What is no level has code -1."""
    _, key = group_rows(("a",), {"a": np.array([1, 2])})
    assert look_up(key, {"a": strange}).tolist() == [-1]


@pytest.mark.slow
def test_many_columns() -> None:
    """Five crossed columns of 8,192 levels, whose combinations no whole number could count."""
    base = pd.DataFrame({c: np.arange(8192) for c in "abcde"})
    extra = pd.DataFrame({"a": [0, 4096] * 20} | dict.fromkeys("bcde", [5] * 40))
    data = pd.concat([base, extra], ignore_index=True)
    columns = {c: data[c].to_numpy() for c in "abcde"}
    codes, key = group_rows(tuple("abcde"), columns)
    truth = data.groupby(list("abcde")).ngroup().to_numpy()
    np.testing.assert_array_equal(codes, truth)
    np.testing.assert_array_equal(look_up(key, columns), truth)
    joined = data.astype(str).agg(":".join, axis=1).to_numpy()
    np.testing.assert_array_equal(np.asarray(key.levels)[codes], joined)


@given(st.lists(st.tuples(*[st.integers(0, 2)] * 4), min_size=1), st.lists(st.integers(0, 3)))
@settings(**SAFE)
def test_four_columns(rows: list[tuple[int, ...]], strange: list[int]) -> None:
    """Any number of crossed columns is coded as pandas counts its groups; other rows are -1."""
    data = pd.DataFrame(rows, columns=list("abcd"))
    codes, key = group_rows(tuple("abcd"), {c: data[c].to_numpy() for c in "abcd"})
    np.testing.assert_array_equal(codes, data.groupby(list("abcd")).ngroup())
    new = pd.DataFrame({c: [*data[c], *strange] for c in "abcd"})
    found = look_up(key, {c: new[c].to_numpy() for c in "abcd"})
    levels = dict(zip(rows, codes, strict=True))
    assert found.tolist() == [levels.get(row, -1) for row in new.itertuples(index=False, name=None)]


@pytest.mark.parametrize("dtype", ["uint64", "UInt64"])
def test_ids_beyond_signed_numbers(dtype: str) -> None:
    """Identifiers of 2**63 and more keep their value."""
    ids = [2**63 + 5, 2**64 - 1, 2**63, 2**63 + 5]
    column = read_column(pd.Series(ids, dtype=dtype), None)
    codes, key = group_rows(("g",), {"g": column})
    assert [key.levels[code] for code in codes] == ids
    near = read_column(pd.Series([2**63 + 6, 2**63, 1], dtype=dtype), None)
    assert look_up(key, {"g": near}).tolist() == [-1, 0, -1]
    assert look_up(key, {"g": np.array([1, 2])}).tolist() == [-1, -1]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (np.array([1.5]), "numbers"),
        (pd.Categorical(["a"]), "text"),
        (pd.Categorical([1]), "numbers"),
        (pd.Series(pd.to_datetime(["2020-01-01"])), "dates"),
        (np.array([True]), "truth values"),
    ],
)
def test_kinds(values: object, kind: str) -> None:
    """What labels are, in words."""
    assert kind_of(values) == kind  # type: ignore[arg-type]


def test_truth_values_become_numbers() -> None:
    """``pd.to_numeric`` leaves truth values what they are, so another cast is named."""
    values = pd.Series([True, False])
    assert pd.to_numeric(values).dtype == bool
    assert write_cast("numbers", "g", kind_of(values.to_numpy())) == "write data['g'].astype(int)"
    assert write_cast("numbers", "g", "text") == "write pd.to_numeric(data['g'])"
