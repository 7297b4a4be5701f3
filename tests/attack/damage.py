"""The table in other storage, with one column spoiled, or as no table at all."""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Callable, Iterator
from decimal import Decimal
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa

from attack.subjects import ROWS, base, folder


def _arrow(frame: pd.DataFrame) -> pa.Table:
    return pa.Table.from_pandas(frame, preserve_index=False)


def _numbers(frame: pd.DataFrame) -> list[str]:
    return [name for name in frame.columns if frame[name].dtype.kind in "if"]


def _mapped(change: Callable[[pd.Series[Any]], Any], kinds: str) -> Callable[[pd.DataFrame], Any]:
    def convert(frame: pd.DataFrame) -> pd.DataFrame:
        names = [name for name in frame.columns if frame[name].dtype.kind in kinds]
        return frame.assign(**{name: change(frame[name]) for name in names})

    return convert


def _strided(frame: pd.DataFrame) -> pd.DataFrame:
    wide = np.zeros((ROWS, 2))
    columns = {}
    for name in frame.columns:
        if frame[name].dtype.kind == "f":
            held = wide.copy()
            held[:, 0] = frame[name]
            columns[name] = pd.Series(held[:, 0], copy=False)
    return frame.assign(**columns)


def _read_only(frame: pd.DataFrame) -> dict[str, Any]:
    columns = {name: frame[name].to_numpy(copy=True) for name in frame.columns}
    for column in columns.values():
        column.setflags(write=False)
    return columns


# The same numbers in other storage: a fit of each must be that of the table.
STORED: dict[str, Callable[[pd.DataFrame], Any]] = {
    "polars": pl.from_pandas,
    "lazy polars": lambda d: pl.from_pandas(d).lazy(),
    "polars categorical": lambda d: pl.from_pandas(d).with_columns(
        pl.col("f", "h").cast(pl.Categorical)
    ),
    "pyarrow": _arrow,
    "dictionary arrow": lambda d: _arrow(d.astype({"f": "category", "h": "category"})),
    "chunked arrow": lambda d: pa.concat_tables([_arrow(d.iloc[:10]), _arrow(d.iloc[10:])]),
    "dict of lists": lambda d: {name: d[name].tolist() for name in d.columns},
    "dict of arrays": lambda d: {name: d[name].to_numpy() for name in d.columns},
    "dict of series": lambda d: {name: d[name] for name in d.columns},
    "dict of polars": lambda d: {name: pl.Series(d[name].tolist()) for name in d.columns},
    "dict of tuples": lambda d: {name: tuple(d[name].tolist()) for name in d.columns},
    "read-only": _read_only,
    "nullable": lambda d: d.convert_dtypes(),
    "arrow-backed": lambda d: d.convert_dtypes(dtype_backend="pyarrow"),
    "categories": lambda d: d.astype(dict.fromkeys("fgh", "category")),
    "text groups": lambda d: d.assign(g=d["g"].astype(str)),
    "unused levels": lambda d: d.assign(f=pd.Categorical(d["f"], ["a", "low", "mid", "top", "z"])),
    "float groups": lambda d: d.assign(g=d["g"].astype(float)),
    "small integers": _mapped(lambda c: c.astype(np.int8), "i"),
    "unsigned": _mapped(lambda c: c.astype(np.uint64), "i"),
    "integers as floats": _mapped(lambda c: c.astype(float), "i"),
    "objects": lambda d: d.astype(object),
    "big-endian": _mapped(lambda c: pd.Series(c.to_numpy().astype(">f8")), "f"),
    "sparse": _mapped(lambda c: c.astype(pd.SparseDtype(float)), "f"),
    "strided": _strided,
    "long doubles": _mapped(lambda c: pd.Series(c.to_numpy().astype(np.longdouble)), "f"),
    "text index": lambda d: d.set_axis([f"r{i}" for i in range(ROWS)]),
    "repeated index": lambda d: d.set_axis(np.zeros(ROWS, dtype=int)),
    "multi-index": lambda d: d.set_index(["g", "row"], drop=False).rename_axis([None, None]),
    "named index": lambda d: d.rename_axis("x"),
    "dates as index": lambda d: d.set_axis(pd.date_range("2000", periods=ROWS)),
    "missing index": lambda d: d.set_axis([None, *range(1, ROWS)]),
    "reversed": lambda d: d.iloc[::-1],
    "shuffled": lambda d: d.sample(frac=1.0, random_state=3),
    "columns reversed": lambda d: d[d.columns[::-1]],
    "copies of another column": lambda d: pd.concat([d, d[["row", "row"]]], axis=1),
    "a column of lists": lambda d: d.assign(junk=[[i] for i in range(ROWS)]),
    "a column of objects": lambda d: d.assign(junk=[object()] * ROWS),
    "a column of sets": lambda d: d.assign(junk=[{i} for i in range(ROWS)]),
    "missing elsewhere": lambda d: d.assign(junk=np.nan),
    "a number as a name": lambda d: d.assign(**{"1": 1.0}).rename(columns={"1": 1}),
    "names of several types": lambda d: d.rename(columns={"row": ("a", 1), "day": None}),
    "hostile names": lambda d: d.rename(columns={"row": "`x` + (1|g)", "day": "a\x1b[31m"}),
    "categories of columns": lambda d: d.set_axis(pd.CategoricalIndex(d.columns), axis=1),
}


def stored(name: str) -> Any:
    """The table in another storage."""
    return STORED[name](base())


def _some(values: Any) -> Callable[[pd.Series[Any]], Any]:
    """A change of a few entries, in a column that can hold anything."""

    def change(column: pd.Series[Any]) -> pd.Series[Any]:
        out = column.astype(object)
        for row, value in zip((2, 17, 40), values, strict=False):
            out.iloc[row] = value
        return out.infer_objects()

    return change


def _cycle(*values: Any) -> Callable[[pd.Series[Any]], Any]:
    def change(column: pd.Series[Any]) -> pd.Series[Any]:
        out = pd.Series([None] * ROWS, dtype=object)
        for row in range(ROWS):
            out.iloc[row] = values[row % len(values)]
        return out

    return change


def _typed(*values: Any, dtype: str | None = None) -> Callable[[pd.Series[Any]], Any]:
    return lambda column: pd.Series([values[row % len(values)] for row in range(ROWS)], dtype=dtype)


def _cast(dtype: Any) -> Callable[[pd.Series[Any]], Any]:
    def change(column: pd.Series[Any]) -> Any:
        try:
            return column.astype(dtype)
        except (TypeError, ValueError):
            return pd.Series(np.arange(ROWS) % 7).astype(dtype)

    return change


# What a column may hold: each is tried on each column.
SPOILED: dict[str, Callable[[pd.Series[Any]], Any]] = {
    "one missing": _some([None]),
    "some NaN": _some([np.nan, np.nan, np.nan]),
    "pd.NA among numbers": _some([pd.NA]),
    "NaT": _some([pd.NaT]),
    "all missing": lambda c: c.where(c.isna()),
    "all None": _cycle(None),
    "all pd.NA": _typed(pd.NA, dtype="Int64"),
    "infinite": _some([np.inf]),
    "minus infinity": _some([-np.inf, np.inf]),
    "huge": _some([1e300]),
    "all huge": _typed(1e300, -1e300, 3e299),
    "large": _some([1e15]),
    "all large": _typed(1e15, 2e15, 1e15 + 1.0),
    "tiny": _typed(1e-300, 2e-300, 3e-300),
    "subnormal": _typed(5e-324, 0.0),
    "constant": _typed(1.0),
    "constant zero": _typed(0),
    "constant text": _typed("a"),
    "each its own": lambda c: pd.Series(np.arange(ROWS)),
    "each its own text": lambda c: pd.Series([f"v{i}" for i in range(ROWS)]),
    "two values": lambda c: pd.Series(np.arange(ROWS) % 2),
    "negative": lambda c: -pd.Series(np.arange(ROWS) % 5 + 1),
    "halves": lambda c: pd.Series(np.arange(ROWS) % 5 + 0.5),
    "zeros and ones": lambda c: pd.Series((np.arange(ROWS) % 3 == 0).astype(int)),
    "truth values": lambda c: pd.Series(np.arange(ROWS) % 2 == 0),
    "truth values and NA": _typed(True, False, pd.NA, dtype="boolean"),
    "numbers as text": lambda c: c.astype(str),
    "numbers and text": _some(["a"]),
    "text and numbers": _cycle("a", 1, "b"),
    "blank text": _typed("", " "),
    "spelling variants": _typed("Forest", "forest", "forest "),
    "accents": _typed("é", "é", "e"),
    "control characters": _typed("a\x1b[31m", "\ud800", "b\0", dtype=object),
    "bytes": _typed(b"a", b"b"),
    "complex": lambda c: pd.Series(np.arange(ROWS) * (1 + 0.5j)),
    "complex without imaginary part": lambda c: pd.Series((np.arange(ROWS) % 5).astype(complex)),
    "dates": lambda c: pd.Series(pd.date_range("2020", periods=ROWS)),
    "dates with a zone": lambda c: pd.Series(pd.date_range("2020", periods=ROWS, tz="UTC")),
    "days as objects": _cycle(dt.date(2020, 1, 1), dt.date(2021, 1, 1)),
    "timedeltas": lambda c: pd.Series(pd.to_timedelta(np.arange(ROWS), unit="D")),
    "times": _cycle(dt.time(1), dt.time(2)),
    "periods": lambda c: pd.Series(pd.period_range("2020", periods=ROWS)),
    "intervals": lambda c: pd.Series(pd.interval_range(0, ROWS)),
    "Decimals": _cycle(Decimal("1.5"), Decimal("2"), Decimal("3")),
    "Decimal NaN": _cycle(Decimal("1.5"), Decimal("NaN")),
    "Fractions": _cycle(Fraction(1, 2), Fraction(3, 2)),
    "whole numbers without end": _cycle(10**30, 10**31, 1),
    "lists": _cycle([1], [2, 3]),
    "tuples": _cycle((1, 2), (1, 3)),
    "sets": _cycle({1}, {2}),
    "dicts": _cycle({"a": 1}, {"b": 2}),
    "objects": lambda c: pd.Series([object() for _ in range(ROWS)]),
    "arrays": _cycle(np.zeros(2), np.ones(2)),
    "categories": lambda c: c.astype("category"),
    "ordered categories": lambda c: c.astype(pd.CategoricalDtype(sorted(c.unique()), ordered=True)),
    "one category": lambda c: pd.Series(pd.Categorical(["a"] * ROWS, ["a", "b"])),
    "missing category": lambda c: c.astype("category").where(c.index > 3),
    "categories of numbers": lambda c: (pd.Series(np.arange(ROWS)) % 4).astype("category"),
    "categories of dates": lambda c: pd.Series(pd.date_range("2020", periods=ROWS)).astype(
        "category"
    ),
    "categories of intervals": lambda c: pd.cut(pd.Series(np.arange(ROWS)), 4),
    "int8": _cast("int8"),
    "uint8": _cast("uint8"),
    "int64 at its end": _typed(2**63 - 1, 2**63 - 2, 0, dtype="int64"),
    "uint64 beyond": _typed(2**64 - 1, 2**63, 2**64 - 1, dtype="uint64"),
    "UInt64 beyond": _typed(2**64 - 1, 2**63, pd.NA, dtype="UInt64"),
    "float16": _cast("float16"),
    "Int64": _cast("Int64"),
    "Float32": _cast("Float32"),
    "string": lambda c: c.astype("string"),
    "arrow text": lambda c: c.astype(str).astype("string[pyarrow]"),
    "arrow dates": lambda c: pd.Series(pd.date_range("2020", periods=ROWS)).astype(
        "timestamp[ns][pyarrow]"
    ),
    "arrow decimal": lambda c: pd.Series(
        [Decimal(1), Decimal(2)] * 24, dtype=pd.ArrowDtype(pa.decimal128(5, 1))
    ),
    "arrow list": lambda c: pd.Series([[1], [2]] * 24, dtype=pd.ArrowDtype(pa.list_(pa.int64()))),
    "arrow struct": lambda c: pd.Series(
        [{"a": 1}] * ROWS, dtype=pd.ArrowDtype(pa.struct([("a", pa.int64())]))
    ),
    "arrow null": lambda c: pd.Series([None] * ROWS, dtype=pd.ArrowDtype(pa.null())),
    "sparse": lambda c: pd.Series(np.arange(ROWS) % 3, dtype=pd.SparseDtype(int)),
}
SPOILABLE = ("y", "x", "g", "f", "w", "o", "k", "m", "r", "t", "p", "b", "h", "z")


def damaged(column: str, how: str) -> pd.DataFrame:
    """The table with one column spoiled."""
    frame = base()
    frame[column] = SPOILED[how](frame[column])
    return frame


class _Rows:
    """Something with the length of a table."""

    def __len__(self) -> int:
        return ROWS

    def __getitem__(self, name: str) -> Any:
        return base()[name]


def _columns() -> Iterator[tuple[str, Any]]:
    return iter(base().items())


# Tables that are none, or that lack something.
ODD: dict[str, Callable[[], Any]] = {
    "no rows": lambda: base().iloc[:0],
    "one row": lambda: base().iloc[:1],
    "two rows": lambda: base().iloc[:2],
    "three rows": lambda: base().iloc[:3],
    "one group": lambda: base().iloc[:6],
    "two groups": lambda: base().iloc[:12],
    "rows from missing to the end": lambda: base().assign(x=np.nan).iloc[:5],
    "nothing": pd.DataFrame,
    "rows without columns": lambda: pd.DataFrame(index=range(5)),
    "twice the predictor": lambda: pd.concat([base(), base()[["x"]]], axis=1),
    "twice the response": lambda: pd.concat([base(), base()[["y", "r"]]], axis=1),
    "twice the group": lambda: pd.concat([base(), base()[["g"]]], axis=1),
    "surrogates as names": lambda: base().set_axis(
        pd.Index([*base().columns[:-1], "\ud800"], dtype=object), axis=1
    ),
    "columns in levels": lambda: pd.concat({"a": base(), "b": base()}, axis=1),
    "numbered columns": lambda: base().set_axis(range(base().shape[1]), axis=1),
    "columns without names": lambda: base().set_axis([None] * base().shape[1], axis=1),
    "a series": lambda: base()["y"],
    "an array": lambda: base()[["y", "x", "g"]].to_numpy(),
    "records": lambda: base()[["y", "x", "g"]].to_records(index=False),
    "list of dicts": lambda: base().to_dict("records"),
    "list of lists": lambda: base()[["y", "x", "g"]].to_numpy().tolist(),
    "dict of dicts": lambda: base().to_dict(),
    "dict of numbers": lambda: {"y": 1, "x": 2.0, "g": 3},
    "dict of one number": lambda: {**{name: base()[name] for name in "yxg"}, "r": 1.0},
    "dict of sets": lambda: {"y": {1, 2}, "x": {1.0, 2.0}, "g": {1, 2}},
    "dict of text": lambda: {"y": "abc", "x": "abc", "g": "abc"},
    "dict of ranges": lambda: {"y": range(9), "r": range(9), "x": range(9), "g": [1, 2, 3] * 3},
    "dict of iterators": lambda: {
        "y": iter(range(9)),
        "x": iter(range(9)),
        "g": iter([1, 2, 3] * 3),
    },
    "dict of matrices": lambda: {
        "y": np.zeros((9, 2)),
        "x": np.zeros((9, 2)),
        "g": np.zeros((9, 2)),
    },
    "ragged dict": lambda: {"y": [1, 2, 3], "x": [1, 2], "g": [1, 1, 2]},
    "dict of series that do not align": lambda: {
        "y": base()["y"],
        "x": base()["x"].set_axis(range(100, 148)),
        "g": base()["g"],
    },
    "dict of masked arrays": lambda: {
        name: np.ma.array(base()[name], mask=base()["row"] == 3) for name in ("y", "r", "x", "g")
    },
    "empty dict": dict,
    "dict of empty lists": lambda: {"y": [], "x": [], "g": []},
    "dict with numbers as names": lambda: {1: [1, 2], 2: [3, 4]},
    "dict of nested lists": lambda: {"y": [[1], [2]] * 24, "x": [[1], [2]] * 24, "g": [1] * 48},
    "iterator of columns": _columns,
    "a file name": lambda: "data.csv",
    "a path": lambda: Path("data.csv"),
    "a buffer": lambda: io.StringIO("y,x,g\n1,2,3\n"),
    "grouped": lambda: base().groupby("g"),
    "looks like a table": _Rows,
    "a class": lambda: pd.DataFrame,
    "polars without rows": lambda: pl.from_pandas(base()).head(0),
    "polars with nulls": lambda: pl.from_pandas(base()).with_columns(
        x=pl.lit(None, dtype=pl.Float64)
    ),
    "polars of null": lambda: pl.from_pandas(base()).with_columns(x=pl.lit(None)),
    "polars list": lambda: pl.from_pandas(base()).with_columns(x=pl.concat_list("x", "z")),
    "polars struct": lambda: pl.from_pandas(base()).with_columns(x=pl.struct("x", "z")),
    "polars Int128": lambda: pl.from_pandas(base()).with_columns(x=pl.col("y").cast(pl.Int128)),
    "polars Decimal": lambda: pl.from_pandas(base()).with_columns(
        x=pl.col("y").cast(pl.Decimal(10, 2))
    ),
    "polars Object": lambda: pl.DataFrame(
        {"y": [1, 2], "x": pl.Series([object(), object()], dtype=pl.Object)}
    ),
    "polars time": lambda: pl.from_pandas(base()).with_columns(x=pl.lit(dt.time(1))),
    "polars duration": lambda: pl.from_pandas(base()).with_columns(
        x=pl.col("day") - pl.col("day").min()
    ),
    "polars Enum": lambda: pl.from_pandas(base()).with_columns(
        f=pl.col("f").cast(pl.Enum(["low", "mid", "top"]))
    ),
    "polars binary": lambda: pl.from_pandas(base()).with_columns(x=pl.col("f").cast(pl.Binary)),
    "failing lazy polars": lambda: pl.from_pandas(base()).lazy().select(pl.col("nothing")),
    "polars series": lambda: pl.Series("y", [1, 2, 3]),
    "arrow with equal names": lambda: pa.table(
        [pa.array([1, 2]), pa.array([1, 2])], names=["y", "y"]
    ),
    "arrow without rows": lambda: _arrow(base()).slice(0, 0),
    "arrow with a list": lambda: _arrow(base()[["y", "g"]]).append_column(
        "x", pa.array([[1]] * ROWS)
    ),
    "arrow with a null column": lambda: _arrow(base()[["y", "g"]]).append_column(
        "x", pa.nulls(ROWS)
    ),
    "arrow batch": lambda: _arrow(base()).to_batches()[0],
    "arrow array": lambda: pa.array([1, 2, 3]),
    "arrow decimals": lambda: _arrow(base()[["y", "g"]]).append_column(
        "x", pa.array([Decimal(i) for i in range(ROWS)], type=pa.decimal128(10, 2))
    ),
    "arrow with nulls in integers": lambda: _arrow(base()[["y", "x"]]).append_column(
        "g", pa.array([None, *[i % 5 for i in range(ROWS - 1)]])
    ),
}


def odd_table(name: str) -> Any:
    """A table that is none, or lacks something."""
    return ODD[name]()


def _bytes(frame: pd.DataFrame, **options: Any) -> bytes:
    return frame.to_csv(index=False, **options).encode()


_FILES: dict[str, Callable[[], bytes]] = {
    "ok.csv": lambda: _bytes(base()),
    "ok.tsv": lambda: _bytes(base(), sep="\t"),
    "semicolons.csv": lambda: _bytes(base(), sep=";"),
    "empty.csv": lambda: b"",
    "blank.csv": lambda: b"\n\n\n",
    "header.csv": lambda: b"y,x,g\n",
    "one.csv": lambda: b"y,x,g\n1,2,3\n",
    "ragged.csv": lambda: b"y,x,g\n1,2,3\n1,2,3,4,5\n",
    "binary.csv": lambda: bytes(range(256)) * 4,
    "latin.csv": lambda: _bytes(base()) + "é,é".encode("latin-1"),
    "wide.csv": lambda: _bytes(base()).decode().encode("utf-16"),
    "quote.csv": lambda: b'y,x,g\n"1,2,3\n',
    "twice.csv": lambda: b"y,x,x,g\n" + b"1,2,3,4\n2,3,4,5\n" * 9,
    "commas.csv": lambda: b"y;x;g\n1;2,5;a\n3;1,5;b\n",
    "hostile.csv": lambda: b"y,x\x1b[31m,g\n1,2,3\n2,3,4\n",
    "text.parquet": lambda: b"not parquet",
    "text.feather": lambda: b"not feather",
    "data.txt": lambda: b"y x g\n1 2 3\n",
    "data.xlsx": lambda: b"PK",
}
FILES = (*_FILES, "ok.parquet", "ok.feather", "no.csv", "folder.csv", "")


@cache
def file(name: str) -> str:
    """The path of a file that a command reads."""
    path = folder() / name
    if name == "folder.csv":
        path.mkdir(exist_ok=True)
    elif name == "ok.parquet":
        base().to_parquet(path)
    elif name == "ok.feather":
        base().to_feather(path)
    elif name in _FILES:
        path.write_bytes(_FILES[name]())
    return str(path)
