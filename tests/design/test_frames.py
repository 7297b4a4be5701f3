"""The door."""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.design.columns import missing_rows, pick_column, pick_numbers, read_column
from mixcheck.design.frames import as_frame, check_finite, columns_by_name, row_label
from mixcheck.errors import DataError


def test_pandas_untouched() -> None:
    """A pandas frame comes through the door itself."""
    frame = pd.DataFrame({"x": [1]})
    assert as_frame(frame) is frame


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_dask_frame_is_computed() -> None:
    """A data frame of dask gives its rows and its index, without a word of a third library."""
    frame = pd.DataFrame({"x": [1, 2, 3]}, index=["a", "b", "c"])
    lazy = importlib.import_module("dask.dataframe").from_pandas(frame, npartitions=2)
    pd.testing.assert_frame_equal(as_frame(lazy), frame, check_index_type=False)
    with pytest.raises(DataError, match=r"new is a lazy DataFrame that cannot be collected"):
        as_frame(lazy.map_partitions(_fail, meta=frame), "new")


def _fail(_: pd.DataFrame) -> pd.DataFrame:
    raise RuntimeError("no such file")


@pytest.mark.parametrize("width", [2, 40])
def test_columns_by_name(width: int) -> None:
    """Columns of a narrow and of a wide table are those of the frame, under any kind of name."""
    names: list[object] = ["x", 3, ("a", "b"), pd.Timestamp("2020-01-01"), *range(10, 50)][:width]
    frame = pd.DataFrame([np.arange(float(width))] * 2, columns=pd.Index(names, dtype=object))
    table = columns_by_name(frame)
    for place, name in enumerate(names):
        assert name in table
        assert pick_column(table, name).tolist() == [float(place)] * 2  # type: ignore[arg-type]
    assert "y" not in table


@pytest.mark.parametrize("width", [3, 40])
def test_two_columns_of_one_name(width: int) -> None:
    """Two columns of one name are refused in narrow and in wide tables."""
    names = ["x", "x", *map(str, range(width - 2))]
    table = columns_by_name(pd.DataFrame(np.ones((2, width)), columns=names))
    with pytest.raises(DataError, match="2 columns of the data are called `x`"):
        pick_column(table, "x")


@pytest.mark.parametrize(("values", "kind"), [
    ([1, 2], "i"), ([1.5, 2], "f"), ([True, False], "b"),
    (pd.array([1, 2], dtype="Int8"), "i"), (pd.array([1.5, 2], dtype="Float32"), "f"),
    (pd.array([True, False], dtype="boolean"), "b"),
    (pd.Series([1, 2.5], dtype=object), "f"), (pd.Series([True, False], dtype=object), "b"),
])  # fmt: skip
def test_numbers(values: object, kind: str) -> None:
    """Numbers of every storage are NumPy's, of their kind."""
    column = read_column(pd.Series(values), None)
    assert isinstance(column, np.ndarray)
    assert column.dtype.kind == kind
    assert column.tolist() == list(values)  # type: ignore[call-overload]


@pytest.mark.parametrize("dtype", ["str", object, "string", "category"])
def test_text(dtype: object) -> None:
    """Text of every storage is a Categorical of the levels in the rows used."""
    column = read_column(pd.Series(["b", "a", "c"], dtype=dtype), np.array([0, 1]))
    assert isinstance(column, pd.Categorical)
    assert column.tolist() == ["b", "a"]
    assert list(column.categories) == ["a", "b"]


def test_missing() -> None:
    """Missing is None, NaN, NaT and NA, and None where nothing is missing."""
    assert missing_rows(pd.Series([1, 2])) is None
    assert missing_rows(pd.Series(["a", "b"])) is None
    for values in ([1.0, np.nan], ["a", None], pd.array([1, pd.NA]), [pd.Timestamp(0), pd.NaT]):
        found = missing_rows(pd.Series(values))
        assert found is not None
        assert found.tolist() == [False, True]


def test_row_label() -> None:
    """A row is named by its label, with its position where they differ."""
    assert row_label(pd.DataFrame({"x": [1, 2]}), 1) == "row 1"
    assert row_label(pd.DataFrame({"x": [1]}, index=[7]), 0) == "row 7 (position 0)"
    assert row_label(pd.DataFrame({"x": [1]}, index=["a"]), 0) == "row 'a' (position 0)"


def test_finite() -> None:
    """A huge sum is no error; infinities of both signs are."""
    frame = pd.DataFrame(index=range(2))
    check_finite(np.array([1e308, 1e308]), ("x",), frame)
    with pytest.raises(DataError, match=r"`z` is inf in row 0, and not finite in 2 row\(s\)"):
        check_finite(np.array([[1, np.inf], [1, -np.inf]]), ("x", "z"), frame)


@pytest.mark.parametrize("wrong", [{"x\udc80": [1, 2]}, {"x": ["a", "b\udce4"]}])
def test_text_that_was_decoded_wrongly(wrong):
    """A dict of columns whose text or names are no characters is refused for that reason."""
    with pytest.raises(mc.DataError, match="no character: the text was decoded wrongly") as found:
        mc.glmm("y ~ x", {"y": [1, 2], **wrong}, family="poisson")
    str(found.value).encode()


@pytest.mark.parametrize("private", [True, False])
def test_columns_of_every_kind(monkeypatch: pytest.MonkeyPatch, *, private: bool) -> None:
    """Columns are those of the frame, with pandas' private way to its arrays and without it."""
    frame = pd.DataFrame({
        "number": [1.5, 2.0], "whole": [1, 2], "truth": [True, False], "text": ["a", "b"],
        "object": pd.Series(["a", "b"], dtype=object), "level": pd.Categorical(["a", "b"]),
        "nullable": pd.array([1, 2], dtype="Int64"), "day": pd.to_datetime(["2020-01-01"] * 2),
    })  # fmt: skip
    if not private:
        monkeypatch.setattr(pd.DataFrame, "_iter_column_arrays", None)
    table = columns_by_name(frame)
    for name in frame:
        pd.testing.assert_series_equal(pick_column(table, name), frame[name])
        picked, wanted = (read_column(column, None, name) for column in
                          (pick_numbers(table, name), frame[name]))  # fmt: skip
        assert type(picked) is type(wanted)
        assert list(picked) == list(wanted)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("ticks.csv", "data is a str; .* pandas.read_csv\\('ticks.csv'\\)"),
        (Path("a") / "b.parquet", "pandas.read_parquet\\('a/b.parquet'\\)"),
        (("one.parquet", "two.parquet"), "For tables in parts write mc.glmm_partitions"),
        (3, "data is a int; give a pandas, .* or a dict of columns.$"),
    ],
)
def test_what_is_no_table_is_told_what_to_write(data, said):
    """A file is read first, parts have a verb of their own."""
    with pytest.raises(DataError, match=said):
        as_frame(data)
