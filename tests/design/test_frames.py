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
        ("ticks.csv", "data is a str; .* data=pandas.read_csv\\('ticks.csv'\\)"),
        (Path("a") / "b.parquet", "data=pandas.read_parquet\\('a/b.parquet'\\)"),
        (("one.parquet", "two.parquet"), "For tables in parts write mc.glmm_partitions"),
        (3, "data is a int; give a pandas, .* or a dict of columns.$"),
    ],
)
def test_what_is_no_table_is_told_what_to_write(data, said):
    """A file is read first, parts have a verb of their own."""
    with pytest.raises(DataError, match=said):
        as_frame(data)


@pytest.fixture
def duck():
    """A connection to a database in memory."""
    with pytest.importorskip("duckdb").connect() as connection:
        yield connection


_TYPES = """
    select row_number() over () as id, g, count::utinyint as y, x::decimal(9, 4) as x, f,
        f::kinds as e, b, day::date as day, case when x > 1 then null else x end as hole,
        case when x > 1 then null else count end as whole, uuid as u
    from source order by id
"""


def _source() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    return pd.DataFrame(
        {
            "g": np.arange(120) % 12,
            "count": rng.poisson(rng.gamma(3, 1, 12)[np.arange(120) % 12]),
            "x": rng.normal(size=120).round(4),
            "f": rng.choice(["c", "a", "b"], 120),
            "b": rng.random(120) < 0.5,
            "day": pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(120), unit="D"),
            "uuid": [f"00000000-0000-0000-0000-0000000000{k % 12:02}" for k in range(120)],
        }
    )


@pytest.mark.parametrize("kind", ["relation", "arrow", "polars"])
@pytest.mark.filterwarnings("ignore:.* of 120 rows were left out")
@pytest.mark.filterwarnings("ignore::mixcheck.errors.BoundaryWarning")
def test_a_query_of_duckdb_is_a_table(duck, kind) -> None:
    """Its types are those of a frame, with holes, and the fit is the same."""
    source = _source()
    duck.register("source", source)
    duck.execute("create type kinds as enum ('c', 'a', 'b')")
    relation = duck.sql(_TYPES)
    plain = source.rename(columns={"count": "y"}).assign(
        hole=source["x"].where(source["x"] <= 1),
        whole=source["count"].where(source["x"] <= 1),
        e=pd.Categorical(source["f"], ["c", "a", "b"]),
    )
    # Pyarrow before 20 makes no pandas column of an ENUM.
    if kind == "arrow":
        relation = relation.project("* exclude (e)").to_arrow_table()
    elif kind == "polars":
        relation = relation.pl()
    for right in ("x + f + b", "days(day)", "hole", "whole"):
        formula = f"y ~ {right} + (1 | g)"
        one, other = (mc.glmm(formula, data, family="poisson") for data in (plain, relation))
        pd.testing.assert_series_equal(one.params, other.params, check_exact=False, rtol=1e-12)
        pd.testing.assert_series_equal(one.predict(plain), other.predict(relation), rtol=1e-12)
    if kind == "relation":
        fit = mc.glmm("y ~ e + (1 | u)", relation, family="poisson")
        assert list(fit.params.index) == ["Intercept", "e[T.a]", "e[T.b]"]
        assert fit.n_groups == {"u": 12}
        draws = np.random.default_rng(1).poisson(3, (20, 120))
        model = mc.from_draws(source["count"].to_numpy(), draws, frame=relation)
        assert list(model.frame["f"]) == list(source["f"])


def test_a_relation_is_read_without_pyarrow(duck, monkeypatch: pytest.MonkeyPatch) -> None:
    """By duckdb itself; and what it cannot read is told in its words."""
    import narwhals as nw

    duck.register("source", _source())
    relation = duck.sql("select x, f, sum(g) over () as total from source")
    monkeypatch.setattr(nw.LazyFrame, "collect", None)
    table = as_frame(relation)
    np.testing.assert_array_equal(table["x"], _source()["x"])
    with pytest.raises(DataError, match=r"a relation of duckdb cannot be read: .*UHUGEINT"):
        as_frame(duck.sql("select g::uhugeint as g from source"))


def test_what_is_nearly_a_table_is_told_what_to_write(duck) -> None:
    """Batches and readers of pyarrow, connections of duckdb."""
    arrow = importlib.import_module("pyarrow")
    table = arrow.table({"x": [1, 2]})
    with pytest.raises(DataError, match=r"RecordBatchReader; .* reader\.read_all"):
        as_frame(table.to_reader())
    with pytest.raises(DataError, match=r"RecordBatch; .* pyarrow\.Table\.from_batches"):
        as_frame(table.to_batches()[0])
    with pytest.raises(DataError, match=r"DuckDBPyConnection; .* connection\.sql\(query\)"):
        as_frame(duck.execute("select 1 as x"))
