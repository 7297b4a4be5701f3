"""The door: tables of any kind to pandas, and columns that must be there."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence, Sized
from contextlib import suppress
from difflib import get_close_matches
from pathlib import PurePath
from typing import Any, Final, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from mixcheck.arguments.alignment import align_rows, read_numbers
from mixcheck.arguments.options import shown
from mixcheck.arrays import FloatArray
from mixcheck.design.columns import Table, pick_column, require_unicode
from mixcheck.design.nodes import quote_name
from mixcheck.errors import DataError, UnknownColumnError

__all__ = [
    "RowVector",
    "as_frame",
    "check_finite",
    "columns_by_name",
    "own_frame",
    "read_vector",
    "require_columns",
    "row_label",
    "shown_name",
    "unknown_name",
]

_RELATION: Final = "DuckDBPyRelation"
# What holds rows of pyarrow or duckdb and is no table, and what makes one.
_TO_TABLES: Final[Mapping[str, str]] = {
    "RecordBatch": "pyarrow.Table.from_batches([batch])",
    "RecordBatchReader": "reader.read_all()",
    **dict.fromkeys(("FileSystemDataset", "InMemoryDataset", "Scanner"), "dataset.to_table()"),
    "DuckDBPyConnection": "connection.sql(query) or connection.table(name)",
}
RowVector: TypeAlias = "str | ArrayLike | None"
# Tables with so many columns are walked through.
_NARROW: Final = 10
# Since pandas 3 frames that share memory do not share changes.
_COPIES_ON_WRITE: Final = int(pd.__version__.partition(".")[0]) >= 3
# Longer names than this are cut in a message.
_MOST_SHOWN: Final = 60


def as_frame(data: object, name: str = "data") -> pd.DataFrame:
    """Table of any kind as a pandas frame; a pandas frame comes back itself.

    Parameters
    ----------
    data : pandas, polars, pyarrow or duckdb table, narwhals frame, or mapping of columns
        Lazy tables are collected. A polars Categorical has no order of its own and becomes
        text; an Enum keeps its order.
    name : str
        How the caller wrote the argument.

    Raises
    ------
    DataError
        If the object is not a table.
    """
    if isinstance(data, pd.DataFrame):
        return data
    if isinstance(data, Mapping):
        return _frame_of_mapping(data)
    if hasattr(data, "__dask_graph__"):
        data = _collected(data, data.compute, name)  # type: ignore[attr-defined]
        if isinstance(data, pd.DataFrame):
            return data
    _refuse_equal_names(data)
    import narwhals as nw

    try:
        if type(data).__name__ in _TO_TABLES:
            raise TypeError
        table = nw.from_native(data)  # type: ignore[call-overload]
    except TypeError as error:
        raise DataError(
            f"{name} is a {type(data).__name__}; give a pandas, polars, pyarrow or duckdb table, "
            f"or a dict of columns.{_how_to_give(data)}"
        ) from error
    if type(data).__name__ == _RELATION:
        return _frame_of_relation(data, table)
    if isinstance(table, nw.LazyFrame):
        table = _collected(data, table.collect, name)
    if table.implementation.is_polars():
        # The order of a polars Categorical depends on what else the process has read.
        table = table.with_columns(nw.selectors.by_dtype(nw.Categorical).cast(nw.String))
    try:
        return table.to_pandas()  # type: ignore[no-any-return]
    except ModuleNotFoundError:
        return pd.DataFrame({name: table[name].to_numpy() for name in table.columns})
    except Exception as error:  # whatever the library of the table raises
        raise DataError(_unreadable(table)) from error


def _frame_of_relation(data: Any, table: Any) -> pd.DataFrame:
    """What a relation of duckdb holds, through pyarrow or, of older ones or without it, by itself.

    By pyarrow a UUID is text and a UHUGEINT a number, which duckdb makes no column of pandas of;
    older ones have no ENUM.
    """
    with suppress(Exception):
        return (table.collect() if hasattr(table, "collect") else table).to_pandas()  # type: ignore[no-any-return]
    try:
        return data.df()  # type: ignore[no-any-return]
    except Exception as error:  # whatever duckdb raises
        raise DataError(
            f"a relation of duckdb cannot be read: {type(error).__name__}: {error}"
        ) from error


def _how_to_give(data: object) -> str:
    """What to write in place of an object that is no table, or ""."""
    if (known := _TO_TABLES.get(type(data).__name__)) is not None:
        return f" Write {known}."
    if isinstance(data, list | tuple):
        return " For tables in parts write mc.glmm_partitions."
    if not isinstance(data, str | PurePath):
        return ""
    read = "read_parquet" if PurePath(data).suffix == ".parquet" else "read_csv"
    return f" Read a file first: data=pandas.{read}({shown(str(data))})."


def _collected(data: object, collect: Callable[[], Any], name: str) -> Any:
    """What a lazy table holds."""
    try:
        return collect()
    except Exception as error:  # whatever the engine of the lazy table raises
        raise DataError(
            f"{name} is a lazy {type(data).__name__} that cannot be collected; do it."
        ) from error


def own_frame(frame: pd.DataFrame) -> pd.DataFrame:
    """A frame that stays as it is when the caller's changes."""
    return frame.copy(deep=not _COPIES_ON_WRITE)


def _refuse_equal_names(data: object) -> None:
    """Refuse an Arrow table with two columns of one name, which no reader can tell apart."""
    names = getattr(data, "column_names", None)
    if isinstance(names, list) and len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(
            f"{names.count(twice)} columns of the data are called `{twice}`; rename all but one."
        )


def _unreadable(table: Any) -> str:
    """Name the first column that pandas cannot hold."""
    for name in table.columns:
        try:
            table[name].to_pandas()
        except Exception:  # as in as_frame
            return (
                f"Column `{name}` of the data is {table[name].dtype}, which pandas cannot hold; "
                "cast it to 64-bit numbers or to text, or leave it out."
            )
    return "The data cannot be read as a table; give a pandas frame."


def _frame_of_mapping(data: Mapping[str, object]) -> pd.DataFrame:
    for name, column in data.items():
        if isinstance(column, set | frozenset):
            raise DataError(
                f"Column {shown(name)} of data is a set, which has no order; give a list."
            )
        if getattr(column, "ndim", 1) > 1:
            raise DataError(
                f"Column {shown(name)} of data has {column.ndim} dimensions; give one value a row."  # type: ignore[attr-defined]
            )
    for name in data:
        require_unicode(name, [name])
    try:
        return pd.DataFrame(dict(data))
    except UnicodeError as error:
        for name, column in data.items():
            require_unicode(name, [name, *np.ravel(np.asarray(column, dtype=object))])
        raise DataError("The columns of data hold text that is none.") from error
    except Exception as error:  # pandas has a type of error for every kind of column
        lengths = ", ".join(
            f"{shown(name)} {len(column) if isinstance(column, Sized) else 1}"
            for name, column in list(data.items())[:5]
        )
        raise DataError(
            "The columns of data do not make a table; give lists or arrays of one length, one "
            f"value a row (lengths found: {lengths})."
        ) from error


def require_columns(
    frame: pd.DataFrame,
    names: Iterable[str],
    known: Iterable[str],
    *,
    functions: Iterable[str] = (),
) -> None:
    """Fail if a name is neither a column nor among the `known` values.

    Raises
    ------
    UnknownColumnError
        With near names, of `functions` too.
    """
    available = set(frame.columns)
    known = set(known)
    for name in names:
        if name not in available and name not in known:
            raise UnknownColumnError(unknown_name(name, list(frame.columns), functions))


def unknown_name(name: str, columns: Sequence[object], functions: Iterable[str]) -> str:
    """Sentence that says a name is nothing, with names that are near."""
    functions = set(functions)
    texts = [str(column) for column in columns]
    folded = {_folded(text): text for text in reversed(texts)}
    near = get_close_matches(name, texts, n=3) or [
        folded[key] for key in get_close_matches(_folded(name), folded, n=3)
    ]
    near = near or [text for text in texts if _bare(name) and _bare(name) in _words_of(text)][:3]
    near += get_close_matches(name, functions, n=1, cutoff=0.8 if near else 0.6)
    said = f"`{shown_name(name)}` is no column of the data, nor a known function."
    if name in texts and name not in columns:
        return (
            f"`{name}` is no column of the data: a column is called by the number "
            f"{name}. Make the names text, with data.columns = data.columns.astype(str)."
        )
    listed = ", ".join(shown_name(text) for text in texts[:20])
    all_columns = f"The columns are {listed}{', ..' if len(texts) > 20 else ''}."
    hint = all_columns
    if near:
        hint = f"Did you mean {' or '.join(map(as_written, dict.fromkeys(near)))}?"
        if _folded(near[0]) == _folded(name) and near[0].casefold() != name.casefold():
            hint += " The two look alike, and are spelled with other Unicode characters."
        if not set(near) & set(texts):
            hint += f" {all_columns}"
    if name in functions:
        return f"`{name}` is no column of the data; the function needs its argument, {name}(x)."
    first = name.partition(".")[0]
    if first != name and first in texts:
        hint += " Attributes of columns are not read in a formula."
    return f"{said} {hint}"


def as_written(name: str) -> str:
    """Name in back-ticks; where a formula needs them, it is said."""
    if quote_name(name) == name:
        return f"`{name}`"
    return f"{shown_name(quote_name(name))} (written with its back-ticks)"


def shown_name(name: str) -> str:
    """Name without the characters that steer a terminal."""
    text = "".join(c if c.isprintable() else repr(c)[1:-1] for c in name)
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}.."


def _folded(name: str) -> str:
    return unicodedata.normalize("NFKC", name).casefold()


def _bare(name: str) -> str:
    """Name in the letters of a keyboard without accents: an umlaut is its vowel."""
    plain = unicodedata.normalize("NFKD", name.casefold())
    bare = "".join(c for c in plain if not unicodedata.combining(c))
    for written, vowel in (("ae", "a"), ("oe", "o"), ("ue", "u")):
        bare = bare.replace(written, vowel)
    return bare.strip()


def _words_of(name: str) -> set[str]:
    """The words of a name, and the whole of it, without accents."""
    return {_bare(name), *map(_bare, re.split(r"[\W_]+", name))}


def columns_by_name(frame: pd.DataFrame) -> Table:
    """What gives a column by its name: of a narrow table a dict of all its columns.

    pandas finds a column by an index of all names, which it makes at the first question, and makes
    a Series of it, which takes longer than all that is done with the column of a small table. So
    what the frame holds is taken as it is, where pandas has its private way to it.
    """
    if frame.shape[1] > _NARROW:
        return frame
    arrays = getattr(frame, "_iter_column_arrays", None)
    names = frame.columns.to_numpy(dtype=object)
    columns = dict(frame.items() if arrays is None else zip(names, arrays(), strict=True))
    # Where two have one name the frame gives both.
    return columns if len(columns) == frame.shape[1] else frame


def row_label(frame: pd.DataFrame, position: int) -> str:
    """Sentence part that names a row: its index label, and its position where they differ."""
    label = frame.index[position]
    shown = repr(label) if isinstance(label, str) else str(label)
    return (
        f"row {shown}"
        if label is position or shown == str(position)
        else (f"row {shown} (position {position})")
    )


def check_finite(values: FloatArray, names: tuple[str, ...], frame: pd.DataFrame) -> None:
    """Fail if an array, (n,) or (n, p), has a value that is not finite.

    Raises
    ------
    DataError
        Naming the first column and row, and how many there are.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        if math.isfinite(np.add.reduce(values, axis=None)):
            return
    bad = ~np.isfinite(values.reshape(len(values), -1))
    if not bad.any():
        return
    j = int(np.flatnonzero(bad.any(axis=0))[0])
    i = int(np.flatnonzero(bad[:, j])[0])
    value = values.reshape(len(values), -1)[i, j]
    raise DataError(
        f"`{names[j]}` is {value} in {row_label(frame, i)}, and not finite in "
        f"{int(bad[:, j].sum())} row(s). Correct these rows, or write a transformation that is "
        "defined there, such as log1p for log."
    )


def read_vector(given: RowVector, frame: pd.DataFrame, name: str) -> FloatArray | None:
    """Weights or offset, (rows of data,), by column name, by label, or in the order of the rows.

    A Series is matched by its index. Missing values come back as NaN.

    Raises
    ------
    UnknownColumnError, DataError
        If there is no such column, or the values are not numbers, one a row; or if the index of
        a Series is not that of the data.
    """
    if given is None:
        return None
    if isinstance(given, str):
        if given not in frame.columns and "(" in given:
            raise UnknownColumnError(
                f"{name}={shown(given)} is no column of the data, and no expression is read there; "
                + (
                    f"write offset({given}) in the formula."
                    if name == "offset"
                    else "make a column of it in the data."
                )
            )
        require_columns(frame, [given], ())
        given = pick_column(frame, given)
    numbers = read_numbers(align_rows(given, frame.index, name), name)
    if numbers.shape != (len(frame),):
        raise DataError(
            f"{name} has shape {numbers.shape}, the data have {len(frame)} rows; give one value a "
            "row, or the name of a column."
        )
    return numbers
